"""What a lab file says: machines, how to break them, and what must then be seen."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where PyYAML has it: the emulated machine reads all lab files too."""
DEBIAN = "debian"
"""The kernel of the emulated machine."""
Commands = "Mapping[str, Sequence[str]]"
"""Shell lines by place: ``node1`` (the machine) or ``node1/web`` (a pod on it)."""


class ScenarioError(ValueError):
    """A lab file that does not say what it must."""


@dataclass(frozen=True)
class Link:
    """A network card of a machine."""

    wire: str
    """Layer 2 segment that it is plugged into."""
    address: str = ""
    mac: str = ""
    mtu: int = 1500


@dataclass(frozen=True)
class Pod:
    """A network namespace on a machine, joined to it by a veth."""

    address: str = ""
    bridge: str = ""
    """Bridge that holds the host end; "" = a routed veth as calico makes it."""
    gateway: str = ""
    veth: str = ""
    """Name of the host end (default ``veth-POD``)."""
    cni: bool = False
    """Whether the kubelet of the lab creates it with the real CNI plug-ins."""


@dataclass(frozen=True)
class Listen:
    """A server that tells its peer which source address it saw."""

    port: int
    protocol: str = "tcp"
    address: str = "0.0.0.0"
    pod: str = ""


@dataclass(frozen=True)
class KubeService:
    """One port of a Kubernetes Service."""

    name: str
    """``namespace/name`` or ``namespace/name:port``"""
    address: str
    port: int
    endpoints: Sequence[str] = ()
    """``address:port`` of the ready backends."""
    node_port: int = 0
    protocol: str = "tcp"
    selector: str = ""
    """Value of the label ``app`` of its pods."""

    @property
    def target(self) -> int:
        """Port of the backends."""
        return int(self.endpoints[0].partition(":")[2]) if self.endpoints else self.port


@dataclass(frozen=True)
class Node:
    """A machine: network, mount, process and host name namespaces of its own."""

    name: str
    backend: str = "legacy"
    """What ``iptables`` is on this machine: ``legacy`` or ``nft``."""
    evidence: bool = True
    """Whether the collector runs here (a router of somebody else's is not collected)."""
    links: Mapping[str, Link] = field(default_factory=dict)
    bridges: Mapping[str, str] = field(default_factory=dict)
    """Bridge name → its address ("" for none)."""
    sysctls: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    pods: Mapping[str, Pod] = field(default_factory=dict)
    routes: Sequence[str] = ()
    ipset: str = ""
    """Input for ``ipset restore``."""
    iptables: str = ""
    """Input for ``iptables-restore``."""
    run: Sequence[str] = ()
    """Further shell lines, after all of the above."""
    listen: Sequence[Listen] = ()
    first: bool = False
    """Whether its network is the kernel's first, where bounds of the whole kernel are; with ``kernel: debian`` only."""
    member: bool = False
    """Whether it is a node of the scenario's Kubernetes cluster."""
    pod_cidr: str = ""


@dataclass(frozen=True)
class Traffic:
    """The flow that is sent for real, and what its sender sees."""

    start: str
    """Place of the client."""
    to: str
    port: int = 0
    protocol: str = "tcp"
    timeout: float = 1.5
    """Seconds the client waits; an unanswered ARP takes the kernel 3 s to give up on."""
    healthy: str = "connected"
    healthy_source: str = ""
    """Source address that the server must see; "" = not looked at."""
    broken: str = "timeout"
    broken_source: str = ""
    via: str = ""
    """Command prefix that enters a namespace which has no name (a container of dockerd)."""


@dataclass(frozen=True)
class LookAlike:
    """A healthy system that resembles the broken one; the rule must stay silent."""

    name: str
    change: Mapping[str, Sequence[str]]
    traffic: Traffic
    symptom: str
    options: Sequence[str]


@dataclass(frozen=True)
class Scenario:
    """One lab file."""

    name: str
    id: str
    """Finding that must come first; "" = none yet: only what the kernel does and what the walk predicts are compared."""
    about: str
    symptom: str
    nodes: Mapping[str, Node]
    traffic: Traffic
    breaks: Mapping[str, Sequence[str]]
    mend_by_hand: Mapping[str, Sequence[str]]
    undo_by_hand: Mapping[str, Sequence[str]]
    kernel: str = ""
    """``debian``: only Debian's kernel can show it, so it runs in the emulated machine; "" = any kernel can."""
    needs: Sequence[str] = ()
    """Programs without which the lab cannot run."""
    options: Sequence[str] = ()
    """Further options of ``diagnose``."""
    certainty: str = "proven"
    verified: str = "restores-flow"
    """What the model says of the first remedy: ``not-checked`` where controllers and agents of a cluster act on it; "" = the rule prints none."""
    predicted: str = ""
    """What the walk says the client sees; "" = what it really sees.  ``depends`` where the fault lies on a machine that is no evidence."""
    finding_node: str = ""
    undo_restores_fault: bool = True
    """Whether the printed undo brings the fault back at once (an undone file matters only when a pod is next created)."""
    undo_refused: bool = False
    """Whether the printed undo cannot be run once the remedy has helped: it takes back what is in use then."""
    live: str = ""
    """Machine from which the whole fault is visible without a bundle; "" = none."""
    services: Sequence[KubeService] = ()
    """Services of the cluster; each member's proxy has written them."""
    proxy: str = ""
    """Mode of kube-proxy on the members: ``iptables``, ``nftables`` or ``ipvs``."""
    objects: bool = False
    """Whether the API's objects are evidence as well."""
    namespace: str = "default"
    """Kubernetes namespace of the scenario's pods."""
    record: Mapping[str, str] = field(default_factory=dict)
    """Place → style of its hand-made recording (see :mod:`tests.lab.record`)."""
    example: bool = False
    """Whether the recording of the broken state is also one of the project's examples."""
    look_alikes: Sequence[LookAlike] = ()


def _build(cls: type, values: Mapping[str, Any], where: str) -> Any:
    known = {f.name for f in fields(cls)}
    unknown = sorted(set(values) - known)
    if unknown:
        message = f"{where}: unknown key {unknown[0]!r} (known: {', '.join(sorted(known))})"
        raise ScenarioError(message)
    try:
        return cls(**values)
    except TypeError as error:
        message = f"{where}: {error}"
        raise ScenarioError(message) from error


def _traffic(values: Mapping[str, Any], where: str) -> Traffic:
    renamed = {("start" if key == "from" else key): value for key, value in values.items()}
    traffic: Traffic = _build(Traffic, renamed, where)
    return traffic


def node_of(name: str, values: Mapping[str, Any], where: str) -> Node:
    """A machine from its keys; raises :class:`ScenarioError` naming the key that is wrong."""
    parts = dict(values)
    parts["links"] = {k: _build(Link, v, f"{where}.links.{k}") for k, v in parts.get("links", {}).items()}
    parts["pods"] = {k: _build(Pod, v, f"{where}.pods.{k}") for k, v in parts.get("pods", {}).items()}
    parts["listen"] = tuple(_build(Listen, v, f"{where}.listen") for v in parts.get("listen", ()))
    parts["bridges"] = {k: v or "" for k, v in parts.get("bridges", {}).items()}
    node: Node = _build(Node, {**parts, "name": name}, where)
    return node


def merged(base: Any, changes: Any) -> Any:
    """``changes`` laid over ``base``: mappings key by key, everything else replaced, ``null`` removes a key."""
    if not (isinstance(base, dict) and isinstance(changes, dict)):
        return changes
    both = {key: merged(base.get(key), value) for key, value in changes.items()}
    return {key: value for key, value in {**base, **both}.items() if value is not None}


def _read(path: Path) -> dict[str, Any]:
    """A lab file's keys, with those of the file that it is ``like``."""
    values: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), LOADER)  # noqa: S506 - both are safe
    like = values.pop("like", "")
    document: dict[str, Any] = merged(_read(path.with_name(f"{like}.yaml")), values) if like else values
    return document


def load(path: Path) -> Scenario:
    """Read a lab file; raises :class:`ScenarioError` naming the key that is wrong."""
    values = _read(path)
    base = dict(values.pop("traffic"))
    values["traffic"] = _traffic(base, f"{path.name}: traffic")
    values["breaks"] = values.pop("break")
    values["services"] = tuple(_build(KubeService, v, f"{path.name}: services") for v in values.get("services", ()))
    values["nodes"] = {k: node_of(k, v, f"{path.name}: nodes.{k}") for k, v in values["nodes"].items()}
    values["look_alikes"] = tuple(
        LookAlike(
            name=each["name"],
            change=each.get("change", {}),
            traffic=_traffic({**base, **each.get("traffic", {})}, f"{path.name}: look_alikes"),
            symptom=each.get("symptom", values["symptom"]),
            options=each.get("options", values.get("options", ())),
        )
        for each in values.pop("look_alikes", ())
    )
    scenario: Scenario = _build(Scenario, {"name": path.stem, **values}, path.name)
    if any(node.first for node in scenario.nodes.values()) and scenario.kernel != DEBIAN:
        message = f"{path.name}: first: only kernel: debian has a first network namespace to give away"
        raise ScenarioError(message)
    return scenario
