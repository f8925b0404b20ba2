"""What a command line asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.parsers.invocation import Invocation, invocation


@pytest.mark.parametrize(
    "command", ["ip -6 route show table 7", "sudo /sbin/ip -6 route show table 7", "nsenter -t 812 -n ip -6 route show table 7",
                "ip netns exec route ip -6 route show table 7", "docker exec web ip -6 route show table 7 2>&1", "ip -f inet6 route show table 7"],
)
def test_what_leads_to_the_program_is_passed_over(command: str) -> None:
    """Other users, namespaces and containers change nothing."""
    found = invocation(command, "ip")
    assert found is not None
    assert (found.words, found.family, found.piped) == (("route", "show", "table", "7"), 6, False)


def test_the_program_is_the_one_that_ran() -> None:
    """The object of another command is no program."""
    assert invocation("ip route", "route") is None
    assert invocation("route -n", "ip", "route") == Invocation("route", ("-n",), ())
    assert invocation("", "ip") is None


def test_options_in_bundles() -> None:
    """Letters may be joined or apart, long options stay whole."""
    found = invocation("ss -lnt -up --no-header -4", "ss")
    assert found is not None
    assert found.letters == frozenset("lntup4") | {"--no-header"}
    assert found.family == 4


@pytest.mark.parametrize(
    ("command", "piped"),
    [("ip addr | head", True), ("ip addr|head", True), ("ip addr || true", False), ("ip addr; ip route", False), ("ip addr > file", False)],
)
def test_shell_operators_end_the_command(command: str, piped: bool) -> None:
    """Only a pipe changes what arrives."""
    found = invocation(command, "ip")
    assert found is not None
    assert found.words[0] == "addr"
    assert found.piped is piped


@given(st.text())
def test_any_text(command: str) -> None:
    """Never an exception."""
    invocation(command, "ip", "ss")


@pytest.mark.parametrize("command", ["kubectl get pods", "k get pods", "sudo microk8s.kubectl get pods", "k3s kubectl get pods"])
def test_short_words_for_kubectl(command: str) -> None:
    """People alias kubectl, and distributions wrap it."""
    found = invocation(command, "kubectl")
    assert found is not None
    assert (found.program, found.words) == ("kubectl", ("get", "pods"))
