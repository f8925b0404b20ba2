"""The catalogue's fixed words in English and Chinese, and conditions of rules as sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.report.strings import STRINGS, sees
from engine.rulebase.model import Ref
from engine.schema import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.rulebase.model import Condition, Guard, Join, Operand, Pattern

Text = tuple[str, str]
"""English and Chinese."""

WORDS: Final[dict[str, Text]] = {
    "index": ("Failure modes", "故障模式"),
    "index-about": (
        "What `diagnose` names, one page each: {n} modes. Written by `{command}` from the rules, their playbooks and their proofs; do not edit.",
        "`diagnose` 能指出的故障，每种一页，共 {n} 种。由 `{command}` 根据规则、说明模板和验证材料生成，请勿手工修改。",
    ),
    "mode": ("mode", "模式"),
    "for-example": ("for example", "例如"),
    "client": ("the client sees", "客户端看到"),
    "other": ("[中文](README.zh.md)", "[English](README.md)"),
    "back": ("[All modes](README.md) · [中文]({id}.zh.md)", "[全部模式](README.zh.md) · [English]({id}.md)"),
    "names": ("Names and addresses below are those of an example.", "下文中的名称和地址取自一个例子。"),
    "wrong": ("What is wrong", "问题是什么"),
    "recognise": ("How to recognise it", "如何识别"),
    "happens": ("What happens to the packet", "报文经历了什么"),
    "mend": ("How to mend it", "如何修复"),
    "proof": ("How it is proved", "如何证明"),
    "references": ("References", "参考"),
    "facts": ("Layer: {layer}. Severity: {severity}.", "层次：{layer}。严重程度：{severity}。"),
    "client-sees": ("The client sees: {what}.", "客户端看到：{what}。"),
    "client-any": ("It shows in no error of its own.", "它没有特定的报错。"),
    "evidence": ("What the program looks for, all of it:", "程序查找的证据（须同时满足）："),
    "evidence-cases": ("What the program looks for, in any of these cases:", "程序查找的证据（满足任一情形即可）："),
    "case": ("in the case “{name}”:", "在“{name}”情形下："),
    "absent": ("not there: {what}", "不存在：{what}"),
    "one-of": ("and in the case “{name}”:", "并且，在“{name}”情形下："),
    "is": ("It is this:", "属于本模式的情形（英文）："),
    "is-not": ("It looks like this, but is not:", "看似相同、实则不属于本模式的情形（英文）："),
    "variant": ("Variant “{name}”: {title}", "变体“{name}”：{title}"),
    "risk": ("Risk: {risk}.", "风险：{risk}。"),
    "persist": ("To make it last:", "持久化："),
    "undo": ("To take it back:", "回退："),
    "no-mend": ("There is no command that mends this; see above for what to do.", "没有可以直接执行的修复命令，处理办法见上文。"),
    "own-tests": (
        "The rule's own tests: {fires} in which it fires and {silent} in which it must stay silent (`diagnose rules test`).",
        "规则自带的测试：{fires} 个必须命中，{silent} 个必须不命中（`diagnose rules test`）。",
    ),
    "lab": (
        "`{file}` breaks {kernel}, diagnoses it, runs the printed commands, sees the traffic pass, and undoes them",
        "`{file}` 在{kernel}上制造故障、诊断、执行打印出的命令、确认流量恢复，再回退",
    ),
    "kernel": ("a real network in namespaces", "命名空间中的真实网络"),
    "kernel-vm": ("a real network in an emulated machine", "模拟机器中的真实网络"),
    "alike": ("healthy look-alikes that must give no finding: {names}", "看似相同但健康、不得报告任何问题的网络：{names}"),
    "same-place": ("same place as `{alias}`", "与 `{alias}` 同处"),
    "same": ("`{field}` is `{other}`", "`{field}` 等于 `{other}`"),
    "semicolon": ("; ", "；"),
    "comma": (", ", "、"),
    "bracket": (" ({text})", "（{text}）"),
    "dash": (": ", "："),
}
"""Key → (English, Chinese)."""

NAMES: Final[dict[str, Text]] = {
    "drop": ("where the walked packet ends", "报文在推演中终止之处"),
    "flow": ("the flow that was asked about", "所问的流"),
    "hop": ("a hop of the walked packet", "报文推演的一跳"),
    "nat": ("a translation of the walked packet", "报文经历的一次地址转换"),
    "no_nat": ("the walked packet leaves untranslated", "报文未经源地址转换离开"),
    "nat_skipped": ("a translation that did not happen", "未发生的地址转换"),
    "arrival": ("where the request comes in", "请求到达之处"),
    "lookup": ("the routing decision that ended the walk", "终止推演的路由决策"),
    "other_way": ("a route that was passed over", "被跳过的另一条路由"),
    "left_evidence": ("where the walk leaves the evidence", "推演离开证据范围之处"),
    "narrow": ("a device on the way out that does not carry what the client announces", "出口路径上承载不下客户端所协商大小的设备"),
    "route_gap": ("a range whose route is gone, by what else the table has", "从其余路由看缺少路由的网段"),
    "contested_address": ("an address that two stations claim", "被两台设备同时占用的地址"),
    "route_clash": ("two routes of which one takes what the other is for", "互相抢占的两条路由"),
    "mtu_gap": ("a network or tunnel that is larger than its node's card", "比所在节点网卡更大的容器网络或隧道"),
    "nic": ("the driver of a card: `ethtool -i`", "网卡驱动：`ethtool -i`"),
    "offload": ("what a device does by itself: `ethtool -k`", "设备自行完成的工作：`ethtool -k`"),
    "csum_failure": ("wrong checksums in the kernel log: `dmesg`", "内核日志中的校验和错误：`dmesg`"),
    "limit": ("a full table or queue on the path", "路径上已满的表或队列"),
    "rule_seen": ("a rule on the way", "途经的规则"),
    "set_decided": ("the ipset that decided", "起决定作用的 ipset"),
    "later_accept": ("an accepting rule that comes too late", "位置太靠后的放行规则"),
    "other_verdict": ("an accepting rule in another base chain", "另一条基础链中的放行规则"),
    "marked": ("a rule that set the packet's mark", "设置报文标记的规则"),
    "bare_bridge": ("a bridge without the address that its containers take for their gateway", "缺少容器网关地址的网桥"),
    "loose_port": ("a container's device that is not a port of its bridge", "没有接入网桥的容器网卡"),
    "dead_link": ("a device that is down or without carrier", "未启用或无载波的设备"),
    "closed_port": ("a bridge port that keeps frames back", "扣住帧的网桥端口"),
    "arp_ignored": ("a machine that has the address and ignores the ARP question", "拥有该地址却不应答 ARP 的机器"),
    "misled_neighbor": ("a neighbour entry with a MAC that nobody has", "MAC 无人使用的邻居项"),
    "transform_lost": ("the IPsec policy that ended the packet", "终结报文的 IPsec 策略"),
    "traffic_controlled": ("the queue or tc filter that dropped it", "丢弃报文的队列或 tc 过滤器"),
    "duplicate": ("another holder of the same address", "持有同一地址的另一台设备"),
    "silent_neighbor": ("a next hop that does not answer", "不应答的下一跳"),
    "vanished": ("a packet that one node sent and the next never saw", "已发出却未到达下一节点的报文"),
    "tunnelled": ("the packet inside a VXLAN tunnel", "进入 VXLAN 隧道的报文"),
    "tunnel_end": ("a tunnel end that peers cannot reach", "对端无法到达的隧道端点"),
    "vtep_stale": ("an outdated entry for another machine's VTEP", "关于其他节点 VTEP 的过期表项"),
    "vtep_twin": ("two VTEPs with one MAC", "MAC 相同的两个 VTEP"),
    "path_mismatch": ("two nodes that reach each other's pods by different ways", "互访 Pod 走不同路径的两个节点"),
    "lease_mismatch": ("docker0 outside of flannel's lease", "不在 flannel 租约内的 docker0"),
    "service_flow": ("the Service that the flow asks for", "该流访问的 Service"),
    "stray_pod": ("a pod whose address is not from its node's range", "地址不在所在节点网段内的 Pod"),
    "config_pod": ("a pod that another CNI configuration made", "由另一份 CNI 配置创建的 Pod"),
    "cidr_clash": ("ranges of the cluster that must not meet", "集群中互相冲突的网段"),
    "unranged_node": ("a node without a pod range", "没有 Pod 网段的节点"),
    "ipam_range": ("a pod range of which every address is given away", "地址已分配完的 Pod 网段"),
    "cni_gap": ("a CNI configuration or plug-in that is missing", "缺失的 CNI 配置或插件"),
    "cni_leases": ("leases of host-local: `ls /var/lib/cni/networks/*`", "host-local 的租约：`ls /var/lib/cni/networks/*`"),
    "cni_plugins": ("installed CNI plug-ins: `ls /opt/cni/bin`", "已安装的 CNI 插件：`ls /opt/cni/bin`"),
    "host_port": ("a host port that nothing translates", "没有转换规则的 hostPort"),
    "captured_address": ("a node's own address on kube-ipvs0", "绑在 kube-ipvs0 上的节点地址"),
    "node_port": ("a node port of a Service", "Service 的 NodePort"),
    "ipvs_lack": ("a node without the modules of IPVS", "没有加载 IPVS 模块的节点"),
    "stale_entry": ("a UDP entry of conntrack that leads to a backend that is gone", "指向已消失后端的 UDP conntrack 条目"),
    "bgp_peer": ("a BGP session: `calicoctl node status`", "BGP 会话：`calicoctl node status`"),
    "bgp_gap": ("a BGP session that is not established", "未建立的 BGP 会话"),
    "component_log": ("the log of a component of the cluster", "集群组件的日志"),
    "trouble": ("what a log, an event, a pod or a node says", "日志、事件、Pod 或节点给出的报错"),
    "asked": ("a pod or node that the question is about", "问题所涉及的 Pod 或节点"),
    "service_backends": ("who is behind a port of a Service", "Service 端口背后的后端"),
    "policy_denies": ("network policies that turn the flow away", "拒绝该流的 NetworkPolicy"),
    "own_balancer": ("a load balancer that sends back to the sender", "又转发回发送方的负载均衡"),
    "dns_upstream": ("the server that a server of names asks", "DNS 服务器所询问的上游服务器"),
    "lost_between": ("a packet that one capture shows and the other lacks", "一侧抓包可见而另一侧抓不到的包"),
    "lost_inside": ("a packet that came in and did not leave", "进入本机却没有发出的包"),
    "untranslated": ("a container's packet that left the card as it was", "未经转换就从网卡发出的容器包"),
    "grown": ("a counter that grew between two listings", "两次列出之间增长的计数器"),
    "icmp_report": ("an ICMP error that a capture or ping shows", "抓包或 ping 显示的 ICMP 错误"),
    "service_half": ("which half of a Service is broken", "Service 断在哪一段"),
    "pod_sends": ("the pod that sends", "发送方 Pod"),
    "proxy_state": ("the Service proxy of a node", "节点上的 Service 代理"),
    "proxy_gap": ("what a node's Service proxy does not do", "节点 Service 代理缺失的规则"),
    "cni_order": ("place of a file in `/etc/cni/net.d`", "文件在 `/etc/cni/net.d` 中的次序"),
    "bridge_port": ("a port of a bridge: `bridge link`", "网桥端口：`bridge link`"),
    "symptom": ("the words of the complaint", "症状描述"),
    "route": ("a route: `ip route show table all`", "路由：`ip route show table all`"),
    "routing_rule": ("a policy rule: `ip rule`", "策略路由规则：`ip rule`"),
    "address": ("an address: `ip addr`", "地址：`ip addr`"),
    "link": ("a device: `ip -d link`", "网络设备：`ip -d link`"),
    "neighbor": ("a neighbour: `ip neigh`", "邻居表项：`ip neigh`"),
    "fdb": ("an entry of `bridge fdb`", "`bridge fdb` 的表项"),
    "netfilter_chain": ("a chain: `iptables-save`", "iptables 链：`iptables-save`"),
    "netfilter_rule": ("a rule: `iptables-save`", "iptables 规则：`iptables-save`"),
    "ipset": ("a set: `ipset save`", "集合：`ipset save`"),
    "sysctl": ("a kernel parameter: `sysctl -a`", "内核参数：`sysctl -a`"),
    "socket": ("a socket: `ss -ntup`", "套接字：`ss -ntup`"),
    "conntrack": ("a tracked connection: `conntrack -L`", "连接跟踪表项：`conntrack -L`"),
    "counter": ("a counter: `nstat -az`", "内核计数器：`nstat -az`"),
    "container": ("a container: `docker ps`", "容器：`docker ps`"),
    "container_network": ("a container network: `docker network inspect`", "容器网络：`docker network inspect`"),
    "published_port": ("a published port: `docker ps`", "发布的端口：`docker ps`"),
    "cni_config": ("a file in `/etc/cni/net.d`", "`/etc/cni/net.d` 中的文件"),
    "flannel_subnet": ("`/run/flannel/subnet.env`", "`/run/flannel/subnet.env`"),
    "k8s_node": ("a node: `kubectl get nodes -o yaml`", "节点：`kubectl get nodes -o yaml`"),
    "pod": ("a pod: `kubectl get pods -A -o wide`", "Pod：`kubectl get pods -A -o wide`"),
    "service": ("a service: `kubectl get svc -A`", "Service：`kubectl get svc -A`"),
    "endpoints": ("endpoints: `kubectl get endpoints -A`", "端点：`kubectl get endpoints -A`"),
    "ippool": ("a pool: `calicoctl get ippool -o yaml`", "地址池：`calicoctl get ippool -o yaml`"),
    "docker_pool": ("a default subnet of docker's", "docker 的默认子网"),
    "ipvs_service": ("a virtual service: `ipvsadm -Ln`", "虚拟服务：`ipvsadm -Ln`"),
    "ipvs_timeouts": ("`ipvsadm -L --timeout`", "`ipvsadm -L --timeout`"),
    "dns_config": ("`/etc/resolv.conf`", "`/etc/resolv.conf`"),
    "resolver": ("what `/etc/resolv.conf` makes programs do", "`/etc/resolv.conf` 决定的解析方式"),
    "dns_loop": ("a forwarder of names that asks itself: Corefile, `/etc/dnsmasq.conf`", "问回自己的 DNS 转发器：Corefile、`/etc/dnsmasq.conf`"),
    "taken_name": (
        "a name that a search domain answers before its owner: `nslookup NAME` and `nslookup NAME.`",
        "被搜索域抢先应答的名字：`nslookup 名字` 与 `nslookup 名字.`",
    ),
    "own_name": ("the machine's own name: `hostname`, `/etc/hosts`", "主机自己的名字：`hostname`、`/etc/hosts`"),
    "bound": ("what waits on the port that was asked for: `ss -lntup`, `docker ps`", "被访问端口上的监听情况：`ss -lntup`、`docker ps`"),
    "netns": ("a network namespace", "网络命名空间"),
    "rollout": ("how pods are replaced: `kubectl get deploy -o yaml`", "Pod 的替换方式：`kubectl get deploy -o yaml`"),
    "balance": ("how connections spread over endpoints: `conntrack -L`", "连接在各端点上的分布：`conntrack -L`"),
    "host": ("the machine itself: `uname -a`", "主机本身：`uname -a`"),
    "collected": ("a listing that is complete", "完整的输出"),
}
"""Kind of fact → what it is, with the command that shows it; of others, the first words of the schema."""

OPERATORS: Final[dict[str, Text]] = {
    "eq": ("is {0}", "为 {0}"),
    "ne": ("is not {0}", "不为 {0}"),
    "in": ("is one of {0}", "是 {0} 之一"),
    "not-in": ("is none of {0}", "不是 {0} 中的任何一个"),
    "lt": ("is less than {0}", "小于 {0}"),
    "le": ("is at most {0}", "不大于 {0}"),
    "gt": ("is more than {0}", "大于 {0}"),
    "ge": ("is at least {0}", "不小于 {0}"),
    "prefix": ("begins with {0}", "以 {0} 开头"),
    "not-prefix": ("does not begin with {0}", "不以 {0} 开头"),
    "suffix": ("ends with {0}", "以 {0} 结尾"),
    "contains": ("contains {0}", "包含 {0}"),
    "not-contains": ("does not contain {0}", "不包含 {0}"),
    "mentions": ("mentions {0}", "提到 {0}"),
    "matches": ("looks like {0}", "形如 {0}"),
    "not-matches": ("does not look like {0}", "不形如 {0}"),
    "in-prefix": ("lies in {0}", "位于 {0} 之内"),
    "not-in-prefix": ("lies outside of {0}", "位于 {0} 之外"),
    "overlaps": ("overlaps {0}", "与 {0} 重叠"),
    "not-overlaps": ("does not overlap {0}", "与 {0} 不重叠"),
    "before": ("stands before {0}", "位于 {0} 之前"),
}
"""Operator → how its condition reads."""

SINGLE: Final = {"in": "eq", "not-in": "ne"}
"""How operators on a list read if it has one element."""

SYMPTOMS: Final[dict[str, Text]] = {
    "reset": ("a connection that is cut off", "连接被中断"),
    "dns": ("a name that does not resolve", "域名无法解析"),
    "slow": ("slowness", "缓慢"),
    "intermittent": ("failures now and then", "时断时续"),
    "wrong-source": ("a server that sees another source address", "服务端看到的源地址不对"),
    "wrong-server": ("an answer from somebody else", "应答来自别的程序"),
    "EADDRNOTAVAIL": ('"Cannot assign requested address" (EADDRNOTAVAIL)', "“无法分配请求的地址”(EADDRNOTAVAIL)"),
    "ENOPROTOOPT": ('"Protocol not available" (ENOPROTOOPT)', "“协议不可用”(ENOPROTOOPT)"),
}
"""Error classes that reports have no words for."""

SEVERITIES: Final[dict[str, Text]] = {
    "low": ("low", "低"),
    "medium": ("medium", "中"),
    "high": ("high", "高"),
    "critical": ("critical", "严重"),
}
LAYERS: Final[dict[str, Text]] = {
    "link": ("link", "链路"),
    "route": ("routing", "路由"),
    "kernel": ("kernel", "内核"),
    "netfilter": ("packet filter and NAT", "包过滤与 NAT"),
    "tunnel": ("tunnels and overlays", "隧道与覆盖网络"),
    "cni": ("container networks", "容器网络（CNI）"),
    "service": ("services", "服务"),
    "dns": ("names", "域名解析"),
    "app": ("programs", "应用程序"),
}


def pick(pair: Text, lang: str) -> str:
    """One of a pair."""
    return pair[1 if lang == "zh" else 0]


def word(key: str, lang: str, **values: object) -> str:
    """A fixed text with its places filled."""
    text = pick(WORDS[key], lang)
    return text.format(**values) if values else text


def symptom(name: str, lang: str) -> str:
    """What a client sees, in words."""
    if f"sees-{name}" not in STRINGS and name in SYMPTOMS:
        return pick(SYMPTOMS[name], lang)
    return sees(name, lang)


def signs(pattern: Pattern, lang: str) -> str:
    """A pattern as a sentence: what the fact is, and what must hold for it."""
    name = pick(NAMES[pattern.kind], lang) if pattern.kind in NAMES else KINDS[pattern.kind].about.partition(".")[0] if pattern.kind in KINDS else ""
    head = f"`{pattern.alias or pattern.kind}`" + (word("bracket", lang, text=name) if name else "")
    said = [_condition(one, lang) for one in pattern.where]
    said += dict.fromkeys(_join(one, lang) for one in pattern.joins)
    said += [guard(one, lang) for one in pattern.guards]
    return f"{head}{word('dash', lang)}{word('semicolon', lang).join(said)}" if said else head


def _condition(condition: Condition, lang: str) -> str:
    if condition.op == "exists":
        text = ("is there", "存在") if condition.operand else ("is not there", "不存在")
        return f"`{condition.field}` {pick(text, lang)}"
    op = SINGLE.get(condition.op, condition.op) if isinstance(condition.operand, (list, tuple)) and len(condition.operand) == 1 else condition.op
    return f"`{condition.field}` {pick(OPERATORS[op], lang).format(_value(condition.operand, lang))}"


def _join(join: Join, lang: str) -> str:
    if join.field in {"node", "stack"} and join.ref.field == join.field:
        return word("same-place", lang, alias=join.ref.alias)
    return word("same", lang, field=join.field, other=join.ref)


def guard(one: Guard, lang: str) -> str:
    """A comparison of bound facts as a sentence."""
    single = not isinstance(one.right, Ref) and isinstance(one.right.value, (list, tuple)) and len(one.right.value) == 1
    op = SINGLE.get(one.op, one.op) if single else one.op
    return f"{_operand(one.left, lang)} {pick(OPERATORS[op], lang).format(_operand(one.right, lang))}"


def _operand(operand: Operand, lang: str) -> str:
    return f"`{operand}`" if isinstance(operand, Ref) else _value(operand.value, lang)


def _value(value: Any, lang: str) -> str:
    return word("comma", lang).join(_shown(value))


def _shown(value: Any) -> Iterator[str]:
    if isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from _shown(each)
    else:
        yield f"`{str(value).lower() if isinstance(value, bool) else value}`" if str(value).strip() else '`""`'
