"""Facts about names that follow from files: what a resolv.conf makes programs do, forwarders that ask themselves, a machine's own name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from engine.facts import HOST, Fact
from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.facts import FactBase

RESOLV: Final = "/etc/resolv.conf"
DNS: Final = 53
EMBEDDED: Final = "127.0.0.11"
"""docker's resolver in containers of networks that users made."""
LOOPBACK: Final = ("127.", "::1")
LOCAL: Final = (*LOOPBACK, "169.254.")
"""Servers that answer on the machine itself (NodeLocal DNSCache)."""

TOP_LEVEL: Final = frozenset({
    "com", "net", "org", "info", "biz", "io", "co", "cn", "de", "uk", "us", "eu", "fr", "nl", "ru", "jp", "kr", "in", "br", "au", "ca", "ch",
    "it", "es", "pl", "se", "tw", "hk", "sg", "top", "xyz", "site", "online", "shop", "app", "dev", "cloud", "me", "tv", "cc", "ws", "ph", "vg",
    "la", "tk", "ml", "ga", "cf", "gq", "name", "pro", "mobi", "asia", "club", "vip", "wang", "ai", "gg", "to",
})  # fmt: skip
"""Top-level domains of the internet: as a search domain, each makes any stranger's domain an answer."""
COUNTRY: Final = 2
"""Letters of a country's top-level domain; no other has two."""
WILDCARDS: Final = ("nip.io", "sslip.io", "xip.io", "traefik.me", "localtest.me", "lvh.me", "vcap.me", "lacolhost.com", "readme.localtest.me")
"""Domains that answer every name."""


# --- resolv.conf ---------------------------------------------------------------------------------------------------------


def resolvers(base: FactBase) -> Iterator[Fact]:
    """A ``resolver`` fact for every resolv.conf that programs read."""
    wild = {str(w).strip(".").lower() for f in base.of_kind("dns_forwarder") for w in f.get("wildcards", ())}
    wild |= {domain for f in base.of_kind("observed") if (domain := _stranger(f))} | _same_for_all(base) | _appended(base)
    serving = {str(a) for f in base.of_kind("service") if _is_dns(f) for a in f.get("cluster_ips", ()) if a != "None"}
    held = {str(a) for f in base.of_kind("service") for a in (*f.get("cluster_ips", ()), *f.get("external_ips", ()))}
    held |= {str(f.get("address")) for f in base.of_kind("address")}
    for fact in base.of_kind("dns_config"):
        if not str(fact.get("file", "")).startswith("/run/"):
            fields = _resolver(fact, wild)
            asked = fields["nameservers"]
            if fields["cluster"] and serving and asked and not any(s in held or s.startswith(LOCAL) for s in asked):
                fields["dns_service"] = min(serving)
            # What proves a search list is its own line.
            line, shown = (int(fact.get("search_line")), "") if "wildcard" in fields and "search_line" in fact.fields else (fact.line, fact.shown)
            yield Fact("resolver", fields, fact.node, fact.stack, fact.source, line, shown)


def _is_dns(service: Fact) -> bool:
    return service.get("namespace") == "kube-system" and str(service.get("name")) in {"kube-dns", "coredns", "rke2-coredns-rke2-coredns"}


def _stranger(attempt: Fact) -> str:
    """The search domain that answered for a whole name of the internet, as a look-up shows; "" if none did.

    Short names of Services have dots too, and are answered by the cluster's own domains.
    """
    name, answered = str(attempt.get("name", "")).lower(), str(attempt.get("answered", ""))
    domain = answered[len(name) + 1 :]
    return domain if answered and _is_whole(name) and not _of_cluster(domain) else ""


def _is_whole(name: str) -> bool:
    """Whether a name is one of the internet, with its top-level domain."""
    last = name.rpartition(".")[2]
    return "." in name and (last in TOP_LEVEL or (len(last) == COUNTRY and last.isalpha()))


def _appended(base: FactBase) -> set[str]:
    """Search domains behind a whole name that was found: nobody's machine is called ``google.com.home.net``, whatever was typed."""
    domains = {str(d).strip(".").lower() for f in base.of_kind("dns_config") for d in f.get("search", ())}
    names = {str(f.get("name", "")).lower().rstrip(".") for f in base.of_kind("observed") if f.get("outcome") == "resolved"}
    return {d for d in domains for n in names if n.endswith(f".{d}") and _is_whole(n.removesuffix(f".{d}")) and not _of_cluster(d)}


def _same_for_all(base: FactBase) -> set[str]:
    """Search domains under which look-ups of different names ended at the same place, as they do where any name is answered."""
    ends: dict[tuple[str, str, str], set[str]] = {}
    domains: dict[tuple[str, str, str], set[str]] = {}
    for fact in base.of_kind("observed"):
        name, answered, canonical = (str(fact.get(field, "")).lower() for field in ("name", "answered", "canonical"))
        if not name or not (answered or canonical):
            continue
        place = (fact.node, fact.stack, canonical or ",".join(fact.get("addresses", ()) or (str(fact.get("address", "")),)))
        ends.setdefault(place, set()).add(name)
        if answered:
            domains.setdefault(place, set()).add(answered[len(name) + 1 :])
    return {domain for place, names in ends.items() if len(names) > 1 for domain in domains.get(place, ()) if not _of_cluster(domain)}


def _of_cluster(domain: str) -> bool:
    """Whether a search domain is a cluster's own."""
    return f".{domain}.".endswith((".svc.", ".cluster.local.")) or ".svc." in f".{domain}."


def taken_names(base: FactBase) -> Iterator[Fact]:
    """A ``taken_name`` fact for every look-up that a search domain answered before whoever is called so could."""
    for fact in base.of_kind("observed"):
        name, answered = str(fact.get("name", "")).lower(), str(fact.get("answered", "")).lower()
        domain = answered[len(name) + 1 :]
        found = set(fact.get("addresses", ()) or (fact.get("address"),))
        if not domain or _of_cluster(domain):
            continue
        right = next((address for address in _called(base, fact, name) if address not in found), "")
        if right and not found & set(_called(base, fact, name)):
            fields = {"name": name, "domain": domain, "answered": answered, "address": min(str(a) for a in found), "right": right}
            yield Fact("taken_name", fields, fact.node, fact.stack, fact.source, fact.line, fact.shown)


def _called(base: FactBase, fact: Fact, name: str) -> list[str]:
    """Addresses of whoever a name without a domain means on a node: as looked up with a final dot, or by the runtime's own names."""
    plain = [f for f in base.of_kind("observed") if (f.node, f.stack, str(f.get("name", "")).lower()) == (fact.node, fact.stack, name)]
    found = [str(a) for f in plain if not f.get("answered") and not f.get("canonical") for a in f.get("addresses", ())]
    boxes = [f for f in base.of_kind("container") if f.node == fact.node and name in _names(f)]
    return [*found, *(str(e["address"]) for f in boxes for e in f.get("endpoints", ()) if e.get("address"))]


def _names(container: Fact) -> set[str]:
    """Names by which docker's resolver knows a container: its own, and its service's, which compose puts between project and number."""
    name = str(container.get("name", "")).lower()
    found = {name, str((container.get("labels") or {}).get("com.docker.compose.service", "")).lower()}
    for endpoint in container.get("endpoints", ()):
        project = str(endpoint.get("network", "")).lower().rpartition("_")[0]
        inner = re.fullmatch(r"[_-](.+)[_-]\d+", name.removeprefix(project)) if project and name.startswith(project) else None
        found |= {inner[1]} if inner else set()
    return found - {""}


def _resolver(fact: Fact, wild: set[str]) -> dict[str, Any]:
    servers = tuple(str(s) for s in fact.get("nameservers", ()))
    search = tuple(str(s).rstrip(".").lower() for s in fact.get("search", ()) if str(s) != ".")
    options = [str(option) for option in fact.get("options", ())]
    words = {option.partition(":")[0] for option in options}
    fields: dict[str, Any] = {
        "file": str(fact.get("file", "")), "servers": len(servers), "nameservers": servers, "searches": len(search), "search": search,
        "search_length": len(" ".join(search)), "ndots": _number(options, "ndots", 1), "ndots_set": "ndots" in words,
        "cluster": any(".svc." in f".{domain}." for domain in search), "embedded": EMBEDDED in servers,
        "stub": not servers or all(s.startswith(LOOPBACK) for s in servers),
        "single": bool(words & {"single-request", "single-request-reopen", "use-vc"}),
    }  # fmt: skip
    hijack = next((domain for domain in search if _answers_all(domain, wild)), "")
    if hijack:
        fields |= {"wildcard": hijack, "top_level": hijack in TOP_LEVEL}
    return fields


def _number(options: Sequence[str], name: str, default: int) -> int:
    """Value of the last option of a name; resolvers take at most 15 dots."""
    values = [option.partition(":")[2] for option in options if option.startswith(f"{name}:")]
    return min(int(values[-1]), 15) if values and values[-1].isdecimal() else default


def _answers_all(domain: str, wild: set[str]) -> bool:
    return domain in TOP_LEVEL or domain in wild or any(domain == w or domain.endswith(f".{w}") for w in WILDCARDS)


# --- forwarders ----------------------------------------------------------------------------------------------------------


def dns_loops(base: FactBase) -> Iterator[Fact]:
    """A ``dns_loop`` fact for every forwarder whose upstream leads back to it, and for every container that serves names and asks itself."""
    forwarders = base.of_kind("dns_forwarder")
    for one in forwarders:
        if one.get("program") == "coredns":
            yield from _coredns(base, one)
        else:
            yield from _in_circles(base, one, forwarders)
    for box in base.of_kind("container"):
        yield from _asks_itself(base, box)


def _asks_itself(base: FactBase, box: Fact) -> Iterator[Fact]:
    """A container's own resolv.conf names an address of its machine on which the container's port 53 is published."""
    published = {str(p.get("host_ip", "")) for p in box.get("ports", ()) if p.get("host_port") == DNS}
    everywhere = bool(published & {"", "0.0.0.0", "::"})  # noqa: S104  as runtimes print it
    held = {str(f.get("address")) for f in base.at("address", box.node, HOST)}
    for config in base.at("dns_config", box.node, str(box.get("name"))) if published else ():
        server = next((str(s) for s in config.get("nameservers", ()) if s in held and (everywhere or s in published)), "")
        if server and len(config.get("nameservers", ())) == 1:
            fields = {"program": box.get("name"), "upstream": server, "by": config.get("file", ""), "by_node": box.node, "itself": True}
            yield Fact("dns_loop", fields, box.node, config.stack, config.source, config.line, config.shown)


def _coredns(base: FactBase, one: Fact) -> Iterator[Fact]:
    """CoreDNS asks itself: by a loopback address, by its own Service's, or by the resolv.conf that the kubelet gives its pod."""
    own = {str(ip) for s in base.of_kind("service") if s.get("name") in {"kube-dns", "coredns"} for ip in s.get("cluster_ips", ())}
    for upstream in one.get("upstreams", ()):
        if (str(upstream).startswith(LOOPBACK) and "#" not in str(upstream)) or upstream in own:
            yield _loop(base, one, one, str(upstream), sure=True)
        elif upstream == RESOLV:
            yield from (_loop(base, one, stub, server, sure=sure) for stub, server, sure in _stubs(base))


def _stubs(base: FactBase) -> Iterator[tuple[Fact, str, bool]]:
    """Nodes whose kubelet gives pods a resolv.conf that names a loopback address, which in a pod is the pod itself; and whether that is seen."""
    cluster = _resolv_conf(f for f in base.of_kind("kube_config") if str(f.get("name", "")).startswith("kubelet-config"))
    for fact in base.of_kind("dns_config"):
        server = next((str(s) for s in fact.get("nameservers", ()) if str(s).startswith(LOOPBACK)), "")
        if not server or fact.stack != HOST or str(fact.get("file", "")).startswith("/run/"):
            continue
        told = next((str(f.get("resolv_conf", "")) for f in base.of_kind("kubelet") if f.node == fact.node), cluster)
        if told in {None, "", RESOLV}:
            yield fact, server, told is not None


def _resolv_conf(configs: Iterator[Fact]) -> str | None:
    """The file that a kubelet's configuration names; "" if it names none; ``None`` without a configuration."""
    for fact in configs:
        data = fact.get("data", {})
        lines = [line.partition(":")[2].strip().strip("\"'") for line in str(data.get("kubelet", "")).split("\n") if line.startswith("resolvConf:")]
        return lines[0] if lines else ""
    return None


def _in_circles(base: FactBase, one: Fact, forwarders: Sequence[Fact]) -> Iterator[Fact]:
    """Forwarders on machines of the evidence that ask each other."""
    path, seen = [one], {id(one)}
    while True:
        current = path[-1]
        step = next(((f, up) for up in _addresses(base, current) for f in forwarders if f is not current and _serves(base, f, up, current)), None)
        if step is None:
            return
        following, upstream = step
        if following is one:
            yield _loop(base, one, current, upstream, sure=True)
            return
        if id(following) in seen:
            return
        path.append(following)
        seen.add(id(following))


def _addresses(base: FactBase, one: Fact) -> list[str]:
    """Upstream addresses of a forwarder, those of the files that it names included."""
    found: list[str] = []
    for upstream in one.get("upstreams", ()):
        if is_address(str(upstream)):
            found.append(str(upstream))
            continue
        configs = [f for f in base.at("dns_config", one.node, one.stack) if str(f.get("file", "")) == upstream]
        found += [str(s) for f in configs for s in f.get("nameservers", ())]
    return found


def _serves(base: FactBase, other: Fact, address: str, asker: Fact) -> bool:
    """Whether a forwarder answers on an address as another one sees it."""
    if other.get("port", 53) != 53:
        return False
    listen = other.get("listen", ())
    if address.startswith(LOOPBACK):
        return (other.node, other.stack) == (asker.node, asker.stack) and (not listen or address in listen)
    held = any(f.get("address") == address for f in base.at("address", other.node, other.stack))
    return held and (not listen or address in listen)


def _loop(base: FactBase, one: Fact, by: Fact, upstream: str, *, sure: bool) -> Fact:
    fields = {"program": one.get("program"), "file": one.get("file", ""), "zone": one.get("zone", "."), "upstream": upstream, "sure": sure}
    if by is not one:
        fields |= {"by": by.get("file", ""), "by_node": by.node}
    # Objects of the cluster belong to no node: any of them may tell.
    node = by.node or one.node or min((f.node for f in base.of_kind("netns") if f.node), default="")
    return Fact("dns_loop", fields, node, by.stack, by.source, by.line, by.shown)


# --- a machine's own name ------------------------------------------------------------------------------------------------


def own_names(base: FactBase) -> Iterator[Fact]:
    """An ``own_name`` fact for every machine whose host name and hosts file were seen."""
    for fact in base.of_kind("host"):
        name = str(fact.get("hostname", "")).lower()
        whole = any(c.get("what") == "hosts" for c in base.at("collected", fact.node, fact.stack))
        if not name or name == "localhost" or not whole:
            continue
        entries = list(base.at("hosts_entry", fact.node, fact.stack))
        names = {str(n).lower() for entry in entries for n in entry.get("names", ())}
        switch = next(iter(base.at("nsswitch", fact.node, fact.stack)), None)
        fields: dict[str, Any] = {"hostname": name, "short": name.partition(".")[0], "listed": bool({name, name.partition(".")[0]} & names)}
        if switch is not None:
            fields["itself"] = "myhostname" in switch.get("hosts", ())
        yield Fact("own_name", fields, fact.node, fact.stack, fact.source, fact.line, fact.shown)
