"""What people pick out of objects by a template of their own."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.parsers.kubectl import parse
from collectors.place import Place
from engine.facts import Source

GET = "kubectl get "
LINES = "{range .items[*]}"


def found(command: str, text: str) -> list[dict[str, Any]]:
    """Kinds and fields of the facts of an output."""
    return [{"kind": f.kind, **f.fields} for f in parse(Source("x", text, command), Place("n1"))]


@pytest.mark.parametrize(
    ("command", "text", "expected"),
    [
        (
            f"nodes -o jsonpath='{LINES}{{.metadata.name}}{{\"\\t\"}}{{.spec.podCIDR}}{{\"\\n\"}}{{end}}'",
            "n1\t10.244.0.0/24\nn2\t10.244.1.0/24\nn3\n",
            [("n1", ("10.244.0.0/24",)), ("n2", ("10.244.1.0/24",)), ("n3", ())],
        ),
        (
            f"node -o=jsonpath='{LINES}{{@.metadata.name}}: {{@.spec.podCIDR}}{{\"\\n\"}}{{end}}'",
            "n1: 10.244.0.0/24\n",
            [("n1", ("10.244.0.0/24",))],
        ),
        (
            "nodes -o custom-columns=NAME:.metadata.name,CIDR:.spec.podCIDR",
            "NAME   CIDR\nn1     10.244.0.0/24\nn2     <none>\n",
            [("n1", ("10.244.0.0/24",)), ("n2", ())],
        ),
        (
            "no -o custom-columns='NODE:.metadata.name,CIDRS:.spec.podCIDRs' --no-headers",
            "n1   [10.244.0.0/24 fd00:10:244::/64]\n",
            [("n1", ("10.244.0.0/24", "fd00:10:244::/64"))],
        ),
    ],
)
def test_ranges_of_nodes(command: str, text: str, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    """A range that was asked for and is not there is none; the separators are the template's."""
    made = found(GET + command, text)
    assert [(one["name"], one["pod_cidrs"]) for one in made if one["kind"] == "k8s_node"] == expected
    assert not [one for one in made if one["kind"] == "unparsed"]


def test_more_than_one_piece() -> None:
    """Addresses by type, annotations by their escaped keys; labels that were picked are not all that there are."""
    path = r".metadata.annotations.flannel\.alpha\.coreos\.com/public-ip"
    ip = '.status.addresses[?(@.type=="InternalIP")].address'
    command = f"{GET}nodes -o custom-columns=N:.metadata.name,IP:{ip},PUB:{path},ROLE:.metadata.labels.role"
    (node,) = found(command, "N    IP           PUB        ROLE\nn1   10.0.0.1   10.0.2.15   db\n")
    assert node == {
        "kind": "k8s_node",
        "name": "n1",
        "addresses": ("10.0.0.1",),
        "annotations": {"flannel.alpha.coreos.com/public-ip": "10.0.2.15"},
    }


def test_pods_and_services() -> None:
    """Whether a pod is in its node's network is known where it was picked."""
    columns = "NS:.metadata.namespace,NAME:.metadata.name,IP:.status.podIP,NODE:.spec.nodeName,HOST:.spec.hostNetwork"
    pods = found(f"{GET}pods -A -o custom-columns={columns}", "NS     NAME   IP           NODE   HOST\nshop   web    10.1.1.5   n1     <none>\n")
    expected = {"namespace": "shop", "name": "web", "full": "shop/web", "ips": ("10.1.1.5",), "node_name": "n1", "host_network": False}
    assert pods == [{"kind": "pod", **expected}]
    (service,) = found(f"{GET}svc -o custom-columns=NAME:.metadata.name,IP:.spec.clusterIP,T:.spec.type", "NAME  IP  T\nweb   10.96.0.9   NodePort\n")
    assert (service["cluster_ips"], service["type"]) == (("10.96.0.9",), "NodePort")


@pytest.mark.parametrize("command", ["nodes -o jsonpath='{.items[*].spec.podCIDR}'", "nodes -o custom-columns=CIDR:.spec.podCIDR", "nodes"])
def test_pieces_that_no_name_goes_with(command: str) -> None:
    """Without names nobody can tell whose they are."""
    assert not [one for one in found(GET + command, "10.244.0.0/24 10.244.1.0/24\n") if one["kind"] == "k8s_node"]


def test_a_template_of_many_pieces_takes_no_longer_than_its_line() -> None:
    """A template comes with the evidence: sixty pieces, parted by what the line is full of, are given up at once."""
    template = "{range .items[*]}{.metadata.name}" + '{":"}{.a}' * 60 + '{";"}{.b}{end}'
    assert [one["kind"] for one in found(f"{GET}pods -o jsonpath='{template}'", ":" * 1900 + " x\n")] == ["unparsed"]


def test_pieces_that_nothing_parts() -> None:
    """Where one piece ends and the next begins nobody can tell."""
    command = f"{GET}pods -o jsonpath='{{range .items[*]}}{{.metadata.name}}{{.status.podIP}}{{end}}'"
    assert not [one for one in found(command, "web10.1.1.5\n") if one["kind"] == "pod"]


def test_a_mark_between_pieces_ends_the_first() -> None:
    """The first colon parts, those of an IPv6 address do not."""
    command = f"{GET}pods -o jsonpath='{{range .items[*]}}{{.metadata.name}}{{\":\"}}{{.status.podIP}}{{\"\\n\"}}{{end}}'"
    (pod,) = found(command, "web:fd00::5\n")
    assert (pod["name"], pod["ips"]) == ("web", ("fd00::5",))
