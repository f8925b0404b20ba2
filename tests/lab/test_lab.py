"""Every lab file, on the running kernel: the fault is real, it is named, and the printed commands mend it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.harness import Diagnosis, Lab, unmet
from tests.lab.scenario import DEBIAN, LookAlike, Scenario, load

if TYPE_CHECKING:
    from collections.abc import Iterator

SCENARIOS = [load(path) for path in sorted(Path(__file__).parent.glob("*.yaml"))]
DIAGNOSED = [scenario for scenario in SCENARIOS if scenario.id]
REMEDIED = [scenario for scenario in DIAGNOSED if scenario.verified]
LOOK_ALIKES = [(scenario, each) for scenario in SCENARIOS for each in scenario.look_alikes]
LIVE = [scenario for scenario in SCENARIOS if scenario.live]
# Read here: the tests themselves run without the user's NOROUTE_ variables.
REQUIRED = os.environ.get("NOROUTE_LAB") == "require"

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The lab of the test's scenario, in whatever state the last test left it."""
    scenario: Scenario = request.param
    reason = unmet(scenario)
    if reason:
        (pytest.fail if REQUIRED else pytest.skip)(reason)
    lab = Lab(scenario)
    yield lab
    lab.close()


def by_scenario(scenarios: list[Scenario]) -> pytest.MarkDecorator:
    """Parametrise a test by lab file; a whole file's tests run one after the other."""
    return pytest.mark.parametrize("lab", [pytest.param(each, id=each.name, marks=where(each)) for each in scenarios], indirect=True)


def where(scenario: Scenario) -> list[pytest.MarkDecorator]:
    """The group of the file's tests, which share a lab; and the mark of what only Debian's kernel can show."""
    if scenario.kernel == DEBIAN:
        return [pytest.mark.xdist_group("vm"), pytest.mark.vm]
    return [pytest.mark.xdist_group(scenario.name)]


def silent(diagnosis: Diagnosis, rule: str) -> None:
    """Nothing was found for the question, and the rule of this lab does not claim the flow."""
    claimed = [f for f in diagnosis.report["findings"] if f["rule"] == rule and f["standing"] in ("root-cause", "contributing")]
    assert not claimed, diagnosis.told
    assert (diagnosis.report["verdict"], diagnosis.status) == ("no-fault-found", 0), diagnosis.told


def named(diagnosis: Diagnosis, scenario: Scenario) -> dict[str, Any]:
    """The first finding is the root cause of this lab, on its node, as certain as the lab says; returns it."""
    assert (diagnosis.report["verdict"], diagnosis.status) == ("cause-found", 1), diagnosis.told
    first: dict[str, Any] = diagnosis.report["findings"][0]
    told = {key: first[key] for key in ("rule", "standing", "certainty", "node")}
    wanted = {"rule": scenario.id, "standing": "root-cause", "certainty": scenario.certainty, "node": scenario.finding_node}
    assert told == wanted, diagnosis.told
    assert [remedy["verified"] for remedy in first["remedies"][:1]] == ([scenario.verified] if scenario.verified else []), diagnosis.told
    return first


@by_scenario(SCENARIOS)
class TestKernel:
    """What the kernel does, without the program."""

    def test_healthy(self, lab: Lab) -> None:
        """Before anything is broken the traffic passes."""
        lab.healthy()
        lab.expect(lab.scenario.traffic, lab.scenario.traffic.healthy, lab.scenario.traffic.healthy_source)

    def test_broken(self, lab: Lab) -> None:
        """The fault makes the client (or the server) see exactly what the lab file says."""
        lab.broken()
        lab.expect(lab.scenario.traffic, lab.scenario.traffic.broken, lab.scenario.traffic.broken_source)

    def test_mend_by_hand(self, lab: Lab) -> None:
        """The remedy of the catalogue mends the fault, and its undo brings it back."""
        traffic = lab.scenario.traffic
        lab.broken()
        lab.change(lab.scenario.mend_by_hand, "mended by hand")
        lab.expect(traffic, traffic.healthy, traffic.healthy_source)
        lab.change(lab.scenario.undo_by_hand, "undone by hand")
        if lab.scenario.undo_restores_fault:
            lab.expect(traffic, traffic.broken, traffic.broken_source)


@by_scenario(SCENARIOS)
class TestWalk:
    """What the program says that happens."""

    def test_client_sees(self, lab: Lab) -> None:
        """The walk predicts what the client really saw."""
        diagnosis = lab.diagnose_broken()
        lab.broken()
        wanted = lab.scenario.predicted or lab.attempt(lab.scenario.traffic).sees
        assert diagnosis.report["traces"][0]["client_sees"] == wanted, diagnosis.told


@by_scenario(DIAGNOSED)
class TestDiagnosis:
    """What the program says about it."""

    def test_healthy(self, lab: Lab) -> None:
        """A healthy network gives no finding for the question."""
        lab.healthy()
        silent(lab.diagnose(lab.scenario.symptom, lab.scenario.options), lab.scenario.id)

    def test_broken(self, lab: Lab) -> None:
        """The broken network's first finding is the lab's root cause, and the model says of its first remedy what the lab file does."""
        named(lab.diagnose_broken(), lab.scenario)


@by_scenario(REMEDIED)
class TestRemedy:
    """What comes of the printed commands."""

    def test_printed_remedy(self, lab: Lab) -> None:
        """The commands of the first remedy, run as printed on its node, mend the network; after that nothing is found."""
        remedy = lab.diagnose_broken().report["findings"][0]["remedies"][0]
        lab.apply(remedy)
        silent(lab.diagnose(lab.scenario.symptom, lab.scenario.options), lab.scenario.id)

    def test_every_verified_remedy(self, lab: Lab) -> None:
        """What the model says restores the flow (or what the lab file says does) does so on the kernel; each printed undo brings the fault back."""
        scenario, traffic = lab.scenario, lab.scenario.traffic
        first = lab.diagnose_broken().report["findings"][0]
        verified = [remedy for remedy in first["remedies"] if remedy["verified"] == scenario.verified]
        assert verified
        for remedy in verified:
            lab.apply(remedy)
            if scenario.undo_refused:
                continue
            lab.change({remedy["node"]: remedy["undo"]}, f"undone: {remedy['undo']}")
            if scenario.undo_restores_fault:
                lab.expect(traffic, traffic.broken, traffic.broken_source)


@pytest.mark.parametrize(("lab", "each"), [pytest.param(s, e, id=f"{s.name}-{e.name}", marks=where(s)) for s, e in LOOK_ALIKES], indirect=["lab"])
def test_look_alike(lab: Lab, each: LookAlike) -> None:
    """A healthy network that resembles the fault passes traffic and gives no finding."""
    lab.healthy()
    lab.change(each.change, each.name)
    lab.expect(each.traffic, each.traffic.healthy, each.traffic.healthy_source)
    silent(lab.diagnose(each.symptom, each.options), lab.scenario.id)


@by_scenario(LIVE)
def test_live(lab: Lab) -> None:
    """On the machine itself, without a bundle, the same cause is named."""
    lab.broken()
    diagnosis = lab.diagnose_live(lab.scenario.live)
    assert lab.scenario.id in diagnosis.causes()[:1], diagnosis.told
