"""Builds the machines of a scenario."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.lab import vm
from tests.lab.machine import HERE, Machines
from tests.lab.scenario import DEBIAN

if TYPE_CHECKING:
    from tests.lab.scenario import Node, Pod, Scenario

# What a fresh machine has, whatever the machine that runs the lab is set to (new namespaces copy its IPv4 settings).
_BASE_SYSCTLS = {
    "net.ipv4.ip_forward": 0,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv6.conf.all.disable_ipv6": 0,
}


def _link_lines(node: Node) -> list[str]:
    lines = []
    for device, link in node.links.items():
        mac = f" address {link.mac}" if link.mac else ""
        lines.append(f"ip link set {device} mtu {link.mtu}{mac} up")
        if link.address:
            lines.append(f"ip addr add {link.address} brd + dev {device}")
    for bridge, address in node.bridges.items():
        lines.append(f"ip link add {bridge} up type bridge")
        if address:
            lines.append(f"ip addr add {address} brd + dev {bridge}")
    return lines


def pod_lines(name: str, pod: Pod) -> list[str]:
    """Shell lines that attach a pod to its machine."""
    if pod.cni:
        return [f"ip netns add {name}", f"kubelet create {name}"]
    veth = pod.veth or f"veth-{name}"
    inside = f"ip -n {name}"
    lines = [f"ip netns add {name}", f"{inside} link set lo up", f"ip link add {veth} type veth peer name eth0 netns {name}"]
    if pod.bridge:
        lines += [f"ip link set {veth} master {pod.bridge} up", f"{inside} link set eth0 up", f"{inside} addr add {pod.address} dev eth0"]
        lines += [f"{inside} route add default via {pod.gateway}"] if pod.gateway else []
        return lines
    address = pod.address.partition("/")[0]
    return [
        *lines,
        f"ip link set {veth} address ee:ee:ee:ee:ee:ee up",
        f"sysctl -qw net.ipv4.conf.{veth}.proxy_arp=1 net.ipv4.conf.{veth}.forwarding=1",
        f"ip route add {address} dev {veth} scope link",
        f"{inside} addr add {address}/32 dev eth0",
        f"{inside} link set eth0 up",
        f"{inside} route add 169.254.1.1 dev eth0 scope link",
        f"{inside} route add default via 169.254.1.1 dev eth0",
    ]


def proxy_files(scenario: Scenario, node: Node) -> dict[str, str]:
    """What kube-proxy writes on a member of the cluster, as its own input."""
    if not (node.member and scenario.proxy):
        return {}
    from benchmarks.kube_proxy import Service, save
    from tests.kube import ipvs, nftables

    services = [Service(s.name, s.address, s.port, tuple(s.endpoints), s.node_port, s.protocol) for s in scenario.services]
    if scenario.proxy == "ipvs":
        return {f"/etc/kubernetes/proxy/{name}": text for name, text in ipvs.files(services).items()}
    if scenario.proxy == "nftables":
        addresses = [link.address.partition("/")[0] for link in node.links.values() if link.address]
        return {"/etc/kubernetes/proxy/nftables": nftables.ruleset(services, addresses)}
    own = {pod.address.partition("/")[0] for pod in node.pods.values()}
    local = [replace(s, local=tuple(e for e in s.endpoints if e.partition(":")[0] in own) if s.node_port else None) for s in services]
    return {"/etc/kubernetes/proxy/iptables": _kube_chains(save(services)), "/etc/kubernetes/proxy/iptables.local": _kube_chains(save(local))}


def _kube_chains(saved: str) -> str:
    """What kube-proxy gives to ``iptables-restore --noflush``: its own chains."""
    kept = [line for line in saved.splitlines() if not line.startswith((":", "-A")) or line.startswith((":KUBE", "-A KUBE"))]
    return "\n".join([*kept, ""])


def _set_up(machines: Machines, scenario: Scenario, node: Node) -> None:
    machine = machines[node.name]
    for device, link in node.links.items():
        machines.plug(node.name, device, link.wire)
    sysctls = [f"sysctl -qw {key}={value}" for key, value in {**_BASE_SYSCTLS, **node.sysctls}.items()]
    machine.must("\n".join([*sysctls, *_link_lines(node)]))
    for path, text in node.files.items():
        machine.must(f'mkdir -p "$(dirname {path})"; cat > {path}', text=text)
    plain = [line for name, pod in node.pods.items() if not pod.cni for line in pod_lines(name, pod)]
    machine.must("\n".join([*plain, *(f"ip route add {route}" for route in node.routes)]))
    if node.ipset:
        machine.must("ipset restore", text=node.ipset)
    if node.iptables:
        machine.must("iptables-restore", text=node.iptables)
    for path, text in proxy_files(scenario, node).items():
        machine.must(f'mkdir -p "$(dirname {path})"; cat > {path}', text=text)
    by_cni = [line for name, pod in node.pods.items() if pod.cni for line in pod_lines(name, pod)]
    proxy = ["kubeproxy sync"] if node.member and scenario.proxy else []
    machine.must("\n".join([*proxy, *node.run, *by_cni]))
    for listen in node.listen:
        machine.serve([listen.protocol, listen.address, str(listen.port)], listen.pod)


def build(scenario: Scenario) -> Machines:
    """Start and wire all machines of a scenario; nothing is left behind if that fails."""
    machines = Machines(vm.guest() if scenario.kernel == DEBIAN else HERE)
    try:
        for node in scenario.nodes.values():
            machines.start(node.name, node.backend, in_first=node.first)
        for node in scenario.nodes.values():
            _set_up(machines, scenario, node)
    except BaseException:
        machines.close()
        raise
    return machines
