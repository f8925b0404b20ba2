"""What the model and the walk say, in English and Chinese.

A phrase is its English text, so that whatever prints or compares texts need not know of it; its key and values say it in Chinese as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Phrase(str):
    """A text in English that knows how it reads in Chinese."""

    __slots__ = ("key", "values")

    key: str
    values: Mapping[str, object]
    """What stands at its places; may be phrases."""


def phrase(key: str, /, **values: object) -> Phrase:
    """The text of a key with its places filled; raises ``KeyError`` for an unknown key or a missing value."""
    made = Phrase(PHRASES[key][0].format_map(values))
    made.key, made.values = key, values
    return made


def spoken(text: str, lang: str) -> str:
    """A text in a language; what is no phrase (a line of evidence, a name) stays as it is."""
    if lang != "zh" or not isinstance(text, Phrase):
        return text
    return PHRASES[text.key][1].format_map({name: spoken(value, lang) if isinstance(value, str) else value for name, value in text.values.items()})


PHRASES: Final[dict[str, tuple[str, str]]] = {
    "reserved": (
        "{process} only keeps port {port} from others: it takes connections and answers none",
        "{process} 只是占住端口 {port}：接受连接，但从不应答",
    ),
    "unmodelled": ("not modelled", "未建模"),
    "rate-low": ("a rate limit: true while the rate is low", "限速：速率低时成立"),
    "rule-matches": ("rule {number} of {chain} matches ({match})", "{chain} 的第 {number} 条规则匹配（{match}）"),
    "rule-misses": ("rule {number} of {chain} does not match ({match})", "{chain} 的第 {number} 条规则不匹配（{match}）"),
    "rule-not-understood": ("not understood", "无法理解"),
    "no-columns": ("the listing shows no interface columns (iptables -L without -v)", "输出没有接口列（iptables -L 未带 -v）"),
    "route-covers": ("{type} route covers {dst}", "{type} 路由覆盖了 {dst}"),
    "rule-covers": ("{type} rule covers {dst}", "{type} 策略规则覆盖了 {dst}"),
    "no-port": (
        "bridge {bridge} has no port that leads to {stack} {device}",
        "网桥 {bridge} 没有通向 {stack} {device} 的端口",
    ),
    "no-hairpin": (
        "{device} would send the frame back to where it came from: hairpin_mode is off",
        "{device} 需要把帧从来时的端口发回去，但 hairpin_mode 未开启",
    ),
    "port-unflooded": (
        "{device} of {bridge} has flood and learning off, and {bridge} knows no {mac} there: frames for it do not leave by the port",
        "{bridge} 的端口 {device} 关闭了 flood 和 learning，且 {bridge} 不知道 {mac} 在那里：发给它的帧不会从该端口发出",
    ),
    "port-deaf": (
        "{device} of {bridge} has {attribute} off: questions for neighbours do not leave by it",
        "{bridge} 的端口 {device} 关闭了 {attribute}：邻居询问不会从该端口发出",
    ),
    "port-locked": (
        "{device} of {bridge} is locked, and {bridge} knows no {mac} there: what that sends is dropped",
        "{bridge} 的端口 {device} 已锁定（locked），且 {bridge} 不知道 {mac} 在那里：它发出的帧会被丢弃",
    ),
    "xfrm-blocks": ("an IPsec policy ({dir}) blocks {src} → {dst}", "IPsec 策略（{dir}）阻止 {src} → {dst}"),
    "xfrm-no-state": (
        "an IPsec policy wants {src} → {dst} wrapped ({ends}), and no security association does that",
        "IPsec 策略要求封装 {src} → {dst}（{ends}），但没有对应的安全关联（SA）",
    ),
    "xfrm-plain": (
        "an IPsec policy ({dir}) takes {src} → {dst} only wrapped ({ends}), and it came as it is",
        "IPsec 策略（{dir}）只接受经过封装的 {src} → {dst}（{ends}），而它是明文到达的",
    ),
    "xfrm-wrapped": (
        "IPsec wraps {src} → {dst}: it was taken to arrive, what the outer packet meets was not walked",
        "{src} → {dst} 由 IPsec 封装：假定能够到达，未推演外层包的路径",
    ),
    "queue-drops": ("the queue of {device} ({kind}) drops all that it is given", "{device} 的队列（{kind}）丢弃所有的包"),
    "filter-drops": ("a tc filter ({side}, pref {pref}) of {device} drops it", "{device} 上的 tc 过滤器（{side}，pref {pref}）将其丢弃"),
    "filter-unread": (
        "what a tc filter ({kind}, {side}) of {device} does is not walked; it was taken to let the packet pass",
        "未推演 {device} 上的 tc 过滤器（{kind}，{side}），假定放行",
    ),
    "isolated": ("{one} and {other} are isolated ports", "{one} 与 {other} 是相互隔离的端口"),
    "equal-priority": (
        "chains of legacy iptables and of nftables have equal priority on {hook}: which of them runs first is not told",
        "{hook} 上 legacy iptables 与 nftables 的链优先级相同，无法得知谁先执行",
    ),
    "order-of-chains": ("order of {hook} chains", "{hook} 上各链的先后"),
    "legacy-first": ("legacy runs first", "legacy 先执行"),
    "nftables-first": ("nftables runs first", "nftables 先执行"),
    "bridge-nf-unseen": (
        "whether bridged packets on {bridge} pass iptables was not collected",
        "未采集网桥 {bridge} 上的二层转发是否经过 iptables",
    ),
    "ipvs-no-server": ("ipvs: {service} has no server that takes connections", "ipvs：{service} 没有可接收连接的后端"),
    "ipvs-unseen": ("the IPVS services of {node} were not collected", "未采集 {node} 的 IPVS 服务"),
    "ipvs-gives": ("ipvs gives {service} to {server}:{port}", "ipvs 把 {service} 分给 {server}:{port}"),
    "ipvs-no-route": ("ipvs: no route to the server {server}", "ipvs：没有到后端 {server} 的路由"),
    "ipvs-becomes": ("ipvs: {before} becomes {after}", "ipvs：{before} 变为 {after}"),
    "ipvs-goes": ("ipvs: {before} goes to {server} ({forward})", "ipvs：{before} 发往 {server}（{forward}）"),
    "ipvs-conntrack-unseen": (
        "whether connections of IPVS are tracked on {node} was not collected",
        "未采集 {node} 上 IPVS 的连接是否受连接跟踪",
    ),
    "ipvs-untracked": ("{key} = 0: not tracked from here on", "{key} = 0：从这里起不再跟踪"),
    "ipvs-tunnel": ("ipvs: ipip to {server}", "ipvs：以 ipip 封装发往 {server}"),
    "no-party": ("no stack in the evidence sends or receives this flow", "证据中没有任何协议栈发送或接收该流"),
    "way-back": ("the way back", "回程"),
    "answer-leaves": ("the answer to {src} leaves the evidence by {device}", "发往 {src} 的应答从 {device} 离开证据范围"),
    "answer-from-other": (
        "the answer comes from {where}, the client asked {dst}:{port}",
        "应答来自 {where}，而客户端访问的是 {dst}:{port}",
    ),
    "tunnel-into-itself": (
        "the route to {remote}, the other end of {device}, leads into {device} itself",
        "到 {device} 的对端 {remote} 的路由指向 {device} 自身",
    ),
    "ndp-astray": (
        "a mark has the neighbour discovery packet for {dst} routed anew: it leaves by {device}",
        "标记使发往 {dst} 的邻居发现报文被重新路由：从 {device} 发出",
    ),
    "answer-to-other": (
        "the answer is for {where}, the client asked from {own}",
        "应答的目的是 {where}，而客户端是从 {own} 发出请求的",
    ),
    "listener-unseen": (
        "whether something listens on {protocol} port {port} of {who} was not collected",
        "未采集 {who} 的 {protocol} {port} 端口上是否有程序监听",
    ),
    "queue-full": (
        "the accept queue of port {port} is full: {waiting} wait, {backlog} may",
        "{port} 端口的 accept 队列已满：{waiting} 个在等，上限 {backlog}",
    ),
    "evidence-of": ("evidence of {dst}", "{dst} 的证据"),
    "target-unseen": (
        "{src} > {dst} leaves {node} by {device}; {target} was not collected",
        "{src} > {dst} 从 {device} 离开 {node}；{target} 未被采集",
    ),
    "proxy-arp-unseen": ("{key} was not collected: calico switches it on", "未采集 {key}：calico 会将其打开"),
    "rate-limit": ("a rate limit: whether it is exceeded depends on the traffic", "限速：是否超限取决于流量"),
    "quota": ("a quota: whether it is used up is not followed", "配额：是否用完无从推演"),
    "ct-count": ("the number of connections is not followed", "连接数无从推演"),
    "not-understood": ("this part of the rule is not understood", "规则的这一部分无法理解"),
    "nfqueue": ("a program decides (nfqueue)", "由程序裁决（nfqueue）"),
    "not-modelled": ("{what} is not modelled", "{what} 未建模"),
    "chain-unlisted": ("chain {chain} is not listed", "链 {chain} 未列出"),
    "map-unlisted": ("the map is not listed", "映射表未列出"),
    "no-element": ("no element", "没有元素"),
    "rewriting": ("rewriting of headers is not modelled", "报文头改写未建模"),
    "at-random": ("chosen at random", "随机选择"),
    "mark-unknown": (
        "the mark that {text} gives is not known ({why}): taken as unchanged",
        "{text} 设置的标记未知（{why}）：按未改变处理",
    ),
    "goes-on": ("goes on", "继续"),
    "taken-away": ("is taken away", "被取走"),
    "untracked": ("not tracked by {table} {chain}", "{table} {chain} 使其不被跟踪"),
    "target-in": ("{table} {chain}: {target} in {where}", "{table} {chain}：{where} 中的 {target}"),
    "chain-policy": ("{table} {chain}: policy {policy}", "{table} {chain}：默认策略 {policy}"),
    "target-not-modelled": ("target {target} is not modelled", "目标 {target} 未建模"),
    "set-unseen": ("the set's members were not collected", "集合的成员未被采集"),
    "reversed": ("reverses the translation: {packet}", "还原地址转换：{packet}"),
    "nat-assumed": (
        "a nat table that was not collected makes {before} into {after} (assumed)",
        "未采集的 nat 表把 {before} 变为 {after}（假定）",
    ),
    "nat-becomes": (
        "nat {hook}: {target} in {chain}: {before} becomes {after}",
        "nat {hook}：{chain} 中的 {target}：{before} 变为 {after}",
    ),
    "assumed": ("assumed: {why}", "假定：{why}"),
    "uid-unseen": (
        "policy rule {priority} on {where} is for packets of users {users}: whose these are was not collected",
        "{where} 上的策略路由规则 {priority} 只对用户 {users} 的报文生效：未采集报文属于哪个用户",
    ),
    "other-user": ("another user's", "属于别的用户"),
    "such-user": ("of such a user", "属于这样的用户"),
    "source-own": ("source {src} is an own address of this stack", "源地址 {src} 是本协议栈自己的地址"),
    "source-broadcast": ("source {src} is a broadcast address of this stack", "源地址 {src} 是本协议栈的广播地址"),
    "back-leaves": ("the route back to {src} leaves by {device}", "到 {src} 的回程路由从 {device} 出去"),
    "no-way-back": ("there is no route back to {src}", "没有到 {src} 的回程路由"),
    "rp-would": (
        "{back}, not by {device}: a strict reverse-path filter would drop the packet",
        "{back}，而不是 {device}：严格的反向路径过滤会丢弃该报文",
    ),
    "rp-drops": ("rp_filter={mode} on {device}: {back}", "{device} 上 rp_filter={mode}：{back}"),
    "not-unicast": ("{src} > {dst} is not a valid unicast pair", "{src} > {dst} 不是有效的单播地址对"),
    "loopback-arrives": (
        "127.0.0.0/8 arrives on {device} and route_localnet is off",
        "127.0.0.0/8 从 {device} 进入，而 route_localnet 未开启",
    ),
    "no-carrier": ("{device} has no carrier", "{device} 没有载波"),
    "answered-by": ("{hop} answered by {node}/{stack} {device}", "{hop} 由 {node}/{stack} {device} 应答"),
    "several-hold": ("several stations hold {hop}", "有多台设备持有 {hop}"),
    "neighbour-is": ("{hop} is {node}/{stack} {device}", "{hop} 是 {node}/{stack} {device}"),
    "other-mac": (
        "the frame for {hop} goes to {mac}, which no device of this segment has: {node}/{stack} {device} has {real}",
        "发往 {hop} 的帧目的 MAC 是 {mac}，这个二层网段上没有设备使用它：{node}/{stack} 的 {device} 是 {real}",
    ),
    "other-moment": ("{why}; taken to be so still, though the two were collected at different times", "{why}；两者不是同一次采集的，假定仍然如此"),
    "arp-refused": ("ARP is not answered: {why}", "ARP 得不到应答：{why}"),
    "nobody-answers": ("nobody answers for {hop} on {device}", "{device} 上没有设备应答 {hop}"),
    "leaves": ("leaves the evidence by {node} {device} towards {hop}", "从 {node} {device} 向 {hop} 离开证据范围"),
    "card-mtu": (
        "whether the card {device} takes frames larger than its MTU of {mtu} is up to its driver",
        "网卡 {device} 是否接收大于其 MTU {mtu} 的帧，取决于驱动",
    ),
    "card-drops": ("{why}; large packets are lost, so it is taken to drop them", "{why}；大包会丢，因此按丢弃处理"),
    "takes-them": ("takes them", "接收"),
    "frame-too-big": (
        "{size} octets do not fit the MTU of {device}: the frame is dropped in silence",
        "{size} 字节超过 {device} 的 MTU：该帧被悄悄丢弃",
    ),
    "for-listener": ("{table} {chain}: for the listener on port {port}", "{table} {chain}：交给 {port} 端口的监听程序"),
    "proxy-unseen": (
        "whether a proxy listens on {protocol} port {port} of {where} was not collected",
        "未采集 {where} 的 {protocol} {port} 端口上是否有代理监听",
    ),
    "listener-on": ("listener on port {port}", "{port} 端口的监听程序"),
    "tunnel-too-big": ("{size} octets do not fit into {device}: {octets} would", "{size} 字节装不进 {device}：最多 {octets}"),
    "outer-lost": ("the outer packet of {device} does not arrive", "{device} 的外层报文没有到达"),
    "tunnel-to": ("{device}: {type} to {remote}", "{device}：以 {type} 封装发往 {remote}"),
    "no-tunnel-device": ("no {kind} device here takes the packet", "这里没有接收该报文的 {kind} 设备"),
    "program-carries": ("the program behind {device} carries the packet to {node}", "{device} 背后的程序把报文带到 {node}"),
    "program-takes": ("handed to the program behind {device}", "交给 {device} 背后的程序"),
    "vxlan-to": ("{device}: VXLAN {vni} to {remote}", "{device}：以 VXLAN {vni} 封装发往 {remote}"),
    "no-vxlan": ("no VXLAN device with VNI {vni} and port {port} here", "这里没有 VNI 为 {vni}、端口为 {port} 的 VXLAN 设备"),
    "vxlan-other-mac": ("the frame is for {mac}, {device} is {own}", "帧的目的 MAC 是 {mac}，而 {device} 是 {own}"),
    "vxlan-own-mac": (
        "the frame comes from {mac}, which is the MAC of {device} itself: taken for a loop",
        "帧来自 {mac}，与 {device} 自身的 MAC 相同：被当作环路",
    ),
    "vxlan-self-no-device": (
        "{remote} is an address of this stack, which has no such VXLAN device",
        "{remote} 是本协议栈的地址，但这里没有对应的 VXLAN 设备",
    ),
    "vxlan-self": (
        "{remote} is an address of this stack: the packet comes back by {device}",
        "{remote} 是本协议栈的地址：报文从 {device} 回来",
    ),
    "no-vtep": ("{device} knows no VTEP for {hop}", "{device} 不知道 {hop} 对应的 VTEP"),
    "fdb-unseen": (
        "the forwarding database of {device} was not collected: {node} is taken for the VTEP",
        "未采集 {device} 的转发表（fdb）：以 {node} 为 VTEP",
    ),
    "circles": ("the packet goes in circles until its TTL runs out", "报文来回打转，直到 TTL 耗尽"),
    "too-big": (
        "{size} octets do not fit the MTU of {octets} on the way out by {device}",
        "{size} 字节超过出口 {device} 的 MTU {octets}",
    ),
    "filter-unseen": ("the packet filter of {where} was not collected", "未采集 {where} 的防火墙规则"),
    "nat-unseen": ("the nat table of {where} was not collected", "未采集 {where} 的 nat 表"),
    "filter-assumed": ("dropped by a packet filter that was not collected (assumed)", "被未采集的防火墙丢弃（假定）"),
    "masquerade-unseen": (
        "whether {node} translates the sources of what it forwards was not collected",
        "未采集 {node} 是否对转发的流量做源地址转换",
    ),
    "is-masqueraded": ("is masqueraded", "做源地址转换"),
    "is-not-translated": ("is not translated", "不做转换"),
    "rejects": ("{table} {chain} rejects with {error}", "{table} {chain} 以 {error} 拒绝"),
    "drops-in": ("{table} {chain} drops", "{table} {chain} 丢弃"),
    "hairpin-unseen": (
        "whether {device} sends frames back to where they came from (hairpin_mode) was not collected",
        "未采集 {device} 是否开启 hairpin_mode（把帧从来的端口发回去）",
    ),
    "no-source": ("no source address: the output device has none", "没有源地址：出口设备没有地址"),
    "not-own-address": ("{src} is no address of this stack", "{src} 不是本协议栈的地址"),
    "no-port-free": (
        "no local port from {low} to {high} is free towards {dst} port {port}",
        "{low} 到 {high} 之间没有空闲的本地端口可用于访问 {dst} 端口 {port}",
    ),
    "may-not-leave": ("{src} may not leave by {device}", "{src} 不得从 {device} 发出"),
    "no-route": ("no route to {dst}", "没有到 {dst} 的路由"),
    "broadcast": ("{dst} is a broadcast address in table local", "{dst} 在 local 表中是广播地址"),
    "addresses-unseen": ("the addresses of {where} were not collected", "未采集 {where} 的地址"),
    "routes-unseen": ("the routes of {where} (table {table}) were not collected", "未采集 {where} 的路由（表 {table}）"),
    "table-unseen": ("the routing table was not collected", "未采集路由表"),
    "device-down": ("{device} is down", "{device} 未启用（down）"),
    "off-or-loose": ("off or loose", "关闭或宽松"),
    "not-forwarding": (
        "{key} = 0: the packet is not for this stack and it does not forward",
        "{key} = 0：报文不是发给本协议栈的，而它不做转发",
    ),
    "forwarding-counted": ("forwarding is on: the FORWARD chain has counted packets", "转发已开启：FORWARD 链有报文计数"),
    "forwarding-unseen": (
        "{where} must forward this packet, and {key} was not collected",
        "{where} 需要转发该报文，但未采集 {key}",
    ),
    "forwarding-assumed": ("{key} = 0 (assumed)", "{key} = 0（假定）"),
    "proxy-missed": (
        "meant for the proxy on port {port}, but routed on: no local route delivers it to the proxy (ip_forward drops it)",
        "本应交给 {port} 端口的代理，却被继续路由：没有 local 路由把它交给代理（ip_forward 会丢弃）",
    ),
    "routed": ("route {dst}{via} dev {device} (table {table})", "路由 {dst}{via} dev {device}（表 {table}）"),
    "dummy": ("{device} is a dummy device: it swallows what is sent", "{device} 是 dummy 设备：发出的报文被吞掉"),
    "local": ("{dst} is an address of this stack: delivered locally", "{dst} 是本协议栈的地址：在本地交付"),
    "anycast-error": ("{dst} is an anycast address here: no ICMPv6 error is sent to it", "{dst} 在这里是任播地址：不向其发送 ICMPv6 错误"),
    "anycast-tcp": ("{dst} is an anycast address, which TCP does not connect to", "{dst} 是任播地址，TCP 不与之建立连接"),
    "peers-unseen": ("the peers of {device} were not collected", "未采集 {device} 的 WireGuard 对端"),
    "no-peer": ("no peer of {device} has {dst} among its allowed IPs", "{device} 的对端中没有哪个的 allowed IPs 包含 {dst}"),
    "no-endpoint": ("the peer of {device} for {dst} has no endpoint", "{device} 上负责 {dst} 的对端没有 endpoint"),
    "no-wireguard": ("no WireGuard device listens on that port", "没有 WireGuard 设备监听该端口"),
    "no-key": ("{device} has no peer with the sender's key", "{device} 没有持该发送方密钥的对端"),
    "not-allowed": (
        "{src} is not among the sender's allowed IPs on {device}",
        "{src} 不在 {device} 上该发送方的 allowed IPs 之中",
    ),
    "wireguard-to": ("{device}: WireGuard to {remote}", "{device}：以 WireGuard 封装发往 {remote}"),
    "x-not-understood": ("{what} is not understood", "{what} 无法理解"),
    "set-unlisted": ("the set is not listed", "集合未列出"),
    "constant-not-understood": ("constant {what} is not understood", "常量 {what} 无法理解"),
    "expression-not-modelled": ("an expression that is not modelled", "表达式未建模"),
    "one-of-several": ("one of several elements", "若干元素之一"),
    "operation-not-modelled": ("an operation that is not modelled", "运算未建模"),
    "conntrack-bits": ("bits of the conntrack entry that are not followed", "连接跟踪表项中未推演的位"),
    "comparison-not-modelled": ("a comparison that is not modelled", "比较方式未建模"),
    "elements-unlisted": ("the elements of @{name} are not listed", "@{name} 的元素未列出"),
    "elements-unknown": ("not all elements of the set are known", "集合的元素不全已知"),
    "key-not-followed": ("a key that is not followed", "未推演的键"),
    "field-not-modelled": ("{base} {name} is not modelled", "{base} {name} 未建模"),
    "ip-field-not-modelled": ("ip {name} is not modelled", "ip {name} 未建模"),
    "ip6-field-not-modelled": ("ip6 {name} is not modelled", "ip6 {name} 未建模"),
    "protocol-number": ("the protocol's number", "协议号"),
    "th-not-modelled": ("th {name} of {protocol} is not modelled", "{protocol} 的 th {name} 未建模"),
    "meta-not-modelled": ("meta {name} is not modelled", "meta {name} 未建模"),
    "echo-ignored": ("{key} = 1: pings are not answered", "{key} = 1：不应答 ping"),
    "size-open": ("nobody said how many octets are sent", "没有说明发送多少字节"),
    "meta-user": ("meta {name}: the user of the sending program", "meta {name}：发送程序的用户"),
    "device-type": ("the type of device {device}", "设备 {device} 的类型"),
    "ct-not-modelled": ("ct {name} is not modelled", "ct {name} 未建模"),
    "route-to": ("the route to {dst}", "到 {dst} 的路由"),
    "tcp-options": ("TCP options are not modelled", "TCP 选项未建模"),
}
"""Key → (English, Chinese), with the same places."""
