"""The phrases people use for a broken connection, in English and Chinese.

Everything here is data: error strings, protocol hints, words that say who sends and who answers, words for a kind of machine.
Texts are compared after :func:`engine.question.tokens.fold`, so phrases are lower case, half width and in simplified characters.
"""

from __future__ import annotations

from typing import Final

ERRORS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    # Outages that come and go, and delays, say more than the error of one attempt: they come first.
    ("wrong-source", ("wrong source", "source address changed", "source address is rewritten", "unexpected source")),
    (
        "wrong-server",
        ("remote host identification has changed", "host key verification failed", "host key has changed", "host key changed", "wrong server",
         "wrong service", "wrong host", "wrong machine", "wrong container", "wrong program", "wrong page", "wrong website", "another server answers",
         "another service answers", "another program answers", "another container answers", "another machine answers", "other service answers",
         "somebody else answers", "someone else answers", "answers instead", "主机密钥", "别的服务", "别的程序", "别的容器", "别的机器", "另一个服务",
         "另一个程序", "错误的服务", "应答的不是", "不是目标服务"),
    ),
    ("timeout", ("100% packet loss", "100% loss", "100%丢包", "100% 丢包", "全部丢包")),
    (
        "intermittent",
        ("intermittent", "intermittently", "sometimes", "sporadic", "sporadically", "occasionally", "occasional", "flaky", "flapping",
        "randomly", "from time to time",
         "now and then", "on and off", "packet loss", "偶尔", "偶发", "时通时不通", "时断时续", "间歇", "有时候", "有时", "时好时坏", "不稳定",
         "随机", "丢包"),
    ),
    (
        "slow",
        ("slow", "slowly", "very slow", "high latency", "latency", "delay", "delays", "delayed", "takes 5 seconds", "takes 5s", "takes 10 seconds",
         "很慢", "变慢", "太慢", "缓慢", "延迟", "时延", "慢"),
    ),
    (
        "dns",
        ("could not resolve host", "could not resolve", "couldn't resolve host", "couldn't resolve", "cannot resolve", "can not resolve",
        "can't resolve", "unable to resolve",
         "fails to resolve", "failed to resolve", "does not resolve", "doesn't resolve", "not resolving", "no such host",
         "temporary failure in name resolution",
         "name resolution failed", "name resolution", "name or service not known", "unknown host", "unknownhostexception", "unknown server name",
         "enotfound", "eai_again",
         "nxdomain", "servfail", "bad address", "no servers could be reached", "server misbehaving", "name does not resolve",
         "could not translate host name", "unknown mysql server host", "host not found in upstream",
         "no address associated with hostname",
         "nodename nor servname provided", "getaddrinfo failed", "non-existent domain", "server can't find", "cannot be resolved",
         "could not be resolved", "communications error to", "dns_probe_finished_nxdomain", "err_name_not_resolved",
         "解析失败", "解析不了", "解析不到", "解析不出",
         "无法解析",
         "不能解析", "解析异常", "解析错误",
         "未知的名称或服务", "域名解析暂时失败", "未知的主机", "找不到主机"),
    ),
    (
        "EHOSTUNREACH",
        ("no route to host", "noroutetohostexception", "noroutetohost", "ehostunreach", "destination host unreachable",
        "destination host prohibited", "host is unreachable",
         "host unreachable", "host administratively prohibited", "administratively prohibited", "host prohibited",
         "dest unreachable, bad code: 10", "packet filtered",
         "communication prohibited", "errno 113", "os error 113", "err_address_unreachable",
         "没有到主机的路由", "没有到达主机的路由", "没有路由到主机", "没有主机路由",
         "无路由到主机", "目标主机不可达",
         "目的主机不可达", "主机不可达", "无法访问目标主机"),
    ),
    (
        "ENETUNREACH",
        ("network is unreachable", "network unreachable", "destination net unreachable", "net unreachable", "enetunreach", "errno 101",
        "os error 101",
         "网络不可达", "网络不可到达", "网络无法到达", "网络是不可达的", "网路不可达", "网路无法连接", "无法连线网路"),
    ),
    (
        "ECONNREFUSED",
        ("connection refused", "connection was refused", "connection is refused", "actively refused", "connect refused",
        "refuses the connection", "refused",
         "econnrefused", "err_connection_refused",
         "destination port unreachable", "port unreachable", "errno 111", "os error 111", "拒绝连接", "拒绝了连接", "连接被拒绝",
         "连接拒绝", "被拒绝", "拒绝",
         "端口不可达", "连线被拒", "连线遭拒", "埠不可达"),
    ),
    ("EPERM", ("operation not permitted", "eperm", "不允许的操作", "操作不允许", "不允许操作", "操作不被允许")),
    ("EACCES", ("permission denied", "eacces", "权限不够", "权限被拒绝", "没有权限")),
    ("EINVAL", ("invalid argument", "einval", "无效的参数", "无效参数", "参数无效")),
    ("EMSGSIZE", ("message too long", "emsgsize", "fragmentation needed", "frag needed", "消息过长", "需要分片")),
    ("EADDRNOTAVAIL", ("cannot assign requested address", "can't assign requested address", "eaddrnotavail", "无法分配请求的地址",
    "无法指定被请求的地址")),
    ("reset", ("err_connection_reset", "err_empty_response",
    "connection reset by peer", "connection reset", "reset by peer", "econnreset", "connection was reset", "连接被重置", "连接重置",
    "被对端重置", "连接被对方重置")),
    (
        "timeout",
        ("i/o timeout", "io timeout", "connection timed out", "connect timed out", "connection timeout", "connect timeout",
        "operation timed out", "request timed out",
         "request timeout", "read timed out", "handshake timeout", "sockettimeoutexception", "connecttimeoutexception", "context deadline exceeded",
         "deadline exceeded", "etimedout",
         "err_connection_timed_out", "err_timed_out", "timed out", "times out", "timing out", "time out", "timeouts", "timeout", "no response",
         "no reply",
         "no answer", "hangs forever",
         "hangs", "hang", "hanging", "hung", "stuck", "stalls", "stall", "stalled", "stalling", "freezes", "freeze", "never finishes",
         "never completes",
         "goes no further", "errno 110", "os error 110", "连接超时", "请求超时", "访问超时", "超时", "无响应", "没有响应",
         "没响应", "没反应", "没有回应", "无回应",
         "没有返回", "逾时", "卡住", "卡死", "卡在", "停住", "挂起"),
    ),
)
"""(error class, phrases), in the order in which a text that holds several is read."""

ACTIVE: Final = frozenset(
    {"cannot resolve", "can not resolve", "can't resolve", "could not resolve", "couldn't resolve", "unable to resolve", "fails to resolve",
     "failed to resolve", "解析失败", "解析不了", "解析不到", "解析不出", "无法解析", "不能解析"}
)
"""Error strings that are verbs: whoever stands before them sends."""

WEAK_DNS: Final = ("dns", "nslookup", "域名")
"""Words that make a question one about names if no error string says otherwise."""

LOOKUPS: Final = ("lookup", "lookups", "name resolution", "name look-up", "name look-ups", "resolving", "resolver", "resolution", "getaddrinfo",
    "getent",
    "dig", "coredns", "kube-dns", "resolve", "resolves", "resolved to")
LOOKUPS_ZH: Final = ("解析",)
"""Words that make a complaint about delays or outages one about looking names up."""

SOURCE_WORDS: Final = ("source address", "source ip", "src ip", "src address", "client ip", "source", "源地址", "源ip", "源 ip", "客户端ip",
    "真实ip", "来源ip")
SOURCE_CHANGED: Final = ("wrong", "chang", "rewrit", "becom", "instead of", "replac", "masquerad", "snat", "translated", "变成", "变为", "变了",
    "改变", "改成", "被改", "改写", "不对", "错误",
                         "不是", "丢失", "替换", "伪装")
"""A word of each list together mean ``wrong-source``."""

MYSQL_ERRNO: Final = {"(113)": "EHOSTUNREACH", "(110)": "timeout", "(111)": "ECONNREFUSED", "(101)": "ENETUNREACH"}
"""How MySQL and MariaDB clients end their message."""

LARGE: Final = ("large packet", "large packets", "large file", "large files", "large transfer", "large transfers", "large response",
    "large responses", "large request", "large requests", "large payload", "large payloads", "large download", "large downloads", "large upload",
    "large uploads", "large query", "large queries", "large result", "large results", "large object", "large objects", "large data", "big packet",
    "big packets", "big file", "big files", "big transfer", "big transfers", "big response", "big responses", "big request", "big requests",
    "big download", "big upload", "big query", "big queries", "big result", "larger packets", "bigger packets", "bulk transfer", "bulk transfers",
    "bulk data", "bulk traffic", "mtu", "pmtu", "mss", "full-size", "full size", "small packets", "small packet", "small files", "small requests",
    "small responses", "small transfers", "small queries", "tiny requests", "only small", "message too long", "fragmentation needed", "frag needed",
    "packet too big", "after the handshake", "after handshake", "handshake succeeds", "handshake completes", "handshake ok", "handshake is ok",
    "handshake works", "handshake is fine", "handshake fine", "handshake passes", "connection is established but", "connection established but",
    "tcp connects but", "connects but", "connects fine but", "tls handshake timeout", "tls handshake timed out", "tls handshake times out",
    "ssl handshake timeout", "after client hello", "after the client hello", "client hello", "server hello", "ssh2_msg_kex_ecdh_reply",
    "ssh2_msg_kexinit",
    "ssh2_msg_kex_dh_gex_group", "ssh2_msg_kex_dh_gex_reply", "sent kexinit", "key exchange", "rpc failed", "early eof",
    "unexpected disconnect while reading sideband packet",
    "大包", "大数据包", "大文件", "大数据", "大报文", "大请求", "大响应", "大流量", "小包", "小文件", "小请求", "小数据包", "数据量大", "数据一大",
    "内容一多",
    "握手成功", "握手正常", "握手完成", "握手之后", "握手后", "握手没问题", "能建立连接", "连接能建立", "连接建立后", "建立连接后", "消息过长",
    "需要分片")
"""The trouble begins with large packets: walk one of full size."""

BULK: Final = ("scp", "sftp", "rsync", "ftp", "nfs", "smb", "s3", "git", "docker pull", "docker push", "podman pull", "crictl pull", "ctr pull",
    "image pull", "image pulls", "pull image", "pull images", "pulling image", "pulling images", "push image", "apt", "apt-get", "apt update", "yum",
    "dnf", "apk", "pip", "npm", "mvn", "wget", "download", "downloads", "downloading", "upload", "uploads", "uploading", "transfer", "transfers",
    "transferring", "copy", "copying", "file copy", "backup", "restore", "dump", "mysqldump", "pg_dump", "replication", "iperf", "iperf3", "tls",
    "ssl", "https", "kubectl logs", "kubectl exec", "select *", "query", "queries", "ssh", "page", "pages", "response", "responses", "data",
    "下载", "上传", "传输", "拷贝", "复制", "拉取镜像", "拉镜像", "推送镜像", "备份", "导入", "导出", "传文件", "查询", "页面", "网页", "镜像",
    "数据")
"""What makes full packets soon after a connection is set up …"""

STALLS: Final = ("hang", "hangs", "hanging", "hung", "stall", "stalls", "stalled", "stalling", "stuck", "freeze", "freezes", "frozen",
    "never finishes",
    "never completes", "does not finish", "doesn't finish", "stops after", "stops at", "卡住", "卡在", "卡死", "卡顿", "停住", "停在", "不动",
    "挂住", "hang住",
    "没有下文", "一直转圈", "加载不完", "加载不出")
"""… and the words for a connection that was set up and goes no further: together they speak of large packets."""

WORKS: Final = ("works", "worked", "successfully", "fine", "no issues", "is ok", "are ok", "ok", "succeeds", "can ping", "can reach",
    "can connect", "can access", "can curl", "is reachable",
                "reachable", "no problem", "is working", "可以", "可以ping通", "可以 ping 通", "能ping通", "能 ping 通", "可以ping 通",
                "能ping 通", "ping得通", "ping通", "ping 通", "可以访问", "能访问", "可以连通", "能连通",
                "可以通", "能通", "可以连接", "能连接", "可以跨节点访问", "正常", "没问题", "没有问题", "都通", "是通的")
"""A clause that holds one of these and no :data:`FAILS` tells what works; its target is not the one asked about."""

FAILS: Final = ("can't", "cannot", "can not", "cant", "could not", "couldn't", "unable", "fail", "not able", "unreachable", "not reachable",
    "won't", "doesn't", "does not", "not work", "isn't", "is not",
                "not be", "no route", "refused", "timeout", "timed out", "times out", "hang", "lost", "error", "不通", "无法", "不能", "不了",
                "不上", "不到", "失败", "超时", "异常", "拒绝", "不正常", "没法",
                "不可达", "断", "没有响应")

PROTOCOLS: Final[tuple[tuple[str, str, int], ...]] = (
    ("ping", "icmp", 0), ("ping6", "icmp", 0), ("icmp", "icmp", 0), ("icmp_seq", "icmp", 0),
    ("traceroute", "icmp", 0), ("nslookup", "udp", 53), ("dig", "udp", 53),
    ("udp", "udp", 0),
    ("https", "tcp", 443), ("tls", "tcp", 443), ("http", "tcp", 80), ("ssh", "tcp", 22), ("ssh:", "tcp", 22), ("curl", "tcp", 0), ("wget",
    "tcp", 0), ("telnet", "tcp", 0), ("nc", "tcp", 0),
    ("tcp", "tcp", 0), ("grpc", "tcp", 0),
)
"""(word, protocol, port or 0): a port stands only if nothing better is known."""

SCHEMES: Final = {
    "http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21, "ssh": 22, "mysql": 3306, "postgres": 5432, "postgresql": 5432,
    "redis": 6379, "rediss": 6379, "mongodb": 27017, "amqp": 5672, "amqps": 5671, "ldap": 389, "ldaps": 636, "nats": 4222, "tcp": 0,
    "udp": 0, "grpc": 0, "docker": 0,
}
"""URL scheme → usual port (0 = none)."""

PRODUCTS: Final[dict[str, tuple[int, ...]]] = {
    "mysql": (3306,), "mariadb": (3306,), "postgres": (5432,), "postgresql": (5432,), "pgsql": (5432,), "pg": (5432,), "redis": (6379,),
    "mongo": (27017,), "mongodb": (27017,),
    "sqlserver": (1433,), "mssql": (1433,), "oracle": (1521,), "cassandra": (9042,), "couchdb": (5984,), "clickhouse": (8123, 9000),
    "elasticsearch": (9200,), "opensearch": (9200,),
    "etcd": (2379,), "memcached": (11211,), "influxdb": (8086,), "kafka": (9092,), "rabbitmq": (5672,), "zookeeper": (2181,), "nginx": (80,),
    "apache": (80,), "httpd": (80,), "registry": (5000,),
    "harbor": (443,), "minio": (9000,), "consul": (8500,), "prometheus": (9090,), "grafana": (3000,), "coredns": (53,),
    "kube-apiserver": (6443,), "apiserver": (6443,), "api-server": (6443,),
    "kubelet": (10250,), "nfs": (2049,), "smtp": (25,),
}
"""Program → usual ports."""

DATABASE_PORTS: Final = (5432, 3306, 6379, 27017, 1433, 1521, 9042, 5984, 8123, 9200, 2379, 11211, 8086)
DATABASE_NAMES: Final = ("db", "database", "mysql", "mariadb", "postgres", "postgresql", "pgsql", "pg", "redis", "mongo", "mongodb", "mssql",
    "sqlserver", "oracle", "cassandra", "couchdb", "clickhouse",
                         "elasticsearch", "etcd", "sql")

ROLES: Final[tuple[tuple[str, str], ...]] = (
    # Longer phrases first: the first that fits at a place is taken.
    ("other containers", "container"), ("another container", "container"), ("other container", "container"), ("other pods", "pod"),
    ("another pod", "pod"), ("other pod", "pod"),
    ("other hosts", "others"), ("other host", "others"), ("another host", "others"), ("other nodes", "others"), ("other node", "others"),
    ("another node", "others"), ("other machines", "others"),
    ("another machine", "others"), ("control-plane node", "master"), ("control plane", "master"), ("control-plane", "master"), ("master node",
    "master"), ("master", "master"),
    ("worker node", "node"), ("nodeip", "node"), ("node ip", "node"), ("node-ip", "node"), ("node_ip", "node"), ("节点ip", "node"),
    ("nodeport", "nodeport"), ("node port", "nodeport"), ("published port", "published"), ("mapped port", "published"),
    ("host port", "published"), ("hostport", "published"),
    ("api server", "apiserver"), ("dns server", "dns"), ("name server", "dns"), ("nameserver", "dns"), ("nameservers", "dns"), ("dns service",
    "dns"), ("dns", "dns"), ("kube-dns", "dns"),
    ("docker host", "own-host"), ("host machine", "own-host"), ("its host", "own-host"), ("its own node", "own-host"), ("its node", "own-host"),
    ("the host", "own-host"), ("pods", "pod"), ("pod", "pod"), ("deployment", "pod"), ("statefulset", "pod"), ("daemonset", "pod"),
    ("guests", "container"), ("guest", "container"),
    ("openvpn clients", "tunnel"), ("openvpn client", "tunnel"), ("vpn clients", "tunnel"), ("vpn client", "tunnel"), ("vpn users", "tunnel"),
    ("wireguard clients", "tunnel"), ("wireguard client", "tunnel"), ("wireguard peers", "tunnel"), ("vpn peers", "tunnel"),
    ("vpn客户端", "tunnel"), ("vpn 客户端", "tunnel"), ("vpn用户", "tunnel"),
    ("hotspot clients", "behind"), ("wifi clients", "behind"), ("wi-fi clients", "behind"), ("wlan clients", "behind"),
    ("wireless clients", "behind"), ("lan clients", "behind"), ("connected clients", "behind"), ("connected devices", "behind"),
    ("phones", "behind"), ("tablets", "behind"), ("devices behind it", "behind"), ("machines behind it", "behind"), ("clients behind it", "behind"),
    ("热点客户端", "behind"), ("无线客户端", "behind"), ("连接热点的设备", "behind"), ("下挂设备", "behind"), ("内网客户端", "behind"),
    ("containers", "container"), ("container", "container"), ("nodes", "node"), ("node", "node"), ("hosts", "node"), ("host", "node"),
    ("services", "service"), ("service", "service"),
    ("svc", "service"), ("clusterip", "service"), ("cluster ip", "service"), ("databases", "database"), ("database", "database"), ("db",
    "database"), ("internet", "internet"),
    ("outside world", "internet"), ("outside", "internet"), ("external network", "internet"), ("external client", "clients"),
    ("external clients", "clients"), ("the public network", "internet"),
    ("my laptop", "clients"), ("a laptop", "clients"), ("my pc", "clients"),
    ("my desktop", "clients"), ("my phone", "clients"), ("the lan", "clients"), ("my lan", "clients"), ("beyond that", "clients"),
    ("localhost", "localhost"), ("itself", "itself"), ("default gateway", "gateway"), ("gateway", "gateway"),
    ("其他容器", "container"), ("其它容器", "container"), ("别的容器", "container"), ("另一个容器", "container"), ("其他pod", "pod"), ("其它pod",
    "pod"), ("另一个pod", "pod"), ("其他 pod", "pod"), ("其它 pod", "pod"),
    ("其他主机", "others"), ("其它主机", "others"), ("别的主机", "others"), ("另一台主机", "others"), ("其他机器", "others"), ("其它机器",
    "others"), ("别的机器", "others"), ("其他节点", "others"), ("其它节点", "others"),
    ("别的节点", "others"), ("另一个节点", "others"), ("另一台机器", "others"), ("另外节点", "others"), ("master主机", "master"), ("master节点",
    "master"), ("主节点", "master"), ("控制节点", "master"), ("管理节点", "master"),
    ("node节点", "node"), ("工作节点", "node"), ("计算节点", "node"), ("节点", "node"), ("所在主机", "own-host"), ("所在节点", "own-host"),
    ("宿主机", "own-host"), ("宿主", "own-host"), ("主机", "node"), ("物理机", "node"),
    ("容器组", "pod"), ("容器", "container"), ("数据库", "database"), ("资料库", "database"), ("公网", "internet"), ("外网", "internet"),
    ("互联网", "internet"), ("外部", "clients"), ("外面", "clients"), ("我的电脑", "clients"),
    ("本地电脑", "clients"), ("办公电脑", "clients"), ("笔记本", "clients"), ("浏览器", "clients"), ("my laptop", "clients"), ("my pc", "clients"),
    ("my computer", "clients"), ("my workstation", "clients"), ("my desktop", "clients"), ("laptop", "clients"), ("laptops", "clients"),
    ("browser", "clients"), ("browsers", "clients"), ("集群外", "clients"), ("因特网", "internet"), ("上网", "internet"),
    ("域名服务器", "dns"), ("本机", "localhost"), ("本地", "localhost"), ("自己", "itself"), ("自身", "itself"), ("默认网关", "gateway"),
    ("预设闸道", "gateway"), ("闸道", "gateway"), ("网关", "gateway"), ("映射端口", "published"), ("端口映射", "published"),
    ("服务", "service"), ("服务器", "node"), ("机器", "node"), ("虚拟机", "node"), ("云主机", "node"),
    ("outside clients", "clients"), ("clients outside", "clients"), ("remote hosts", "clients"), ("remote host", "clients"),
    ("remote machines", "clients"), ("remote machine", "clients"), ("external ip", "clients"), ("external ips", "clients"),
    ("other computers", "others"), ("another computer", "others"), ("other computer", "others"), ("other servers", "others"),
    ("another server", "others"), ("other devices", "others"), ("another device", "others"), ("another pc", "others"), ("other pcs", "others"),
    ("machine", "node"), ("machines", "node"),
)
"""(word, role): kinds of machine rather than names; a name in the evidence beats them."""

PUBLIC_SITES: Final = (
    "google.com", "www.google.com", "github.com", "api.github.com", "raw.githubusercontent.com", "gitlab.com", "registry-1.docker.io",
    "auth.docker.io", "hub.docker.com", "quay.io", "ghcr.io", "gcr.io", "registry.k8s.io", "k8s.gcr.io", "pypi.org", "files.pythonhosted.org",
    "registry.npmjs.org", "registry.yarnpkg.com", "rubygems.org", "crates.io", "proxy.golang.org", "hex.pm", "repo.hex.pm", "repo1.maven.org",
    "repo.maven.apache.org", "deb.debian.org", "security.debian.org", "archive.ubuntu.com", "security.ubuntu.com", "dl-cdn.alpinelinux.org",
    "mirror.centos.org", "download.docker.com", "packages.microsoft.com", "api.openai.com", "cloudflare.com", "www.cloudflare.com", "amazon.com",
    "yahoo.com", "bing.com", "wikipedia.org", "ifconfig.me", "ifconfig.co", "icanhazip.com", "api.ipify.org", "www.baidu.com", "baidu.com", "qq.com",
)
"""Machines of the internet that people try: nobody's evidence shows them."""

OWN_HOST_NAMES: Final = ("host.docker.internal", "host.containers.internal", "gateway.docker.internal")
"""Names by which containers call the machine that they run on."""

MARKERS: Final[tuple[tuple[str, str], ...]] = (
    # "to": the target follows. "from": the sender follows. "fails": the target follows, or stands before if nothing follows.
    # "passive" and "seen" (the server sees …): the target stands before. "sends": the sender stands before.
    ("cannot be reached", "passive"), ("can not be reached", "passive"), ("can't be reached", "passive"), ("could not be reached", "passive"),
    ("is unreachable", "passive"), ("are unreachable", "passive"),
    ("not be reachable", "passive"), ("is not reachable", "passive"), ("not reachable", "passive"), ("unreachable", "passive"),
    ("cannot be accessed", "passive"), ("can't be accessed", "passive"), ("is down", "passive"),
    ("not accessible", "passive"), ("inaccessible", "passive"), ("not responding", "passive"), ("does not respond", "passive"),
    ("doesn't respond", "passive"), ("does not answer", "passive"),
    ("doesn't answer", "passive"), ("不可达", "passive"), ("不响应", "passive"),
    ("connect to", "to"), ("connecting to", "to"), ("connects to", "to"), ("connection to", "to"), ("connections to", "to"), ("access to", "to"),
    ("talk to", "to"), ("talking to", "to"), ("traffic to", "to"),
    ("speak to", "to"), ("communicate with", "to"), ("server on", "to"), ("server at", "to"), ("running on host", "to"), ("route to", "to"),
    ("reach", "to"), ("reaching", "to"), ("reaches", "to"), ("connect", "to"),
    ("ping", "to"), ("ping6", "to"), ("pinging", "to"),
    ("pings", "to"), ("access", "to"), ("accessing", "to"), ("contact", "to"), ("curl", "to"), ("wget", "to"),
    ("telnet", "to"), ("ssh", "to"), ("nc", "to"), ("dial", "to"), ("resolve", "to"),
    ("query", "to"), ("querying", "to"), ("nslookup", "to"), ("dig", "to"), ("towards", "to"), ("toward", "to"), ("to", "to"), ("against", "to"),
    ("call", "to"), ("calls", "to"), ("calling", "to"),
    ("from inside", "from"), ("from within", "from"), ("from", "from"), ("inside", "from"), ("within", "from"), ("in", "from"), ("on", "from"),
    ("via", "via"), ("through", "via"), ("between", "between"),
    ("sees", "seen"), ("saw", "seen"), ("看到", "seen"), ("收到", "seen"), ("instead of", "from"), ("rather than", "from"), ("而不是", "from"),
    ("networkpolicy on", "to"), ("network policy on", "to"), ("network policies on", "to"), ("networkpolicy for", "to"), ("network policy for", "to"),
    ("is allowed", "sends"), ("are allowed", "sends"), ("is whitelisted", "sends"),
    ("has no network", "sends"), ("has no connectivity", "sends"), ("lost connectivity", "sends"), ("lost its network", "sends"), ("没有网络",
    "sends"), ("网络不通", "sends"), ("网络不正常", "sends"), ("断网", "sends"),
    ("没网", "sends"), ("网络异常", "sends"), ("无网络", "sends"),
    ("->", "arrow"), ("→", "arrow"), ("=>", "arrow"), ("-->", "arrow"),
    ("访问不了", "fails"), ("访问不到", "fails"), ("访问不通", "fails"), ("访问失败", "fails"), ("访问超时", "fails"), ("无法访问到", "fails"),
    ("无法访问", "fails"), ("无法连接到", "fails"), ("无法连接", "fails"), ("无法连通", "fails"), ("无法连线到", "fails"), ("无法连线", "fails"),
    ("无法存取", "fails"), ("连线失败", "fails"), ("连线不到", "fails"), ("连线到", "fails"), ("连线", "fails"), ("存取", "fails"),
    ("无法到达", "fails"), ("无法ping通", "fails"), ("无法 ping 通", "fails"), ("无法ping", "fails"), ("无法", "fails"), ("不能访问", "fails"),
    ("不能跨节点访问", "fails"), ("不能连接", "fails"), ("不能ping通", "fails"), ("不能 ping 通", "fails"),
    ("不能", "fails"), ("连不上", "fails"), ("连不通", "fails"), ("连接不上", "fails"), ("连接不了", "fails"), ("连接不到", "fails"),
    ("连接失败", "fails"), ("连接超时", "fails"), ("ping不通", "fails"), ("ping 不通", "fails"),
    ("ping不到", "fails"), ("ping 不到", "fails"), ("telnet不通", "fails"), ("telnet 不通", "fails"), ("curl不通", "fails"), ("curl 不通",
    "fails"), ("不通", "fails"), ("访问", "fails"), ("连接到", "fails"), ("连接", "fails"), ("请求", "fails"),
    ("调用", "fails"), ("解析", "fails"), ("到", "to"), ("去", "to"), ("从", "from"), ("在", "from"), ("由", "from"), ("自", "from"),
)
"""(phrase, what it says about the names around it); longer phrases are tried first."""

INSIDE: Final = ("里面", "内部", "里", "内", "上", "中", "端", "侧")
"""What may follow a sender's name: "in", "on" (``pod 内``)."""

TRADITIONAL: Final = (
    "連線無訪問過請時應網絡達絕節點機個資庫務據數斷傳輸誤異從間這裡裏內卻對響沒與調錯變遲遠隨穩偽裝報導發標權許參閘關虛擬雲鏈"
    "實為夠長會還說並給臺號條別該單則轉換啟動開閉電業後來種處測試題類驗逾儲組爾掛頻"
)
SIMPLIFIED: Final = (
    "连线无访问过请时应网络达绝节点机个资库务据数断传输误异从间这里里内却对响没与调错变迟远随稳伪装报导发标权许参闸关虚拟云链"
    "实为够长会还说并给台号条别该单则转换启动开闭电业后来种处测试题类验逾储组尔挂频"
)
"""Traditional characters and their simplified form, place by place (only those that the phrases of this module use, and common neighbours)."""

EACH_OTHER: Final = ("each other", "one another", "among", "之间", "互相", "互访", "互ping", "互通", "相互", "彼此")
"""Both ends are named by one word."""

CONJUNCTIONS: Final = ("and", "or", "和", "与", "跟", "及", "或", "、", "&")

CROSS_NODE: Final = ("cross-node", "cross node", "across nodes", "across hosts", "on another node", "on a different node", "on other nodes",
    "on different nodes", "on different hosts", "on different machines", "on another host",
    "on the other node", "on other hosts", "跨节点", "跨主机", "不同节点", "跨机", "跨node")
SAME_NODE: Final = ("same node", "same host", "同节点", "同一节点", "同一个节点", "同主机", "同一主机", "同一台")

FILLERS: Final = frozenset(
    """
    the a an my our your its their this that some any all every new old other another same different remote local inner outer server servers
    machine machines vm app application program client host hosts ip ips address addresses port ports network networks interface net is are was
    be been being has have had not no it i we they you there here when where why how what which who and or but if then so because after before
    with without for of at as by in on to from via over through error errors failed failure fails fail failing cannot can can't could couldn't
    will would should do does did doesn't don't tcp udp icmp http https dns get post read write dial lookup connect connection connections
    connecting reach ping curl wget telnet nc ssh timeout timed out refused unreachable route request response ms s seconds sec bytes data
    packet packets loss time ttl icmp_seq only just still always never anymore more while since today yesterday please help diagnose show check
    up down open close closed accept accepting listen listening works work working worked fine ok good bad wrong slow large big small one two
    three each both neither none nothing something anything everything resolve resolved resolution name names host's node's pod's cluster k8s
    kubernetes docker podman containerd seems see sees seen got gets gives given says said try tried trying use used using run running start
    started restart restarted reboot rebooted upgrade upgraded install installed first last next prev back again between own self itself even
    though although however also too very much many few less most least well me us him her them errno hostname unable able access accessing
    reaching database databases reliably properly anyone someone everyone nobody reached accessed
    """.split()  # noqa: SIM905  hundreds of quoted words read worse
)
"""Words that are never taken for a name unless the evidence has exactly that name."""
