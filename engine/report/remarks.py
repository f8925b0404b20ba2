"""Comment lines among commands, in Chinese.

Operations write their remarks in English; a report in another language looks them up here.  ``{}`` stands for what differs: a device, a file.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

REMARKS: Final = (
    ("# run inside the network namespace of {} on {}: nsenter -t <pid> -n, or ip netns exec <name>",
     "# 在 {1} 上 {0} 的网络命名空间内执行：nsenter -t <pid> -n，或 ip netns exec <名称>"),
    ("{}  # or: nsenter -t <pid of {}> -n {}", "{0}  # 或：nsenter -t <{1} 的 pid> -n {2}"),
    ("# run on {}:", "# 在 {0} 上执行："),
    ("# the port is made anew with every container, and with its bridge; look for what sets the attribute:",
     "# 端口会随每个容器以及网桥重新创建，请查找设置该属性的程序："),
    ("# whoever wrote it writes it again: strongSwan (swanctl --list-conns), libreswan (ipsec status), cilium (encrypt status), scripts",
     "# 写入者会再次写入：strongSwan（swanctl --list-conns）、libreswan（ipsec status）、cilium（encrypt status）或脚本"),
    ("# whoever set it sets it again: chaos-mesh, pumba, a script in /etc/network or a systemd unit; end the experiment there",
     "# 设置者会再次设置：chaos-mesh、pumba、/etc/network 中的脚本或 systemd 单元；请在那里结束实验"),
    ("# whoever set it sets it again: a CNI's bandwidth plug-in, a DDoS guard, chaos-mesh, a script in /etc/network or a systemd unit",
     "# 设置者会再次设置：CNI 的 bandwidth 插件、防 DDoS 程序、chaos-mesh、/etc/network 中的脚本或 systemd 单元"),
    ("# whoever makes the device makes it as before at the next start; change it there too:",
     "# 创建该设备的程序下次启动时会按原样创建，需在那里一并修改："),
    ("#   flannel: Backend.VNI and Backend.Port in net-conf.json (ConfigMap kube-flannel-cfg)",
     "#   flannel：net-conf.json（ConfigMap kube-flannel-cfg）中的 Backend.VNI 和 Backend.Port"),
    ("#   calico: vxlanVNI and vxlanPort of FelixConfiguration", "#   calico：FelixConfiguration 的 vxlanVNI 和 vxlanPort"),
    ("#   systemd-networkd: VNI= and DestinationPort= of the .netdev file    netplan, ifupdown: the tunnel's section",
     "#   systemd-networkd：.netdev 文件中的 VNI= 和 DestinationPort=    netplan、ifupdown：隧道一节"),
    ("# on every peer: bridge fdb replace <MAC of the device> dev <tunnel> dst {} self permanent",
     "# 在每个对端执行：bridge fdb replace <该设备的 MAC> dev <隧道> dst {0} self permanent"),
    ("# on {}: {}", "# 在 {0} 上：{1}"),
    ("# the device is made anew with its container or by its network plug-in; tell what makes it:",
     "# 该设备会随容器或由网络插件重新创建，需在创建者处配置："),
    ('#   docker: "mtu": {} in daemon.json; other networks when made: -o com.docker.network.driver.mtu={}',
     '#   docker：daemon.json 中 "mtu": {0}；其他网络在创建时加 -o com.docker.network.driver.mtu={1}'),
    ('#   CNI: "mtu": {} in /etc/cni/net.d; flannel follows its card at its next start; calico: veth_mtu in calico-config',
     '#   CNI：/etc/cni/net.d 中 "mtu": {0}；flannel 下次启动时跟随其网卡；calico：calico-config 中的 veth_mtu'),
    ("# what configures the device sets it back at the next boot; tell it:", "# 配置该设备的程序会在下次启动时改回，需在那里修改："),
    ("# give flanneld the option {} first (FLANNEL_OPTIONS in /etc/sysconfig/flanneld, or args of the DaemonSet kube-flannel-ds),",
     "# 先给 flanneld 加选项 {0}（/etc/sysconfig/flanneld 的 FLANNEL_OPTIONS，或 DaemonSet kube-flannel-ds 的 args），"),
    ("# or it makes the device anew as it was", "# 否则它会按原样重新创建该设备"),
    ("# the DaemonSet keeps it; with the operator: spec.calicoNetwork.nodeAddressAutodetectionV4 of the Installation",
     "# DaemonSet 会保留该设置；使用 operator 时改 Installation 的 spec.calicoNetwork.nodeAddressAutodetectionV4"),
    ("# the option --iface={} of flanneld keeps it (or --iface-regex)", "# flanneld 的选项 --iface={0}（或 --iface-regex）可使其持久"),
    ("# behind a translation: kubectl annotate node {} flannel.alpha.coreos.com/public-ip-overwrite=ADDRESS",
     "# 位于地址转换之后时：kubectl annotate node {0} flannel.alpha.coreos.com/public-ip-overwrite=地址"),
    ("# in {} (merge with what is there): {}", "# 写入 {0}（与已有内容合并）：{1}"),
    ("# take bip out of {} again", "# 再从 {0} 中删去 bip"),
    ("# take default-address-pools out of {} again", "# 再从 {0} 中删去 default-address-pools"),
    ("# keep docker's own choices out of the range, in {}: {}", "# 让 docker 自行选择时避开该网段，写入 {0}：{1}"),
    ("# a network made by docker compose: give it the subnet in its file (networks: NAME: ipam: config: [{subnet: …}]), or it comes back",
     "# 由 docker compose 创建的网络：在其文件中指定子网（networks: 名称: ipam: config: [{{subnet: …}}]），否则会恢复原样"),
    ("# the agent of the overlay makes these routes from its configuration: give all nodes one backend (net-conf.json), restart it",
     "# overlay 的代理按自身配置生成这些路由：让所有节点使用同一种 backend（net-conf.json），然后重启它"),
    ("# sets are lost at the next reboot, and whatever fills this one (a controller, a script) may write it anew; make the change there, or:",
     "# 集合在重启后丢失，填充它的控制器或脚本也可能重写；应在那里修改，或者："),
    ("# in the DaemonSet node-local-dns keep -localip {} alone: kubectl edit daemonset -n kube-system node-local-dns",
     "# 在 DaemonSet node-local-dns 中只保留 -localip {0}：kubectl edit daemonset -n kube-system node-local-dns"),
    ("# then let the firewalls and security groups between the nodes pass UDP {}", "# 然后让节点之间的防火墙和安全组放行 UDP {0}"),
    ("# set dnsPolicy: {} in the manifest of {} {} and create it anew: a running pod keeps its own",
     "# 在 {1} {2} 的清单中设置 dnsPolicy: {0} 并重新创建：运行中的 Pod 会保持原值"),
    ("# the package that brought the file (podman, cri-o, containernetworking) restores it on update: remove the package if nobody uses it",
     "# 带来该文件的软件包（podman、cri-o、containernetworking）升级时会恢复它：若无人使用，请卸载该软件包"),
    ("# docker must start after whatever loads the firewall, and be restarted with it (systemd: PartOf= and After= in docker.service)",
     "# docker 必须在加载防火墙的服务之后启动，并随之重启（systemd：docker.service 的 PartOf= 与 After=）"),
    ("# apply the manifest of the network plug-in again: kubectl apply -f FILE", "# 重新应用网络插件的清单：kubectl apply -f 文件"),
    ("# the network plug-in's agent writes the file anew: change its ConfigMap (kube-flannel-cfg: cni-conf.json) as well",
     "# 网络插件的代理会重写该文件：同时修改其 ConfigMap（kube-flannel-cfg：cni-conf.json）"),
    ("# docker: {} in daemon.json or with docker run, then create the container anew",
     "# docker：在 daemon.json 或 docker run 中设置 {0}，然后重建容器"),
    ("# Kubernetes: in the pod's dnsConfig, or in the file that the kubelet's resolvConf names, then recreate the pod",
     "# Kubernetes：写入 Pod 的 dnsConfig，或 kubelet 的 resolvConf 所指文件，然后重建 Pod"),
    ("# what writes the file: nmcli connection modify NAME ipv4.dns-search '', netplan search: [], or domain-name of the DHCP server",
     "# 写该文件的来源：nmcli connection modify 名称 ipv4.dns-search ''、netplan 的 search: []，或 DHCP 服务器的 domain-name"),
    ("# docker: --dns-opt ndots:{} (compose: dns_opt), then create the container anew",
     "# docker：--dns-opt ndots:{0}（compose：dns_opt），然后重建容器"),
    ("# docker: --add-host {}:{}; Kubernetes: spec.hostAliases", "# docker：--add-host {0}:{1}；Kubernetes 中用 spec.hostAliases"),
    ("# a route made by hand is lost at the next reboot; keep it where this machine's routes come from:",
     "# 手工添加的路由重启后丢失；写入本机路由的配置来源："),
    ("#   NetworkManager: nmcli connection modify <connection of {}> {}", "#   NetworkManager：nmcli connection modify <{0} 的连接> {1}"),
    ("#   netplan: routes: [{}] under {}", "#   netplan：{1} 之下的 routes: [{0}]"),
    ("# the route to {} comes from this machine's configuration; give it the gateway {} there too:",
     "# 到 {0} 的路由来自本机配置；在那里也改用网关 {1}："),
    ("# lasts until {} is configured again: take the other address out of its configuration",
     "# 仅在 {0} 重新配置之前有效：请从其配置中删去另一个地址"),
    ("# bind {} to {} in its configuration and restart it; where that is: {}", "# 在配置中让 {0} 监听 {1} 并重启；配置所在：{2}"),
    ("# in {}: {} = {}", "# 在 {0} 中：{1} = {2}"),
    ("# in compose: ports: [{}], then: docker compose up -d", "# compose 中：ports: [{0}]，然后：docker compose up -d"),
    ("# made by hand: docker inspect {} shows how; docker rm -f {}, then the same docker run with -p {}",
     "# 手工创建的：docker inspect {0} 可查看创建方式；docker rm -f {1}，再以同样的 docker run 加 -p {2} 创建"),
    ("# routes by a gateway went with the device; whatever configures it puts them back, at the next boot too:",
     "# 经网关的路由已随设备消失；由配置该设备的程序恢复，下次启动时亦然："),
    ("# the port is made anew with every container; tell what makes it:", "# 该端口随每个容器重新创建，需在创建者处配置："),
    ("#   CNI: \"hairpinMode\": true in the bridge plug-in's section of the file in /etc/cni/net.d; kubelet --hairpin-mode=hairpin-veth",
     '#   CNI：/etc/cni/net.d 文件的 bridge 插件部分设置 "hairpinMode": true；kubelet --hairpin-mode=hairpin-veth'),
    ('#   docker: "userland-proxy": false in /etc/docker/daemon.json sets it on every port',
     '#   docker：/etc/docker/daemon.json 中 "userland-proxy": false 会对每个端口生效'),
    ("# keep other managers away from {}, or they take the address again:", "# 不让其他管理程序接管 {0}，否则它们会再次配置该地址："),
    ("# then take it out of where it came from:", "# 然后从它的来源处删去："),
    ("# rules made by hand are lost at the next reboot or firewall reload; keep them where this machine's rules come from:",
     "# 手工添加的规则在重启或防火墙重载后丢失；写入本机规则的来源："),
    ("# a rule made by hand is lost at the next reboot; keep it where this machine's other rules come from:",
     "# 手工添加的策略规则重启后丢失；写入本机其他策略规则的来源："),
    ("# take it out of its source too: NetworkManager (routing-rules), netplan (routing-policy), a rule-DEVICE file, a VPN client's script",
     "# 同时从其来源处删去：NetworkManager（routing-rules）、netplan（routing-policy）、rule-设备 文件、VPN 客户端的脚本"),
    ("#   nftables.service: /etc/nftables.conf    firewalld: firewall-cmd --permanent --add-rich-rule / --add-port, then --reload",
     "#   nftables.service：/etc/nftables.conf    firewalld：firewall-cmd --permanent --add-rich-rule / --add-port，然后 --reload"),
    ("# put both commands where this machine's tunnel is configured; they are lost with the device",
     "# 把这两条命令写入本机隧道的配置处；设备重建后会丢失"),
    ("# {} writes these entries from what the other node announces: let it announce anew (restart it there)",
     "# {0} 按对端节点的通告写入这些表项：让对端重新通告（在那里重启它）"),
    ("# systemd-udevd must not give the device another MAC: a file /etc/systemd/network/50-overlay.link with",
     "# 不要让 systemd-udevd 给该设备换 MAC：新建文件 /etc/systemd/network/50-overlay.link，内容为"),
    ("# systemd-udevd makes the MACs of virtual devices of /etc/machine-id (MACAddressPolicy=persistent): clones get equal ones. On a clone:",
     "# systemd-udevd 按 /etc/machine-id 生成虚拟设备的 MAC（MACAddressPolicy=persistent）：克隆机会相同。在克隆机上执行："),
    ("#   rm -f /etc/machine-id /var/lib/dbus/machine-id && systemd-machine-id-setup, and reboot",
     "#   rm -f /etc/machine-id /var/lib/dbus/machine-id && systemd-machine-id-setup，然后重启"),
    ("# or leave such MACs to the kernel: /etc/systemd/network/50-overlay.link with {}",
     "# 或者让内核决定这类 MAC：/etc/systemd/network/50-overlay.link，内容为 {0}"),
    ("# docker must start after flanneld and take its lease each time, in docker.service:",
     "# docker 必须在 flanneld 之后启动并每次读取其租约，在 docker.service 中："),
    ("#   After=flanneld.service  EnvironmentFile=/run/flannel/docker  ExecStart=… $DOCKER_NETWORK_OPTIONS (of mk-docker-opts.sh)",
     "#   After=flanneld.service  EnvironmentFile=/run/flannel/docker  ExecStart=… $DOCKER_NETWORK_OPTIONS（来自 mk-docker-opts.sh）"),
    ("# then recreate the pods node by node (kubectl rollout restart …); when no pod has an old address:",
     "# 然后逐节点重建 Pod（kubectl rollout restart …）；当没有 Pod 使用旧地址时："),
    ("# then look for what sets it back: grep -rn KEY /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d",
     "# 再查找是谁把它改回：grep -rn 参数名 /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d"),
)  # fmt: skip
"""(English, Chinese), the particular before the general."""


def in_language(command: str, lang: str) -> str:
    """A command, its remark in a language; what is no known remark stays as it is."""
    if lang != "zh" or "#" not in command:
        return command
    for pattern, chinese in _patterns():
        if found := pattern.fullmatch(command):
            return chinese.format(*found.groups())
    return command


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile("(.+?)".join(map(re.escape, english.split("{}"))), re.DOTALL), chinese) for english, chinese in REMARKS)
