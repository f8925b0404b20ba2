"""Remedies as data: operations that know their commands, undo, risk, and effect on the facts.  Nothing here is ever executed."""

from __future__ import annotations

from engine.remedies.base import Operation, Parameter, Site
from engine.remedies.bip import DockerSetBip
from engine.remedies.cards import EthtoolOffload, FlannelPort
from engine.remedies.cluster import PodDnsPolicy, PolicyAllow, PolicyAllowFirst, ServicePolicy, ServiceSelector, ServiceTargetPort
from engine.remedies.cni import CniRecreatePod, CniRetireConfig
from engine.remedies.docker import DockerAddressPools, DockerCreateNetwork, DockerMoveNetwork
from engine.remedies.dockerd import DockerRestart
from engine.remedies.ends import TunnelSource
from engine.remedies.forwarders import DnsForward
from engine.remedies.ipset import IpsetAdd, IpsetDelete
from engine.remedies.kernel import ModuleLoad, SysctlSet
from engine.remedies.kubeproxy import KubeProxyPriority, KubeProxyRestart
from engine.remedies.links import AddressAdd, AddressDelete, LinkHairpin, LinkMaster, LinkUp
from engine.remedies.mtu import LinkMtu, MssClamp
from engine.remedies.names import HostsAdd, ResolverNameserver, ResolverNdots, ResolverSearch
from engine.remedies.netfilter import IptablesAppend, IptablesDelete, IptablesInsert, IptablesMove
from engine.remedies.nft import NftDelete, NftInsert, NftMove
from engine.remedies.podnet import (
    CalicoRestart,
    CniCleanLeases,
    CniPortmap,
    CniReinstall,
    NodePodCidr,
    NodeRejoin,
    ServiceExternalIp,
    ToolInstall,
)
from engine.remedies.policy import RuleAdd, RuleDelete
from engine.remedies.pools import CalicoMovePool
from engine.remedies.programs import DockerPublish, DockerRecreate, ProgramBind, ServiceStart
from engine.remedies.redirect import RouteRedirect
from engine.remedies.routes import RouteAdd, RouteDelete, RouteReplace, RouteSource
from engine.remedies.vtep import VtepAnnounce, VtepLearn, VtepNewMac

OPERATIONS: dict[str, type[Operation]] = {
    op.NAME: op
    for op in (
        IptablesInsert,
        IptablesAppend,
        IptablesMove,
        IptablesDelete,
        IpsetAdd,
        IpsetDelete,
        DockerRestart,
        NftInsert,
        NftDelete,
        NftMove,
        RouteAdd,
        RouteDelete,
        RouteReplace,
        RouteSource,
        RouteRedirect,
        RuleAdd,
        RuleDelete,
        LinkUp,
        LinkMaster,
        LinkHairpin,
        AddressAdd,
        AddressDelete,
        LinkMtu,
        MssClamp,
        EthtoolOffload,
        FlannelPort,
        SysctlSet,
        ModuleLoad,
        CniRetireConfig,
        CniRecreatePod,
        CniCleanLeases,
        CniReinstall,
        CniPortmap,
        NodeRejoin,
        NodePodCidr,
        ServiceExternalIp,
        CalicoRestart,
        ToolInstall,
        CalicoMovePool,
        DockerMoveNetwork,
        DockerAddressPools,
        DockerCreateNetwork,
        DockerSetBip,
        VtepLearn,
        VtepAnnounce,
        VtepNewMac,
        TunnelSource,
        DockerPublish,
        DockerRecreate,
        ProgramBind,
        ServiceStart,
        KubeProxyRestart,
        KubeProxyPriority,
        ServiceSelector,
        ServiceTargetPort,
        ServicePolicy,
        PodDnsPolicy,
        PolicyAllow,
        PolicyAllowFirst,
        ResolverNameserver,
        ResolverNdots,
        ResolverSearch,
        HostsAdd,
        DnsForward,
    )
}
"""Operations that rules may name under ``remedies``."""

__all__ = ["OPERATIONS", "Operation", "Parameter", "Site"]
