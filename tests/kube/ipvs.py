"""What kube-proxy in mode ipvs writes for some Services, as the input of the programs that take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.kube_proxy import Service

RULES = """*nat
:KUBE-SERVICES - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
-A KUBE-SERVICES ! -s 10.244.0.0/16 -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE
COMMIT
"""  # noqa: E501 - as kube-proxy writes them


def files(services: Sequence[Service]) -> dict[str, str]:
    """Input of ipvsadm, ipset and iptables-restore, by name."""
    virtual, members = [], []
    for service in services:
        name = f"-{service.protocol[0]} {service.address}:{service.port}"
        virtual += [f"-A {name} -s rr", *(f"-a {name} -r {endpoint} -m -w 1" for endpoint in service.endpoints)]
        members.append(f"add KUBE-CLUSTER-IP {service.address},{service.protocol}:{service.port}")
    created = "create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536"
    return {"ipvs": "\n".join([*virtual, ""]), "ipset": "\n".join([created, *members, ""]), "ipvs.rules": RULES}
