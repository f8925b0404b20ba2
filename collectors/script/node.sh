#!/bin/sh
# Writes this node's network state as a bundle that "diagnose -b" reads, with nothing but sh, tar and the usual tools.
# It only reads: no state is changed, no kernel module is loaded, no secret is kept.  Made by "diagnose collect --script".
#
#   sh noroute-collect.sh [-o PATH.tar.gz | -o -] [-n NODE] [-s NETNS]... [-t SECONDS]
#
# As root it also enters the network namespaces of containers (-s: only those of these names).  NOROUTE_ROOT=/host has it ask a host whose file system is there
# (as in a container with hostNetwork and hostPID).
set -u
umask 077
LC_ALL=C
PATH="${PATH:-}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export LC_ALL PATH

version='@VERSION@'
root="${NOROUTE_ROOT:-}"
node=''
output=''
only=''
seconds=20
blocks=131072 # of 512 octets: what one item may write

usage() {
    sed -n 's/^#   //p' "$0" 2>/dev/null || echo 'sh noroute-collect.sh [-o PATH] [-n NODE] [-s NETNS]... [-t SECONDS]'
}

fail() {
    printf 'noroute-collect: %s\n' "$1" >&2
    exit 2
}

while getopts o:n:s:t:h option; do
    case $option in
    o) output=$OPTARG ;;
    n) node=$OPTARG ;;
    s) only="$only/$OPTARG/" ;;
    t) seconds=$OPTARG ;;
    h)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
done
shift $((OPTIND - 1))
[ $# -eq 0 ] || fail "unexpected argument: $1"
case $seconds in
'' | *[!0-9]* | 0) fail "-t wants whole seconds" ;;
esac
[ -n "$node" ] || node=$(uname -n)
[ -n "$node" ] || node=node
[ -n "$output" ] || output="noroute-$node.tar.gz"
if [ "$output" != - ] && [ -e "$output" ]; then
    fail "$output exists already"
fi

# --- programs ---------------------------------------------------------------------------------------------------------

# Prefix that runs a program of the host, and the one that enters the namespace that is being read.
# Both are lists of words without blanks, and are split on purpose.
enter=''

on_host() { [ -n "$root" ] && [ -x "$(command -v chroot)" ]; }

# host_has PROGRAM: whether the file system below NOROUTE_ROOT holds it.
host_has() {
    # shellcheck disable=SC2016  # the inner shell expands it
    on_host && chroot "$root" sh -c 'command -v "$1"' sh "$1" >/dev/null 2>&1
}

# have PROGRAM: whether the host has it, or this container.
have() { host_has "$1" || command -v "$1" >/dev/null 2>&1; }

# ask PROGRAM WORD…: run it inside the current namespace, within its time.
ask() {
    limit=''
    if command -v timeout >/dev/null 2>&1; then
        limit="timeout $seconds"
    fi
    change=''
    if host_has "$1"; then
        change="chroot $root"
    fi
    # shellcheck disable=SC2086
    $limit $enter $change "$@" </dev/null
}

# --- kernel modules -----------------------------------------------------------------------------------------------------

# loaded MODULE: whether asking the kernel for what it manages loads nothing.
loaded() {
    [ -e /proc/modules ] || return 0
    [ -d "/sys/module/$1" ] && return 0
    grep -q "^$1 " /proc/modules && return 0
    folder="$root/lib/modules/$(uname -r)"
    [ -r "$folder/modules.builtin" ] && tr - _ <"$folder/modules.builtin" | grep -q "/$1\.ko" && return 0
    if [ -s "$folder/modules.dep" ]; then
        # Neither loaded nor built in nor loadable: the kernel says so when it is asked.
        cut -d: -f1 "$folder/modules.dep" | tr - _ | grep -q "/$1\.ko" || return 0
    fi
    return 1
}

# known MODULE: whether its absence is certain where it is not loaded.
known() { [ -s "$root/lib/modules/$(uname -r)/modules.dep" ]; }

# --- the bundle -----------------------------------------------------------------------------------------------------------

work=$(mktemp -d "${TMPDIR:-/tmp}/noroute.XXXXXX") || fail 'no place for temporary files (set TMPDIR)'
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

top="noroute-$(printf %s "$node" | tr -c 'A-Za-z0-9._-' '_')"
bundle="$work/$top"
items="$work/items"
: >"$items"

safe() { printf %s "$1" | tr -c 'A-Za-z0-9._-' '_' | sed 's/__*/_/g; s/^_//; s/_$//; s/^\.*$/_/'; }

# A JSON string: control characters go, backslash and quote are escaped.
quoted() { printf '"%s"' "$(printf %s "$1" | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g')"; }

node_folder="nodes/$(safe "$node")"
stack=host
stack_folder=$node_folder
entry=''
count=0

# note COMMAND WHAT FILE STATUS TRUNCATED SKIPPED VIA ERROR: one line of the manifest.
note() {
    [ -s "$items" ] && printf ',\n' >>"$items"
    shown=$1
    [ -z "$entry" ] || shown="$entry $1"
    {
        printf '  {"command": %s, "file": %s, "node": %s, "stack": %s, "what": %s, ' \
            "$(quoted "$shown")" "$(quoted "$3")" "$(quoted "$node")" "$(quoted "$stack")" "$(quoted "$2")"
        printf '"exit_status": %s, "truncated": %s, "skipped": %s, "via": %s, "error": %s}' \
            "$4" "$5" "$(quoted "$6")" "$(quoted "$7")" "$(quoted "$8")"
    } >>"$items"
    count=$((count + 1))
}

skip() { note "$1" "$2" '' 0 false "$3" command ''; }

# nothing COMMAND WHAT: what is asked for cannot exist; an empty listing.
nothing() {
    : >"$bundle/$stack_folder/$(safe "$1")"
    note "$1" "$2" "$stack_folder/$(safe "$1")" 0 false '' file ''
}

# item WHAT FILTER COMMAND…: run a command and keep what it prints, through FILTER.
item() {
    what=$1 filter=$2
    shift 2
    if ! have "$1"; then
        skip "$*" "$what" "$1 is not installed"
        return
    fi
    name=$(safe "$*")
    # The limit holds for what one process writes to a file; it then ends by a signal.
    (
        # shellcheck disable=SC3045
        ulimit -f $blocks 2>/dev/null
        ask "$@" >"$work/out" 2>"$work/err"
    ) 2>/dev/null
    status=$?
    truncated=false
    case $status in
    124 | 137 | 143)
        if [ ! -s "$work/out" ]; then
            skip "$*" "$what" "no answer within $seconds s"
            return
        fi
        truncated=true
        ;;
    153) truncated=true ;;
    esac
    $filter <"$work/out" >"$bundle/$stack_folder/$name"
    error=''
    [ "$status" -eq 0 ] || error=$(sed -n '/./{p;q;}' "$work/err")
    note "$*" "$what" "$stack_folder/$name" "$status" "$truncated" '' command "$error"
}

# copy PATH SHOWN [WHAT]: a file as it is; nothing if it does not exist.
copy() {
    [ -f "$1" ] || return 0
    file="$stack_folder/files$2"
    mkdir -p "$bundle/${file%/*}"
    # Files of /proc have no size: head reads them all the same.
    if head -c $((blocks * 512)) <"$1" >"$bundle/$file" 2>/dev/null; then
        note "cat $2" "${3:-}" "$file" 0 false '' file ''
    else
        rm -f "$bundle/$file"
        skip "cat $2" "${3:-}" 'cannot be read'
    fi
}

# --- what is kept from eyes -----------------------------------------------------------------------------------------------

# Values of environment variables in the indented JSON of "docker inspect"; annotations that repeat whole objects.
without_secrets() {
    sed -e '/^ *"Env": \[$/,/^ *\],\{0,1\}$/{' \
        -e '/^ *"Env": \[$/b' -e '/^ *\],\{0,1\}$/b' \
        -e 's/^\( *"[^"=\\]*\)=.*"\(,\{0,1\}\)$/\1=<redacted>"\2/' -e t \
        -e 's/^\( *\)".*"\(,\{0,1\}\)$/\1"<redacted>"\2/' -e '}' \
        -e 's/\("kubectl\.kubernetes\.io\/last-applied-configuration": \)".*"/\1"<redacted>"/'
}

# IPsec's keys, where "nokeys" is not known.
without_keys() { grep -Ev '^[[:space:]]*(auth|auth-trunc|enc|aead|comp)[[:space:]]'; }

only_net() { grep -E '^(net\.|kernel\.(hostname|osrelease) |user\.max_net_namespaces )' | grep -Ev '(stable_secret|tcp_fastopen_key) '; }

# --- one network namespace ------------------------------------------------------------------------------------------------

links_and_routes() {
    if have ip && ask ip -j address >/dev/null 2>&1; then
        item links cat ip -d -s -j link
        item addresses cat ip -j address
        item routes cat ip -j route show table all
        item routes cat ip -6 -j route show table all
        item routing_rules cat ip -j rule
        item routing_rules cat ip -6 -j rule
        item neighbors cat ip -j neigh
    elif have ip; then
        # Older, or busybox: plain text, and perhaps without details.
        if ask ip -d -s link >/dev/null 2>&1; then
            item links cat ip -d -s link
        else
            item links cat ip link
        fi
        item addresses cat ip address
        item routes cat ip route show table all
        item routes cat ip -6 route show table all
        item routing_rules cat ip rule
        item neighbors cat ip neigh
    else
        item addresses cat ifconfig -a
        item routes cat route -n
        item neighbors cat arp -an
    fi
    if have bridge; then
        item fdb cat bridge fdb show
        item bridge_ports cat bridge -d link
    elif have brctl; then
        item bridge_ports cat brctl show
    fi
}

netfilter() {
    modern=''
    if have iptables-legacy-save || have iptables-nft-save; then
        modern=yes
    fi
    for family in iptables:ip_tables_names ip6tables:ip6_tables_names; do
        program=${family%%:*}
        if [ -z "$modern" ]; then
            item netfilter cat "$program-save" -c
            continue
        fi
        # Asking for a table makes the kernel create it: its own list tells whether there is anything to ask.
        # shellcheck disable=SC2086
        if [ -n "$($enter cat "/proc/net/${family#*:}" 2>/dev/null)" ]; then
            item netfilter cat "$program-legacy-save" -c
        elif [ "$(id -u)" = 0 ]; then
            nothing "$program-legacy-save -c" netfilter
        else
            skip "$program-legacy-save -c" netfilter 'needs root'
        fi
        guarded nf_tables netfilter "$program-nft-save" -c
    done
    guarded nf_tables netfilter nft list ruleset
}

# guarded MODULE WHAT COMMAND…: only where the question loads no module.
guarded() {
    module=$1 listing=$2
    shift 2
    if loaded "$module"; then
        item "$listing" cat "$@"
    elif known; then
        nothing "$*" "$listing"
    else
        skip "$*" "$listing" "asking might load the kernel module $module"
    fi
}

# Some keys cannot be read by anybody, which sysctl takes for a failure.
parameters() {
    if have sysctl; then
        ask sysctl -a 2>/dev/null | only_net >"$bundle/$stack_folder/sysctl_-a"
        note 'sysctl -a' sysctls "$stack_folder/sysctl_-a" 0 false '' command ''
    else
        $enter find /proc/sys/net -type f ! -name stable_secret ! -name tcp_fastopen_key | sort >"$work/keys"
        while IFS= read -r path; do
            value=$($enter cat "$path" 2>/dev/null) || continue
            printf '%s\n' "$value" | sed "s|^|$(printf %s "${path#/proc/sys/}" | tr /. ./) = |"
        done <"$work/keys" >"$bundle/$stack_folder/sysctl_-a"
        note 'sysctl -a' sysctls "$stack_folder/sysctl_-a" 0 false '' file ''
    fi
}

sockets_and_connections() {
    if have ss && loaded tcp_diag && loaded udp_diag; then
        item sockets cat ss -tuanpe
    elif have netstat && ask netstat -tuanp >/dev/null 2>&1; then
        item sockets cat netstat -tuanp
    elif have netstat; then
        item sockets cat netstat -tuan
    fi
    if ! loaded nf_conntrack; then
        if known; then nothing 'conntrack -L -o extended' conntrack; fi
    elif loaded nf_conntrack_netlink && have conntrack; then
        item conntrack cat conntrack -L -o extended
        item conntrack cat conntrack -L -f ipv6 -o extended
    else
        proc_file nf_conntrack conntrack
    fi
}

# proc_file NAME WHAT: a file of the namespace's /proc/net.
proc_file() {
    file="$stack_folder/files/proc/net/$1"
    mkdir -p "$bundle/${file%/*}"
    # shellcheck disable=SC2086
    if $enter cat "/proc/net/$1" >"$bundle/$file" 2>/dev/null; then
        note "cat /proc/net/$1" "$2" "$file" 0 false '' file ''
    else
        rm -f "$bundle/$file"
        [ -z "$2" ] || skip "cat /proc/net/$1" "$2" 'cannot be read'
    fi
}

other_tables() {
    guarded ip_set ipsets ipset save
    # shellcheck disable=SC2086
    if ! $enter test -e /proc/net/ip_vs; then
        nothing 'ipvsadm -Ln' ipvs
    elif have ipvsadm; then
        item ipvs cat ipvsadm -Ln
        item '' cat ipvsadm -L --timeout
    else
        proc_file ip_vs ipvs
    fi
    if [ -d /sys/module/wireguard ] && have wg; then
        item wireguard cat wg show
    fi
    # shellcheck disable=SC2086
    if have ip && loaded xfrm_user && $enter test -e /proc/net/xfrm_stat; then
        item xfrm_policies cat ip xfrm policy
        item xfrm_states without_keys ip xfrm state list nokeys
    fi
    queues
    for name in snmp snmp6 netstat softnet_stat stat/nf_conntrack stat/arp_cache stat/ndisc_cache; do
        proc_file "$name" ''
    done
}

# Queueing disciplines, and the filters of devices that have a place for some.
queues() {
    item qdiscs cat tc -s qdisc show
    have tc || return 0
    ask tc qdisc show 2>/dev/null | sed -n 's/^qdisc \(ingress\|clsact\) .* dev \([^ ]*\) .*/\2 \1/p' | head -n 64 >"$work/filtered"
    while read -r device kind; do
        item '' cat tc -s filter show dev "$device" ingress
        [ "$kind" = ingress ] || item '' cat tc -s filter show dev "$device" egress
    done <"$work/filtered"
}

# read_stack NAME FOLDER ENTRY PREFIX PID INODE ROLE
read_stack() {
    stack=$1 stack_folder=$2 entry=$3 enter=$4
    mkdir -p "$bundle/$stack_folder"
    links_and_routes
    netfilter
    other_tables
    parameters
    sockets_and_connections
    printf '{"name": %s, "role": "%s", "entry": %s, "pid": %s, "inode": %s, "peers": {}}\n' \
        "$(quoted "$stack")" "$7" "$(quoted "$entry")" "$5" "$6" >"$bundle/$stack_folder/netns.json"
}

# --- once a node ------------------------------------------------------------------------------------------------------------

identity() {
    item '' cat uname -a
    copy /proc/modules /proc/modules
    for path in /etc/resolv.conf /run/systemd/resolve/resolv.conf /etc/hosts /etc/hostname /etc/nsswitch.conf /etc/dnsmasq.conf \
        /etc/os-release /run/flannel/subnet.env /etc/docker/daemon.json /var/lib/kubelet/config.yaml; do
        copy "$root$path" "$path"
    done
    cni_listings
    folder=/etc/cni/net.d
    [ -d "$root$folder" ] || return 0
    mkdir -p "$bundle/$stack_folder"
    # The kubeconfig beside them holds a token.
    find "$root$folder" -maxdepth 1 -type f ! -iname '*kubeconfig*' 2>/dev/null | sort | sed 's|.*/||' >"$work/cni"
    cp "$work/cni" "$bundle/$stack_folder/ls_etc_cni_net.d"
    note "ls $folder" cni_configs "$stack_folder/ls_etc_cni_net.d" 0 false '' file ''
    while IFS= read -r name; do
        case $name in
        *conf* | *.json*) copy "$root$folder/$name" "$folder/$name" ;;
        esac
    done <"$work/cni"
}

# host-local's leases of each network, and the plug-ins that are installed: names alone.
cni_listings() {
    mkdir -p "$bundle/$stack_folder"
    for path in "$root"/var/lib/cni/networks/*/; do
        [ -d "$path" ] || continue
        folder=${path#"$root"}
        listing "${folder%/}" cni_leases
    done
    for folder in /opt/cni/bin /usr/lib/cni /usr/libexec/cni; do
        if [ -d "$root$folder" ]; then
            listing "$folder" ''
        fi
    done
}

# listing FOLDER WHAT: the names of its files.
listing() {
    name=$(safe "ls $1")
    find "$root$1" -maxdepth 1 ! -type d 2>/dev/null | sed 's|.*/||' | sort | head -n 70000 >"$bundle/$stack_folder/$name"
    note "ls $1" "$2" "$stack_folder/$name" 0 false '' file ''
}

# runtime PROGRAM: containers and networks of docker or podman; also writes "PID NAME" lines for the namespaces' names.
runtime() {
    program=$1
    for noun in '' network; do
        what=containers
        list='ps -q --no-trunc'
        if [ -n "$noun" ]; then
            what=container_networks
            list='network ls -q'
        fi
        # shellcheck disable=SC2086
        if ! ids=$(ask "$program" $list 2>"$work/err"); then
            skip "$program ${noun:+$noun }inspect" "$what" "$(sed -n '/./{p;q;}' "$work/err")"
            continue
        fi
        file="$stack_folder/$(safe "$program ${noun:+$noun }inspect")"
        mkdir -p "$bundle/$stack_folder"
        ids=$(printf '%s\n' "$ids" | head -n 500)
        # shellcheck disable=SC2086
        if [ -z "$ids" ]; then
            echo '[]' >"$bundle/$file"
        else
            ask "$program" $noun inspect $ids 2>/dev/null | without_secrets >"$bundle/$file"
        fi
        note "$program ${noun:+$noun }inspect" "$what" "$file" 0 false '' command ''
        if [ -z "$noun" ] && [ -n "$ids" ]; then
            # shellcheck disable=SC2086
            ask "$program" inspect --format '{{.State.Pid}} {{.Name}}' $ids 2>/dev/null | sed 's| /| |' >>"$work/names"
        fi
    done
}

runtimes() {
    : >"$work/names"
    if { [ -S "$root/var/run/docker.sock" ] || [ -n "${DOCKER_HOST:-}" ]; } && have docker; then
        runtime docker
    fi
    # podman makes its storage folders when it finds none: it is asked only where it was used before.
    if have podman && ls -d "$root"/var/lib/containers/storage/*-containers >/dev/null 2>&1; then
        runtime podman
    fi
    if have crictl && { [ -S "$root/run/containerd/containerd.sock" ] || [ -S "$root/run/crio/crio.sock" ]; }; then
        item containers without_secrets crictl pods -o json
    fi
}

# --- the other namespaces -----------------------------------------------------------------------------------------------------

processes() {
    for process in /proc/[0-9]*; do
        echo "${process##*/}"
    done | sort -n
}

inode_of() { readlink "$1" 2>/dev/null | tr -dc 0-9; }

# name_of PID: name of the container that a process belongs to; a sandbox bears its pod's name as host name.
name_of() {
    found=$(awk -v pid="$1" '$1 == pid { print $2; exit }' "$work/names")
    if [ -z "$found" ]; then
        found=$(nsenter -t "$1" -u uname -n 2>/dev/null)
        if [ "$found" = "$(uname -n)" ] || grep -qxF "$found" "$work/taken"; then
            found=''
        fi
    fi
    printf %s "${found:-pid-$1}"
}

others() {
    own=$(inode_of /proc/self/ns/net)
    echo "$own" >"$work/seen"
    echo host >"$work/taken"
    for handle in "$root"/run/netns/* "$root"/var/run/netns/*; do
        [ -e "$handle" ] || continue
        # A handle is a bind mount of nsfs; without the mount it is an empty file left over.
        inode=$(stat -c %i "$handle" 2>/dev/null) || continue
        [ "$(stat -c %d "$handle")" != "$(stat -c %d "${handle%/*}")" ] || continue
        grep -qx "$inode" "$work/seen" && continue
        name=${handle##*/}
        pid=$(of_inode "$inode")
        if command -v nsenter >/dev/null 2>&1; then
            prefix="nsenter --net=$handle"
        else
            prefix="ip netns exec $name"
        fi
        other "$name" "ip netns exec $name" "$prefix" "${pid:-0}" "$inode"
    done
    # Containers' processes first: they bear a name.
    for pid in $(cut -d' ' -f1 "$work/names") $(processes); do
        inode=$(inode_of "/proc/$pid/ns/net")
        [ -n "$inode" ] || continue
        grep -qx "$inode" "$work/seen" && continue
        if ! command -v nsenter >/dev/null 2>&1; then
            skip "nsenter -t $pid -n" '' 'nsenter is not installed'
            return
        fi
        echo "$inode" >>"$work/seen"
        name=$(name_of "$pid")
        other "$name" "nsenter -t $pid -n" "nsenter -t $pid -n" "$pid" "$inode"
    done
}

of_inode() {
    for process in /proc/[0-9]*; do
        if [ "$(inode_of "$process/ns/net")" = "$1" ]; then
            printf %s "${process##*/}"
            return
        fi
    done
}

# other NAME ENTRY PREFIX PID INODE
other() {
    case $only in
    '' | *"/$1/"*) ;;
    *) return ;;
    esac
    echo "$5" >>"$work/seen"
    name=$1
    ! grep -qxF "$name" "$work/taken" || name="netns-$1"
    echo "$name" >>"$work/taken"
    stack=$name
    folder="$node_folder/netns/$(safe "$name")"
    # shellcheck disable=SC2086
    if ! $3 true 2>"$work/err"; then
        entry=''
        skip "$2" '' "network namespace could not be entered: $(sed -n '/./{p;q;}' "$work/err")"
        return
    fi
    printf '  %s\n' "$name" >&2
    read_stack "$name" "$folder" "$2" "$3" "$4" "$5" container
    enter=''
    if [ -d "$root/etc/netns/$1" ]; then
        copy "$root/etc/netns/$1/resolv.conf" /etc/resolv.conf
        copy "$root/etc/netns/$1/hosts" /etc/hosts
    elif [ "$4" != 0 ]; then
        inside_file "$4" etc/resolv.conf
        inside_file "$4" etc/hosts
    fi
}

# inside_file PID PATH: a container's file; no link is followed, for a container chooses its own links.
inside_file() {
    [ ! -L "/proc/$1/root/etc" ] && [ ! -L "/proc/$1/root/$2" ] || return 0
    copy "/proc/$1/root/$2" "/$2"
}

# --- all of it --------------------------------------------------------------------------------------------------------------------

mkdir -p "$bundle/$node_folder"
printf 'reading %s\n' "$node" >&2
identity
runtimes
read_stack host "$node_folder" '' '' $$ "$(inode_of /proc/self/ns/net)" host
if [ "$(id -u)" = 0 ]; then
    others
else
    stack=host entry=''
    skip 'nsenter -t PID -n' '' 'the network namespaces of containers need root'
fi

{
    printf '{"schema_version": 1, "tool": "noroute", "tool_version": %s, "created": "%s", "node": %s,\n "items": [\n' \
        "$(quoted "$version script")" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(quoted "$node")"
    cat "$items"
    printf '\n]}\n'
} >"$bundle/manifest.json"

packed() { tar -C "$work" -cf - "$top" | gzip -c; }

if [ "$output" = - ]; then
    packed
else
    packed >"$output" || fail "cannot write $output"
    printf '%s: %s items of %s\n' "$output" "$count" "$node" >&2
fi
