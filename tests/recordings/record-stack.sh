#!/bin/sh
# Builds one network namespace that shows every kind of link, address, route, rule, neighbour and socket this kernel can make, and records how each tool
# prints it.  Usage (as root): record-stack.sh PREFIX BRCTL OUT — PREFIX for the namespaces' names, BRCTL the brctl program, OUT the recordings folder.
set -eu
prefix=$1 brctl=$2 out=$3
node=$prefix-node pod=$prefix-web peer=$prefix-peer
for ns in "$node" "$pod" "$peer"; do ip netns add "$ns"; done
holders=
trap 'for pid in $holders; do kill "$pid" 2>/dev/null || :; done; for ns in "$node" "$pod" "$peer"; do ip netns del "$ns"; done' EXIT
in_node() { ip netns exec "$node" "$@"; }

in_node sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.lo.accept_dad=0
ip -n "$node" link set lo up
ip link add eth0 netns "$node" address 02:00:0a:00:00:05 type veth peer name eth0 netns "$peer" address 02:00:0a:00:00:09
ip link add eth1 netns "$node" address 02:00:0a:00:01:05 type veth peer name eth1 netns "$peer"
ip -n "$peer" link set eth0 up
ip -n "$peer" link set eth1 up
ip -n "$peer" addr add 192.0.2.1/24 dev eth0
ip -n "$node" link set eth0 up mtu 1450 alias "uplink to the rack"
ip -n "$node" link set eth1 up
ip -n "$node" addr add 192.0.2.5/24 brd + dev eth0
ip -n "$node" addr add 192.0.2.6/24 brd + dev eth0
ip -n "$node" addr add 192.0.2.7/32 dev eth0 label eth0:vip
ip -n "$node" addr add 198.51.100.5/24 brd + dev eth1 valid_lft 86000 preferred_lft 86000
ip -n "$node" addr add 2001:db8::5/64 dev eth0 nodad

ip link add cni0 netns "$node" address 02:00:0a:f4:01:01 type bridge
ip -n "$node" link set cni0 up mtu 1450
ip -n "$node" addr add 10.244.1.1/24 brd + dev cni0
ip link add veth0a netns "$node" address 02:00:00:00:00:0a type veth peer name eth0 netns "$pod" address 02:00:0a:f4:01:05
ip -n "$node" link set veth0a master cni0 up
ip -n "$node" link set veth0a type bridge_slave hairpin on isolated on
ip -n "$pod" link set eth0 up
ip -n "$pod" addr add 10.244.1.5/24 dev eth0
ip -n "$pod" route add default via 10.244.1.1
ip link add veth0b netns "$node" address 02:00:00:00:00:0b type veth peer name veth0c netns "$node" address 02:00:00:00:00:0c
ip -n "$node" link set veth0b master cni0 up
ip -n "$node" link set veth0b type bridge_slave learning off flood off
ip link add docker0 netns "$node" address 02:42:ac:11:00:01 type bridge
ip -n "$node" link set docker0 up
ip -n "$node" addr add 172.17.0.1/16 brd + dev docker0
ip -n "$node" link add flannel.1 address 02:00:0a:f4:00:01 type vxlan id 1 local 192.0.2.5 dev eth0 dstport 8472 nolearning
ip -n "$node" link set flannel.1 up
ip -n "$node" addr add 10.244.1.0/32 dev flannel.1
ip -n "$node" link add vxlan7 address 02:00:00:00:00:07 type vxlan id 7 group 239.1.1.1 dev eth1 dstport 4789
ip -n "$node" link add mac0 link eth1 address 02:00:00:00:00:0d type macvlan mode bridge
ip -n "$node" link set mac0 up
ip -n "$node" tuntap add dev tun0 mode tun
ip -n "$node" addr add 10.8.0.1 peer 10.8.0.2/32 dev tun0
ip -n "$node" link set tun0 up
ip -n "$node" tuntap add dev tap0 mode tap

bridge -n "$node" fdb add 02:00:0a:f4:00:02 dev flannel.1 dst 192.0.2.9 self permanent
bridge -n "$node" fdb append 00:00:00:00:00:00 dev vxlan7 dst 198.51.100.9 port 8472 vni 9 self permanent
bridge -n "$node" fdb add 02:00:0a:f4:01:06 dev veth0a master static

ip -n "$node" route add default via 192.0.2.1 dev eth0 proto static metric 100
ip -n "$node" route add default via 198.51.100.1 dev eth1 metric 200 src 198.51.100.5
ip -n "$node" route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
ip -n "$node" route add 10.244.3.0/24 dev eth0 via 192.0.2.9 mtu 1400
ip -n "$node" route add 203.0.113.7 dev eth0 scope link
ip -n "$node" route add 10.99.0.0/16 proto static nexthop via 192.0.2.1 dev eth0 weight 2 nexthop via 198.51.100.1 dev eth1 onlink
ip -n "$node" route add 10.98.0.0/16 via inet6 2001:db8::1 dev eth0
ip -n "$node" route add 10.97.0.0/16 tos 0x10 via 192.0.2.1
ip -n "$node" route add blackhole 10.244.1.64/26 proto bird
ip -n "$node" route add unreachable 10.10.0.0/16
ip -n "$node" route add prohibit 10.11.0.0/16
ip -n "$node" route add throw 10.12.0.0/16 table 100
ip -n "$node" route add default via 192.0.2.9 dev eth0 table 100
ip -n "$node" route add local 10.20.0.0/16 dev lo table 101
ip -n "$node" route add 2001:db8:1::/64 via 2001:db8::1 dev eth0
ip -n "$node" route add default proto static nexthop via 2001:db8::1 dev eth0 nexthop via 2001:db8::2 dev eth0
ip -n "$node" -6 route add unreachable 2001:db8:2::/48
ip -n "$node" -6 route add default dev tun0 table 100

ip -n "$node" rule add pref 100 from 10.244.1.0/24 to 10.244.0.0/16 lookup main
ip -n "$node" rule add pref 101 fwmark 0x100/0xff00 lookup 100
ip -n "$node" rule add pref 102 not from 10.0.0.1 iif cni0 oif eth0 lookup 101
ip -n "$node" rule add pref 103 ipproto tcp sport 1000-2000 dport 443 lookup 100
ip -n "$node" rule add pref 104 uidrange 1000-1999 lookup 100 suppress_prefixlength 0
ip -n "$node" rule add pref 105 fwmark 7 tos 0x10 unreachable
ip -n "$node" rule add pref 106 to 10.66.0.0/16 prohibit
ip -n "$node" rule add pref 107 to 10.67.0.0/16 blackhole
ip -n "$node" rule add pref 108 iif gone0 goto 32766
ip -n "$node" rule add pref 109 nop
ip -n "$node" -6 rule add pref 100 from 2001:db8::/64 fwmark 5 lookup 100

ip -n "$node" neigh add 192.0.2.1 dev eth0 lladdr 02:00:0a:00:00:09 nud reachable
ip -n "$node" neigh add 192.0.2.8 dev eth0 nud failed
ip -n "$node" neigh add 10.244.2.0 dev flannel.1 lladdr 02:00:0a:f4:00:02 nud permanent
ip -n "$node" neigh add 10.244.1.5 dev cni0 lladdr 02:00:0a:f4:01:05 nud stale
ip -n "$node" neigh add 2001:db8::1 dev eth0 lladdr 02:00:0a:00:00:09 router nud stale
ip -n "$node" neigh add proxy 192.0.2.77 dev eth0

# Sockets of every family and state, held by a named process until its input ends.
ip netns exec "$peer" python3 -c '
import socket, sys
s = socket.create_server(("192.0.2.1", 9000)); c = s.accept()
print("up", flush=True); sys.stdin.read()' >/dev/null 2>&1 <"$out/.hold" &
holders="$holders $!"
in_node python3 -c '
import socket, sys, time
def bound(family, kind, address, only=None, device=None):
    s = socket.socket(family, kind); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if only is not None: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    if device: s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    s.bind(address)
    if kind == socket.SOCK_STREAM: s.listen(16)
    return s
T, U, A, B = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.AF_INET, socket.AF_INET6
held = [bound(A, T, ("0.0.0.0", 8080)), bound(A, T, ("127.0.0.1", 5432)), bound(B, T, ("::", 80), 0), bound(B, T, ("::", 6443), 1), bound(B, T, ("::1", 631)),
        bound(B, T, ("::ffff:192.0.2.5", 7000)), bound(A, T, ("192.0.2.5", 8443), device="eth0"), bound(A, U, ("0.0.0.0", 8125)), bound(A, U, ("127.0.0.53", 53), device="lo"),
        bound(B, U, ("::", 5353), 0), bound(B, U, ("2001:db8::5", 546))]
c = socket.socket(); c.bind(("192.0.2.5", 40000))
for _ in range(100):
    try: c.connect(("192.0.2.1", 9000)); break
    except OSError: time.sleep(0.05)
u = socket.socket(A, U); u.bind(("192.0.2.5", 40001)); u.connect(("192.0.2.1", 53))
open(sys.argv[1], "w").write("up"); sys.stdin.read()' "$out/.ready" <"$out/.hold" &
holders="$holders $!"
exec 9>"$out/.hold"
while [ ! -s "$out/.ready" ]; do sleep 0.1; done

# The file is named by the command: every run of characters outside [A-Za-z0-9._-] becomes one "_".
record() {
    tool=$1; shift
    mkdir -p "$out/$tool"
    in_node "$@" >"$out/$tool/$(printf '%s' "${shown:-$*}" | sed 's/[^A-Za-z0-9._-]\{1,\}/_/g')" 2>&1 || :
}
for options in "" -d -s "-s -d" -o "-d -o" "-s -o" -br -j "-d -j" "-s -d -j" "-p -j"; do
    # shellcheck disable=SC2086  # the options are words
    record iproute2 ip $options link
    # shellcheck disable=SC2086
    record iproute2 ip $options addr
done
for options in "" -6 -d -o -j "-d -j" "-6 -j" "-o -4"; do
    # shellcheck disable=SC2086
    record iproute2 ip $options route
    # shellcheck disable=SC2086
    record iproute2 ip $options route show table all
    # shellcheck disable=SC2086
    record iproute2 ip $options rule
done
record iproute2 ip -4 addr
record iproute2 ip -6 addr
record iproute2 ip addr show dev eth0
record iproute2 ip route show table 100
record iproute2 ip -j route show table 100
record iproute2 ip route show dev eth0
record iproute2 ip route get 10.99.0.1
record iproute2 ip -j route get 10.99.0.1
record iproute2 ip -6 route get 2001:db8::1
for options in "" -s "-s -s" -j "-s -j" -4; do
    # shellcheck disable=SC2086
    record iproute2 ip $options neigh
done
record iproute2 ip neigh show proxy
record iproute2 ip neigh show dev eth0
for options in "" -s -d "-s -s -d -t" -j "-d -j"; do
    # shellcheck disable=SC2086
    record iproute2 bridge $options fdb show
    # shellcheck disable=SC2086
    record iproute2 bridge $options link
done
for options in -lntup -lntp -lnup -tan -uan -anp -tuanp -tlnpH -peaonmi -tn -tulnpO -tulne -lxn -s; do record iproute2 ss "$options"; done
for options in -lntp -lntup -anp -tan -lnW -rn -6rn; do record net-tools netstat "$options"; done
record net-tools netstat -W -neopa
record net-tools ifconfig
record net-tools ifconfig -a
record net-tools route -n
record net-tools route -6n
record net-tools arp -n
record net-tools arp -an
shown="brctl show" record bridge-utils "$brctl" show
for words in "ip addr" "ip link" "ip route" "ip route show table all" "ip rule" "ip neigh" "ifconfig -a" "route -n" "netstat -rn" "netstat -lnt" "netstat -an" "arp -an"; do
    # shellcheck disable=SC2086
    shown=$words record busybox busybox $words
done
exec 9>&-
