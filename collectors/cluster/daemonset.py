"""Objects that put the shell collector on every node of a cluster, for as long as one wants to collect.

They are printed for the operator to apply and to delete; this program applies nothing.
"""

from __future__ import annotations

from typing import Any, Final

from collectors.script import script

NAME: Final = "noroute-collect"
LABEL: Final = "app.kubernetes.io/name"
NAMESPACE: Final = "noroute"
IMAGE: Final = "docker.io/library/busybox:stable"
"""Has ``sh``, ``nsenter``, ``chroot``, ``timeout`` and ``tar``; the programs that are asked are the host's own."""
FOLDER: Final = "/noroute"
SCRIPT: Final = f"{FOLDER}/collect.sh"
HOST_ROOT: Final = "/host"
CAPABILITIES: Final = ("NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_CHROOT", "SYS_PTRACE")
"""To list netfilter's tables (iptables-legacy does so by a raw socket), to enter namespaces and the host's folders, to see processes' namespaces."""
WAIT: Final = "trap exit TERM; while :; do sleep 3600 & wait; done"


def manifest(image: str = IMAGE, namespace: str = NAMESPACE) -> str:
    """The objects as YAML: a namespace of its own, the script, and a DaemonSet that waits to be asked."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes the script as a block, so that a person can read what will run."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    documents = (_namespace(namespace), _config_map(namespace), _daemon_set(namespace, image))
    return "".join(f"---\n{yaml.dump(each, Dumper=Dumper, sort_keys=False, width=1000)}" for each in documents)


def _metadata(namespace: str = "", **labels: str) -> dict[str, Any]:
    made: dict[str, Any] = {"name": NAME, "labels": {LABEL: NAME, **labels}}
    return {**made, "namespace": namespace} if namespace else made


def _namespace(namespace: str) -> dict[str, Any]:
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {**_metadata(**labels), "name": namespace}}


def _config_map(namespace: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(namespace), "data": {"collect.sh": script()}}


def _daemon_set(namespace: str, image: str) -> dict[str, Any]:
    selector = {LABEL: NAME}
    # Names of AppArmor's profile before and since Kubernetes 1.30; the default one hides other processes' namespaces.
    annotations = {"container.apparmor.security.beta.kubernetes.io/collect": "unconfined"}
    spec = {
        "hostNetwork": True,
        "hostPID": True,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "tolerations": [{"operator": "Exists"}],
        "containers": [_container(image)],
        "volumes": [
            {"name": "script", "configMap": {"name": NAME}},
            {"name": "host", "hostPath": {"path": "/"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        ],
    }
    template = {"metadata": {"labels": selector, "annotations": annotations}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": _metadata(namespace),
        "spec": {"selector": {"matchLabels": selector}, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}},
                 "template": template},
    }


def _container(image: str) -> dict[str, Any]:
    return {
        "name": "collect",
        "image": image,
        "command": ["sh", "-c", WAIT],
        "env": [
            {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "NOROUTE_ROOT", "value": HOST_ROOT},
        ],
        "securityContext": {
            "runAsUser": 0,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": list(CAPABILITIES)},
            "seLinuxOptions": {"type": "spc_t"},
        },
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [
            {"name": "script", "mountPath": FOLDER, "readOnly": True},
            {"name": "host", "mountPath": HOST_ROOT, "readOnly": True, "mountPropagation": "HostToContainer"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (the container's own)
        ],
    }
