"""What is read once a node."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from collectors.live import host
from collectors.live.options import CollectOptions
from collectors.live.run import Output
from collectors.live.stack import Got

if TYPE_CHECKING:
    from pathlib import Path


def test_values_of_environment_variables_stay_on_the_node() -> None:
    """Environments of docker and Kubernetes lose their values, and nothing repeats them; everything else stays."""
    document = [{
        "Config": {"Env": ["PASSWORD=secret", "EMPTY"], "Image": "web"},
        "spec": {"containers": [{"name": "c", "env": [{"name": "PASSWORD", "value": "secret"}, {"name": "REF", "valueFrom": {"x": 1}}]}]},
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "secret", "kept": "yes"}, "managedFields": [1]},
    }]
    text = host.redacted(Output(json.dumps(document).encode())).data.decode()
    assert "secret" not in text
    assert '"PASSWORD=<redacted>"' in text
    assert json.loads(text)[0]["metadata"] == {"annotations": {"kept": "yes"}}
    assert json.loads(text)[0]["spec"]["containers"][0]["env"][1] == {"name": "REF", "valueFrom": {"x": 1}}


@pytest.mark.parametrize("output", [Output(b"not json"), Output(b"{}", exit_status=1), Output(b"[", truncated=True)])
def test_what_is_no_json_is_kept_as_it_is(output: Output) -> None:
    """Redaction needs a whole document; anything else is a complaint of the program."""
    assert host.redacted(output) is output


def test_processes_are_named_after_their_containers() -> None:
    """A runtime's answer tells which process is which container's."""
    web = {"Id": "0123456789abcdef", "Name": "/web", "State": {"Pid": 7}}
    answer = json.dumps([web, {"Id": "fedcba9876543210", "State": {"Pid": 8}}, {"State": {"Pid": 0}}])
    assert host.container_names([Got("docker inspect", "containers", Output(answer.encode()))]) == {7: "web", 8: "fedcba987654"}
    assert host.container_names([Got("x", "containers", Output(b"junk")), Got("x", "containers", skipped="why")]) == {}


def test_a_cni_folder_is_listed_and_copied_without_tokens(tmp_path: Path) -> None:
    """Configurations (disabled ones too) are copied; a kubeconfig is not even listed; other files are only listed."""
    for name in ("10-x.conflist", "99-y.conf.bak", "calico-kubeconfig", "cni.lock"):
        (tmp_path / name).write_text("{}")
    got = list(host.cni_folder(str(tmp_path), CollectOptions()))
    assert got[0].output.data == b"10-x.conflist\n99-y.conf.bak\ncni.lock\n"
    assert [item.file for item in got[1:]] == ["files/etc/cni/net.d/10-x.conflist", "files/etc/cni/net.d/99-y.conf.bak"]
    assert list(host.cni_folder(str(tmp_path / "none"), CollectOptions())) == []


def test_a_silent_runtime_is_skipped_with_its_complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime whose socket is there and that does not answer is an item that was not collected."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    items = list(host.inspected("docker", CollectOptions()))
    complaint = "Cannot connect to the Docker daemon"
    assert [(item.what, item.skipped) for item in items] == [("containers", complaint), ("container_networks", complaint)]
    assert [item.skipped for item in host.inspected("no-such-runtime", CollectOptions())] == ["no-such-runtime is not installed"] * 2


def test_running_containers_are_inspected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ids that are listed are inspected; without any the answer is an empty list, which is an answer."""
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\ncase "$1 $2" in "ps -q") echo c1;; "network ls") ;; "inspect c1") echo \'[{"Id":"c1"}]\';; *) exit 9;; esac\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert [json.loads(item.output.data) for item in host.inspected("docker", CollectOptions())] == [[{"Id": "c1"}], []]


KUBECTL = """#!/bin/sh
case "$*" in
  *--cache-dir=*nodes*) echo '{"apiVersion":"v1","kind":"List","items":[]}';;
  *configmap*) exit 1;;
  *ippools*) echo 'error: the server does not have a resource type "ippools"' >&2; exit 1;;
  *--cache-dir=*) echo '{"apiVersion":"v1","kind":"List","items":[]}';;
esac
"""


def test_the_cluster_is_asked_where_it_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is asked resource by resource, without its cache on disk; what the server lacks is skipped with its word."""
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setenv("KUBECONFIG", "x")
    items = list(host.cluster(CollectOptions()))
    resources = ("nodes", "pods", "services", "endpoints", "endpointslices", "networkpolicies")
    assert {item.file for item in items if not item.skipped} == {f"cluster/{name}.json" for name in resources}
    assert [(item.what, item.skipped) for item in items if item.skipped] == [("ippools", 'error: the server does not have a resource type "ippools"')]


def test_an_api_server_that_is_down_costs_one_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first refusal nothing else is asked; without a configuration nothing at all."""
    (tmp_path / "kubectl").write_text("#!/bin/sh\necho asked >> $0.log\necho 'connection refused' >&2\nexit 1\n")
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setenv("KUBECONFIG", "x")
    assert [item.skipped for item in host.cluster(CollectOptions())] == ["connection refused"]
    assert (tmp_path / "kubectl.log").read_text() == "asked\n"
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert list(host.cluster(CollectOptions())) == []


def test_cni_listings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """host-local's leases of each network and the installed plug-ins are listed by name; what does not exist is passed over."""
    leases, plugins = tmp_path / "networks" / "cbr0", tmp_path / "bin"
    leases.mkdir(parents=True)
    plugins.mkdir()
    (leases / "10.244.1.2").write_text("sandbox\r\neth0")
    (plugins / "bridge").write_text("")
    monkeypatch.setattr(host, "LEASES_FOLDER", str(tmp_path / "networks"))
    monkeypatch.setattr(host, "PLUGIN_FOLDERS", (str(plugins), str(tmp_path / "none")))
    found = [(got.command, got.what, got.output.data) for got in host.cni_listings()]
    assert found == [(f"ls {leases}", "cni_leases", b"10.244.1.2\n"), (f"ls {plugins}", "", b"bridge\n")]
