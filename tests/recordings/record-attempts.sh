#!/bin/sh
# Records what client programs see in two network namespaces: answers, refusals, silence, errors of routers, names that exist and do not.
# Usage (as root): record-attempts.sh PREFIX OUT — PREFIX for the namespaces' names, OUT the recordings folder.
# Needs ping, curl, nc, busybox, dig, host, nslookup (bind9-dnsutils), inetutils-telnet, iptables, python3.
set -u
a=$1-client b=$1-server out=$2
work=$(mktemp -d)
mkdir -p "$out" "/etc/netns/$a"
ip netns add "$a" && ip netns add "$b"
web= dns=
trap 'kill $web $dns 2>/dev/null; ip netns del "$a"; ip netns del "$b"; rm -rf "$work" "/etc/netns/$a"' EXIT
ip link add eth0 netns "$a" type veth peer name eth0 netns "$b"
ip -n "$a" link set lo up; ip -n "$b" link set lo up
ip -n "$a" addr add 10.9.0.1/24 dev eth0; ip -n "$b" addr add 10.9.0.2/24 dev eth0
ip -n "$a" link set eth0 up; ip -n "$b" link set eth0 up
printf '10.9.0.2 db db.example.com\n127.0.0.1 localhost\n' >"/etc/netns/$a/hosts"
printf 'nameserver 10.9.0.2\noptions timeout:1 attempts:1\n' >"/etc/netns/$a/resolv.conf"
cat >"$work/dns.py" <<'P'
"""Answers db.*, fails for fail.*, is silent for slow.*, and knows no other name."""
import socket
import struct

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("10.9.0.2", 53))
while True:
    query, client = server.recvfrom(512)
    name = query[12:].split(b"\0")[0].lower()
    kind, question = query[14 + len(name) - 1 : 16 + len(name) - 1], query[12 : 12 + len(name) + 5]
    found = name.startswith(b"\x02db") and kind == b"\0\1"
    code = 0 if name.startswith(b"\x02db") else 2 if name.startswith(b"\4fail") else 3
    answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton("10.9.0.2") if found else b""
    if not name.startswith(b"\4slow"):
        server.sendto(query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, int(found), 0, 0) + question + answer, client)
P
ip netns exec "$b" python3 -m http.server 8080 >/dev/null 2>&1 & web=$!
ip netns exec "$b" python3 "$work/dns.py" & dns=$!
for _ in $(seq 50); do ip netns exec "$b" ss -lnt | grep -q 8080 && break; sleep 0.1; done
run() { name=$1; shift; ip netns exec "$a" "$@" >"$out/$name" 2>&1 </dev/null; }
run ping-ok ping -c1 db
ip netns exec "$b" iptables -A INPUT -p icmp -j DROP
run ping-loss ping -c2 -i 0.2 -W1 db
ip netns exec "$b" iptables -F INPUT
run ping-unreachable ping -c1 -W4 10.9.0.77
run ping-unknown ping -c1 nosuch.example.com
run ping-net ping -c1 192.0.2.1
ip -n "$a" route add 192.0.2.0/24 via 10.9.0.2; ip netns exec "$b" sysctl -qw net.ipv4.ip_forward=1
ip -n "$b" route add prohibit 192.0.2.0/24
run ping-prohibited ping -c1 -W1 192.0.2.1
ip -n "$b" route del prohibit 192.0.2.0/24; ip -n "$b" route add unreachable 192.0.2.0/24
run ping-from-router ping -c1 -W1 192.0.2.1
ip -n "$a" link set eth0 mtu 1400
run ping-mtu ping -c1 -M do -s 1472 10.9.0.2
ip -n "$a" link set eth0 mtu 1500
ip netns exec "$b" iptables -A INPUT -p tcp --dport 82 -j DROP
run curl-ok curl -v http://db:8080/x -m 3
run curl-refused curl -v http://db:81/ -m 3
run curl-refused-short curl http://db:81/ -m 3
run curl-unknown curl -v http://nosuch.example.com/ -m 3
run curl-host curl -v http://192.0.2.1/ -m 3
run curl-timeout curl -v http://db:82/ -m 1
run nc-ok nc -vz 10.9.0.2 8080
run nc-refused nc -vz -w1 db 81
run nc-timeout nc -vz -w1 10.9.0.2 82
run busybox-ping busybox ping -c1 -W1 10.9.0.2
run busybox-nslookup busybox nslookup db.example.com 10.9.0.2
run busybox-nslookup-nx busybox nslookup nosuch.example.com 10.9.0.2
run busybox-nc busybox nc -w1 10.9.0.2 81
run busybox-telnet busybox telnet 10.9.0.2 81
run telnet-refused inetutils-telnet 10.9.0.2 81
run telnet-ok timeout 1 inetutils-telnet 10.9.0.2 8080
run nslookup-ok nslookup db.example.com
run nslookup-nx nslookup nosuch.example.com
run nslookup-fail nslookup fail.example.com
run nslookup-timeout nslookup -timeout=1 -retry=1 db.example.com 10.9.0.1
run dig-ok dig db.example.com
run dig-nx dig nosuch.example.com
run dig-fail dig fail.example.com
run dig-timeout dig +time=1 +tries=1 slow.example.com
run dig-refused dig +time=1 +tries=1 db.example.com @10.9.0.1
run dig-short dig +short db.example.com
run host-ok host db.example.com
run host-nx host nosuch.example.com
run host-timeout host -W1 slow.example.com
run getent-ok getent hosts db
run getent-none getent hosts nosuch.example.com
