#!/bin/sh
# Loads each source into a network namespace of its own and records how nft lists it: as text, with handles, in numbers, as JSON.
# Usage (as root): record-nftables.sh PREFIX OUT — PREFIX for the namespace's name, OUT the recordings folder (nftables/*/source.* must be there).
set -eu
ns=$1-nftables
for folder in "$2"/nftables/*/; do
  ip netns add "$ns"
  trap 'ip netns del "$ns"' EXIT
  run() { ip netns exec "$ns" "$@"; }
  if [ -e "$folder/source.nft" ]; then
    run nft -f "$folder/source.nft"
  else
    run iptables-nft-restore < "$folder/source.iptables"
    run iptables-nft-save > "$folder/save"
  fi
  run nft list ruleset > "$folder/list" 2>&1
  run nft -a list ruleset > "$folder/list-a" 2>&1
  run nft -nn list ruleset > "$folder/list-nn" 2>&1
  run nft -s list ruleset > "$folder/list-s" 2>&1
  run nft -j list ruleset > "$folder/list-j"
  ip netns del "$ns"
  trap - EXIT
done
