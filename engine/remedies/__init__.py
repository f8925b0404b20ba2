"""Remedies as data: operations that know their commands, undo, risk, and effect on the facts.  Nothing here is ever executed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Final

from engine.remedies.base import Operation, Parameter, Site

WHERE: Final = {
    "iptables.insert": "netfilter:IptablesInsert",
    "iptables.append": "netfilter:IptablesAppend",
    "iptables.move": "netfilter:IptablesMove",
    "iptables.delete": "netfilter:IptablesDelete",
    "ipset.add": "ipset:IpsetAdd",
    "ipset.delete": "ipset:IpsetDelete",
    "docker.restart": "dockerd:DockerRestart",
    "nft.insert": "nft:NftInsert",
    "nft.delete": "nft:NftDelete",
    "nft.move": "nft:NftMove",
    "route.add": "routes:RouteAdd",
    "route.delete": "routes:RouteDelete",
    "route.replace": "routes:RouteReplace",
    "route.source": "routes:RouteSource",
    "route.redirect": "redirect:RouteRedirect",
    "rule.add": "policy:RuleAdd",
    "rule.delete": "policy:RuleDelete",
    "link.up": "links:LinkUp",
    "link.master": "links:LinkMaster",
    "link.hairpin": "links:LinkHairpin",
    "bridge.port": "links:BridgePort",
    "vxlan.recreate": "vxlan:VxlanRecreate",
    "xfrm.delete": "transforms:XfrmDelete",
    "tc.qdisc-delete": "traffic:QdiscDelete",
    "tc.filter-delete": "traffic:FilterDelete",
    "address.add": "links:AddressAdd",
    "address.delete": "links:AddressDelete",
    "neighbor.delete": "neighbors:NeighborDelete",
    "link.mtu": "mtu:LinkMtu",
    "tcp.clamp-mss": "mtu:MssClamp",
    "ethtool.offload": "cards:EthtoolOffload",
    "flannel.port": "cards:FlannelPort",
    "sysctl.set": "kernel:SysctlSet",
    "module.load": "kernel:ModuleLoad",
    "cni.retire-config": "cni:CniRetireConfig",
    "cni.recreate-pod": "cni:CniRecreatePod",
    "cni.clean-leases": "podnet:CniCleanLeases",
    "cni.reinstall": "podnet:CniReinstall",
    "cni.add-portmap": "podnet:CniPortmap",
    "node.rejoin": "podnet:NodeRejoin",
    "node.pod-cidr": "podnet:NodePodCidr",
    "service.drop-external-ip": "podnet:ServiceExternalIp",
    "calico.restart": "podnet:CalicoRestart",
    "podman.reload": "podnet:PodmanReload",
    "program.install": "podnet:ToolInstall",
    "calico.move-pool": "pools:CalicoMovePool",
    "docker.move-network": "docker:DockerMoveNetwork",
    "docker.address-pools": "docker:DockerAddressPools",
    "docker.create-network": "docker:DockerCreateNetwork",
    "docker.set-bip": "bip:DockerSetBip",
    "vtep.learn": "vtep:VtepLearn",
    "vtep.announce": "vtep:VtepAnnounce",
    "vtep.new-mac": "vtep:VtepNewMac",
    "tunnel.source": "ends:TunnelSource",
    "docker.publish": "programs:DockerPublish",
    "docker.recreate": "programs:DockerRecreate",
    "program.bind": "programs:ProgramBind",
    "service.start": "programs:ServiceStart",
    "kube-proxy.restart": "kubeproxy:KubeProxyRestart",
    "kube-proxy.priority": "kubeproxy:KubeProxyPriority",
    "service.selector": "cluster:ServiceSelector",
    "service.target-port": "cluster:ServiceTargetPort",
    "service.traffic-policy": "cluster:ServicePolicy",
    "pod.dns-policy": "cluster:PodDnsPolicy",
    "policy.allow": "cluster:PolicyAllow",
    "policy.allow-first": "cluster:PolicyAllowFirst",
    "resolver.nameserver": "names:ResolverNameserver",
    "resolver.ndots": "names:ResolverNdots",
    "resolver.search": "names:ResolverSearch",
    "hosts.add": "names:HostsAdd",
    "dns.forward": "forwarders:DnsForward",
    "dns.release-address": "nodecache:DnsReleaseAddress",
}
"""Operation → its module here and its class: a run offers three of them, and start-up is not for the others."""


class Operations(Mapping[str, type[Operation]]):
    """Operations by name, each imported when it is first asked for."""

    def __getitem__(self, name: str) -> type[Operation]:
        module, _, cls = WHERE[name].partition(":")
        found: type[Operation] = getattr(import_module(f"engine.remedies.{module}"), cls)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(WHERE)

    def __len__(self) -> int:
        return len(WHERE)


OPERATIONS: Final = Operations()
"""Operations that rules may name under ``remedies``."""

__all__ = ["OPERATIONS", "Operation", "Parameter", "Site"]
