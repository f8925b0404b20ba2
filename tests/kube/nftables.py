"""kube-proxy's nftables mode, to the letter of what it writes, as input for ``nft -f``.

Source: Kubernetes 1.31 ``pkg/proxy/nftables/proxier.go`` (setupNFTables, syncProxyRules).
"""

from __future__ import annotations

from base64 import b32encode
from hashlib import sha256
from typing import TYPE_CHECKING

from benchmarks.kube_proxy import POD_NETWORK, Service

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = """\
table ip kube-proxy {
	comment "rules for kube-proxy"
	set cluster-ips {
		type ipv4_addr
		comment "Active ClusterIPs"
		@CLUSTER_IPS@
	}
	set nodeport-ips {
		type ipv4_addr
		comment "IPs that accept NodePort traffic"
		elements = { @NODE_IPS@ }
	}
	map no-endpoint-nodeports {
		type inet_proto . inet_service : verdict
		comment "vmap to drop or reject packets to service nodeports with no endpoints"
	}
	map no-endpoint-services {
		type ipv4_addr . inet_proto . inet_service : verdict
		comment "vmap to drop or reject packets to services with no endpoints"
		@NO_ENDPOINTS@
	}
	map firewall-ips {
		type ipv4_addr . inet_proto . inet_service : verdict
		comment "destinations that are subject to LoadBalancerSourceRanges"
	}
	map service-ips {
		type ipv4_addr . inet_proto . inet_service : verdict
		comment "ClusterIP, ExternalIP and LoadBalancer IP traffic"
		@SERVICE_IPS@
	}
	map service-nodeports {
		type inet_proto . inet_service : verdict
		comment "NodePort traffic"
		@NODE_PORTS@
	}
	chain filter-prerouting { type filter hook prerouting priority -110; policy accept; ct state new jump firewall-check; }
	chain filter-input {
		type filter hook input priority -110; policy accept;
		ct state new jump nodeport-endpoints-check
		ct state new jump service-endpoints-check
	}
	chain filter-forward {
		type filter hook forward priority -110; policy accept;
		ct state new jump service-endpoints-check
		ct state new jump cluster-ips-check
	}
	chain filter-output {
		type filter hook output priority -110; policy accept;
		ct state new jump service-endpoints-check
		ct state new jump firewall-check
	}
	chain filter-output-post-dnat { type filter hook output priority -90; policy accept; ct state new jump cluster-ips-check; }
	chain nat-prerouting { type nat hook prerouting priority dstnat; policy accept; jump services; }
	chain nat-output { type nat hook output priority -100; policy accept; jump services; }
	chain nat-postrouting { type nat hook postrouting priority srcnat; policy accept; jump masquerading; }
	chain nodeport-endpoints-check { ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports; }
	chain service-endpoints-check { ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }
	chain firewall-check { ip daddr . meta l4proto . th dport vmap @firewall-ips; }
	chain services {
		ip daddr . meta l4proto . th dport vmap @service-ips
		ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
	}
	chain masquerading {
		meta mark & 0x4000 == 0 return
		meta mark set meta mark ^ 0x4000
		masquerade fully-random
	}
	chain mark-for-masquerade { meta mark set meta mark | 0x4000; }
	chain reject-chain { reject; }
	chain cluster-ips-check {
		ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
		ip daddr 10.96.0.0/12 drop comment "Drop traffic to unallocated ClusterIPs"
	}
"""


def hashed(*words: str) -> str:
    """Eight letters that tell chains of one name apart (``hashAndTruncate``)."""
    return b32encode(sha256("".join(words).encode()).digest()).decode()[:8]


def chain(kind: str, service: Service, endpoint: str = "") -> str:
    """``service-ABCDEFGH-ns/name/tcp/http``, ``endpoint-…__10.244.1.5/8080``."""
    full, _, port = service.name.partition(":")
    name = f"{full}/{service.protocol}/{port}"
    if endpoint:
        name += "__" + endpoint.replace(":", "/")
    return f"{kind}-{hashed(name)}-{name}"


def elements(items: Sequence[str]) -> str:
    """``elements = { … }``, or nothing."""
    return f"elements = {{ {', '.join(items)} }}" if items else ""


def ruleset(services: Sequence[Service], node_ips: Sequence[str]) -> str:
    """Input for ``nft -f`` on a node that has some addresses."""
    served = [s for s in services if s.endpoints]
    noted = {id(s): f'{s.address} . {s.protocol} . {s.port} comment "{s.name}"' for s in services}
    values = {
        "@CLUSTER_IPS@": elements(list(dict.fromkeys(s.address for s in services))),
        "@NODE_IPS@": ", ".join(node_ips),
        "@NO_ENDPOINTS@": elements([f"{noted[id(s)]} : goto reject-chain" for s in services if not s.endpoints]),
        "@SERVICE_IPS@": elements([f"{noted[id(s)]} : goto {chain('service', s)}" for s in served]),
        "@NODE_PORTS@": elements([f'{s.protocol} . {s.node_port} comment "{s.name}" : goto {chain("external", s)}' for s in served if s.node_port]),
    }
    text = HEAD
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text + "".join(map(_chains, served)) + "}\n"


def _chains(service: Service) -> str:
    """Chains of one Service port and of its endpoints."""
    made = []
    for endpoint in service.endpoints:
        address = endpoint.partition(":")[0]
        rules = (f"ip saddr {address} jump mark-for-masquerade", f"meta l4proto {service.protocol} dnat to {endpoint}")
        made.append((chain("endpoint", service, endpoint), rules))
    cluster = f"ip daddr {service.address} {service.protocol} dport {service.port} ip saddr != {POD_NETWORK} jump mark-for-masquerade"
    ways = ", ".join(f"{n} : goto {chain('endpoint', service, e)}" for n, e in enumerate(service.endpoints))
    made.append((chain("service", service), (cluster, f"numgen random mod {len(service.endpoints)} vmap {{ {ways} }}")))
    if service.node_port:
        made.append((chain("external", service), ("jump mark-for-masquerade", f"goto {chain('service', service)}")))
    return "".join(f"\tchain {name} {{\n" + "".join(f"\t\t{rule}\n" for rule in rules) + "\t}\n" for name, rules in made)
