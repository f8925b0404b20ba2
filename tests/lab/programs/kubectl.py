"""The part of a cluster that printed remedies need: finding pods by address, and deleting them, upon which the kubelet creates them anew.

A node that is drained keeps the pods of DaemonSets, which are all that there are; that its object was deleted matters when its kubelet is restarted.

Everything else answers as kubectl does without a cluster.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

PODS = Path("/run/lab/kubelet")
AGENT = Path("/etc/lab/agent")
PATCHES = Path("/run/lab/services")
"""What was patched on this machine, a JSON object a line; the harness lays it over the API's objects."""
VALUED = {"-f", "-n", "--namespace", "--grace-period", "--context", "-o", "-l", "--field-selector", "--type", "-p"}
BY_ADDRESS = re.compile(
    r'jsonpath=\{range \.items\[\?\(@\.status\.podIP=="([^"]+)"\)\]\}\{\.metadata\.namespace\}\{" "\}\{\.metadata\.name\}\{"\\n"\}\{end\}',
)
_NO_CLUSTER = "The connection to the server localhost:8080 was refused - did you specify the right host or port?"


def operands(arguments: list[str]) -> list[str]:
    """Arguments that are neither options nor their values."""
    kept, skip = [], False
    for argument in arguments:
        if skip or argument.startswith("-"):
            skip = not skip and argument in VALUED
            continue
        kept.append(argument)
    return kept


def with_address(address: str) -> list[str]:
    """Names of the pods that the kubelet gave an address."""
    results = {file.name: json.loads(file.read_text())["result"] for file in sorted(PODS.iterdir())}
    return [name for name, result in results.items() if address in {ip["address"].partition("/")[0] for ip in result["ips"]}]


def delete(names: list[str]) -> None:
    """Delete pods; their owner is the kubelet's manifest (or kube-proxy's DaemonSet), which makes them anew."""
    for name in names:
        if name.startswith("kube-proxy"):
            subprocess.run(["kubeproxy", "sync"], check=True)
            print(f'pod "{name}" deleted')  # noqa: T201 - as kubectl prints it
            continue
        subprocess.run(["kubelet", "delete", name], check=True)
        subprocess.run(["kubelet", "create", name], check=True)
        print(f'pod "{name}" deleted')  # noqa: T201 - as kubectl prints it


def retarget(service: str, port: int) -> None:
    """Send a Service's connections to another port of its pods: its endpoints change, and kube-proxy writes that."""
    rules = Path("/etc/kubernetes/proxy/iptables")
    named = re.compile(rf'^(-A KUBE-SEP-\S+ .*"{re.escape(service)}[":].*--to-destination [\d.]+:)\d+', re.MULTILINE)
    rules.write_text(named.sub(rf"\g<1>{port}", rules.read_text()))
    subprocess.run(["kubeproxy", "sync"], check=True)


def agent() -> str:
    """Program that makes policies count on this machine."""
    return AGENT.read_text().strip() if AGENT.exists() else "felix"


def of_nodes(words: list[str], arguments: list[str]) -> bool:
    """Answer what is about a node; whether it was."""
    if words[:2] == ["delete", "node"]:
        Path("/run/lab/node-deleted").touch()
    return words[:2] == ["delete", "node"] or (words[:1] == ["drain"] and "--ignore-daemonsets" in arguments)


def of_services(words: list[str], arguments: list[str]) -> bool:
    """Answer what is about a Service or its proxy; whether it was."""
    if words[:2] == ["patch", "service"] and "targetPort" in arguments[-1]:
        retarget(f"{arguments[arguments.index('-n') + 1]}/{words[2]}", json.loads(arguments[-1])[0]["value"])
        return True
    if words[:2] == ["patch", "service"] and arguments[arguments.index("--type") + 1] == "merge":
        patched = {"namespace": arguments[arguments.index("-n") + 1], "name": words[2], "at": time.time(), **json.loads(arguments[-1])}
        with PATCHES.open("a") as file:
            file.write(f"{json.dumps(patched)}\n")
        subprocess.run(["kubeproxy", "sync"], check=True)
        return True
    if words[:1] == ["delete"] and "k8s-app=kube-proxy" in arguments:
        delete(["kube-proxy"])
        return True
    if words[:3] == ["patch", "daemonset", "kube-proxy"]:
        subprocess.run(["kubeproxy", "sync"], check=True)
        return True
    return False


def main(arguments: list[str]) -> None:
    """Answer one command line."""
    words = operands(arguments)
    if of_nodes(words, arguments) or of_services(words, arguments):
        return
    if words == ["apply"] and arguments[-2:] == ["-f", "-"]:
        subprocess.run([agent(), "apply"], check=True)
        return
    if words[:2] == ["delete", "networkpolicy"]:
        subprocess.run([agent(), "delete", arguments[arguments.index("-n") + 1], words[2]], check=True)
        return
    if words[:1] == ["delete"] and len(words) > 1:
        delete([word.partition("/")[2] for word in words[1:] if "/" in word] or words[2:])
        return
    query = next((found for argument in arguments if (found := BY_ADDRESS.fullmatch(argument))), None)
    if words != ["get", "pods"] or query is None:
        sys.exit(_NO_CLUSTER)
    for name in with_address(query[1]):
        print("default", name)  # noqa: T201 - as kubectl prints it


if __name__ == "__main__":
    main(sys.argv[1:])
