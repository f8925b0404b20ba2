#!/bin/sh
# Starts a Docker daemon inside a network namespace, runs containers in every state that matters, and records what docker tells of them.
# Usage (as root): record-docker.sh PREFIX OUT — PREFIX for the namespace's name, OUT the recordings folder.
set -eu
node=$1-docker out=$2
work=$(mktemp -d)
ip netns add "$node"
daemon=
trap 'docker ps -aq 2>/dev/null | xargs -r docker rm -f >/dev/null 2>&1 || :; [ -z "$daemon" ] || { kill "$daemon"; wait "$daemon"; } 2>/dev/null || :; umount "$work"/exec/netns/* 2>/dev/null || :; ip netns del "$node"; rm -rf "$work"' EXIT
export DOCKER_HOST="unix://$work/docker.sock"
ip -n "$node" link set lo up
nsenter --net="/run/netns/$node" dockerd --data-root "$work/data" --exec-root "$work/exec" --storage-driver vfs -H "$DOCKER_HOST" --pidfile "$work/pid" >"$work/log" 2>&1 &
daemon=$!
for _ in $(seq 100); do docker version >/dev/null 2>&1 && break; sleep 0.1; done
mkdir -p "$work/tree/bin"
cp /bin/busybox "$work/tree/bin/busybox"
ln -s busybox "$work/tree/bin/sh"
tar -C "$work/tree" -c . | docker import - local/busybox:1 >/dev/null
docker network create --subnet 172.30.0.0/24 --gateway 172.30.0.1 --ip-range 172.30.0.128/25 backend >/dev/null
docker network create --subnet 172.31.0.0/24 --internal -o com.docker.network.bridge.name=br-closed -o com.docker.network.bridge.enable_icc=false closed >/dev/null
run() { docker run -d --stop-signal KILL "$@" local/busybox:1 /bin/busybox sleep 3600 >/dev/null; }
run --name web --hostname www -p 8080:80 -p 127.0.0.1:5353:53/udp --expose 9000
run --name db --network backend --ip 172.30.0.200 --label tier=data
docker network connect closed db
run --name sidecar --network container:web
run --name agent --network host
run --name lonely --network none
docker create --name stopped -p 9090:90 local/busybox:1 /bin/busybox true >/dev/null
mkdir -p "$out/docker"
# The daemon's folders get the paths that they have on a usual machine.
docker inspect web db sidecar agent lonely stopped | sed "s#$work/data#/var/lib/docker#g; s#$work/exec#/var/run/docker#g" >"$out/docker/docker_inspect"
docker network inspect bridge backend closed host none >"$out/docker/docker_network_inspect"
docker ps >"$out/docker/docker_ps"
docker ps -a --no-trunc >"$out/docker/docker_ps_-a_--no-trunc"
docker network ls >"$out/docker/docker_network_ls"
