"""Text as people paste it: fences around outputs, prompts of themes, one command printed twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collectors.classify import sections
from collectors.evidence import read
from collectors.pasted import unfenced, unquoted

if TYPE_CHECKING:
    from pathlib import Path

    from engine.facts import Fact

ADDRESS = """\
3: docker0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state DOWN group default
    link/ether 02:42:11:22:33:44 brd ff:ff:ff:ff:ff:ff
    inet 172.17.0.1/16 brd 172.17.255.255 scope global docker0
       valid_lft forever preferred_lft forever
"""
BARE = """\
3: docker0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state DOWN group default
    link/ether 02:42:11:22:33:44 brd ff:ff:ff:ff:ff:ff
    inet6 fe80::42:11ff:fe22:3344/64 scope link
"""


def facts(folder: Path, text: str) -> list[Fact]:
    """Facts of a post."""
    (folder / "post.txt").write_text(text, encoding="utf-8")
    return list(read([folder]).facts)


def test_fences_are_no_output(tmp_path: Path) -> None:
    """A fence ends an output, is counted nowhere, and leaves the numbers of lines alone."""
    text = "the routes\n```sh\n$ ip route\ndefault via 10.0.0.1 dev eth0\n```\n"
    assert unfenced(text).count("\n") == text.count("\n")
    found = facts(tmp_path, text)
    (route,) = [f for f in found if f.kind == "route"]
    assert route.line == 4
    assert not [f for f in found if f.kind == "unparsed"]


def test_fence_behind_the_last_line() -> None:
    """Who types the fence behind the last bracket means the end of the block."""
    assert unfenced("```\nchain a {\n}```\n") == "\nchain a {\n}\n"


@pytest.mark.parametrize("prompt", ["me@box  ⚙ ~  ", "➜  ~ ", "❯ ", "λ ", "~ ❯ ", "~/src/shop ❯ "])
def test_prompts_of_themes(prompt: str) -> None:
    """A sign before a command line is a prompt; the command counts."""
    (section,) = sections("post.txt", f"{prompt}ip route show table 7\ndefault via 10.0.0.1 dev eth0\n")
    assert (section.format, section.command) == ("route", "ip route show table 7")


def test_json_of_an_unknown_kind_begins_where_it_stands() -> None:
    """What precedes it is not read twice."""
    text = '$ ip route\ndefault via 10.0.0.1 dev eth0\n$ jq .x y\n[\n  {\n    "Subnet": "10.1.0.0/24"\n  }\n]\n'
    made = sections("post.txt", text)
    assert [(s.format, s.line) for s in made] == [("route", 2), ("", 4)]


def test_of_a_device_listed_twice_the_later_counts(tmp_path: Path) -> None:
    """Before and after: an address that is gone is gone."""
    found = facts(tmp_path, f"$ ip addr show docker0\n{ADDRESS}$ docker run x\n$ ip addr show docker0\n{BARE}")
    assert [f.get("address") for f in found if f.kind == "address"] == ["fe80::42:11ff:fe22:3344"]


def test_a_listing_without_addresses_takes_none_away(tmp_path: Path) -> None:
    """``ip link`` after ``ip address`` says nothing of addresses."""
    link = BARE.splitlines(keepends=True)[0].replace("group", "mode DEFAULT group") + BARE.splitlines(keepends=True)[1]
    found = facts(tmp_path, f"$ ip addr show docker0\n{ADDRESS}$ ip link show docker0\n{link}")
    assert [f.get("address") for f in found if f.kind == "address"] == ["172.17.0.1"]


DESCRIBED = """\
> [root@c1 ~]# kubectl describe ep web -n shop
> Name:         web
> Namespace:    shop
> Labels:       app=web
> Subsets:
>   Addresses:          <none>
>   NotReadyAddresses:  10.244.0.9
>   Ports:
>     Name     Port  Protocol
>     ----     ----  --------
>     http     80    TCP
>
> Events:  <none>
"""


def test_quoted_outputs_are_outputs(tmp_path: Path) -> None:
    """Marks of quotation are no part of an output, however deep it is quoted; lines keep their numbers."""
    for text in (DESCRIBED, DESCRIBED.replace("> ", "> > ")):
        (found,) = [f for f in facts(tmp_path, f"It appears so:\n{text}and so on\n") if f.kind == "endpoints"]
        assert (found.get("service"), found.get("ready"), found.get("not_ready")) == ("web", (), ({"address": "10.244.0.9"},))
    assert unquoted(DESCRIBED).count("\n") == DESCRIBED.count("\n")


def test_a_quoted_line_s_break(tmp_path: Path) -> None:
    """The tag that ends a quoted line is no part of a device's name; one quoted line that docker alone says counts as it is."""
    table = ">Kernel IP routing table\n>Destination     Gateway         Genmask         Flags Metric Ref    Use Iface\n"
    rows = ">0.0.0.0         10.0.0.1        0.0.0.0         UG    100    0        0 ens3<br/>\n" * 2
    assert {f.get("device") for f in facts(tmp_path, table + rows) if f.kind == "route"} == {"ens3"}
    (told,) = [f for f in facts(tmp_path, "it said\n> ---> [Warning] IPv4 forwarding is disabled. Networking will not work.\n") if f.kind == "sysctl"]
    assert (told.get("key"), told.get("value")) == ("net.ipv4.ip_forward", "0")


@pytest.mark.parametrize("text", ["$ for i in 1 2\n> do echo $i\n> done\n", "> GET / HTTP/1.1\n> Host: web\n> Accept: */*\n>\n"])
def test_what_is_no_quotation(text: str) -> None:
    """A shell's prompt for the rest of a command stays, and so do the headers that curl sent."""
    assert unquoted(text) == text


def test_a_manifest_that_begins_with_its_kind(tmp_path: Path) -> None:
    """Which key a manifest begins with does not matter."""
    manifest = "kind: NetworkPolicy\napiVersion: networking.k8s.io/v1\nmetadata:\n  name: p\n  namespace: shop\nspec:\n  podSelector: {}\n"
    text = f"I applied\n\n{manifest}\nand wget hangs\n"
    assert [f.get("name") for f in facts(tmp_path, text) if f.kind == "network_policy"] == ["p"]
