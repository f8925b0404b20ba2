"""Links, addresses, routes, rules, neighbours and fdb over rtnetlink, in the shape of ``ip -j`` and ``bridge -j``.

The shape is iproute2's on purpose: one parser then reads this and what people paste.  Each function
takes an open :class:`pyroute2.IPRoute` and answers for the network namespace of the calling thread.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Object = dict[str, Any]

AF_INET: Final = 2
AF_BRIDGE: Final = 7
AF_INET6: Final = 10

LINK_FLAGS: Final = (
    (0x8, "LOOPBACK"), (0x2, "BROADCAST"), (0x10, "POINTOPOINT"), (0x1000, "MULTICAST"), (0x80, "NOARP"), (0x200, "ALLMULTI"),
    (0x100, "PROMISC"), (0x400, "MASTER"), (0x800, "SLAVE"), (0x4, "DEBUG"), (0x8000, "DYNAMIC"), (0x4000, "AUTOMEDIA"), (0x2000, "PORTSEL"),
    (0x20, "NOTRAILERS"), (0x1, "UP"), (0x10000, "LOWER_UP"), (0x20000, "DORMANT"), (0x40000, "ECHO"),
)
"""IFF_* bits in iproute2's printing order."""

UP: Final = 0x1
RUNNING: Final = 0x40
LINK_TYPES: Final = {
    1: "ether", 772: "loopback", 65534: "none", 768: "ipip", 776: "sit", 778: "gre", 823: "gre6", 769: "tunnel6", 512: "ppp", 32: "infiniband",
}
"""ARPHRD_* as iproute2 prints it."""

LINK_DETAILS: Final = {
    "IFLA_ADDRESS": "address", "IFLA_BROADCAST": "broadcast", "IFLA_LINK_NETNSID": "link_netnsid", "IFLA_PROMISCUITY": "promiscuity",
    "IFLA_IFALIAS": "ifalias",
}
PORT_STATES: Final = ("disabled", "listening", "learning", "forwarding", "blocking")
PORT_FLAGS: Final = {
    "IFLA_BRPORT_MODE": "hairpin", "IFLA_BRPORT_GUARD": "guard", "IFLA_BRPORT_LEARNING": "learning", "IFLA_BRPORT_UNICAST_FLOOD": "flood",
    "IFLA_BRPORT_MCAST_FLOOD": "mcast_flood", "IFLA_BRPORT_BCAST_FLOOD": "bcast_flood", "IFLA_BRPORT_PROXYARP": "proxy_arp",
    "IFLA_BRPORT_NEIGH_SUPPRESS": "neigh_suppress", "IFLA_BRPORT_VLAN_TUNNEL": "vlan_tunnel", "IFLA_BRPORT_ISOLATED": "isolated",
    "IFLA_BRPORT_LOCKED": "locked",
}
"""IFLA_BRPORT_* switches → names in ``info_slave_data``."""

SCOPES: Final = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
TABLES: Final = {253: "default", 254: "main", 255: "local"}
PROTOCOLS: Final = {
    0: "unspec", 1: "redirect", 2: "kernel", 3: "boot", 4: "static", 8: "gated", 9: "ra", 10: "mrt", 11: "zebra", 12: "bird", 13: "dnrouted",
    14: "xorp", 15: "ntk",
    16: "dhcp", 18: "keepalived", 42: "babel", 186: "bgp", 187: "isis", 188: "ospf", 189: "rip", 192: "eigrp",
}
ROUTE_TYPES: Final = {
    1: "unicast", 2: "local", 3: "broadcast", 4: "anycast", 5: "multicast", 6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw", 10: "nat",
    11: "xresolve",
}
NEXTHOP_FLAGS: Final = (
    (0x1, "dead"), (0x2, "pervasive"), (0x4, "onlink"), (0x8, "offload"), (0x10, "linkdown"), (0x20, "unresolved"), (0x40, "trap"),
)
CLONED: Final = 0x200
"""RTM_F_CLONED: a cached route, which ``ip route show`` leaves out."""

RULE_ACTIONS: Final = {3: "nop", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
NEIGHBOR_STATES: Final = (
    (0x1, "INCOMPLETE"), (0x2, "REACHABLE"), (0x4, "STALE"), (0x8, "DELAY"), (0x10, "PROBE"), (0x20, "FAILED"), (0x40, "NOARP"), (0x80, "PERMANENT"),
)
NOARP: Final = 0x40
PERMANENT: Final = 0x80
NEIGHBOR_FLAGS: Final = ((0x2, "self"), (0x8, "proxy"), (0x10, "extern_learn"), (0x20, "offload"), (0x80, "router"), (0x40, "sticky"))
PROXY: Final = 0x8
NO_MASK: Final = 0xFFFFFFFF
IP_PROTOCOLS: Final = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp", 132: "sctp", 47: "gre", 4: "ipip"}


class TooManyRecords(Exception):  # noqa: N818  (not an error: the caller turns to a faster program)
    """A dump is larger than is sensible to decode in Python."""


def attributes(message: Mapping[str, Any]) -> dict[str, Any]:
    """The netlink attributes of a message by name (the last one wins)."""
    return dict(message.get("attrs", ()))


def listing(objects: Iterable[Object]) -> str:
    """JSON array with one object a line, so that a line number points at one object."""
    lines = [json.dumps(item, separators=(",", ":")) for item in objects]
    return "[" + ",\n".join(lines) + "]\n"


def names(ipr: Any) -> dict[int, str]:
    """Device names by ifindex."""
    return {m["index"]: attributes(m).get("IFLA_IFNAME", "") for m in ipr.get_links()}


def flag_names(value: int, table: Iterable[tuple[int, str]]) -> list[str]:
    """Names of the bits that are set, in the order of ``table``."""
    return [name for bit, name in table if value & bit]


# --- links -------------------------------------------------------------------------------------------------------------


def links(ipr: Any) -> list[Object]:
    """``ip -d -s -j link``."""
    messages = list(ipr.get_links())
    by_index = {m["index"]: attributes(m).get("IFLA_IFNAME", "") for m in messages}
    return [link(m, by_index) for m in messages]


def link(message: Mapping[str, Any], by_index: Mapping[int, str]) -> Object:
    """One device."""
    attrs = attributes(message)
    made: Object = {"ifindex": message["index"]}
    lower = attrs.get("IFLA_LINK")
    if lower and "IFLA_LINK_NETNSID" in attrs:
        made["link_index"] = lower
    elif lower:
        made["link"] = by_index.get(lower, f"if{lower}")
    flags = message["flags"]
    no_carrier = ["NO-CARRIER"] if flags & UP and not flags & RUNNING else []
    made.update(ifname=attrs.get("IFLA_IFNAME", ""), flags=no_carrier + flag_names(flags, LINK_FLAGS), mtu=attrs.get("IFLA_MTU"))
    if attrs.get("IFLA_MASTER"):
        made["master"] = by_index.get(attrs["IFLA_MASTER"], f"if{attrs['IFLA_MASTER']}")
    made.update(operstate=attrs.get("IFLA_OPERSTATE", "UNKNOWN"), txqlen=attrs.get("IFLA_TXQLEN"))
    made["link_type"] = LINK_TYPES.get(message["ifi_type"], "none")
    made.update({name: attrs[key] for key, name in LINK_DETAILS.items() if attrs.get(key) is not None})
    if "IFLA_LINKINFO" in attrs:
        made["linkinfo"] = link_info(attributes(attrs["IFLA_LINKINFO"]), by_index)
    if "IFLA_STATS64" in attrs:
        made["stats64"] = statistics(attrs["IFLA_STATS64"])
    return made


def statistics(counters: Mapping[str, int]) -> Object:
    """Counters by direction."""
    made: dict[str, Object] = {
        side: {what: counters.get(f"{side}_{what}", 0) for what in ("bytes", "packets", "errors", "dropped")}
        for side in ("rx", "tx")
    }
    made["rx"]["missed_errors"] = counters.get("rx_missed_errors", 0)
    return dict(made)


def link_info(info: Mapping[str, Any], by_index: Mapping[int, str]) -> Object:
    """``linkinfo``: what kind of device, and its settings."""
    made: Object = {}
    if kind := info.get("IFLA_INFO_KIND"):
        made["info_kind"] = kind
        data = info.get("IFLA_INFO_DATA")
        reader = INFO_DATA.get(kind)
        if reader is not None and isinstance(data, dict):
            made["info_data"] = {k: v for k, v in reader(attributes(data), by_index).items() if v is not None}
    if slave := info.get("IFLA_INFO_SLAVE_KIND"):
        made["info_slave_kind"] = slave
        data = info.get("IFLA_INFO_SLAVE_DATA")
        if slave == "bridge" and isinstance(data, dict):
            made["info_slave_data"] = bridge_port(attributes(data))
    return made


def bridge_port(data: Mapping[str, Any]) -> Object:
    """State and switches of a bridge port."""
    state = data.get("IFLA_BRPORT_STATE", 0)
    made: Object = {"state": PORT_STATES[state] if state < len(PORT_STATES) else str(state)}
    made.update({name: bool(data[key]) for key, name in PORT_FLAGS.items() if key in data})
    return made


def _vxlan(data: Mapping[str, Any], by_index: Mapping[int, str]) -> Object:
    lower = data.get("IFLA_VXLAN_LINK")
    group = data.get("IFLA_VXLAN_GROUP") or data.get("IFLA_VXLAN_GROUP6")
    return {
        "id": data.get("IFLA_VXLAN_ID"), group_word(group): group, "local": data.get("IFLA_VXLAN_LOCAL") or data.get("IFLA_VXLAN_LOCAL6"),
        "link": by_index.get(int(lower)) if lower else None, "port": data.get("IFLA_VXLAN_PORT"),
        "learning": _switch(data.get("IFLA_VXLAN_LEARNING")),
        "ttl": data.get("IFLA_VXLAN_TTL"), "ageing": data.get("IFLA_VXLAN_AGEING"), "udp_csum": _switch(data.get("IFLA_VXLAN_UDP_CSUM")),
        "external": True if data.get("IFLA_VXLAN_COLLECT_METADATA") else None,
    }


def group_word(address: str | None) -> str:
    """iproute2 calls a multicast destination ``group`` and any other ``remote``."""
    if not address:
        return "group"
    multicast = address.lower().startswith("ff") if ":" in address else 224 <= int(address.partition(".")[0]) < 240
    return "group" if multicast else "remote"


def _switch(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _vlan(data: Mapping[str, Any], _: Mapping[int, str]) -> Object:
    protocol = {0x8100: "802.1Q", 0x88A8: "802.1ad"}.get(int(data.get("IFLA_VLAN_PROTOCOL", 0x8100)))
    return {"protocol": protocol, "id": data.get("IFLA_VLAN_ID")}


def _bridge(data: Mapping[str, Any], _: Mapping[int, str]) -> Object:
    renamed = {
        "IFLA_BR_STP_STATE": "stp_state", "IFLA_BR_VLAN_FILTERING": "vlan_filtering", "IFLA_BR_AGEING_TIME": "ageing_time",
        "IFLA_BR_FORWARD_DELAY": "forward_delay",
        "IFLA_BR_NF_CALL_IPTABLES": "nf_call_iptables", "IFLA_BR_NF_CALL_IP6TABLES": "nf_call_ip6tables",
        "IFLA_BR_NF_CALL_ARPTABLES": "nf_call_arptables",
        "IFLA_BR_VLAN_DEFAULT_PVID": "vlan_default_pvid",
    }
    return {name: data.get(key) for key, name in renamed.items()}


def _macvlan(data: Mapping[str, Any], _: Mapping[int, str]) -> Object:
    return {"mode": data.get("IFLA_MACVLAN_MODE")}


def _ipvlan(data: Mapping[str, Any], _: Mapping[int, str]) -> Object:
    mode = data.get("IFLA_IPVLAN_MODE", 0)
    return {"mode": {0: "l2", 1: "l3", 2: "l3s"}.get(mode, mode)}


def _tun(data: Mapping[str, Any], _: Mapping[int, str]) -> Object:
    return {"type": {1: "tun", 2: "tap"}.get(data.get("IFLA_TUN_TYPE", 0)), "persist": _switch(data.get("IFLA_TUN_PERSIST"))}


def _tunnel(data: Mapping[str, Any], _: Mapping[int, str]) -> Object:
    """ipip, sit, gre and geneve: their attributes differ by prefix only."""
    short = {key.rsplit("_", 1)[-1]: value for key, value in data.items()}
    ends = {"remote": short.get("REMOTE") or short.get("REMOTE6"), "local": short.get("LOCAL")}
    shown = {name: "any" if end in {"0.0.0.0", "::"} else end for name, end in ends.items()}  # noqa: S104  (iproute2's word for it)
    return {**shown, "id": short.get("ID"), "port": short.get("PORT"), "ttl": short.get("TTL")}


INFO_DATA: Final[dict[str, Callable[[Mapping[str, Any], Mapping[int, str]], Object]]] = {
    "vxlan": _vxlan, "vlan": _vlan, "bridge": _bridge, "macvlan": _macvlan, "macvtap": _macvlan, "ipvlan": _ipvlan, "tun": _tun, "ipip": _tunnel,
    "sit": _tunnel,
    "gre": _tunnel, "gretap": _tunnel, "ip6tnl": _tunnel, "ip6gre": _tunnel, "geneve": _tunnel,
}
"""Readers of ``info_data`` by kind of device."""

# --- addresses ---------------------------------------------------------------------------------------------------------

SECONDARY: Final = 0x1
DADFAILED: Final = 0x8
DEPRECATED: Final = 0x20
TENTATIVE: Final = 0x40
IFA_PERMANENT: Final = 0x80


def addresses(ipr: Any) -> list[Object]:
    """``ip -j address``: every device with its addresses."""
    messages = list(ipr.get_links())
    by_index = {m["index"]: attributes(m).get("IFLA_IFNAME", "") for m in messages}
    found: dict[int, list[Object]] = {m["index"]: [] for m in messages}
    for message in sorted(ipr.get_addr(), key=lambda m: int(m["family"])):
        found.setdefault(message["index"], []).append(address(message))
    made = []
    for message in messages:
        device = link(message, by_index)
        for detail in ("linkinfo", "stats64", "promiscuity"):
            device.pop(detail, None)
        made.append({**device, "addr_info": found[message["index"]]})
    return made


def address(message: Mapping[str, Any]) -> Object:
    """One entry of ``addr_info``."""
    attrs = attributes(message)
    local = attrs.get("IFA_LOCAL") or attrs.get("IFA_ADDRESS")
    made: Object = {"family": "inet" if message["family"] == AF_INET else "inet6", "local": local}
    if attrs.get("IFA_ADDRESS") not in {None, local}:
        made["address"] = attrs["IFA_ADDRESS"]
    made["prefixlen"] = message["prefixlen"]
    if "IFA_BROADCAST" in attrs:
        made["broadcast"] = attrs["IFA_BROADCAST"]
    made["scope"] = SCOPES.get(message["scope"], str(message["scope"]))
    flags = attrs.get("IFA_FLAGS", message["flags"])
    # The same bit means "temporary" on an IPv6 address.
    first = "secondary" if message["family"] == AF_INET else "temporary"
    marks = ((SECONDARY, first), (DADFAILED, "dadfailed"), (DEPRECATED, "deprecated"), (TENTATIVE, "tentative"))
    made.update({name: True for bit, name in marks if flags & bit})
    if not flags & IFA_PERMANENT:
        made["dynamic"] = True
    if "IFA_LABEL" in attrs:
        made["label"] = attrs["IFA_LABEL"]
    times = attrs.get("IFA_CACHEINFO", {})
    made.update(valid_life_time=times.get("ifa_valid"), preferred_life_time=times.get("ifa_preferred"))
    return made


PREFERENCES = {0: "medium", 1: "high", 3: "low"}
"""Router preferences (RFC 4191)."""


# --- routes and rules --------------------------------------------------------------------------------------------------


def routes(ipr: Any, limit: int = 1 << 62) -> list[Object]:
    """``ip -j route show table all`` of both families; raises :class:`TooManyRecords` past ``limit``."""
    by_index = names(ipr)
    made: list[Object] = []
    for family in (AF_INET, AF_INET6):
        for message in ipr.get_routes(family=family):
            if message["flags"] & CLONED:
                continue
            made.append(route(message, by_index))
            if len(made) > limit:
                raise TooManyRecords
    return made


def route(message: Mapping[str, Any], by_index: Mapping[int, str]) -> Object:
    """One route."""
    attrs = attributes(message)
    family = message["family"]
    made: Object = {}
    if message["type"] != 1:
        made["type"] = ROUTE_TYPES.get(message["type"], str(message["type"]))
    made["dst"] = prefix(attrs.get("RTA_DST"), message["dst_len"], family)
    if message["src_len"]:
        made["from"] = prefix(attrs.get("RTA_SRC"), message["src_len"], family)
    if message["tos"]:
        made["tos"] = f"{message['tos']:#04x}"
    made.update(next_hop(attrs, by_index))
    made.update(route_origin(message, attrs))
    made.update({name: attrs[key] for key, name in (("RTA_PREFSRC", "prefsrc"), ("RTA_PRIORITY", "metric")) if key in attrs})
    made["flags"] = flag_names(message["flags"], NEXTHOP_FLAGS)
    if metrics := route_metrics(attrs):
        made["metrics"] = [metrics]
    if isinstance(attrs.get("RTA_MULTIPATH"), list):
        made["nexthops"] = [multipath(hop, by_index) for hop in attrs["RTA_MULTIPATH"]]
    if family == AF_INET6:
        # All that tells a default route without a gateway from IPv4's.
        made["pref"] = PREFERENCES.get(attrs.get("RTA_PREF", 0), "medium")
    return made


def route_origin(message: Mapping[str, Any], attrs: Mapping[str, Any]) -> Object:
    """Table, protocol and scope, where they are not what iproute2 takes for granted."""
    made: Object = {}
    table = attrs.get("RTA_TABLE", message["table"])
    if table != 254:
        made["table"] = TABLES.get(table, str(table))
    if message["proto"] != 3:
        made["protocol"] = PROTOCOLS.get(message["proto"], str(message["proto"]))
    if message["family"] == AF_INET and message["scope"]:
        made["scope"] = SCOPES.get(message["scope"], str(message["scope"]))
    return made


def prefix(address_text: str | None, length: int, family: int) -> str:
    """``default``, a bare address for a host route, or ``address/length``."""
    if address_text is None:
        unspecified = "0.0.0.0" if family == AF_INET else "::"  # noqa: S104  (a destination, nothing binds)
        return f"{unspecified}/{length}" if length else "default"
    return address_text if length == (32 if family == AF_INET else 128) else f"{address_text}/{length}"


def next_hop(attrs: Mapping[str, Any], by_index: Mapping[int, str]) -> Object:
    """Next hop object, gateway and device."""
    made: Object = {}
    if attrs.get("RTA_NH_ID"):
        made["nhid"] = attrs["RTA_NH_ID"]
    if attrs.get("RTA_GATEWAY"):
        made["gateway"] = attrs["RTA_GATEWAY"]
    via = attrs.get("RTA_VIA")
    if isinstance(via, dict):
        made["via"] = {"family": "inet6" if via.get("family") == AF_INET6 else "inet", "host": via.get("addr")}
    if attrs.get("RTA_OIF"):
        made["dev"] = by_index.get(attrs["RTA_OIF"], f"if{attrs['RTA_OIF']}")
    return made


def multipath(hop: Mapping[str, Any], by_index: Mapping[int, str]) -> Object:
    """One next hop of a multipath route."""
    made = next_hop(attributes(hop), by_index)
    made.setdefault("dev", by_index.get(hop.get("oif", 0), f"if{hop.get('oif', 0)}"))
    return {**made, "weight": hop.get("hops", 0) + 1, "flags": flag_names(hop.get("flags", 0), NEXTHOP_FLAGS)}


def route_metrics(attrs: Mapping[str, Any]) -> Object:
    """MTU and advertised MSS, where the route sets them."""
    metrics = attrs.get("RTA_METRICS")
    if not isinstance(metrics, dict):
        return {}
    values = attributes(metrics)
    renamed = {"RTAX_MTU": "mtu", "RTAX_ADVMSS": "advmss"}
    return {name: values[key] for key, name in renamed.items() if values.get(key)}


def rules(ipr: Any, family: int) -> list[Object]:
    """``ip -j rule`` (or ``ip -6 -j rule``)."""
    return [rule(m) for m in ipr.get_rules(family=family)]


def rule(message: Mapping[str, Any]) -> Object:
    """One policy routing rule."""
    attrs = attributes(message)
    made: Object = {"priority": attrs.get("FRA_PRIORITY", 0)}
    if message["flags"] & 0x2:
        made["not"] = None
    made["src"] = attrs.get("FRA_SRC", "all")
    if message["src_len"] and "FRA_SRC" in attrs:
        made["srclen"] = message["src_len"]
    if "FRA_DST" in attrs:
        made.update(dst=attrs["FRA_DST"], dstlen=message["dst_len"])
    if message["tos"]:
        made["tos"] = f"{message['tos']:#04x}"
    made.update(rule_selectors(attrs))
    action = message["action"]
    if action == 2:
        made["goto"] = attrs.get("FRA_GOTO", 0)
    elif action in RULE_ACTIONS:
        made["action"] = RULE_ACTIONS[action]
    else:
        table = attrs.get("FRA_TABLE", message["table"])
        made["table"] = TABLES.get(table, str(table))
    suppress = attrs.get("FRA_SUPPRESS_PREFIXLEN", NO_MASK)
    if suppress != NO_MASK:
        made["suppress_prefixlen"] = suppress
    return made


def rule_selectors(attrs: Mapping[str, Any]) -> Object:
    """Mark, devices, user and port selectors of a rule."""
    made: Object = {}
    if attrs.get("FRA_FWMARK") or attrs.get("FRA_FWMASK", NO_MASK) != NO_MASK:
        made["fwmark"] = hex(attrs.get("FRA_FWMARK", 0))
        if attrs.get("FRA_FWMASK", NO_MASK) != NO_MASK:
            made["fwmask"] = hex(attrs["FRA_FWMASK"])
    made.update({name: attrs[key] for key, name in (("FRA_IIFNAME", "iif"), ("FRA_OIFNAME", "oif")) if attrs.get(key)})
    if attrs.get("FRA_L3MDEV"):
        made["l3mdev"] = None
    if isinstance(users := attrs.get("FRA_UID_RANGE"), dict):
        made.update(uid_start=users.get("start"), uid_end=users.get("end"))
    elif isinstance(users, str) and ":" in users:
        first, _, last = users.partition(":")
        made.update(uid_start=int(first), uid_end=int(last))
    if attrs.get("FRA_IP_PROTO"):
        made["ipproto"] = IP_PROTOCOLS.get(attrs["FRA_IP_PROTO"], f"ipproto-{attrs['FRA_IP_PROTO']}")
    for key, name in (("FRA_SPORT_RANGE", "sport"), ("FRA_DPORT_RANGE", "dport")):
        if key in attrs:
            made.update(port_range(attrs[key], name))
    return made


def port_range(value: Any, name: str) -> Object:
    """A port selector: one port, or the two ends of a range."""
    first, last = (value.get("start"), value.get("end")) if isinstance(value, dict) else (int(part) for part in str(value).split(":"))
    return {name: first} if first == last else {f"{name}_start": first, f"{name}_end": last}


# --- neighbours and fdb ------------------------------------------------------------------------------------------------


def neighbors(ipr: Any) -> list[Object]:
    """``ip -j neigh``: without the entries that need no resolution, as iproute2 does."""
    by_index = names(ipr)
    return [neighbor(m, by_index) for m in ipr.get_neighbours() if m["family"] in {AF_INET, AF_INET6} and m["state"] not in {0, NOARP}]


def neighbor(message: Mapping[str, Any], by_index: Mapping[int, str]) -> Object:
    """One neighbour."""
    attrs = attributes(message)
    made: Object = {"dst": attrs.get("NDA_DST"), "dev": by_index.get(message["ifindex"], f"if{message['ifindex']}")}
    if attrs.get("NDA_LLADDR"):
        made["lladdr"] = attrs["NDA_LLADDR"]
    made.update(dict.fromkeys(set(flag_names(message["flags"], NEIGHBOR_FLAGS)) & {"router", "proxy", "extern_learn"}))
    made["state"] = flag_names(message["state"], NEIGHBOR_STATES)
    return made


def fdb(ipr: Any) -> list[Object]:
    """``bridge -j fdb show``."""
    by_index = names(ipr)
    return [fdb_entry(m, by_index) for m in ipr.get_neighbours(family=AF_BRIDGE)]


def fdb_entry(message: Mapping[str, Any], by_index: Mapping[int, str]) -> Object:
    """One entry of a bridge's or VXLAN device's forwarding database."""
    attrs = attributes(message)
    made: Object = {"mac": attrs.get("NDA_LLADDR", "00:00:00:00:00:00"), "ifname": by_index.get(message["ifindex"], f"if{message['ifindex']}")}
    renamed = {"NDA_DST": "dst", "NDA_VLAN": "vlan", "NDA_PORT": "port", "NDA_VNI": "vni"}
    made.update({name: attrs[key] for key, name in renamed.items() if attrs.get(key)})
    made["flags"] = flag_names(message["flags"], NEIGHBOR_FLAGS)
    if attrs.get("NDA_MASTER"):
        made["master"] = by_index.get(attrs["NDA_MASTER"], f"if{attrs['NDA_MASTER']}")
    made["state"] = fdb_state(message["state"])
    return made


def fdb_state(state: int) -> str:
    """``permanent``, ``static``, ``stale`` or "" (learned), as ``bridge fdb`` prints it."""
    if state & PERMANENT:
        return "permanent"
    if state & NOARP:
        return "static"
    return "stale" if state & 0x4 else ""


READERS: Final[dict[str, Callable[[Any], list[Object]]]] = {
    "ip -d -s -j link": links,
    "ip -j address": addresses,
    "ip -j route show table all": lambda ipr: routes(ipr, 5_000),
    "ip -j rule": lambda ipr: rules(ipr, AF_INET),
    "ip -6 -j rule": lambda ipr: rules(ipr, AF_INET6),
    "ip -j neigh": neighbors,
    "bridge -j fdb show": fdb,
}
"""What each command line is read with."""


def namespace_ids(ipr: Any, descriptors: Mapping[str, int], wanted: Iterable[int]) -> dict[int, str]:
    """Which of the namespaces in ``descriptors`` (stack → open file) the given link-netnsids mean here."""
    left = set(wanted)
    found: dict[int, str] = {}
    for stack, descriptor in descriptors.items():
        if not left:
            break
        number = _namespace_id(ipr, descriptor)
        if number in left:
            found[number] = stack
            left.discard(number)
    return found


def _namespace_id(ipr: Any, descriptor: int) -> int:
    """The id of a namespace as seen from this one (asking assigns none, unlike moving a device); -1 if it has none."""
    answer = ipr.get_netnsid(fd=descriptor)
    number = int(answer["nsid"])
    return -1 if number == NO_MASK else number
