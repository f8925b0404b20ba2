#!/bin/sh
# Lays out what the networking, firewall_tables, kernel and host plug-ins of sos 4 collect on a node with one namespace, in the files and under the names that
# sos gives them.  Usage (as root): unshare --net --uts sh record-sosreport.sh WEB OUT — WEB the namespace's name, OUT the report's folder.
set -eu
web=$1 out=$2
ip netns add "$web"
holder=
trap 'kill $holder 2>/dev/null || :; ip netns del "$web"' EXIT

hostname worker-3
for inside in "" "ip netns exec $web"; do $inside sysctl -qw net.ipv6.conf.default.accept_dad=0; $inside ip link set lo up; done
ip link add cni0 address 02:00:0a:f4:01:01 type bridge
ip link add veth0 address 02:00:00:00:00:0a type veth peer name eth0 netns "$web" address 02:00:0a:f4:01:05
ip link set veth0 master cni0 up
ip link set cni0 up
ip -n "$web" link set eth0 up
ip addr add 10.244.1.1/24 dev cni0
ip -n "$web" addr add 10.244.1.5/24 dev eth0
ip -n "$web" route add default via 10.244.1.1
iptables -t nat -A POSTROUTING -s 10.244.0.0/16 ! -o cni0 -j MASQUERADE
iptables -P FORWARD DROP
iptables -A FORWARD -i cni0 -j ACCEPT
ip netns exec "$web" iptables -A INPUT -p tcp --dport 8080 -j REJECT
nc -lk -p 8080 & holder=$!
until ss -ltn | grep -q :8080; do :; done

# take FOLDER PREFIX COMMAND: PREFIX leads into a namespace.  sos merges both outputs, and names the file after the whole command line.
take() {
    mkdir -p "$out/sos_commands/$1"
    $2 $3 >"$out/sos_commands/$1/$(echo $2 $3 | sed 's/[^A-Za-z0-9_.-]\{1,\}/_/g')" 2>&1 || :
}

for command in "ip -o addr" "ip -d address" "ip -s -d link" "ip route show table all" "ip -6 route show table all" "ip -4 rule list" "ip -s -s neigh show" \
    "ss -peaonmi" "netstat -W -neopa" "bridge -s -s -d -t fdb show" "ethtool -i cni0"; do
    take networking "" "$command"
done
for command in "ip -d address show" "ip route show table all" "iptables-save" "ip -4 rule list" "sysctl -a"; do
    take "networking/namespaces/$web" "ip netns exec $web" "$command"
done
for command in "nft -a list ruleset" "iptables -t nat -nvL" "iptables -vnxL"; do take firewall_tables "" "$command"; done
take host "" hostname
take kernel "" "sysctl -a"
# The other branches are about this machine.
sed -i '/^net\./!d' "$out/sos_commands/kernel/sysctl_-a" "$out/sos_commands/networking/namespaces/$web/"*_sysctl_-a
mkdir -p "$out/etc"
echo "nameserver 192.0.2.53" >"$out/etc/resolv.conf"
