"""The report on a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from engine.findings import Standing, Verdict
from engine.report.text import located, render_text, render_trace
from engine.walk.trace import Disposition, Line, Unknown, Walked
from tests.engine.report.conftest import CAUSE as CAUSED

if TYPE_CHECKING:
    from engine.findings import Report
    from engine.walk.trace import Trace

CAUSE = """\
Cause: docker set FORWARD to DROP on n1
  on n1, proven: on the model the flow dies here and lives once this is mended
  [docker-forward-drop]

  No rule accepts packets of cni0.

Proof
  nodes/n1/iptables-save:12  :FORWARD DROP [0:0]

Mend on n1: accept traffic of cni0
  Checked on the model: restores the flow. Risk: low

iptables -I DOCKER-USER -i cni0 -j ACCEPT
iptables -I DOCKER-USER -o cni0 -j ACCEPT

  Make it last (after a reboot it would be gone):

iptables-save > /etc/iptables/rules.v4

  Verify:

nsenter --net=/run/netns/pod-a nc -zvw3 10.2.0.9 5432

  Undo:

iptables -D DOCKER-USER -i cni0 -j ACCEPT

Also wrong, but not on this flow
  - strict rp_filter on n2 (n2, rp-filter-drop)

Walked on the model
  - pod-a → db (10.2.0.9) tcp/5432: the client sees a timeout
  --verbose shows the walk hop by hop.

Assumed
  - "pod" is taken to be pod-a.
  - n1/pod-a: no firewall of its own is assumed

Warnings
  - 2 lines of n1/ip_rule were not understood
"""


def test_cause_comes_first_then_proof_then_commands(found: Report) -> None:
    """A report with a cause has exactly these lines: cause, proof, bare commands, then the rest."""
    assert render_text(found, "en", width=80) == CAUSE


def test_commands_stand_alone_on_their_lines(found: Report) -> None:
    """Each command is a line of its own without indentation or decoration, so that it can be pasted."""
    lines = render_text(found, "en", width=30).split("\n")
    remedy = found.findings[0].remedies[0]
    for command in (*remedy.commands, *remedy.persist, *remedy.verify, *remedy.undo):
        assert command in lines


def test_chinese_report_has_no_english_label(found: Report) -> None:
    """In Chinese every fixed text is Chinese."""
    text = render_text(found, "zh", width=80)
    assert text.startswith("根因：n1 上 docker 把 FORWARD 策略设为 DROP\n")
    for label in ("Cause", "Proof", "Mend", "Verify", "Undo", "Risk", "Walked", "Assumed", "Warnings"):
        assert label not in text
    for label in ("证据", "修复（在 n1 上执行）：放行 cni0 的流量", "风险：低", "验证", "回退", "持久化", "另有问题", "假定", "警告"):
        assert label in text


def test_no_fault_says_what_was_walked(clean: Report) -> None:
    """Without a fault the report says that the flow works on the model, and which flow."""
    expected = (
        "No fault found: on the model the flow works.\n\nWalked on the model\n"
        "  - pod-a → db (10.2.0.9) tcp/5432: the client sees an answer (it works)\n  --verbose shows the walk hop by hop.\n"
    )
    assert render_text(clean, "en", width=80) == expected


def test_undecided_gives_the_commands(undecided: Report) -> None:
    """An undecided report is the list of commands that would decide, ready to paste."""
    expected = (
        "Undecided: the evidence does not suffice.\n\nRun these commands and add their output to the evidence:\n"
        "# the way back is not known (on n2)\nip route show table all\n"
    )
    assert render_text(undecided, "en", width=80) == expected


def test_verbose_adds_the_walk(found: Report) -> None:
    """--verbose shows each hop with its decisions and the lines that decided."""
    text = render_text(found, "en", verbose=True, width=80)
    assert "    2. n1  [cni0 > eth0]  tcp 10.1.0.5:40000 > 10.2.0.9:5432\n" in text
    assert "       drop    netfilter    filter FORWARD: policy DROP\n                 nodes/n1/iptables-save:12  :FORWARD DROP [0:0]\n" in text
    assert "2. n1  [cni0" not in render_text(found, "en", width=80)


def test_escape_sequences_of_evidence_are_shown_not_sent(found: Report) -> None:
    """Control characters, C1 included, and bidirectional overrides from evidence never reach the terminal."""
    evil = Line("n1", "host", "a\x1b]0;x\x07", 3, "-j \x1b[2J\x9b31m DROP \u202e\x00 \r gone\nnew")
    cause = found.findings[0]
    remedy = cause.remedies[0]._replace(commands=("iptables \x1b[8m -F", "cat <<E\n\ttext\nE"), note={"en": "n\x1b[1mote"})
    bad = cause._replace(evidence=(evil,), title={"en": "t\x1b[5mitle"}, node="n\x1b1", remedies=(remedy,))
    report = found._replace(findings=(bad,), warnings=("w\x1b[0m",), question=found.question._replace(symptom="\x1b[31m"))
    for verbose in (False, True):
        text = render_text(report, "en", verbose=verbose, width=80)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert "a\\x1b]0;x\\x07:3" in text
    assert "-j \\x1b[2J\\x9b31m DROP \\u202e\\x00 \\x0d gone\\x0anew" in text
    assert "cat <<E\n\ttext\nE\n" in text


def test_colour_changes_nothing_but_sequences(found: Report) -> None:
    """Without its terminal sequences the coloured report is the plain one, and the cause is bold red."""
    coloured = render_text(found, "en", width=80, colour=True)
    assert coloured.startswith("\x1b[1;31mCause: ")
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == CAUSE


def test_rich_is_not_imported_for_plain_text(found: Report) -> None:
    """Plain text needs no rich: pipes start faster."""
    import subprocess
    import sys

    code = "import sys, engine.report.text; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert render_text(found, "en")


def test_several_causes_are_numbered(found: Report) -> None:
    """Two root causes are told apart by number; contributing and undecided findings take one line each."""
    cause = found.findings[0]
    others = (
        cause._replace(id="c", standing=Standing.CONTRIBUTING, title={"en": "helps"}),
        cause._replace(id="u", standing=Standing.UNDECIDED, title={"en": "maybe"}),
    )
    text = render_text(found._replace(findings=(cause, cause._replace(id="x"), *others)), "en")
    assert text.startswith("Cause 1: ")
    assert "\nCause 2: " in text
    assert "Next on this path: stops the flow once the cause is mended\n  - helps (n1, c)\n" in text
    assert "Suspected, not decided\n  - maybe (n1, u)\n" in text


def test_mismatch_and_missing_are_told(found: Report, undecided: Report) -> None:
    """A symptom that disagrees with the walk is said, also where evidence is missing beside a cause."""
    text = render_text(found._replace(mismatch={"en": "the symptom says refused"}, missing=undecided.missing), "en")
    assert "Note: the symptom says refused" in text
    assert "Missing evidence\n# the way back is not known (on n2)\nip route show table all\n" in text
    assert "Note: odd" in render_text(undecided._replace(mismatch={"en": "odd"}), "en")


def test_long_evidence_is_cut_unless_verbose(found: Report) -> None:
    """More than a dozen evidence lines are counted rather than shown."""
    cause = found.findings[0]
    many = cause._replace(evidence=tuple(cause.evidence[0]._replace(line=n) for n in range(1, 21)))
    report = found._replace(findings=(many,))
    assert "… and 8 more lines" in render_text(report, "en")
    assert "iptables-save:20" in render_text(report, "en", verbose=True)


def test_branches_show_each_outcome(clean: Report) -> None:
    """A flow with several outcomes shows every one of them."""
    trace = clean.traces[0]._replace(client_sees="depends", branches=(("endpoint 10.2.0.9", "1/2", "timeout"), ("endpoint 10.2.0.8", "", "connected"))
    )
    text = render_text(clean._replace(traces=(trace,)), "en")
    assert "    - if endpoint 10.2.0.9 (1/2): a timeout\n" in text
    assert "    - if endpoint 10.2.0.8: an answer (it works)\n" in text


def test_many_flows_are_counted(clean: Report) -> None:
    """Only the first flows are listed; the others are counted."""
    assert "… and 3 more flows" in render_text(clean._replace(traces=clean.traces * 9), "en")


def test_trace_alone(trace: Trace) -> None:
    """``diagnose trace`` shows request and reply, and what the outcome depends on with the command that settles it."""
    unknown = Unknown("n2", "host", "net.ipv4.ip_forward", "sysctl net.ipv4.ip_forward", "not collected")
    open_ = trace._replace(client_sees="depends", depends=(unknown,), reply=Walked(Disposition.LEFT_EVIDENCE, ()))
    text = render_trace((open_,), "en")
    assert text.startswith("Flow 1: pod-a → db (10.2.0.9) tcp/5432\n  the client sees an outcome that the evidence leaves open\n  request: dropped\n")
    assert text.endswith("  reply: left the evidence\n  ? n2: net.ipv4.ip_forward: not collected\n      sysctl net.ipv4.ip_forward\n")
    assert render_trace((open_,), "en", colour=True) != text


def test_no_flow_no_fault_is_plain(clean: Report) -> None:
    """Without a walk the report does not claim that a flow works."""
    report = clean._replace(traces=(), verdict=Verdict.NO_FAULT_FOUND)
    assert render_text(report, "en") == "No fault found.\n"


@pytest.mark.parametrize(("commands", "en", "zh"), [
    (("kubectl -n shop edit svc db",), "Mend, wherever kubectl reaches the cluster: x", "修复（在能用 kubectl 访问集群的机器上执行）：x"),
    (("# first drain it", "calicoctl get nodes"), "Mend, wherever kubectl reaches the cluster: x", "修复（在能用 kubectl 访问集群的机器上执行）：x"),
    (("kubectl drain n1", "systemctl restart docker"), "Mend on n1, the kubectl lines wherever it reaches the cluster: x",
     "修复（在 n1 上执行，其中 kubectl 命令在能访问集群的机器上执行）：x"),
    (("ip link set eth0 up",), "Mend on n1: x", "修复（在 n1 上执行）：x"),
])
def test_where_commands_are_typed(found: Report, commands: tuple[str, ...], en: str, zh: str) -> None:
    """What speaks to the API runs wherever that can be reached, not on the node of the finding."""
    cause = found.findings[0]
    plan = cause.remedies[0]._replace(title={"en": "x", "zh": "x"}, commands=commands)
    report = found._replace(findings=(cause._replace(remedies=(plan,)),))
    assert en in render_text(report).splitlines()
    assert zh in render_text(report, lang="zh").splitlines()


def test_remarks_among_commands_are_in_the_language(found: Report) -> None:
    """Under Chinese the comment lines of commands are Chinese as well."""
    cause = found.findings[0]
    plan = cause.remedies[0]._replace(persist=("# then take it out of where it came from:",))
    report = found._replace(findings=(cause._replace(remedies=(plan,)),))
    assert "# 然后从它的来源处删去：" in render_text(report, lang="zh").splitlines()
    assert "# then take it out of where it came from:" in render_text(report).splitlines()


def test_where_a_finding_is() -> None:
    """On a node; what is wrong with a Service itself is in the cluster; of others without a node nothing is said."""
    assert located(CAUSED, "en") == "on n1, "
    assert located(CAUSED._replace(node="", layer="service"), "en") == "in the cluster, "
    assert located(CAUSED._replace(node="", layer="service"), "zh") == "位于集群中，"
    assert located(CAUSED._replace(shared=True), "en") == "in the cluster, "
    assert located(CAUSED._replace(node=""), "en") == ""
