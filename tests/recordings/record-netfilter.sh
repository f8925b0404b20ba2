#!/bin/sh
# Loads the recorded iptables-save outputs into a network namespace of their own and records what the other ways of printing make of them.
# Usage (as root): record-netfilter.sh PREFIX OUT — PREFIX for the namespace's name, OUT the recordings folder (netfilter/PROGRAM/save must be there).
set -eu
ns=$1-rules out=$2/netfilter
for program in iptables-legacy ip6tables-legacy iptables-nft ip6tables-nft; do
  ip netns add "$ns"
  trap 'ip netns del "$ns"' EXIT
  run() { ip netns exec "$ns" "$@" 2>/dev/null; }
  run ipset create nets hash:net counters timeout 0
  run ipset create ports hash:ip,port
  run ipset create nets6 hash:net family inet6
  run "$program-restore" -c < "$out/$program/save-c"
  run "$program-save" > "$out/$program/save"
  for table in filter nat mangle raw; do
    run "$program" -t $table -S > "$out/$program/$table-S"
    run "$program" -t $table -S -v > "$out/$program/$table-Sv"
    run "$program" -t $table -L -n > "$out/$program/$table-Ln"
    run "$program" -t $table -L -n -v > "$out/$program/$table-Lnv"
    run "$program" -t $table -L -nvx --line-numbers > "$out/$program/$table-Lnvx"
  done
  run "$program" -L -v > "$out/$program/filter-L"
  ip netns del "$ns"
  trap - EXIT
done
