"""Devices and addresses: ``ip link``, ``ip addr`` (plain, ``-d``, ``-s``, ``-o``, ``-br``, JSON).

Without ``-d`` the tools do not say what a device is (a name such as docker0 proves nothing), so its type stays absent unless its link layer is proof.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from collectors.parsers import ifconfig
from collectors.parsers.emit import Emitter
from collectors.parsers.invocation import invocation
from collectors.parsers.jsontext import dict_of, dicts_of, emit_broken, int_of, is_json, read_json, text_of, texts_of
from collectors.parsers.text import clean_lines
from engine.inet import family_of, is_address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collectors.parsers.invocation import Invocation
    from collectors.place import Place
    from engine.facts import Fact, Source

_STATES = frozenset({"UP", "DOWN", "UNKNOWN", "LOWERLAYERDOWN", "DORMANT", "TESTING", "NOTPRESENT"})
_CERTAIN_TYPES = {"loopback": "loopback", "sit": "sit", "gre": "gre"}
"""Link layers that only one type of device has (``link/ipip`` is shared by ipip and vti)."""
_ADDRESS_FLAGS = frozenset({
    "secondary", "temporary", "dynamic", "deprecated", "tentative", "dadfailed", "noprefixroute", "mngtmpaddr", "nodad", "home", "stable-privacy",
    "optimistic", "autojoin", "permanent",
})
_ADDRESS_VALUED = frozenset({"any", "metric", "proto", "flags"})
_COUNTERS = {"packets": "packets", "dropped": "dropped", "missed": "missed", "missed_errors": "missed"}
"""Columns of ``ip -s`` and keys of its JSON → part of a field's name."""
_KIND_TEXTS: dict[str, dict[str, tuple[str, ...]]] = {
    "vxlan": {"vxlan_local": ("local", "local6"), "vxlan_remote": ("group", "remote", "group6", "remote6"), "vxlan_device": ("dev", "link")},
    "macvlan": {"macvlan_mode": ("mode",)},
    "macvtap": {"macvlan_mode": ("mode",)},
    "tun": {"tun_mode": ("type",)},
}
"""Kind of device → field → words of ``ip -d`` and keys of its JSON, the first that has a value counts."""
_KIND_INTEGERS: dict[str, dict[str, tuple[str, ...]]] = {
    "vxlan": {"vxlan_id": ("id",), "vxlan_port": ("dstport", "port")},
    "vlan": {"vlan_id": ("id",)},
}
"""As :data:`_KIND_TEXTS`, for numbers."""
PORT_FLAGS = ("hairpin", "isolated", "learning", "flood", "bcast_flood", "mcast_flood", "neigh_suppress", "locked")
"""Switches of a bridge port, as ``ip -d link`` and ``bridge -d link`` name them."""
_BRIDGE_SWITCHES = ("vlan_filtering", "nf_call_iptables", "nf_call_ip6tables")
_TUNNELS = frozenset({"ipip", "gre", "gretap", "sit", "geneve", "vti", "ip6tnl", "ip6gre", "ip6gretap", "erspan"})
_JSON_INTEGERS = {"ifindex": "index", "mtu": "mtu", "promiscuity": "promiscuity", "link_index": "peer_index", "link_netnsid": "netnsid"}
_KNOWN_LINES = frozenset({"altname", "vf", "prog/xdp", "xdp", "valid_lft", "bond_slave", "team_slave", "vrf_slave", "tc"})
"""Indented lines of which nothing is kept."""


def parse(source: Source, place: Place) -> list[Fact]:
    """Facts of ``ip link``, ``ip addr`` or ``ifconfig`` in any of the printed forms."""
    if ifconfig.is_ifconfig(source.text):
        return ifconfig.parse(source, place)
    out = Emitter(source, place)
    if is_json(source.text):
        read = read_json(source.text)
        emit_broken(out, read)
        for number, entry in read.items:
            if isinstance(entry, dict) and text_of(entry, "ifname"):
                _json_device(out, number, entry)
            elif entry:
                out.unparsed.add(number, str(entry))
        if read.complete:
            keys = {key for _, entry in read.items if isinstance(entry, dict) for key in entry}
            _claim(out, layer_2=not keys.isdisjoint({"link_type", "address"}), link_mode="linkmode" in keys)
        return out.done()
    reader = _Reader(out)
    for number, line in clean_lines(source.text):
        reader.line(number, line)
    reader.end()
    _claim(out, layer_2=reader.layer_2, link_mode=reader.link_mode, brief=reader.brief)
    return out.done()


def _claim(out: Emitter, layer_2: bool, link_mode: bool, brief: bool = False) -> None:
    """State what the listing covers: by the command line, and by the content where that tells more (command lines may be guessed from file names)."""
    if not out.facts:
        return
    call = invocation(out.source.command, "ip")
    families = {fact.fields["family"] for fact in out.facts if fact.kind == "address"}
    device, filtered = _filters(call) if call else ("", False)
    if filtered or (not device and "lo" not in {fact.get("name") or fact.get("device") for fact in out.facts}):
        # A listing that lacks the loopback device is restricted somehow, or a person cut it to what seemed to matter.
        return
    # "-4" lists only devices with an IPv4 address and never shows the link layer; "-o addr" does not show it either.
    one_line = call is not None and not {"-o", "-oneline"}.isdisjoint(call.options)
    family = call.family if call else 0
    if not family and not layer_2 and not one_line and len(families) == 1:
        family = families.pop()
    # The brief form does not tell which bridge a device is a port of: it is no picture of the links.
    if layer_2 and not family and not brief:
        out.collected("links", device or "all")
    if not link_mode and (_is_addr(call) if call else bool(families)):
        out.collected("addresses", device or "all", family)


def _is_addr(call: Invocation) -> bool:
    return bool(call.words) and "address".startswith(call.words[0])


def _filters(call: Invocation) -> tuple[str, bool]:
    """The device that the listing is restricted to (or ""), and whether it is restricted in another way."""
    words = [word for word in call.words[1:] if word not in {"show", "list", "ls", "lst", "s", "sh"}]
    if words and words[0] == "dev":
        del words[0]
    if not words:
        return "", call.piped
    restricted = len(words) > 1 or words[0] in {"up", "type", "master", "scope", "label", "to", "vrf", "group"}
    return words[0], restricted or call.piped


class _Reader:
    """Reads the lines of the text forms; a device's line opens it, and indented lines belong to it."""

    def __init__(self, out: Emitter) -> None:
        self._out = out
        self._link: dict[str, Any] | None = None
        self._device = ""
        self._layer = ""
        self._kind = ""
        self._counters: tuple[str, list[str]] | None = None
        self.layer_2 = False
        """Some line showed the link layer: the listing is not restricted to one address family."""
        self.brief = False
        """Some line was of the brief form."""
        self.link_mode = False
        """Some line showed what only ``ip link`` prints: no addresses are listed."""

    def line(self, number: int, line: str) -> None:
        """Read one line (of ``-o``: all the lines of a device or address)."""
        parts = line.split("\\")
        head = parts[0].split()
        if not head:
            return
        if line[0].isspace():
            understood = self._link is not None and self._detail(number, head)
        elif head[0].endswith(":") and head[0][:-1].isdecimal() and len(head) > 2:
            understood = self._open(number, head)
        else:
            understood = self._brief(number, head)
        if not understood:
            self._out.unparsed.add(number, line)
        for part in parts[1:]:
            words = part.split()
            if words and understood and self._device:
                self._detail(number, words)

    def end(self) -> None:
        """Close the device that is open: only now is it known that no line named its kind."""
        link, self._counters = self._link, None
        if link is not None and "type" not in link and self._layer == "ether" and "promiscuity" in link:
            link["type"] = "ether"
        self._link, self._device, self._layer, self._kind = None, "", "", ""

    def _open(self, number: int, words: Sequence[str]) -> bool:
        """``2: eth0@if3: <FLAGS> mtu 1500 … state UP`` or ``2: eth0    inet 10.0.0.1/24 …`` of ``-o addr``."""
        if words[2] in {"inet", "inet6"}:
            self.end()
            self._device = words[1].rstrip(":").partition("@")[0]
            return self._address(number, words[2:], int(words[0][:-1]))
        if not words[2].startswith("<") or not words[1].endswith(":"):
            return False
        self.end()
        fields: dict[str, Any] = {"index": int(words[0][:-1])}
        pairs = dict(pairwise(words[3:]))
        # busybox prints no state, and it looks the peer's index up in the wrong namespace.
        _set_name(fields, words[1][:-1], trust_peer="state" in pairs)
        _set_flags(fields, tuple(words[2].strip("<>").split(",")))
        if pairs.get("mtu", "").isdecimal():
            fields["mtu"] = int(pairs["mtu"])
        for key in ("master", "state"):
            if key in pairs:
                fields[key] = pairs[key]
        self.link_mode = self.link_mode or "mode" in pairs
        self._device = fields["name"]
        self._link = self._out.add("link", fields, number)
        return True

    def _brief(self, number: int, words: Sequence[str]) -> bool:
        """``eth0@if3  UP  02:00:…  <FLAGS>`` or ``eth0@if3  UP  10.0.0.1/24 fe80::1/64``."""
        if len(words) < 2 or words[1] not in _STATES:
            return False
        self.end()
        fields: dict[str, Any] = {"state": words[1]}
        _set_name(fields, words[0], trust_peer=True)
        self.layer_2 = self.brief = True
        self._out.add("link", fields, number)
        at = 2
        while at < len(words):
            word = words[at]
            if word.startswith("<"):
                self.link_mode = True
                _set_flags(fields, tuple(word.strip("<>").split(",")))
            elif word.count(":") == 5 and "/" not in word and not is_address(word):
                fields["mac"] = word.lower()
            else:
                peer = words[at + 1 : at + 2] == ["peer"]
                address = _address(["inet", *words[at : at + 3]] if peer else ["inet", word], fields["name"])
                if address:
                    self._out.add("address", {key: address[key] for key in address if key not in {"secondary", "dynamic"}}, number)
                at += 2 if peer else 1 if word == "metric" else 0
            at += 1
        return True

    def _detail(self, number: int, words: Sequence[str]) -> bool:
        """An indented line; gives whether it was understood."""
        link = self._link
        if words[0] in {"inet", "inet6"}:
            return self._address(number, words)
        if link is None:
            return words[0] == "valid_lft"
        if self._counters is not None:
            side, names = self._counters
            self._counters = None
            return _set_counters(link, side, names, words)
        if words[0] in {"RX:", "TX:", "RX", "TX"} and len(words) > 1:
            self._counters = (words[0].rstrip(":").lower(), list(words[1:]))
        elif words[0].startswith("link/"):
            self.layer_2 = True
            self._layer = words[0][5:]
            _set_layer(link, self._layer, words)
        elif words[0] == "alias":
            link["alias"] = " ".join(words[1:])
        elif words[0] == "bridge_slave":
            _set_port(link, dict(pairwise(words[1:])))
        elif "promiscuity" in link and not self._kind and words[0].isidentifier() and words[0] not in _KNOWN_LINES:
            self._kind = words[0]
            _set_kind(link, words[0], _after(words), "nolearning" not in words)
        else:
            return words[0] in _KNOWN_LINES or words[0].endswith("_slave")
        return True

    def _address(self, number: int, words: Sequence[str], index: int = 0) -> bool:
        fields = _address(words, self._device)
        if fields:
            fields |= {"index": index} if index else {}
            self._out.add("address", fields, number)
        return fields is not None


def _set_name(fields: dict[str, Any], name: str, trust_peer: bool) -> None:
    """Set the name, and the other end that ``@if7`` (in another namespace) or ``@veth1`` (in this one) tells."""
    name, _, peer = name.partition("@")
    fields["name"] = name
    if not trust_peer or not peer or peer == "NONE":
        return
    if peer.startswith("if") and peer[2:].isdecimal():
        fields["peer_index"] = int(peer[2:])
    else:
        fields["peer_name"] = peer


def _set_flags(fields: dict[str, Any], flags: tuple[str, ...]) -> None:
    """Set what the flags tell; of a device that is down the carrier is not known.

    NO-CARRIER beside LOWER_UP is a moment: the kernel tells the operational state up to a second after the carrier (``linkwatch``).
    """
    fields["flags"] = flags
    fields["up"] = "UP" in flags
    if fields["up"]:
        fields["carrier"] = "LOWER_UP" in flags
    if "LOOPBACK" in flags:
        fields["type"] = "loopback"


def _set_layer(link: dict[str, Any], layer: str, words: Sequence[str]) -> None:
    """``link/ether MAC brd … link-netns web promiscuity 0 …``; of a tunnel the addresses are the tunnel's ends."""
    look = _after(words)
    if layer in _CERTAIN_TYPES:
        link["type"] = _CERTAIN_TYPES[layer]
    elif layer == "ipip" and link["name"] == "tunl0":
        link["type"] = "ipip"
    address = words[1] if len(words) > 1 else ""
    if address.count(":") == 5 and not is_address(address):
        link["mac"] = address.lower()
    elif is_address(address):
        link["tunnel_local"] = address
        remote = look("peer") or look("brd")
        if is_address(remote):
            link["tunnel_remote"] = remote
    for key, name in (("link-netnsid", "netnsid"), ("promiscuity", "promiscuity")):
        if look(key).isdecimal():
            link[name] = int(look(key))
    if look("link-netns"):
        link["peer_stack"] = look("link-netns")


def _set_kind(link: dict[str, Any], kind: str, look: Callable[[str], str], learning: bool) -> None:
    """Set the type of a device and what its kind tells; ``look`` gives the value of a word of ``ip -d`` or of a key of its JSON."""
    link["type"] = kind
    for key, names in _KIND_TEXTS.get(kind, {}).items():
        value = next(filter(None, map(look, names)), "")
        if value:
            link[key] = value
    for key, names in _KIND_INTEGERS.get(kind, {}).items():
        value = next(filter(None, map(look, names)), "")
        if value.isdecimal():
            link[key] = int(value)
    if kind == "vxlan":
        link["vxlan_learning"] = learning
    elif kind == "bridge":
        link.update({key: look(key) in {"1", "True"} for key in _BRIDGE_SWITCHES if look(key)})
        if look("stp_state").isdecimal():
            link["stp"] = look("stp_state") != "0"
    elif kind in _TUNNELS:
        ends = {key: "0.0.0.0" if look(key) == "any" else look(key) for key in ("local", "remote")}  # noqa: S104  how tools print "any"
        link.update({f"tunnel_{key}": end for key, end in ends.items() if is_address(end)})


def _set_port(link: dict[str, Any], data: dict[str, Any]) -> None:
    """Set bridge port attributes (``on`` and ``off`` in text, booleans in JSON)."""
    for key in PORT_FLAGS:
        if data.get(key) in {"on", "off", True, False}:
            link[key] = data[key] in {"on", True}
    if isinstance(data.get("state"), str):
        link["port_state"] = data["state"]


def _set_counters(link: dict[str, Any], side: str, names: Sequence[str], values: Sequence[str]) -> bool:
    """Set packet counters from a line of values under a line of names; gives whether the line holds numbers."""
    for name, value in zip(names, values, strict=False):
        if name in _COUNTERS and value.isdecimal():
            link[f"{side}_{_COUNTERS[name]}"] = int(value)
    return all(value.isdecimal() for value in values)


def _after(words: Sequence[str]) -> Callable[[str], str]:
    """A function that gives the word after a keyword, or ""."""
    pairs: dict[str, str] = {}
    for key, value in pairwise(words):
        pairs.setdefault(key, value)
    return lambda key: pairs.get(key, "")


def _address(words: Sequence[str], device: str) -> dict[str, Any] | None:
    """Fields of ``inet ADDRESS/LENGTH [peer …] [brd …] [scope …] [flags] [label]``, or ``None`` if it is no address."""
    address, _, length = (words[1] if len(words) > 1 else "").partition("/")
    if not is_address(address):
        return None
    fields: dict[str, Any] = {"device": device, "address": address, "family": family_of(address)}
    at = 2
    while at < len(words):
        word = words[at]
        value = words[at + 1] if at + 1 < len(words) else ""
        at += 2
        if word == "peer":
            fields["peer"], _, length = value.partition("/")
        elif word == "brd":
            fields["broadcast"] = value
        elif word == "scope":
            fields["scope"] = value
        elif word not in _ADDRESS_VALUED:
            at -= 1
            if word not in _ADDRESS_FLAGS and fields["family"] == 4:
                fields["label"] = word
    fields["prefixlen"] = int(length) if length.isdecimal() else 128 if fields["family"] == 6 else 32
    fields["secondary"] = "secondary" in words or "temporary" in words
    fields["dynamic"] = "dynamic" in words
    return fields


def _json_device(out: Emitter, number: int, entry: dict[str, Any]) -> None:
    """A device of ``ip -j link`` or ``ip -j addr`` with its addresses."""
    fields: dict[str, Any] = {"name": text_of(entry, "ifname")}
    for key, name in _JSON_INTEGERS.items():
        value = int_of(entry, key)
        if value is not None and (key != "link_index" or value):
            fields[name] = value
    for key, name in (("operstate", "state"), ("master", "master"), ("ifalias", "alias"), ("link", "peer_name"), ("link_netns", "peer_stack")):
        if text_of(entry, key):
            fields[name] = text_of(entry, key)
    if "flags" in entry:
        _set_flags(fields, texts_of(entry, "flags"))
    _json_layer(fields, entry)
    _json_counters(fields, entry)
    if fields.keys() - {"name"}:
        out.add("link", fields, number, _shown(fields))
    for info in dicts_of(entry, "addr_info"):
        words = _address_words(info)
        address = _address(words, fields["name"])
        if address:
            # The brief form has neither flags nor lifetimes: there, their absence says nothing.
            known = "valid_life_time" in info or "scope" in info
            kept = {key: value for key, value in address.items() if known or key not in {"secondary", "dynamic"}}
            out.add("address", kept, number, f"{' '.join(words[1:])} dev {fields['name']}")


def _json_layer(fields: dict[str, Any], entry: dict[str, Any]) -> None:
    """Link layer address, kind and port attributes."""
    layer = text_of(entry, "link_type")
    words = ["", text_of(entry, "address"), "brd", text_of(entry, "broadcast")]
    _set_layer(fields, layer, words)
    info = dict_of(entry, "linkinfo")
    kind, data = text_of(info, "info_kind"), dict_of(info, "info_data")
    if kind:
        _set_kind(fields, kind, lambda key: text_of(data, key), data.get("learning") is not False)
    elif layer == "ether" and "promiscuity" in fields:
        fields["type"] = "ether"
    if text_of(info, "info_slave_kind") == "bridge":
        _set_port(fields, dict_of(info, "info_slave_data"))


def _json_counters(fields: dict[str, Any], entry: dict[str, Any]) -> None:
    """Counters of ``-s``."""
    stats = dict_of(entry, "stats64") or dict_of(entry, "stats")
    for side in ("rx", "tx"):
        for name, field in _COUNTERS.items():
            value = int_of(dict_of(stats, side), name)
            if value is not None:
                fields[f"{side}_{field}"] = value


def _shown(fields: dict[str, Any]) -> str:
    """The line that ``ip link`` would print, in short."""
    peer = fields.get("peer_name") or (f"if{fields['peer_index']}" if "peer_index" in fields else "")
    words = [f"{fields['index']}:"] if "index" in fields else []
    words.append(f"{fields['name']}{'@' + peer if peer else ''}:")
    words += [f"<{','.join(fields['flags'])}>"] if "flags" in fields else []
    words += [f"{key} {fields[key]}" for key in ("mtu", "master", "state") if key in fields]
    words += [f"{word} {fields[key]}" for word, key in (("vxlan id", "vxlan_id"), ("dstport", "vxlan_port")) if key in fields]
    return " ".join(words)


def _address_words(info: dict[str, Any]) -> list[str]:
    """The words that ``ip addr`` would print for an address object."""
    local, peer, length = text_of(info, "local"), text_of(info, "address"), text_of(info, "prefixlen")
    words = [text_of(info, "family") or "inet"]
    words += [local, "peer", f"{peer}/{length}"] if peer and peer != local else [f"{local}/{length}"]
    for word, key in (("brd", "broadcast"), ("scope", "scope")):
        words += [word, text_of(info, key)] if text_of(info, key) else []
    words += [flag for flag in sorted(_ADDRESS_FLAGS) if info.get(flag) is True]
    label = text_of(info, "label")
    return [*words, label] if label else words
