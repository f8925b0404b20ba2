"""The declared kinds of facts and their fields; rule lint, documentation and tests read this one table.

Addresses are text in canonical form (``10.0.0.1``, ``fd00::1``), prefixes always carry their length (``10.0.0.0/8``, the
default route is ``0.0.0.0/0`` or ``::/0``), MACs are lower case with colons, ``family`` is 4 or 6.  A field that was not seen is absent.
``node`` and ``stack`` belong to every fact and are not listed.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Kind(NamedTuple):
    """A declared kind of fact."""

    about: str
    """What one fact of this kind states."""
    fields: dict[str, str]
    """Field name → meaning, with its type in front."""
    origin: str = "evidence"
    """``evidence``: from a collector; ``walk``: derived from a walk; ``engine``: computed by the engine."""


KINDS: Final[dict[str, Kind]] = {
    # --- what was read -------------------------------------------------------------------------------------------
    "collected": Kind(
        "A listing was seen as a whole: what it does not list does not exist (even if it lists nothing).",
        {
            "what": "str: links | addresses | routes | routing_rules | neighbors | fdb | bridge_ports | netfilter | ipsets | sysctls | sockets | "
            "conntrack | ipvs | wireguard | modules | cni_configs | containers | container_networks | dns_config | <k8s resource plural>",
            "scope": "str: 'all', or the part seen: a table ('main', 'filter', 'nat'), a protocol ('tcp', 'udp'), a family ('4', '6'), "
            "its listening or unconnected sockets ('tcp-listen', 'udp-listen': also stated where 'tcp', 'udp' are), a device (links, addresses, neighbors, fdb), "
            "a namespace (pods …), 'running' or 'sandboxes' (containers), "
            "'nft-native' (nft list ruleset), or a sysctl key that does not exist",
            "backend": "str: legacy | nft (netfilter only, absent if the output does not tell)",
            "family": "int: 4 | 6, where the listing is of one family",
        },
    ),
    "not_collected": Kind(
        "An item that the collector could not get.",
        {"what": "str: as in collected, or the command line", "command": "str: command that would collect it", "reason": "str: why not"},
    ),
    "unparsed": Kind("Lines that no parser understood.", {"count": "int", "sample": "str: the first such line"}),
    "netns": Kind(
        "A network namespace (stack) exists.",
        {
            "name": "str: name of the stack",
            "role": "str: host | container",
            "entry": "str: command prefix that runs something in it from the node: '' | 'ip netns exec web' | 'nsenter -t 812 -n'",
            "pid": "int: a process inside it",
            "inode": "int: its inode on that kernel (equal inodes are one namespace)",
            "peers": "dict[int, str]: link-netnsid as seen from this namespace → stack name",
        },
    ),
    # --- links and layer 2 ---------------------------------------------------------------------------------------
    "link": Kind(
        "A network device.",
        {
            "name": "str",
            "index": "int: ifindex",
            "type": "str: loopback | ether | veth | bridge | vxlan | vlan | macvlan | ipvlan | tun | ipip | gre | geneve | wireguard | dummy | bond",
            "mac": "str",
            "mtu": "int: octets",
            "up": "bool: administratively up (IFF_UP)",
            "carrier": "bool: LOWER_UP / RUNNING",
            "flags": "tuple[str]: as printed",
            "state": "str: operational state (UP, DOWN, UNKNOWN, LOWERLAYERDOWN)",
            "master": "str: bridge or bond it is enslaved to",
            "peer_index": "int: ifindex of the other end (the N of @ifN)",
            "peer_name": "str: other end or lower device in the same namespace (the NAME of @NAME)",
            "netnsid": "int: link-netnsid of the other end",
            "peer_stack": "str: stack that holds the other end, where the collector resolved it",
            "vlan_id": "int",
            "vxlan_id": "int: VNI",
            "vxlan_port": "int: UDP destination port",
            "vxlan_local": "str: source address of the tunnel",
            "vxlan_remote": "str: unicast or multicast default destination",
            "vxlan_device": "str: underlay device",
            "vxlan_learning": "bool",
            "tunnel_local": "str: 0.0.0.0 = any",
            "tunnel_remote": "str: 0.0.0.0 = any",
            "macvlan_mode": "str: bridge | private | vepa | passthru",
            "tun_mode": "str: tun | tap",
            "hairpin": "bool: bridge port attribute",
            "isolated": "bool: bridge port attribute",
            "learning": "bool: bridge port attribute",
            "flood": "bool: bridge port attribute",
            "port_state": "str: bridge port state: forwarding | blocking | disabled | listening | learning",
            "vlan_filtering": "bool: bridge attribute",
            "nf_call_iptables": "bool: bridge attribute (per bridge)",
            "promiscuity": "int",
            "alias": "str",
            "rx_packets": "int",
            "tx_packets": "int",
            "rx_dropped": "int",
            "rx_missed": "int: packets for which the card's ring had no room",
            "tx_dropped": "int",
        },
    ),
    "address": Kind(
        "An address of a device.",
        {
            "device": "str",
            "address": "str",
            "prefixlen": "int",
            "peer": "str: point-to-point peer",
            "broadcast": "str",
            "scope": "str: global | link | host",
            "secondary": "bool",
            "label": "str",
            "dynamic": "bool: has a lifetime (DHCP)",
            "family": "int",
        },
    ),
    "neighbor": Kind(
        "An entry of the neighbour (ARP/ND) table.",
        {"address": "str", "device": "str", "mac": "str", "state": "str: REACHABLE | STALE | FAILED | INCOMPLETE | PERMANENT | …",
         "proxy": "bool", "family": "int"},
    ),
    "bridge_port": Kind(
        "A device that is a port of a bridge (bridge link, brctl show).",
        {"device": "str", "master": "str: the bridge", "state": "str: forwarding | blocking | disabled | listening | learning", "hairpin": "bool",
         "isolated": "bool", "learning": "bool", "flood": "bool"},
    ),
    "fdb": Kind(
        "A forwarding database entry of a bridge port or VXLAN device.",
        {"mac": "str", "device": "str: absent if a listing of one device does not tell which", "dst": "str: remote VTEP", "port": "int", "vni": "int", "master": "str", "vlan": "int",
         "self": "bool", "permanent": "bool", "flags": "tuple[str]"},
    ),
    # --- routing -------------------------------------------------------------------------------------------------
    "route": Kind(
        "A route.",
        {
            "table": "str: main | local | default | number or name",
            "type": "str: unicast | local | broadcast | unreachable | blackhole | prohibit | throw | multicast | anycast | nat",
            "dst": "str: prefix",
            "gateway": "str",
            "device": "str",
            "src": "str: preferred source",
            "metric": "int: 0 if not printed (IPv4)",
            "scope": "str: global | link | host",
            "protocol": "str: kernel | boot | static | bird | …",
            "mtu": "int",
            "onlink": "bool",
            "tos": "str",
            "flags": "tuple[str]: dead, linkdown, offload …",
            "nexthops": "tuple[dict]: {gateway, device, weight, onlink, flags} of a multipath route",
            "family": "int",
        },
    ),
    "routing_rule": Kind(
        "A policy routing rule (ip rule).",
        {"priority": "int", "src": "str: prefix, absent = every source", "dst": "str: prefix, absent = every destination",
         "iif": "str", "oif": "str", "fwmark": "int", "fwmask": "int",
         "table": "str", "action": "str: lookup | unreachable | prohibit | blackhole | goto | nop", "goto": "int", "invert": "bool",
         "ipproto": "str", "sport": "str: N or N-M", "dport": "str: N or N-M", "tos": "str", "uidrange": "str",
         "suppress_prefixlength": "int", "l3mdev": "bool", "family": "int"},
    ),
    # --- netfilter -----------------------------------------------------------------------------------------------
    "netfilter_table": Kind(
        "A table of iptables; rules inside are read as text.",
        {"backend": "str: legacy | nft; absent if unknown", "family": "int", "table": "str: raw | mangle | nat | filter | security",
         "chains": "tuple[ChainText]",
         "columns": "str: 'no-interfaces' if the output (-L without -v) hides interface matches: any rule may have one that is not in its words",
         "partial": "bool: true if chains or rules are missing (cut off, or one chain was asked for): an absent chain, or a chain's end, is unknown"},
    ),
    "netfilter_chain": Kind(
        "A chain of an iptables table (computed from netfilter_table).",
        {"backend": "str: legacy | nft; '' if the output does not tell", "family": "int", "table": "str", "name": "str", "policy": "str: ACCEPT | DROP; absent on user chains",
         "rule_count": "int", "packets": "int: that met the policy"},
        "engine",
    ),
    "netfilter_rule": Kind(
        "A rule of an iptables chain (computed from netfilter_table).",
        {"backend": "str", "family": "int", "table": "str", "chain": "str", "number": "int: position from 1", "spec": "str: iptables-save words",
         "target": "str: jump target, '' if none", "packets": "int"},
        "engine",
    ),
    "nft_ruleset": Kind("A native nftables ruleset as text.", {"text": "str", "format": "str: text | json"}),
    "ipset": Kind(
        "An ipset.",
        {"name": "str", "type": "str: hash:net …", "family": "int", "members": "tuple[str]: as printed (with options such as nomatch, timeout)",
         "member_lines": "tuple[int]: source line of each member"},
    ),
    "sysctl": Kind("A kernel parameter.", {"key": "str: dotted, as sysctl prints it", "value": "str: white space folded"}),
    "ipvs_service": Kind(
        "A virtual service of IPVS.",
        {"protocol": "str: tcp | udp | sctp; absent on services by firewall mark", "address": "str: virtual address", "port": "int: 0 = every port", "fwmark": "int",
         "scheduler": "str: rr | wrr | lc | wlc | sh …", "persistent": "int: seconds that a client stays with its server", "family": "int"},
    ),
    "ipvs_server": Kind(
        "A real server of a virtual service.",
        {"protocol": "str: of its service", "service_address": "str: virtual address", "service_port": "int", "fwmark": "int: of its service", "address": "str", "port": "int",
         "forward": "str: masq | route | tunnel", "weight": "int: 0 = takes no new connection", "active": "int: connections", "inactive": "int: connections",
         "family": "int"},
    ),
    "ipvs_timeouts": Kind(
        "After how many idle seconds IPVS forgets a connection (ipvsadm -L --timeout).", {"tcp": "int: established", "tcpfin": "int", "udp": "int"}
    ),
    "wireguard_device": Kind("A WireGuard device.", {"device": "str", "public_key": "str", "port": "int: UDP port it listens on", "fwmark": "int"}),
    "wireguard_peer": Kind(
        "A peer of a WireGuard device.",
        {"device": "str", "public_key": "str", "endpoint": "str: address, absent if none was set or learned", "endpoint_port": "int",
         "allowed": "tuple[str]: prefixes that are routed to it and accepted from it", "handshake": "int: seconds ago; absent = never"},
    ),
    "conntrack": Kind(
        "A connection tracking entry.",
        {"protocol": "str", "state": "str", "src": "str", "dst": "str", "sport": "int", "dport": "int", "reply_src": "str",
         "reply_dst": "str", "reply_sport": "int", "reply_dport": "int", "mark": "int", "zone": "int", "unreplied": "bool",
         "assured": "bool", "timeout": "int: seconds", "family": "int"},
    ),
    "socket": Kind(
        "A socket.",
        {"protocol": "str: tcp | udp", "state": "str: LISTEN | UNCONN | ESTAB | …", "address": "str: 0.0.0.0 or :: = any (v6only tells whether :: takes IPv4)", "port": "int",
         "device": "str: bound to device", "peer_address": "str", "peer_port": "int", "process": "str", "pid": "int", "recv_q": "int",
         "send_q": "int", "v6only": "bool", "family": "int: 4 | 6"},
    ),
    "counter": Kind(
        "A counter of the kernel: what was lost or counted since it started, or how large a table is now.",
        {"name": "str: as nstat prints it (TcpExtListenOverflows), or FILE.COLUMN: softnet.dropped, conntrack.drop, arp_cache.entries, ss.timewait", "value": "int"},
    ),
    "kernel_module": Kind("A loaded module.", {"name": "str"}),
    "kernel_trace": Kind(
        "What the kernel's own packet trace says of one packet (xtables-monitor --trace, or TRACE lines of the kernel log).",
        {"packet": "str: identity of the packet in that output", "table": "str", "chain": "str", "event": "str: rule | policy | return",
         "verdict": "str: ACCEPT | DROP | CONTINUE | JUMP:CHAIN | GOTO:CHAIN | RETURN; absent in the kernel log", "number": "int: rule position (kernel log only)",
         "spec": "str: the rule's words (xtables-monitor only)", "in_device": "str", "out_device": "str", "src": "str", "dst": "str", "sport": "int", "dport": "int",
         "protocol": "str: tcp | udp | icmp", "family": "int"},
    ),
    # --- names and programs --------------------------------------------------------------------------------------
    "host": Kind("The machine itself.", {"hostname": "str", "kernel": "str: release", "os": "str"}),
    "dns_config": Kind("A resolv.conf.", {"nameservers": "tuple[str]", "search": "tuple[str]", "options": "tuple[str]", "file": "str"}),
    "hosts_entry": Kind("A line of /etc/hosts.", {"address": "str", "names": "tuple[str]"}),
    "cni_config": Kind(
        "A CNI network configuration file in net.d.",
        {"file": "str: absolute path on the node, or its name", "name": "str: network name", "types": "tuple[str]: plug-ins in order", "bridge": "str",
         "subnets": "tuple[str]: IPAM ranges", "gateway": "str", "ipam": "str: IPAM plug-in", "is_gateway": "bool", "ip_masq": "bool",
         "hairpin": "bool", "mtu": "int", "disabled": "bool: has a suffix that the runtime ignores", "error": "str: why it does not parse"},
    ),
    "flannel_subnet": Kind("flannel's subnet.env.", {"network": "str: overlay prefix", "subnet": "str: this node's prefix, gateway address kept (10.244.1.1/24)",
                                                   "mtu": "int", "ip_masq": "bool", "file": "str"}),
    "container": Kind(
        "A container of a runtime.",
        {"id": "str", "name": "str", "runtime": "str: docker | podman | containerd | crio", "state": "str: running | exited | …", "pid": "int",
         "image": "str", "hostname": "str", "network_mode": "str", "namespace": "str: sandbox path or namespace name",
         "endpoints": "tuple[dict]: {network, address, prefixlen, gateway, mac}", "ports": "tuple[dict]: {host_ip, host_port, container_port, protocol}",
         "exposed": "tuple[str]: ports that it declares but does not publish: 80/tcp",
         "labels": "dict[str, str]", "pod": "str: namespace/name of its pod"},
    ),
    "published_port": Kind(
        "A port of a node that a runtime says it publishes for a running container (computed from container).",
        {"runtime": "str", "container": "str: name", "host_ip": "str: '' = every address", "host_port": "int", "container_port": "int", "protocol": "str",
         "address": "str: of the container", "network": "str", "bridge": "str: bridge of that network, if known"},
        "engine",
    ),
    "container_network": Kind(
        "A network of a container runtime.",
        {"id": "str", "name": "str", "runtime": "str", "driver": "str", "bridge": "str: device name", "subnets": "tuple[str]", "gateways": "tuple[str]",
         "internal": "bool", "masquerade": "bool", "icc": "bool", "options": "dict[str, str]"},
    ),
    "k8s_node": Kind(
        "A Kubernetes Node.",
        {"name": "str", "addresses": "tuple[str]: InternalIP first", "pod_cidrs": "tuple[str]", "labels": "dict", "annotations": "dict", "ready": "bool",
         "unschedulable": "bool", "conditions": "dict[str, str]: type → True | False | Unknown, with the reason of a False one after a colon",
         "taints": "tuple[str]: key=value:effect", "version": "str: of the kubelet", "provider": "str: spec.providerID"},
    ),
    "pod": Kind(
        "A Kubernetes Pod.",
        {"namespace": "str", "name": "str", "ips": "tuple[str]", "node_name": "str: node it runs on", "host_network": "bool",
         "phase": "str", "ready": "bool", "labels": "dict", "ports": "tuple[dict]: {name, port, protocol, host_port}",
         "dns_policy": "str", "owner": "str", "annotations": "dict", "host_ip": "str: address of its node", "service_account": "str",
         "args": "tuple[str]: command and arguments of its containers (kube-system only)", "ports_unnamed": "bool: the print does not show names of ports",
         "images": "tuple[str]", "reason": "str: why it is not ready (CrashLoopBackOff, Unschedulable …)", "message": "str: what the API says about that",
         "restarts": "int: of all its containers", "terminating": "bool", "probes": "tuple[str]: readiness probes as describe prints them", "dns": "dict: spec.dnsConfig",
         "host_aliases": "tuple[str]", "priority_class": "str"},
    ),
    "service": Kind(
        "A Kubernetes Service.",
        {"namespace": "str", "name": "str", "type": "str", "cluster_ips": "tuple[str]: 'None' of a headless one", "external_ips": "tuple[str]: spec.externalIPs; of a table the load balancer's too",
         "ingress_ips": "tuple[str]: what the load balancer gave", "ingress_names": "tuple[str]: DNS names that it gave",
         "ports": "tuple[dict]: {name, port, target_port, protocol, node_port}; target_port is absent if it was not printed", "selector": "dict: empty = it has none",
         "internal_policy": "str", "external_policy": "str", "external_name": "str", "affinity": "str: ClientIP | None", "publish_not_ready": "bool",
         "annotations": "dict", "labels": "dict", "health_check_port": "int", "source_ranges": "tuple[str]: loadBalancerSourceRanges"},
    ),
    "endpoints": Kind(
        "Ready and unready addresses of a Service (Endpoints or an EndpointSlice).",
        {"namespace": "str", "service": "str", "name": "str: of the object",
         "ready": "tuple[dict]: {address, node_name, pod, serving, terminating, zone, hostname}; a condition that is absent was not said", "not_ready": "tuple[dict]",
         "ports": "tuple[dict]: {name, port, protocol}", "slice": "bool"},
    ),
    "service_backends": Kind(
        "Who is behind a port of a Service (computed from Services, endpoints and pods).",
        {"namespace": "str", "service": "str", "type": "str", "known": "bool: its endpoints were seen", "port": "int", "port_name": "str", "protocol": "str",
         "node_port": "int", "target_port": "str", "selector": "str: app=web,tier=front; '' = none; absent if not seen", "ready": "int: addresses of the Service",
         "not_ready": "int", "selected": "int: pods that the selector selects; absent if that cannot be told",
         "lack": "str: why no backend of this port is ready: no-selector | no-pod | other-namespace | not-ready | no-address | port-name | other-ports | unknown; "
         "absent if one is",
         "pods": "tuple[str]: pods that the lack is about: the selected ones, or those that the selector nearly fits", "pod": "str: the first of them",
         "pod_phase": "str", "pod_labels": "str", "pod_reason": "str", "pod_message": "str", "pod_probe": "str", "pod_ports": "tuple[str]: name=number/protocol",
         "undeclared": "bool: true if no selected pod declares the target port, though all declare some", "pod_port": "int: the first that they declare instead"},
        "engine",
    ),
    "namespace": Kind("A Kubernetes Namespace.", {"name": "str", "labels": "dict", "annotations": "dict", "phase": "str: Active | Terminating"}),
    "network_policy": Kind(
        "A network policy.",
        {"flavour": "str: kubernetes | calico | calico-global | cilium | cilium-global", "namespace": "str: absent for those of the whole cluster", "name": "str",
         "spec": "dict: as the API has it; absent if only its name was printed", "specs": "tuple[dict]: of a cilium policy with several"},
    ),
    "workload": Kind(
        "A DaemonSet, Deployment, StatefulSet or ReplicaSet.",
        {"type": "str: DaemonSet | Deployment | StatefulSet | ReplicaSet", "namespace": "str", "name": "str", "desired": "int", "ready": "int", "available": "int",
         "misscheduled": "int: pods of a DaemonSet where none should be", "labels": "dict", "selector": "dict", "images": "tuple[str]",
         "args": "tuple[str]: command and arguments of its containers (kube-system and CNI namespaces only)",
         "env": "dict[str, str]: plain settings of network plug-ins (IP_…, CALICO_…, FELIX_…, CLUSTER_TYPE, *_CIDR)", "host_network": "bool", "node_selector": "dict",
         "tolerations": "tuple[str]: key=value:effect", "template_labels": "dict", "dns_policy": "str", "probes": "tuple[str]", "priority_class": "str"},
    ),
    "k8s_event": Kind(
        "A Kubernetes event.",
        {"namespace": "str", "object": "str: Pod/web-1", "type": "str: Normal | Warning", "reason": "str", "message": "str", "count": "int", "last": "str: when it was last seen"},
    ),
    "service_cidr": Kind("A ServiceCIDR object.", {"name": "str", "cidrs": "tuple[str]"}),
    "ippool": Kind("A calico IP pool.", {"name": "str", "cidr": "str", "nat_outgoing": "bool", "disabled": "bool", "ipip": "str", "vxlan": "str",
                                         "block_size": "int", "node_selector": "str"}),
    "calico_node": Kind(
        "A calico Node object, or a line of `calicoctl get nodes -o wide`.",
        {"name": "str", "ipv4": "str: BGP address with its length", "ipv6": "str", "as_number": "str", "ipip_address": "str: of tunl0", "vxlan_address": "str",
         "vxlan_mac": "str", "wireguard_key": "str", "route_reflector": "str: cluster id"},
    ),
    "felix_config": Kind("A FelixConfiguration.", {"name": "str: default, or node.NAME", "settings": "dict"}),
    "bgp_config": Kind("A BGPConfiguration or BGPPeer of calico.", {"type": "str: BGPConfiguration | BGPPeer", "name": "str", "settings": "dict"}),
    "calico_tier": Kind("A tier of calico's policies.", {"name": "str", "order": "float: absent = last"}),
    "network_set": Kind("A NetworkSet or GlobalNetworkSet of calico.", {"name": "str", "namespace": "str", "labels": "dict", "nets": "tuple[str]"}),
    "calico_block": Kind(
        "A block of a calico IP pool that belongs to a node (BlockAffinity or IPAMBlock).",
        {"cidr": "str", "node_name": "str", "state": "str: confirmed | pending …", "deleted": "bool", "allocated": "int: addresses in use (IPAMBlock)"},
    ),
    "host_endpoint": Kind("A HostEndpoint of calico.", {"name": "str", "node_name": "str", "interface": "str", "addresses": "tuple[str]", "labels": "dict"}),
    "kube_config": Kind("Configuration of a cluster component (a ConfigMap's data).", {"namespace": "str", "name": "str", "data": "dict[str, str]"}),
    "docker_pool": Kind(
        "One of the subnets that docker gives to networks by default (computed where docker's networks and the node's routes were seen).",
        {"cidr": "str", "taken": "str: what overlaps it: network | route; absent if it is free", "by": "str: prefix that overlaps it", "name": "str: network, or device of the route"},
        "engine",
    ),
    "vtep_stale": Kind(
        "What a VXLAN device that routes holds of another machine's, where that has another MAC or another address; or what a node's annotation tells of its own (computed).",
        {"device": "str", "vni": "int", "entry": "str: neighbor | fdb | annotation: what is wrong", "address": "str: overlay next hop that it is about, if known",
         "mac": "str: as held (or announced)", "dst": "str: outer address that frames to that MAC are sent to", "peer": "str: machine or Node that is meant",
         "peer_device": "str", "peer_mac": "str: as it really is (or is announced)", "peer_outer": "str: outer address, if known",
         "program": "str: flannel | calico, where that is known"},
        "engine",
    ),
    "vtep_twin": Kind(
        "Two machines' VXLAN devices of one VNI have one MAC; placed on the one that peers find less, or on the machine whose entries show it (computed).",
        {"device": "str", "vni": "int", "mac": "str", "known_by": "str: device | annotation | neighbor", "one": "str: machine, Node, or overlay address",
         "one_outer": "str", "other": "str", "other_outer": "str", "address": "str: overlay address of the second", "program": "str: flannel | calico"},
        "engine",
    ),
    "symptom": Kind(
        "What the user complained of; on every node's own stack ('' if Kubernetes objects are all that was given).",
        {"text": "str: lower case, white space folded", "error_class": "str: as in flow; '' if not said", "large": "bool: it speaks of large packets or transfers",
         "pods": "tuple[str]: namespace/name of the pods that it names; absent without Kubernetes objects", "services": "tuple[str]: namespace/name"},
        "engine",
    ),
    # --- derived by the walk -------------------------------------------------------------------------------------
    "flow": Kind(
        "The flow that was asked about and walked; placed on the stack that sends.",
        {"flow": "int: number of the flow", "src": "str: address used", "dst": "str: address asked for", "port": "int", "protocol": "str: tcp | udp | icmp",
         "client_sees": "str: connected | timeout | errno name | depends", "target_node": "str", "target_stack": "str: where the address lives, if known",
         "error_class": "str: what the symptom reported, if it did"},
        "walk",
    ),
    "drop": Kind(
        "The walk of a flow ends here; placed on the stack that ends it.",
        {
            "flow": "int", "direction": "str: request | reply | error (an ICMP error on its way back)",
            "by": "str: policy | rule | no-route | blocked-route | forwarding | rp-filter | martian | neighbor | device | ports | queue | socket | loop | bridge | fdb | too-big",
            "effect": "str: dropped | rejected | no-route",
            "hook": "str: PREROUTING | INPUT | FORWARD | OUTPUT | POSTROUTING; '' outside netfilter",
            "backend": "str", "table": "str", "chain": "str: chain that holds the deciding rule or policy", "base_chain": "str: base chain of the hook", "number": "int: rule position",
            "path": "str: the jumps that lead to the deciding rule: 'INPUT 2 → LOCAL 1'",
            "spec": "str: the deciding rule", "target": "str", "reject_with": "str",
            "src": "str: as the packet is at this point", "dst": "str", "sport": "int", "dport": "int", "protocol": "str", "ctstate": "str", "mark": "int",
            "in_device": "str", "out_device": "str", "physin_device": "str", "physout_device": "str", "gateway": "str",
            "source_prefix": "str: on-link prefix that the packet's source belongs to, if known", "client_sees": "str",
            "key": "str: kernel parameter that decided", "value": "int: its value as it counts",
            "back_device": "str: rp-filter: device by which the route back to the source leaves, '' = no route",
            "return_via": "str: on a reply, address of the stack that had sent the request here",
            "size": "int: octets of the packet, on walks of full-size packets (and by too-big)",
            "mtu": "int: too-big: octets that would pass", "device": "str: too-big: device (or device of the route) whose MTU is exceeded",
            "tunnel": "str: device that made the packet: it is the outer one of a tunnel", "overhead": "int: octets by which that packet is larger than the inner one",
        },
        "walk",
    ),
    "hop": Kind(
        "The walked packet was routed on a stack.",
        {"flow": "int", "direction": "str", "seq": "int", "how": "str: output | forward | input", "in_device": "str", "out_device": "str", "src": "str",
         "dst": "str", "gateway": "str", "table": "str: routing table that decided", "route": "str: prefix that decided", "source_prefix": "str",
         "tunnel": "str: as in drop", "overhead": "int: as in drop"},
        "walk",
    ),
    "nat": Kind(
        "The walked packet was translated on a stack.",
        {"flow": "int", "direction": "str", "type": "str: source | destination", "target": "str: MASQUERADE | SNAT | DNAT | REDIRECT | NETMAP", "backend": "str: as of drop", "table": "str",
         "chain": "str", "number": "int", "spec": "str", "before": "str: address", "after": "str: address", "before_port": "int", "after_port": "int",
         "src": "str: source before", "dst": "str: destination before", "in_device": "str", "out_device": "str", "out_type": "str: type of the out device",
         "source_prefix": "str: the stack's on-link prefix that holds the source before", "overlay": "bool: the out device carries an overlay"},
        "walk",
    ),
    "arrival": Kind(
        "The walked request arrived on a stack from another one of the evidence.",
        {"flow": "int", "direction": "str", "via": "str: the sender's address on the shared segment", "device": "str", "src": "str", "source_prefix": "str"},
        "walk",
    ),
    "no_nat": Kind(
        "The walked request passed nat POSTROUTING of a forwarding stack without source translation.",
        {"flow": "int", "direction": "str", "src": "str", "dst": "str", "in_device": "str", "out_device": "str", "out_type": "str",
         "overlay": "bool: the out device carries an overlay", "source_prefix": "str: on-link prefix that holds the source"},
        "walk",
    ),
    "later_accept": Kind(
        "A rule accepts the refused packet, but the refusing rule stands before it and lets nothing past; placed on the stack that refuses.",
        {"flow": "int", "direction": "str", "hook": "str", "backend": "str", "table": "str", "chain": "str: chain in which the order is wrong",
         "number": "int: position of the rule that comes too late there (the accepting one, or the jump that leads to it)", "spec": "str: of that rule",
         "before": "int: position in that chain before which it would take effect", "accept_chain": "str", "accept_number": "int",
         "accept_spec": "str: the accepting rule itself"},
        "walk",
    ),
    "other_verdict": Kind(
        "Another base chain of the hook has a rule that accepts the refused packet; placed on the stack that refuses.",
        {"flow": "int", "direction": "str", "hook": "str", "backend": "str", "table": "str", "base_chain": "str", "chain": "str: of the accepting rule",
         "number": "int", "spec": "str", "native": "bool: of nft's own tables, not of iptables"},
        "walk",
    ),
    "set_decided": Kind(
        "An ipset decided that a packet was refused; placed on the stack that refuses.",
        {"flow": "int", "direction": "str", "hook": "str", "set": "str", "type": "str: type of the set", "how": "str: listed | not-listed", "table": "str",
         "chain": "str", "number": "int", "spec": "str: the rule that asks the set", "target": "str", "member": "str: the entry that holds the packet",
         "entry": "str: the entry that would hold exactly this packet"},
        "walk",
    ),
    "nat_skipped": Kind(
        "The walked packet was kept from conntrack and therefore not translated, although nat would have translated it.",
        {"flow": "int", "direction": "str", "hook": "str", "type": "str: source | destination | reversal (of the request's translation)", "target": "str",
         "chain": "str: of the nat rule", "number": "int: of the nat rule", "spec": "str: the nat rule", "before": "str: address",
         "after": "str: address that it would have got", "backend": "str: of the rule that keeps it from conntrack", "raw_table": "str", "raw_chain": "str",
         "raw_number": "int", "raw_spec": "str", "src": "str", "dst": "str", "sport": "int", "dport": "int", "protocol": "str"},
        "walk",
    ),
    "rule_seen": Kind(
        "A netfilter rule that the walk evaluated on the way and that did not end the chain (for 'why did this not match').",
        {"flow": "int", "direction": "str", "table": "str", "chain": "str", "number": "int", "spec": "str", "target": "str", "matched": "bool",
         "failed": "str: the first match that did not hold", "set": "str: ipset of that match", "src": "str", "dst": "str",
         "in_device": "str", "out_device": "str"},
        "walk",
    ),
    "left_evidence": Kind(
        "The walk left what was collected.",
        {"flow": "int", "direction": "str", "device": "str", "next_hop": "str", "dst": "str", "src": "str", "source_prefix": "str", "on_link": "str: on-link prefix that holds the destination, '' if it is behind a gateway",
         "return_via": "str: on a reply, address of the stack that had sent the request here",
         "tunnel": "str: as in drop", "overhead": "int: as in drop"},
        "walk",
    ),
    "marked": Kind(
        "An iptables rule set the mark of the walked packet.",
        {"flow": "int", "direction": "str", "hook": "str", "backend": "str", "table": "str", "chain": "str", "number": "int", "spec": "str", "mark": "int: after it",
         "in_device": "str", "out_device": "str"},
        "walk",
    ),
    "lookup": Kind(
        "The routing decision that ended a walk: no route, a blocking one, a blocking policy rule, or a gateway that does not answer (or that nobody saw); placed on the stack that decided.",
        {
            "flow": "int", "direction": "str", "src": "str", "dst": "str", "in_device": "str", "source_prefix": "str",
            "type": "str: none | unreachable | blackhole | prohibit | throw | broadcast | unicast",
            "by": "str: route | rule | '' (nothing matched)",
            "route": "str: prefix that decided", "table": "str", "device": "str", "gateway": "str", "metric": "int", "protocol": "str", "scope": "str", "preferred": "str: its src",
            "priority": "int: of the policy rule that led there", "policy": "str: that rule, if somebody added it",
            "has_default": "bool: a default route is in the tables that were looked into", "gateway_routes": "int: routes by a gateway in those tables",
            "dst_prefix": "str: on-link prefix that holds the destination, as far as the evidence tells", "public": "bool: the destination is of no private range",
            "down_device": "str: a device with an address that is down: its routes went with it",
            "gateway_on_link": "bool: the gateway is in a subnet of its device; absent without a gateway, and where the device has no subnet",
            "holder_device": "str: device whose other end (a container) holds the destination",
            "via": "str: a neighbour that would take the packet on, if the evidence shows or names one", "via_device": "str: device that leads to it",
            "via_how": "str: forwards (seen to lead there) | sibling (the default gateway of others in the subnet) | runtime (gateway of the container network)",
        },
        "walk",
    ),
    "other_way": Kind(
        "A route that a lost packet passed over although it covers the destination and leads on; placed on the stack that decided, with the line of the route that was chosen.",
        {
            "flow": "int", "direction": "str", "src": "str", "dst": "str", "in_device": "str", "source_prefix": "str",
            "type": "str: of what was chosen: unicast | unreachable | blackhole | prohibit | none",
            "route": "str: prefix that was chosen", "table": "str", "device": "str", "gateway": "str", "metric": "int", "protocol": "str", "scope": "str", "preferred": "str: its src",
            "device_type": "str: type of the chosen device", "priority": "int: of the policy rule that led to the chosen table", "policy": "str: that rule, if somebody added it",
            "other_route": "str", "other_table": "str", "other_device": "str", "other_gateway": "str", "other_metric": "int", "other_protocol": "str", "other_scope": "str",
            "other_preferred": "str",
            "other_fwmark": "int: mark that the policy rule to the other table asks for", "dst_prefix": "str: on-link prefix that holds the destination, as far as the evidence tells",
            "same_table": "bool", "more_specific": "bool: the chosen prefix is longer", "leads": "str: where the other route leads: target | outside (the evidence)",
            "end": "str: how the packet ended: drop.by, or left (the evidence)", "here": "bool: it ended on this very stack",
        },
        "walk",
    ),
    "bound": Kind(
        "What waits on the port that was asked for, on the stack that refused (or that may be the target) and takes nothing there.",
        {"flow": "int", "direction": "str", "dst": "str: address asked for, as it is there; absent if none was named", "port": "int", "protocol": "str: tcp | udp",
         "sure": "bool: the walk ended there; else the stack may be the target, as far as the evidence tells",
         "held": "bool: the stack is known to hold the address",
         "how": "str: none | other-protocol | loopback | other-address | other-family | other-device | other-port (published) | unpublished (only exposed)",
         "by": "str: socket | published; absent where nothing waits", "address": "str: that it is bound to", "process": "str", "pid": "int", "device": "str",
         "container": "str: that publishes the port", "host_port": "int", "container_port": "int",
         "others": "tuple[int]: ports of that protocol on which the stack listens for others",
         "unit": "str: service unit that usually listens there", "wanted": "str: address that would take it: the one asked for, or any in a container"},
        "walk",
    ),
    "narrow": Kind(
        "Large packets were asked about, and the TCP client announces an MSS that the way does not carry; what answers it is not in the evidence. "
        "Placed on the stack that routes the request out by the narrow device.",
        {"flow": "int", "direction": "str", "device": "str", "mtu": "int: of the device", "announced": "int: octets of the packets that the other end may send",
         "sender_device": "str: device of the client", "sender_mtu": "int", "in_device": "str: device by which the request came", "overlay": "bool: the device carries an overlay"},
        "walk",
    ),
    "limit": Kind(
        "A bounded table or queue on the path of a flow that lives is full, or has turned packets away; placed on the stack that holds it.",
        {"flow": "int", "direction": "str", "resource": "str: conntrack | neighbors | listen-queue | softnet | ring", "used": "int: entries now", "max": "int: its bound",
         "key": "str: kernel parameter that is the bound", "full": "bool: it takes no more now", "lost": "int: packets turned away since the start",
         "seen": "int: packets (or connections) that it took since the start", "device": "str", "port": "int", "process": "str"},
        "walk",
    ),
    "tunnelled": Kind(
        "The walked packet was put into a VXLAN tunnel; placed on the stack that encapsulates, with the line of the entry that says where it goes.",
        {"flow": "int", "direction": "str", "device": "str", "vni": "int", "port": "int: UDP", "local": "str: outer source, where the device has one",
         "next_hop": "str: overlay address", "mac": "str: that the frame is for", "source_mac": "str: of the device",
         "remote": "str: outer destination", "lost": "str: '' (it came out at the other end) | no-entry | own-address | outer (the outer packet died) | left (the evidence) | "
         "no-device | other-mac | own-mac", "peer": "str: node that the outer packet arrived on", "peer_device": "str", "peer_mac": "str"},
        "walk",
    ),
    "dead_link": Kind(
        "A device is down, or has no carrier, that a walked packet needed; placed on the stack of the device to bring up, with its line.",
        {"flow": "int", "direction": "str", "src": "str", "dst": "str", "device": "str", "how": "str: down (administratively) | carrier (none, and nothing tells why)",
         "role": "str: out (the packet was to leave by it) | wire (between the sender and its next hop) | routes (the route to the destination went with it) | "
         "default (no route is left, and this device with an address is down)", "type": "str", "master": "str", "address": "str: of the device", "ports": "int: of a bridge",
         "peer_stack": "str: stack of the other end", "peer_device": "str", "seen_on": "str: device by which the packet was to leave"},
        "walk",
    ),
    "loose_port": Kind(
        "A container of a lost packet hangs on a device that is not a port of the bridge that its subnet is on; placed on the bridge's stack, with the device's line.",
        {"flow": "int", "direction": "str", "src": "str", "dst": "str", "device": "str: host's end", "bridge": "str: where it belongs", "master": "str: where it is, '' = nowhere",
         "container": "str: its stack", "address": "str", "subnet": "str"},
        "walk",
    ),
    "bare_bridge": Kind(
        "The default gateway of a container of a lost packet is an address that nobody holds, and its bridge has none in that subnet; placed on the bridge's stack.",
        {"flow": "int", "direction": "str", "src": "str", "dst": "str", "bridge": "str", "address": "str: the gateway's", "prefixlen": "int: of the container", "container": "str: its stack",
         "addresses": "int: how many others the bridge has"},
        "walk",
    ),
    "silent_neighbor": Kind(
        "What the evidence knows of a next hop that nobody answers for (drop.by neighbor); placed on the stack that asked.",
        {"flow": "int", "direction": "str", "src": "str", "dst": "str", "device": "str", "next_hop": "str", "gateway": "str: '' if the destination itself was asked for",
         "state": "str: of its neighbour entry", "on_link": "str: prefix of the device that holds it, '' if none does", "holder_node": "str: who has the address, though not on this wire",
         "holder_stack": "str", "open": "bool: the wire leads out of the evidence", "explained": "bool: another fact of the wire (dead_link, loose_port, bare_bridge) tells why"},
        "walk",
    ),
    "duplicate": Kind(
        "Another station of the segment holds an address that the walk needed too; placed on that other station, with the line of its address.",
        {"flow": "int", "direction": "str", "src": "str", "dst": "str", "address": "str", "prefixlen": "int", "device": "str", "mac": "str", "right_node": "str: the station that the flow needs",
         "right_stack": "str", "right_device": "str", "right_mac": "str", "sure": "bool: what they serve tells which of them is the right one",
         "here": "bool: the walked packet was on this very stack when it needed the address"},
        "walk",
    ),
    "service_flow": Kind(
        "The flow asks for a Service; placed on the stack that sends, with the line of the Service.",
        {"flow": "int", "direction": "str", "namespace": "str", "service": "str", "type": "str", "via": "str: cluster-ip | node-port | load-balancer-ip | external-ip",
         "address": "str", "asked": "int: port asked for", "protocol": "str", "offers": "tuple[str]: 80/tcp", "policy": "str: traffic policy that counts: Cluster | Local",
         "known": "bool: its endpoints were seen", "port": "int: absent if the Service has no such port", "port_name": "str", "node_port": "int", "target_port": "str",
         "selector": "str", "ready": "int", "not_ready": "int", "selected": "int", "lack": "str: as in service_backends", "pods": "tuple[str]", "pod": "str",
         "pod_phase": "str", "pod_labels": "str", "pod_reason": "str", "pod_message": "str", "pod_probe": "str", "pod_ports": "tuple[str]",
         "undeclared": "bool: as in service_backends", "pod_port": "int",
         "eligible": "tuple[str]: address:port that may get it", "eligible_count": "int", "elsewhere": "int: ready ones passed over because they are on other nodes",
         "elsewhere_nodes": "tuple[str]"},
        "walk",
    ),
    "pod_sends": Kind(
        "The sender is a pod of the API.",
        {"flow": "int", "direction": "str", "namespace": "str", "name": "str", "host_network": "bool", "dns_policy": "str", "owner": "str"},
        "walk",
    ),
    "own_balancer": Kind(
        "The flow asks for a load balancer that sends to the very machine that asks; placed on the sender.",
        {"flow": "int", "direction": "str", "address": "str: of the load balancer", "port": "int", "sender": "str: address of the sender among those behind it",
         "backends": "tuple[str]", "by": "str: service (status.loadBalancer) | control-plane (controlPlaneEndpoint)"},
        "walk",
    ),
    "policy_denies": Kind(
        "Network policies turn the flow away; placed on the pod that they select (or on its node), with the line of the policy.",
        {"flow": "int", "direction": "str", "side": "str: egress (of the sender) | ingress (of the receiver)", "namespace": "str", "pod": "str", "pod_labels": "str",
         "policies": "tuple[str]: those that select the pod", "policy": "str: the one that decided, else the first", "flavour": "str: as in network_policy",
         "decided": "str: rule (one denies) | isolated (none allows)", "port": "int: on the receiving pod", "protocol": "str",
         "share": "str: all | some of a Service's backends", "enforcer": "str: what makes policies count; '' if the evidence does not tell",
         "peer": "str: address of the other end", "peer_kind": "str: pod | node | outside", "peer_name": "str", "peer_namespace": "str", "peer_labels": "str",
         "peer_namespace_labels": "str: absent if not seen", "service": "str: namespace/name, if one was asked for"},
        "walk",
    ),
    "depends": Kind(
        "The walk depends on something that the evidence does not tell.",
        {"flow": "int", "direction": "str", "on": "str", "command": "str: command that would settle it"},
        "walk",
    ),
}


def fields_of(kind: str) -> frozenset[str]:
    """Names of the fields that a fact of ``kind`` may have; raises ``KeyError`` for an undeclared kind."""
    return frozenset(KINDS[kind].fields) | {"node", "stack"}
