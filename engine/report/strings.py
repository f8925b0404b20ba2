"""Every fixed text of a report, in English and Chinese."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.phrases import spoken

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES: Final = ("en", "zh")

STRINGS: Final[dict[str, tuple[str, str]]] = {
    "colon": (": ", "："),
    "comma": (", ", "，"),
    "cause": ("Cause", "根因"),
    "cause-n": ("Cause {n}", "根因 {n}"),
    "no-fault": ("No fault found: on the model the flow works.", "未发现故障：在模型上该流是通的。"),
    "no-fault-flowless": ("No fault found.", "未发现故障。"),
    "undecided": ("Undecided: the evidence does not suffice.", "无法定论：证据不足。"),
    "undecided-next": ("Run these commands and add their output to the evidence:", "请执行以下命令，并把输出加入证据："),
    "on-node": ("on {node}", "位于 {node}"),
    "in-cluster": ("in the cluster", "位于集群中"),
    "proof": ("Proof", "证据"),
    "mend": ("Mend on {node}", "修复（在 {node} 上执行）"),
    "mend-here": ("Mend", "修复"),
    "mend-cluster": ("Mend, wherever kubectl reaches the cluster", "修复（在能用 kubectl 访问集群的机器上执行）"),
    "mend-both": (
        "Mend on {node}, the kubectl lines wherever it reaches the cluster",
        "修复（在 {node} 上执行，其中 kubectl 命令在能访问集群的机器上执行）",
    ),
    "runs-cluster": ("wherever kubectl reaches the cluster", "在能用 kubectl 访问集群的机器上"),
    "alternative": ("Or: {title}", "或者：{title}"),
    "persist": ("Make it last (after a reboot it would be gone)", "持久化（否则重启后失效）"),
    "verify": ("Verify", "验证"),
    "undo": ("Undo", "回退"),
    "risk": ("Risk: {risk}", "风险：{risk}"),
    "risk-low": ("low", "低"),
    "risk-medium": ("medium", "中"),
    "risk-high": ("high", "高"),
    "verified-restores-flow": ("Checked on the model: restores the flow.", "已在模型上验证：可恢复该流。"),
    "verified-removes-fault": (
        "Checked on the model: removes this fault; whether the flow then gets through, the evidence leaves open.",
        "已在模型上验证：可消除该问题；流量随后能否通过，现有证据不足以判断。",
    ),
    "verified-no-effect": ("Checked on the model: does not restore the flow by itself.", "已在模型上验证：单独执行不能恢复该流。"),
    "verified-not-checked": ("Not checked on the model.", "未在模型上验证。"),
    "certainty-proven": ("proven: on the model the flow dies here and lives once this is mended", "已证明：在模型上该流终止于此，修复后恢复"),
    "certainty-likely": ("likely: the evidence is decisive, but the model could not prove it", "很可能：证据明确，但未能在模型上证明"),
    "certainty-possible": ("possible", "可能"),
    "standing-root-cause": ("root cause", "根因"),
    "standing-contributing": ("contributing", "促成因素"),
    "standing-latent": ("latent", "潜在问题"),
    "standing-undecided": ("undecided", "未定"),
    "contributing": ("Next on this path: stops the flow once the cause is mended", "同一路径上的下一个问题：修复根因后仍会中断该流"),
    "latent": ("Also wrong, but not on this flow", "另有问题，但不在此流上"),
    "suspected": ("Suspected, not decided", "可疑，尚未定论"),
    "kernel-compared": (
        "Model and kernel side by side (= agree, ≠ differ, ? not in the trace)",
        "模型与内核逐项对照（= 一致，≠ 不一致，? 跟踪中没有）",
    ),
    "kernel-model": ("model: ", "模型："),
    "kernel-kernel": ("kernel:", "内核："),
    "kernel-silent": ("the trace does not speak of it", "跟踪中未出现"),
    "kernel-watch": (
        "To see it in the kernel, run on each node; put the output beside the other files and trace again",
        "如需在内核中确认，请在各节点执行；把输出与其他文件放在一起后再次 trace",
    ),
    "kernel-repeat": ("repeat the connection, then Ctrl-C", "重试一次连接，然后 Ctrl-C"),
    "mismatch": ("Note", "注意"),
    "matrix-head": (
        "{nodes} nodes, {pods} {kind}, {services} Service ports: {pairs} pairs in {classes} classes, {walks} walks",
        "{nodes} 个节点、{pods} 个{kind}、{services} 个 Service 端口：{pairs} 对，{classes} 个等价类，遍历 {walks} 次",
    ),
    "matrix-how": ("Asked: {how}", "探测方式：{how}"),
    "matrix-services": ("Services by their own ports", "Service 使用各自端口"),
    "matrix-failing": ("Cannot connect: {pairs} pairs", "无法连接：{pairs} 对"),
    "matrix-undecided": ("Undecided: {pairs} pairs", "无法定论：{pairs} 对"),
    "matrix-rest": ("All else connects: {pairs} pairs.", "其余全部可连接：{pairs} 对。"),
    "matrix-all": ("Everything connects: {pairs} pairs.", "全部可连接：{pairs} 对。"),
    "matrix-none": ("No pair fits: nobody in the evidence can send to what was asked for.", "没有符合条件的组合：证据中没有可发起该访问的一端。"),
    "matrix-single": (
        "Nobody else is in the evidence than {name}. Give that of other machines and containers too; diagnose collect, run on each, writes it.",
        "证据中只有 {name} 一端。请同时提供其他机器和容器的证据：在每台机器上运行 diagnose collect 即可采集。",
    ),
    "matrix-out-uncollected": (
        "Left out, as its addresses were not collected: {where}; run there: {command}",
        "未参与，因为没有采集其地址：{where}；请在该处执行：{command}",
    ),
    "matrix-out-none": ("Left out, as it has no IPv{family} address: {where}", "未参与，因为没有 IPv{family} 地址：{where}"),
    "matrix-out-shared": (
        "Left out, as other machines have its addresses too: {where}; if its card has one of its own, run there: ip -j addr; ip -d -j link",
        "未参与，因为它的地址在其他机器上也有：{where}；如果网卡另有自己的地址，请在该处执行：ip -j addr; ip -d -j link",
    ),
    "matrix-from": ("from", "从"),
    "matrix-to": ("to", "到"),
    "matrix-sees": ("sees", "客户端看到"),
    "matrix-pairs": ("pairs", "对数"),
    "matrix-everybody": ("everybody", "所有端点"),
    "matrix-kind-pods": ("pods", " Pod"),
    "matrix-kind-containers": ("containers", "容器"),
    "matrix-everyone-of": ("{node} and its {count} {kind}", "{node} 及其 {count} 个{kind}"),
    "matrix-pods-of": ("all {count} {kind} of {node}", "{node} 的全部 {count} 个{kind}"),
    "matrix-nodes": ("{nodes} nodes and their {count} {kind}", "{nodes} 个节点及其 {count} 个{kind}"),
    "matrix-nodes-pods": ("all {count} {kind} of {nodes} nodes", "{nodes} 个节点的全部 {count} 个{kind}"),
    "matrix-some-of": ("{count} {kind} of {node}", "{node} 的 {count} 个{kind}"),
    "matrix-some": ("{count} {kind} of {nodes} nodes", "{nodes} 个节点的 {count} 个{kind}"),
    "matrix-nodes-bare": ("{nodes} nodes", "{nodes} 个节点"),
    "matrix-more": ("{count} more", "另外 {count} 个"),
    "matrix-example": ("as {source} → {target}:", "例如 {source} → {target}："),
    "matrix-settle": ("depends on {what} of {where}; run there: {command}", "取决于 {where} 上的 {what}；请在该处执行：{command}"),
    "matrix-open": ("depends on {what} of {where}", "取决于 {where} 上的 {what}"),
    "matrix-partly": ("now and then an error", "时通时断"),
    "matrix-depends": ("it depends", "取决于缺失的证据"),
    "matrix-branches": ("depending on the endpoint that the connection is given to: {ends}", "取决于连接被分配到哪个端点：{ends}"),
    "objects-head": (
        "{nodes} nodes, {pods} pods, {services} Service ports, {pairs} pairs, by the API's objects alone",
        "{nodes} 个节点、{pods} 个 Pod、{services} 个 Service 端口、{pairs} 对，只依据 API 对象",
    ),
    "objects-unseen": (
        "The data plane was not seen: no rules, routes or tunnels of any node. This says who is turned away, never that anything else connects.",
        "没有看到数据平面：证据中没有任何节点的规则、路由或隧道。以下只说明谁会被拒绝，并不表示其余连接可用。",
    ),
    "objects-enforcer": ("Policies are enforced by {name}.", "策略由 {name} 执行。"),
    "objects-ebpf": (
        "Policies are enforced by cilium, in eBPF programs that no listing of rules shows.",
        "策略由 cilium 的 eBPF 程序执行，规则列表中看不到。",
    ),
    "objects-unenforced": ("Nothing in the cluster enforces policies: they turn nobody away.", "集群中没有组件执行策略：策略不会拒绝任何连接。"),
    "objects-enforcer-unknown": (
        "What enforces policies is not in the evidence; this holds if something does.",
        "证据中看不到由谁执行策略；以下在有组件执行时成立。",
    ),
    "objects-barred": ("Turned away by policies: {pairs} pairs", "被策略拒绝：{pairs} 对"),
    "objects-open": ("Policies may turn away: {pairs} pairs", "策略可能拒绝：{pairs} 对"),
    "objects-side": ("by", "依据"),
    "objects-egress": ("egress of {policies}", "{policies} 的出站规则"),
    "objects-ingress": ("ingress of {policies}", "{policies} 的入站规则"),
    "objects-some": (" (some endpoints)", "（部分端点）"),
    "objects-tells": ("this tells: {command}", "可由此确认：{command}"),
    "objects-lacking": ("Services that nobody ready stands behind: {count} ports", "没有就绪后端的 Service：{count} 个端口"),
    "objects-unready": ("Nodes that are not ready: {names}", "未就绪的节点：{names}"),
    "objects-clash": ("Ranges overlap: {one} ({by}) and {other} ({other_by})", "地址段重叠：{one}（{by}）与 {other}（{other_by}）"),
    "objects-nothing": (
        "No policy that was given turns anybody away, and no Service that was given lacks endpoints.",
        "已提供的策略没有拒绝任何连接，已提供的 Service 也都有就绪的端点。",
    ),
    "objects-unlisted": ("Not given, and asked for above: {command}", "未提供，而判断需要：{command}"),
    "objects-collect": (
        "The rest: `diagnose collect --daemonset-manifest` prints collectors for all nodes, `diagnose collect --script` a script for one.",
        "其余信息：`diagnose collect --daemonset-manifest` 输出采集所有节点的清单，`diagnose collect --script` 输出采集单个节点的脚本。",
    ),
    "lack-no-selector": ("it has no selector, and no endpoints", "没有选择器，也没有端点"),
    "lack-no-pod": ("its selector {selector} fits no pod", "选择器 {selector} 没有匹配任何 Pod"),
    "lack-other-namespace": ("its selector {selector} fits pods of another namespace only", "选择器 {selector} 只匹配其他命名空间的 Pod"),
    "lack-not-ready": ("its pods are not ready ({pod})", "对应的 Pod 未就绪（{pod}）"),
    "lack-no-address": ("its pods have no address yet ({pod})", "对应的 Pod 还没有地址（{pod}）"),
    "lack-port-name": ("no pod has a port called {target}", "没有 Pod 声明名为 {target} 的端口"),
    "lack-other-ports": ("its endpoints have other ports", "端点只有其他端口"),
    "lack-unknown": ("its endpoints are empty", "端点为空"),
    "matrix-unasked": (
        "Not asked: {count} ports of nodes and external addresses of Services, which are too many at once. Name some: --to 'svc/NS/NAME:PORT@*'",
        "未探测：Service 的 {count} 个节点端口与外部地址，数量过多。请指定其中一些：--to 'svc/NS/NAME:PORT@*'",
    ),
    "matrix-unseen": ("Targets only, as their own stacks were not collected: {names}", "以下端点自身的网络栈未采集，只作为目标：{names}"),
    "walked": ("Walked on the model", "在模型上的推演"),
    "assumed": ("Assumed", "假定"),
    "missing": ("Missing evidence", "缺少的证据"),
    "warnings": ("Warnings", "警告"),
    "question": ("Question", "问题"),
    "trace": ("Hop by hop", "逐跳推演"),
    "flow": ("Flow {n}", "流 {n}"),
    "request": ("request", "请求"),
    "reply": ("reply", "应答"),
    "none": ("none", "无"),
    "client-sees": ("the client sees {what}", "客户端看到：{what}"),
    "sees-connected": ("an answer (it works)", "有应答（连通）"),
    "sees-timeout": ("a timeout", "超时"),
    "sees-depends": ("an outcome that the evidence leaves open", "结果取决于缺失的证据"),
    "sees-EHOSTUNREACH": ('"No route to host" (EHOSTUNREACH)', "“没有到主机的路由”(EHOSTUNREACH)"),
    "sees-ENETUNREACH": ('"Network is unreachable" (ENETUNREACH)', "“网络不可达”(ENETUNREACH)"),
    "sees-ECONNREFUSED": ('"Connection refused" (ECONNREFUSED)', "“拒绝连接”(ECONNREFUSED)"),
    "sees-EPERM": ('"Operation not permitted" (EPERM)', "“不允许的操作”(EPERM)"),
    "sees-EACCES": ('"Permission denied" (EACCES)', "“权限不够”(EACCES)"),
    "sees-EINVAL": ('"Invalid argument" (EINVAL)', "“无效的参数”(EINVAL)"),
    "sees-EMSGSIZE": ('"Message too long" (EMSGSIZE)', "“消息过长”(EMSGSIZE)"),
    "disposition-delivered": ("delivered", "送达"),
    "disposition-dropped": ("dropped", "被丢弃"),
    "disposition-rejected": ("rejected", "被拒绝"),
    "disposition-no-route": ("no route", "无路由"),
    "disposition-not-forwarded": ("not forwarded", "不转发"),
    "disposition-source-invalid": ("source address refused", "源地址无效"),
    "disposition-too-big": ("too big", "包过大"),
    "disposition-neighbor-failed": ("neighbour does not answer", "邻居无应答"),
    "disposition-looped": ("loops", "环路"),
    "disposition-left-evidence": ("left the evidence", "离开证据范围"),
    "disposition-depends": ("depends on missing evidence", "取决于缺失的证据"),
    "verdict-cause-found": ("cause found", "已找到根因"),
    "verdict-no-fault-found": ("no fault found", "未发现故障"),
    "verdict-insufficient-evidence": ("insufficient evidence", "证据不足"),
    "step-pass": ("pass", "通过"),
    "step-drop": ("drop", "丢弃"),
    "step-reject": ("reject", "拒绝"),
    "step-rewrite": ("rewrite", "改写"),
    "step-unknown": ("unknown", "未知"),
    "more-lines": ("… and {n} more lines", "…… 另有 {n} 行"),
    "more-flows": ("… and {n} more flows", "…… 另有 {n} 条流"),
    "outcome": ("if {when}: {what}", "若 {when}：{what}"),
    "references": ("References", "参考"),
    "more-detail": ("--verbose shows the walk hop by hop.", "--verbose 可显示逐跳推演。"),
}
"""Key → (English, Chinese)."""


STAGES: Final[dict[str, str]] = {
    "route": "路由",
    "netfilter": "netfilter",
    "nat": "nat",
    "conntrack": "连接跟踪",
    "forwarding": "转发",
    "rp-filter": "反向路径",
    "neighbor": "邻居",
    "bridge": "网桥",
    "device": "设备",
    "encapsulate": "封装",
    "decapsulate": "解封装",
    "socket": "套接字",
    "assume": "假定",
    "policy": "默认策略",
    "rule": "规则",
    "ports": "本地端口",
    "loop": "环路",
    "martian": "非法地址",
    "no-route": "无路由",
    "blocked-route": "阻断路由",
    "too-big": "包过大",
    "queue": "队列",
    "fdb": "转发表",
}
"""Where a step of a walk happens → its Chinese name; others keep their own."""


ANSWERS: Final[dict[str, str]] = {
    "matches": "匹配",
    "does not match": "不匹配",
    "passes": "放行",
    "drops": "丢弃",
    "listens": "有程序监听",
    "closed": "无程序监听",
    "on": "开启",
    "off": "关闭",
    "strict": "严格",
    "unknown": "未知",
}
"""Answers to what the evidence leaves open → Chinese."""


def answer(text: str, lang: str) -> str:
    """An answer on which an outcome depends, in a language."""
    return ANSWERS.get(text) or spoken(text, lang) if lang == "zh" else text


def stage(what: str, lang: str) -> str:
    """Where a step of a walk happens, in a language."""
    return STAGES.get(what, what) if lang == "zh" else what


def say(key: str, lang: str, **values: object) -> str:
    """A fixed text in a language, with its places filled."""
    text = STRINGS[key][1 if lang == "zh" else 0]
    return text.format(**values) if values else text


def sees(what: str, lang: str) -> str:
    """What the client sees, in words; an errno without words is its own name."""
    key = f"sees-{what}"
    return say(key, lang) if key in STRINGS else what


def pick(text: Mapping[str, str], lang: str) -> str:
    """A text in a language; English if it was not written in that language."""
    return text.get(lang) or text.get("en", "")
