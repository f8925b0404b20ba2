"""Kubernetes objects as ``kubectl get … -o json|yaml``, ``kubectl describe`` and ``calicoctl get … -o json|yaml`` print them.

Lists, single objects, several documents; tables and descriptions are read by their own modules.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from collectors.parsers import kubecustom, kubedescribe, kubeobjects, kubepolicies, kubesearched, kubetable
from collectors.parsers.emit import Emitter
from collectors.parsers.invocation import invocation
from collectors.parsers.jsontext import dict_of, dicts_of, emit_broken, is_json, read_json, text_of
from collectors.parsers.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collectors.parsers.kubeobjects import Made
    from collectors.place import Place
    from engine.facts import Fact, Source

_YAML_START = r"^(?:---|(?:- )?(?:addressType|apiVersion|data|endpoints|items|kind|metadata|spec):)"
PLURALS = {
    "Node": "nodes", "Pod": "pods", "Service": "services", "Endpoints": "endpoints", "EndpointSlice": "endpointslices", "IPPool": "ippools",
    "ConfigMap": "configmaps", "Namespace": "namespaces", "NetworkPolicy": "networkpolicies", "DaemonSet": "daemonsets", "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "ReplicaSet": "replicasets", "Event": "events", "ServiceCIDR": "servicecidrs",
    "GlobalNetworkPolicy": "globalnetworkpolicies", "CiliumNetworkPolicy": "ciliumnetworkpolicies",
    "CiliumClusterwideNetworkPolicy": "ciliumclusterwidenetworkpolicies", "FelixConfiguration": "felixconfigurations",
    "BGPConfiguration": "bgpconfigurations", "BGPPeer": "bgppeers", "Tier": "tiers", "NetworkSet": "networksets",
    "GlobalNetworkSet": "globalnetworksets",
    "BlockAffinity": "blockaffinities", "IPAMBlock": "ipamblocks", "HostEndpoint": "hostendpoints",
    "AdminNetworkPolicy": "adminnetworkpolicies", "BaselineAdminNetworkPolicy": "baselineadminnetworkpolicies",
    "ClusterNetworkPolicy": "clusternetworkpolicies",
}
"""Kinds that become facts → what their ``collected`` facts say."""
_WORDS = {
    **{kind.lower(): plural for kind, plural in PLURALS.items()},
    "no": "nodes", "po": "pods", "svc": "services", "ep": "endpoints", "ipp": "ippools", "cm": "configmaps", "ns": "namespaces",
    "netpol": "networkpolicies",
    "ds": "daemonsets", "deploy": "deployments", "sts": "statefulsets", "rs": "replicasets", "ev": "events", "gnp": "globalnetworkpolicies",
    "cnp": "ciliumnetworkpolicies", "ccnp": "ciliumclusterwidenetworkpolicies", "np": "networkpolicies", "anp": "adminnetworkpolicies",
    "banp": "baselineadminnetworkpolicies",
}
"""Other words for them on a command line."""
_FILTERS = frozenset({"-l", "--selector", "--field-selector", "-w", "--watch"})
_CLUSTER_WIDE = frozenset({
    "nodes", "ippools", "namespaces", "servicecidrs", "globalnetworkpolicies", "ciliumclusterwidenetworkpolicies", "felixconfigurations",
    "bgpconfigurations", "bgppeers", "tiers", "globalnetworksets", "blockaffinities", "ipamblocks", "hostendpoints",
    "adminnetworkpolicies", "baselineadminnetworkpolicies", "clusternetworkpolicies",
})
_VALUED = frozenset({"-o", "--output", "-n", "--namespace", "-l", "--selector", "--field-selector", "--context", "--kubeconfig", "--sort-by"})


def parse(source: Source, place: Place) -> list[Fact]:
    """Facts of the objects in JSON, YAML or a table; kinds of no use here are passed over."""
    out = Emitter(source, place)
    documents, whole = _documents(out)
    if documents is None:
        _text(out)
        return out.done()
    seen: dict[str, set[str]] = {}
    listed: set[str] = set()
    for line, document in documents:
        kind, items = _items(document)
        if items is None:
            _object(out, line, document, kind, seen)
            continue
        if text_of(dict_of(document, "metadata"), "continue"):
            whole = False
        if kind in PLURALS:
            listed.add(PLURALS[kind])
        for number, item in zip(_item_lines(out, line, items), items, strict=True):
            _object(out, number, item, text_of(item, "kind") or kind, seen)
        listed |= seen.keys()
    if whole:
        _claim(out, seen, listed)
    return out.done()


def _text(out: Emitter) -> None:
    """Read descriptions, their tables of events alone, what was picked out of objects, or tables."""
    text = out.source.text
    if kubedescribe.is_described(text):
        # What was pasted in front may be tables.
        kubetable.read(out, kubedescribe.read(out))
    elif kubedescribe.has_events(text) and "LAST SEEN" not in text:
        kubedescribe.read_events(out)
    elif not (kubesearched.read(out) or kubecustom.read(out)):
        rows = kubetable.read(out)
        # Of a table with other columns nothing was read, and nothing is known to be absent.
        if out.whole and (out.facts or "No resources found" in text):
            _claim(out, rows, set(rows))


def _documents(out: Emitter) -> tuple[list[tuple[int, dict[str, Any]]] | None, bool]:
    """The documents with their lines, and whether none broke off; ``None`` if the text is neither JSON nor YAML."""
    text = out.source.text
    if is_json(text):
        read = read_json(text)
        emit_broken(out, read)
        return [(line, item) for line, item in read.items if isinstance(item, dict)], read.complete
    text = clean(text)
    found = re.search(_YAML_START, text, re.MULTILINE)
    if not found:
        return None, False
    from collectors.parsers.plainyaml import mappings, read_yaml

    # Tables, and warnings that kubectl printed first, would not be YAML; blank lines keep the numbers right.
    before = text[: found.start()].split("\n")
    if len(before) > 1:
        kubetable.read(out, len(before))
    decoded = read_yaml("\n" * (len(before) - 1) + text[found.start() :])
    if decoded.error:
        out.unparsed.add(decoded.error_line, decoded.error)
    flat = [item for document in decoded.documents for item in (document if isinstance(document, list) else [document])]
    decoded.documents = flat
    out.lines.update(decoded.lines)
    return list(mappings(decoded)), not decoded.error


def _item_lines(out: Emitter, line: int, items: list[dict[str, Any]]) -> list[int]:
    """Lines where the items of a list begin: as the YAML reader says, or by the indentation that kubectl gives its JSON."""
    if out.lines:
        return [out.lines.get(id(item), line) for item in items]
    begins: list[int] = []
    for number, text in enumerate(out.source.text.split("\n")[line - 1 :], line):
        if text.rstrip() == "        {":
            begins.append(number)
        elif text.startswith("}"):
            break
    return begins if len(begins) == len(items) else [line] * len(items)


def _items(document: dict[str, Any]) -> tuple[str, list[dict[str, Any]] | None]:
    """Kind and items of a list object; ``None`` for the items of any other object."""
    kind = text_of(document, "kind")
    if isinstance(document.get("items"), list) or (kind.endswith("List") and "items" in document):
        return kind.removesuffix("List"), dicts_of(document, "items")
    return kind, None


def _object(out: Emitter, line: int, item: dict[str, Any], kind: str, seen: dict[str, set[str]]) -> None:
    """Emit the facts of one object."""
    if kind == "ClusterConfiguration":
        _configuration(out, line, item)
        return
    metadata = dict_of(item, "metadata")
    name, namespace = text_of(metadata, "name"), text_of(metadata, "namespace")
    calicos = text_of(item, "apiVersion").startswith(kubepolicies.CALICO)
    reader = kubepolicies.calico_node if kind == "Node" and calicos else _reader(kind)
    if reader is None or not name:
        return
    if not (calicos and kind in {"Node", "NetworkPolicy"}):
        seen.setdefault(PLURALS[kind], set()).add(namespace)
    for fact_kind, fields, shown in reader(item, metadata):
        kept = {key: value for key, value in fields.items() if value is not None}
        out.add(fact_kind, kept, line, " ".join(shown.split()))


def _configuration(out: Emitter, line: int, item: dict[str, Any]) -> None:
    """What ``kubeadm init`` was told; the ConfigMap that it makes of it says the same."""
    networking = dict_of(item, "networking")
    data = {key: text for key in ("podSubnet", "serviceSubnet") if (text := text_of(networking, key))}
    if data:
        out.add("kube_config", {"namespace": "kube-system", "name": "kubeadm-config", "data": data}, line, "kubeadm's ClusterConfiguration")


def _reader(kind: str) -> Callable[[dict[str, Any], dict[str, Any]], Iterator[Made]] | None:
    return kubeobjects.READERS.get(kind) or kubepolicies.READERS.get(kind)


def _claim(out: Emitter, seen: dict[str, set[str]], listed: set[str]) -> None:
    """State which resources were listed whole, and of which namespace."""
    call = invocation(out.source.command, "kubectl", "oc", "calicoctl")
    if not call:
        # Without a command line: objects of one namespace may be all there are, or all that were asked for.
        for plural in sorted(listed):
            namespaces = seen.get(plural, set())
            if plural in _CLUSTER_WIDE or len(namespaces) > 1:
                out.collected(plural)
            elif namespaces:
                out.collected(plural, next(iter(namespaces)))
        return
    words, options = _split([*call.options, *call.words])
    if call.piped or words[:1] != ["get"] or len(words) != 2 or "/" in words[1] or _FILTERS & options.keys():
        return
    every = {"-A", "--all-namespaces", "--all-namespaces=true"} & options.keys() or call.program == "calicoctl"
    said = re.search(r"^No resources found in ([a-z0-9-]+) namespace", out.source.text, re.MULTILINE)
    shown = {space for spaces in seen.values() for space in spaces}
    named = kubetable.namespace_in([*call.options, *call.words]) or (said[1] if said else "")
    scope = "all" if every else named or (next(iter(shown)) if len(shown) == 1 else kubetable.UNSAID)
    for word in words[1].split(","):
        resource = word.partition(".")[0].lower()
        plural = _WORDS.get(resource, resource)
        if plural in PLURALS.values():
            out.collected(plural, "all" if plural in _CLUSTER_WIDE else scope)


def _split(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Plain words and options (with their values) of a command line."""
    plain: list[str] = []
    options: dict[str, str] = {}
    at = 0
    while at < len(words):
        word = words[at]
        name, separator, value = word.partition("=")
        if word in _VALUED and at + 1 < len(words):
            options[word] = words[at + 1]
            at += 1
        elif word.startswith("-"):
            options[name if name in _VALUED else word] = value if separator else ""
        else:
            plain.append(word)
        at += 1
    return plain, options
