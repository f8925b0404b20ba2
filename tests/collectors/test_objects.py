"""Objects of tables without a NAMESPACE column belong where the rest of the evidence shows them, and an object printed twice is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collectors.evidence import read

if TYPE_CHECKING:
    from pathlib import Path

    from engine.facts import Fact

PODS = """NAME                   READY   STATUS    RESTARTS   AGE   IP           NODE   NOMINATED NODE   READINESS GATES
web-6c8f9d7b5d-x2v4k   1/1     Running   0          3d    10.244.1.7   n1     <none>           <none>
db-0                   1/1     Running   0          3d    10.244.2.9   n2     <none>           <none>
"""
SERVICES = """NAME   TYPE        CLUSTER-IP     EXTERNAL-IP   PORT(S)    AGE
db     ClusterIP   10.96.12.40    <none>        5432/TCP   3d
"""
ENDPOINTS = """NAME   ENDPOINTS         AGE
db     10.244.2.9:5432   3d
"""
API = "kubernetes   ClusterIP   10.96.0.1      <none>        443/TCP    9d\n"
DESCRIBED = """Name:              db
Namespace:         shop
Labels:            app=db
Selector:          app=db
Type:              ClusterIP
IP:                10.96.12.40
Port:              <unset>  5432/TCP
TargetPort:        5432/TCP
Endpoints:         10.244.2.9:5432
"""
DENY = """NAMESPACE     NAME   POD-SELECTOR   AGE
shop          deny   app=db         1d
kube-system   dns    k8s-app=dns    1d
"""


def facts_of(folder: Path, **files: str) -> list[Fact]:
    """Facts of a folder with these files (``__`` in a name stands for ``-``)."""
    for name, text in files.items():
        (folder / f"{name.replace('__', '-')}.txt").write_text(text)
    return list(read([folder]).facts)


def spaces(facts: list[Fact], kind: str) -> dict[str, str]:
    """Namespace of every object of a kind."""
    return {str(f.get("service") if kind == "endpoints" else f.get("name")): str(f.get("namespace")) for f in facts if f.kind == kind}


def test_names_that_another_listing_shows(tmp_path: Path) -> None:
    """A described Service tells the namespace of its endpoints' table; the endpoint's address that of the pods."""
    facts = facts_of(tmp_path, kubectl_get_pods=PODS, kubectl_get_svc=SERVICES, kubectl_get_endpoints=ENDPOINTS, kubectl_describe_svc_db=DESCRIBED)
    assert spaces(facts, "pod") == {"web-6c8f9d7b5d-x2v4k": "shop", "db-0": "shop"}
    assert spaces(facts, "service") == spaces(facts, "endpoints") == {"db": "shop"}
    assert {f.get("full") for f in facts if f.kind == "pod"} == {"shop/web-6c8f9d7b5d-x2v4k", "shop/db-0"}
    assert {(f.get("namespace"), f.get("by")) for f in facts if f.kind == "supposed_namespace"} == {("shop", "names")}


def test_unknown_names_belong_to_the_only_namespace_of_people(tmp_path: Path) -> None:
    """Where nothing shows the names, the one namespace that is no system's is meant, and that is said."""
    facts = facts_of(tmp_path, kubectl_get_pods=PODS, netpol=DENY)
    assert set(spaces(facts, "pod").values()) == {"shop"}
    said = [f for f in facts if f.kind == "supposed_namespace"]
    assert [(f.get("by"), f.get("names")) for f in said] == [("only", ("web-6c8f9d7b5d-x2v4k", "db-0"))]


def test_a_command_line_tells(tmp_path: Path) -> None:
    """``-n shop`` of one command holds for the tables whose names it shows; an option is no supposition."""
    terminal = f"$ kubectl -n shop get svc\n{SERVICES}$ kubectl get ep --namespace=shop\n{ENDPOINTS}"
    facts = facts_of(tmp_path, terminal=terminal, kubectl_get_pods=PODS)
    assert set(spaces(facts, "pod").values()) == {"shop"}
    assert spaces(facts, "service") == spaces(facts, "endpoints") == {"db": "shop"}


@pytest.mark.parametrize("more", [{}, {"kubectl_get_svc": SERVICES + API, "netpol": DENY}])
def test_default_stays_where_nothing_else_is_told(tmp_path: Path, more: dict[str, str]) -> None:
    """Nothing told means kubectl's own namespace; the table that lists the API's Service is certainly of it, whatever else there is."""
    facts = facts_of(tmp_path, kubectl_get_pods=PODS, **more)
    assert set(spaces(facts, "pod").values()) == {"default"}
    assert not [f for f in facts if f.kind == "supposed_namespace"]


def test_several_namespaces_decide_nothing(tmp_path: Path) -> None:
    """Two namespaces of people leave unknown names where kubectl would look, and that is said."""
    facts = facts_of(tmp_path, kubectl_get_pods=PODS, netpol=DENY + "bank          deny   app=db         1d\n")
    assert set(spaces(facts, "pod").values()) == {"default"}
    assert [f.get("by") for f in facts if f.kind == "supposed_namespace"] == ["default"]


def test_a_whole_listing_speaks_against_its_namespace(tmp_path: Path) -> None:
    """A name that a whole listing of a namespace lacks is not in that namespace."""
    other = PODS.replace("web-6c8f9d7b5d-x2v4k", "job-6c8f9d7b5d-x2v4k").replace("10.244.", "10.245.").replace("db-0", "mq-0")
    facts = facts_of(tmp_path, terminal=f"$ kubectl get pods -n shop -o wide\n{other}$ kubectl get pods -o wide\n{PODS}")
    assert spaces(facts, "pod") == {"job-6c8f9d7b5d-x2v4k": "shop", "mq-0": "shop", "web-6c8f9d7b5d-x2v4k": "default", "db-0": "default"}


def test_the_listing_of_a_table_moves_with_it(tmp_path: Path) -> None:
    """What a table says of its completeness holds for the namespace that its objects turned out to be in."""
    facts = facts_of(tmp_path, terminal=f"$ kubectl get pods -o wide\n{PODS}$ kubectl get netpol -A\n{DENY}")
    assert [f.get("scope") for f in facts if f.kind == "collected" and f.get("what") == "pods"] == ["shop"]
    facts = facts_of(tmp_path, terminal=f"$ kubectl get pods\nNo resources found in shop namespace.\n$ kubectl get netpol -A\n{DENY}")
    assert [f.get("scope") for f in facts if f.kind == "collected" and f.get("what") == "pods"] == ["shop"]


def test_an_object_printed_twice_is_one(tmp_path: Path) -> None:
    """Two tables of the same pods give each pod once, with what either shows."""
    wide = "NAMESPACE   " + PODS.replace("\n", "\nshop        ", 2)
    narrow = "".join(f"{line[:50].rstrip()}\n" for line in PODS.splitlines())
    facts = facts_of(tmp_path, pods_wide=wide, pods_narrow=narrow, kubectl_describe_svc_db=DESCRIBED, kubectl_get_svc=SERVICES)
    pods = [f for f in facts if f.kind == "pod"]
    assert {(f.get("full"), f.get("ips"), f.get("node_name")) for f in pods} == {
        ("shop/web-6c8f9d7b5d-x2v4k", ("10.244.1.7",), "n1"), ("shop/db-0", ("10.244.2.9",), "n2"),
    }
    assert len(pods) == 2
    services = [f for f in facts if f.kind == "service"]
    assert [(f.get("cluster_ips"), f.get("selector")) for f in services] == [(("10.96.12.40",), {"app": "db"})]


def test_what_was_seen_inside_a_pod_is_on_its_node(tmp_path: Path) -> None:
    """``kubectl exec`` shows the pod, wherever it was typed; on a node of the cluster a namespace of that name stays where it is."""
    entered = "ops@{}:~$ kubectl exec -it db-0 -- sh\n/ # ip route\ndefault via 10.244.2.1 dev eth0\n/ # exit\n"
    terminal = f"ops@bastion:~$ kubectl get pods -o wide\n{PODS}{entered}"
    places = {(f.node, f.stack) for f in facts_of(tmp_path, terminal=terminal.format("bastion")) if f.kind == "route"}
    assert places == {("n2", "db-0")}
    assert not read([tmp_path]).warnings
    (tmp_path / "terminal.txt").write_text(terminal.format("n1"))
    assert {(f.node, f.stack) for f in read([tmp_path]).facts if f.kind == "route"} == {("n1", "db-0")}


LEASE = "FLANNEL_NETWORK=10.2.0.0/16\nFLANNEL_SUBNET={}\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
LINKS = """2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500
    link/ether 02:00:00:00:00:0{0} brd ff:ff:ff:ff:ff:ff
    inet 10.0.0.{0}/24 scope global eth0
"""
ENTERED = "$ kubectl exec web -- ip route\ndefault via 10.2.5.1 dev eth0\n10.2.5.0/24 dev eth0 scope link  src 10.2.5.2\n"


@pytest.mark.parametrize(("lease", "node"), [("10.2.5.1/24", "w5"), ("10.2.6.1/24", "")])
def test_a_pod_that_nobody_listed_is_where_its_addresses_are(tmp_path: Path, lease: str, node: str) -> None:
    """What ``kubectl exec`` showed of a pod goes to the node whose lease holds its gateway; if no node's does, it stays apart."""
    for name, text in (("w5", lease), ("w7", "10.2.7.1/24")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "subnet.env").write_text(LEASE.format(text))
        (tmp_path / name / "ip_a").write_text(LINKS.format(name[1]))
    (tmp_path / "pod.txt").write_text(ENTERED)
    places = {(f.node, f.stack) for f in read([tmp_path]).facts if f.kind == "route"}
    assert places == {(node or tmp_path.name, "web")}


def test_a_manifest_beside_its_table(tmp_path: Path) -> None:
    """What was applied has no addresses; the table's are kept, and its node ports."""
    manifest = (
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  type: LoadBalancer\n  selector:\n    app: web\n"
        "  ports:\n  - protocol: TCP\n    port: 80\n    targetPort: 8080\n"
    )
    table = (
        "NAME         TYPE           CLUSTER-IP    EXTERNAL-IP    PORT(S)        AGE\n"
        "kubernetes   ClusterIP      10.96.0.1     <none>         443/TCP        9d\n"
        "web          LoadBalancer   10.96.12.40   198.51.100.7   80:31250/TCP   15m\n"
    )
    found = next(f for f in facts_of(tmp_path, service_yaml=manifest, kubectl_get_svc=table) if f.kind == "service" and f.get("name") == "web")
    (port,) = found.get("ports")
    assert (found.get("cluster_ips"), found.get("external_ips")) == (("10.96.12.40",), ("198.51.100.7",))
    assert (port["node_port"], port["target_port"]) == (31250, 8080)
