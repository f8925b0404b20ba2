"""One report of each verdict, made by hand."""

from __future__ import annotations

import pytest

from engine.findings import Assumption, Certainty, Finding, Missing, Question, RemedyPlan, Report, Standing, Verdict, Verified
from engine.walk.trace import Disposition, Flow, Hop, Line, Step, Trace, Unknown, Walked

FLOW = Flow("n1", "pod-a", "", "10.2.0.9", 5432, "tcp", "pod-a", "db (10.2.0.9)")
POLICY = Line("n1", "host", "nodes/n1/iptables-save", 12, ":FORWARD DROP [0:0]")
ROUTE = Line("n1", "host", "nodes/n1/ip_route", 2, "10.2.0.0/16 via 192.168.1.11 dev eth0")

HOPS = (
    Hop("n1", "pod-a", "", "eth0", "tcp 10.1.0.5:40000 > 10.2.0.9:5432", (Step("route", "default via 10.1.0.1 dev eth0", "pass"),)),
    Hop(
        "n1",
        "host",
        "cni0",
        "eth0",
        "tcp 10.1.0.5:40000 > 10.2.0.9:5432",
        (Step("route", "10.2.0.0/16 via 192.168.1.11", "pass", (ROUTE,)), Step("netfilter", "filter FORWARD: policy DROP", "drop", (POLICY,))),
    ),
)

REMEDY = RemedyPlan(
    "n1",
    {"en": "accept traffic of cni0", "zh": "放行 cni0 的流量"},
    ("iptables -I DOCKER-USER -i cni0 -j ACCEPT", "iptables -I DOCKER-USER -o cni0 -j ACCEPT"),
    ("iptables -D DOCKER-USER -i cni0 -j ACCEPT",),
    "low",
    Verified.RESTORES_FLOW,
    persist=("iptables-save > /etc/iptables/rules.v4",),
    verify=("nsenter --net=/run/netns/pod-a nc -zvw3 10.2.0.9 5432",),
)

CAUSE = Finding(
    "docker-forward-drop",
    Standing.ROOT_CAUSE,
    Certainty.PROVEN,
    "n1",
    "host",
    {"en": "docker set FORWARD to DROP on n1", "zh": "n1 上 docker 把 FORWARD 策略设为 DROP"},
    {"en": "No rule accepts packets of cni0.", "zh": "没有规则放行 cni0 的报文。"},
    (POLICY,),
    (REMEDY,),
    flows=(1,),
)

LATENT = Finding(
    "rp-filter-drop",
    Standing.LATENT,
    Certainty.POSSIBLE,
    "n2",
    "host",
    {"en": "strict rp_filter on n2", "zh": "n2 上 rp_filter 为严格模式"},
    {"en": ""},
    (),
    (),
)


@pytest.fixture
def trace() -> Trace:
    """A walk that dies in FORWARD."""
    return Trace(
        FLOW,
        "timeout",
        Walked(Disposition.DROPPED, HOPS),
        None,
        assumed=(Unknown("n1", "pod-a", "its firewall", "", "no firewall of its own is assumed"),),
    )


@pytest.fixture
def found(trace: Trace) -> Report:
    """A cause was found."""
    question = Question("pod cannot reach db", "", (FLOW,), (Assumption({"en": '"pod" is taken to be pod-a.', "zh": "“pod”被理解为 pod-a。"}),))
    return Report(question, Verdict.CAUSE_FOUND, (CAUSE, LATENT), (trace,), (), ("2 lines of n1/ip_rule were not understood",))


@pytest.fixture
def clean(trace: Trace) -> Report:
    """Nothing is wrong."""
    works = trace._replace(client_sees="connected", request=Walked(Disposition.DELIVERED, HOPS), reply=Walked(Disposition.DELIVERED, ()), assumed=())
    return Report(Question("pod cannot reach db", "", (FLOW,)), Verdict.NO_FAULT_FOUND, (), (works,), (), ())


@pytest.fixture
def undecided() -> Report:
    """Evidence is missing."""
    missing = (Missing("n2", "ip route show table all", {"en": "the way back is not known", "zh": "回程未知"}),)
    return Report(Question("pod cannot reach db", "", ()), Verdict.INSUFFICIENT_EVIDENCE, (), (), missing, ())
