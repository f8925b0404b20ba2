"""What is read once a node: its identity, files, container runtimes and the cluster's objects."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from collectors.live.run import Output, find, read_below, read_file, run
from collectors.live.stack import Got, program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collectors.live.options import CollectOptions

FILES: Final = (
    "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/dnsmasq.conf", "/etc/os-release",
    "/run/flannel/subnet.env", "/etc/docker/daemon.json", "/var/lib/kubelet/config.yaml",
)
CNI_FOLDER: Final = "/etc/cni/net.d"
LEASES_FOLDER: Final = "/var/lib/cni/networks"
PLUGIN_FOLDERS: Final = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
MAX_LEASES: Final = 70_000
"""A network of 16 bits has 65,534 addresses."""
MAX_CNI_FILES: Final = 200
MAX_CONTAINERS: Final = 500
"""Containers that are inspected; past that a node is not a node but a benchmark."""
KUBE_TIMEOUT: Final = 4.0
"""Seconds that the API server has for its first answer; one that is down must not hold up the node's own evidence."""


def identity(options: CollectOptions) -> Iterator[Got]:
    """Kernel, distribution, loaded modules."""
    uname = os.uname()
    text = f"{uname.sysname} {uname.nodename} {uname.release} {uname.version} {uname.machine} GNU/Linux\n"
    yield Got("uname -a", "", Output(text.encode()), "file")
    output = read_file("/proc/modules", options.max_bytes)
    if not output.exit_status:
        yield Got("cat /proc/modules", "", output, "file", file="files/proc/modules")


def files(options: CollectOptions) -> Iterator[Got]:
    """The node's files; its CNI configurations too (an empty folder is stated as such)."""
    for path in FILES:
        yield from copied(path, path, options)
    yield from cni_folder(CNI_FOLDER, options)
    yield from cni_listings()


def copied(path: str, shown: str, options: CollectOptions) -> Iterator[Got]:
    """A file as it is; nothing if it does not exist."""
    if not os.path.exists(path):
        return
    output = read_file(path, options.max_bytes)
    if output.exit_status:
        yield Got(f"cat {shown}", "", skipped=output.error)
    else:
        yield Got(f"cat {shown}", "", output, "file", file=f"files{shown}")


def cni_folder(folder: str, options: CollectOptions) -> Iterator[Got]:
    """Network configurations, also those that the runtime ignores for their suffix; no kubeconfig (it holds a token)."""
    command = f"ls {CNI_FOLDER}"
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    except OSError as error:
        yield Got(command, "cni_configs", skipped=os.strerror(error.errno or 0))
        return
    names = [name for name in names if os.path.isfile(f"{folder}/{name}") and "kubeconfig" not in name.lower()][:MAX_CNI_FILES]
    yield Got(command, "cni_configs", Output("".join(f"{name}\n" for name in names).encode()), "file")
    for name in names:
        if any(word in name.lower() for word in ("conf", ".json")):
            yield from copied(f"{folder}/{name}", f"{CNI_FOLDER}/{name}", options)


def cni_listings() -> Iterator[Got]:
    """host-local's leases of each network, and the plug-ins that are installed: names alone."""
    networks = names_in(LEASES_FOLDER, folders=True)
    for name in networks[:MAX_CNI_FILES]:
        leases = names_in(f"{LEASES_FOLDER}/{name}", folders=False)[:MAX_LEASES]
        yield Got(f"ls {LEASES_FOLDER}/{name}", "cni_leases", Output("".join(f"{each}\n" for each in leases).encode()), "file")
    for folder in PLUGIN_FOLDERS:
        plugins = names_in(folder, folders=False)
        if plugins:
            yield Got(f"ls {folder}", "", Output("".join(f"{each}\n" for each in plugins[:MAX_CNI_FILES]).encode()), "file")


def names_in(folder: str, *, folders: bool) -> list[str]:
    """Names in a folder that are folders, or files; none if it does not exist or may not be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(each.name for each in entries if each.is_dir() is folders)
    except OSError:
        return []


def namespace_files(name: str, pid: int, options: CollectOptions) -> Iterator[Got]:
    """Name resolution files of a namespace: of ``ip netns``' own folder, else of a process inside it."""
    folder = f"/etc/netns/{name}"
    if os.path.isdir(folder):
        for path in ("/resolv.conf", "/hosts"):
            yield from copied(f"{folder}{path}", f"/etc{path}", options)
        yield from cni_folder(f"{folder}/cni/net.d", options)
    elif pid:
        for path in ("/etc/resolv.conf", "/etc/hosts"):
            output = read_below(f"/proc/{pid}/root", path.strip("/").split("/"), options.max_bytes)
            if not output.exit_status:
                yield Got(f"cat {path}", "", output, "file", file=f"files{path}")


# --- runtimes ----------------------------------------------------------------------------------------------------------


def runtimes(options: CollectOptions) -> Iterator[Got]:
    """Containers and networks of docker, podman and CRI runtimes."""
    if os.environ.get("DOCKER_HOST") or os.path.exists("/var/run/docker.sock"):
        yield from inspected("docker", options)
    # podman makes its storage folders when it finds none: ask it only where it was used before.
    if any(os.path.isdir(f"/var/lib/containers/storage/{driver}-containers") for driver in ("overlay", "vfs", "btrfs", "zfs")):
        yield from inspected("podman", options)
    if find("crictl") and any(map(os.path.exists, ("/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/cri-dockerd.sock"))):
        yield program("crictl pods -o json", "containers", options)


def inspected(runtime: str, options: CollectOptions) -> Iterator[Got]:
    """``inspect`` of the running containers and of all networks."""
    for noun, what, words in (("", "containers", ("ps", "-q", "--no-trunc")), ("network ", "container_networks", ("network", "ls", "-q"))):
        command = f"{runtime} {noun}inspect"
        path = find(runtime)
        if path is None:
            yield Got(command, what, skipped=f"{runtime} is not installed")
            continue
        listed = run([path, *words], timeout=options.timeout, max_bytes=options.max_bytes)
        if listed.exit_status:
            yield Got(command, what, skipped=listed.error or f"{runtime} failed")
            continue
        ids = listed.data.decode("ascii", "replace").split()[:MAX_CONTAINERS]
        output = run([path, *noun.split(), "inspect", *ids], timeout=options.timeout, max_bytes=options.max_bytes) if ids else Output(b"[]\n")
        yield Got(command, what, redacted(output))


def container_names(items: Sequence[Got]) -> dict[int, str]:
    """Process id → container name, from the runtimes' answers."""
    found: dict[int, str] = {}
    for item in items:
        if item.what != "containers" or item.skipped:
            continue
        try:
            listed = json.loads(item.output.data)
        except ValueError:
            continue
        for container in listed if isinstance(listed, list) else ():
            pid = container.get("State", {}).get("Pid", 0)
            if pid:
                found[pid] = str(container.get("Name") or container.get("Id", "")[:12]).lstrip("/")
    return found


# --- cluster -----------------------------------------------------------------------------------------------------------


def kube_configured() -> bool:
    """Whether kubectl has a cluster to ask (without a configuration it tries localhost)."""
    home = os.path.expanduser("~/.kube/config")
    return bool(os.environ.get("KUBECONFIG") or os.environ.get("KUBERNETES_SERVICE_HOST")) or os.path.exists(home)


def cluster(options: CollectOptions) -> Iterator[Got]:
    """The cluster's objects that concern its network, where the API server answers quickly."""
    import tempfile

    path = find("kubectl")
    if path is None or not kube_configured():
        return
    from dataclasses import replace

    from collectors.cluster.resources import BRIEF, network_configs, redact

    with tempfile.TemporaryDirectory(prefix="noroute-") as cache:
        base = [path, f"--cache-dir={cache}", f"--request-timeout={KUBE_TIMEOUT:g}s", "get", "-o", "json"]
        for number, resource in enumerate(BRIEF):
            name = resource.partition(".")[0]
            command = f"kubectl get {name} -A -o json"
            output = run([*base, "-A", resource], timeout=KUBE_TIMEOUT + 1 if not number else options.timeout, max_bytes=options.max_bytes)
            if output.exit_status:
                yield Got(command, name, skipped=output.error)
                if not number:
                    return
                continue
            yield Got(command, name, redacted(output), file=f"cluster/{name}.json")
        for namespace in ("kube-system", "kube-flannel"):
            output = run([*base, "-n", namespace, "configmaps"], timeout=options.timeout, max_bytes=options.max_bytes)
            if not output.exit_status and not output.truncated:
                data = json.dumps(redact(network_configs(json.loads(output.data), namespace)), indent=1)
                command = f"kubectl get configmaps -n {namespace} -o json (the network's)"
                yield Got(command, "", replace(output, data=f"{data}\n".encode()), file=f"cluster/configmaps_{namespace}.json")


def redacted(output: Output) -> Output:
    """A JSON output without the values of environment variables, which often are secrets."""
    from dataclasses import replace

    from collectors.cluster.resources import redact

    if output.truncated or output.exit_status:
        return output
    try:
        document = json.loads(output.data)
    except ValueError:
        return output
    return replace(output, data=(json.dumps(redact(document), indent=1) + "\n").encode())
