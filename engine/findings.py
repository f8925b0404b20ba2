"""What a diagnosis says: findings, remedies and the report that the renderers print."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.walk.trace import Flow, Line, Trace


class Standing(Enum):
    """What a finding is to the flow that was asked about."""

    ROOT_CAUSE = "root-cause"
    CONTRIBUTING = "contributing"
    LATENT = "latent"
    UNDECIDED = "undecided"


class Certainty(Enum):
    """How sure a finding is; no invented percentages."""

    PROVEN = "proven"
    """The model shows that the flow dies here and lives once the remedy is applied."""
    LIKELY = "likely"
    """Decisive evidence, but the path is not fully visible."""
    POSSIBLE = "possible"


class Verified(Enum):
    """What the what-if showed for a remedy."""

    RESTORES_FLOW = "restores-flow"
    REMOVES_FAULT = "removes-fault"
    """The fault is gone on the model; whether the flow then lives is as open as the evidence leaves it."""
    NO_EFFECT = "no-effect"
    """The flow dies on the model all the same."""
    NOT_CHECKED = "not-checked"


class Verdict(Enum):
    """Answer to the question as a whole."""

    CAUSE_FOUND = "cause-found"
    NO_FAULT_FOUND = "no-fault-found"
    INSUFFICIENT_EVIDENCE = "insufficient-evidence"


Text = "Mapping[str, str]"
"""Text per language: ``{"en": ..., "zh": ...}``; "en" is always there."""


class RemedyPlan(NamedTuple):
    """One way to mend a finding, rendered and checked; never executed."""

    node: str
    title: Mapping[str, str]
    commands: tuple[str, ...]
    """Shell lines to paste on ``node``."""
    undo: tuple[str, ...]
    risk: str
    """``low`` | ``medium`` | ``high``"""
    verified: Verified
    persist: tuple[str, ...] = ()
    """Shell lines that make it survive a reboot (may be empty)."""
    verify: tuple[str, ...] = ()
    """Shell lines that show the flow works."""
    note: Mapping[str, str] | None = None
    stack: str = "host"
    """Network namespace that the commands work in; they carry their own prefix where it is known."""

    @property
    def runs_on(self) -> str:
        """Where to paste the commands: ``node``, ``cluster`` (wherever kubectl reaches it), or ``both`` (some lines here, some there)."""
        places = {at_cluster(command) for command in self.commands if not command.lstrip().startswith("#")}
        return "both" if len(places) == 2 else "cluster" if places == {True} else "node"


CLUSTER_PROGRAMS = frozenset({"kubectl", "oc", "calicoctl", "helm"})
"""Programs that speak to the API, from whatever machine."""


def at_cluster(command: str) -> bool:
    """Whether a command line speaks to the cluster's API rather than to the machine that it is typed on."""
    return next((word for word in command.split() if word != "sudo"), "") in CLUSTER_PROGRAMS


class Finding(NamedTuple):
    """One cause."""

    id: str
    standing: Standing
    certainty: Certainty
    node: str
    stack: str
    title: Mapping[str, str]
    explanation: Mapping[str, str]
    """What happens to the packet, from the playbook."""
    evidence: tuple[Line, ...]
    remedies: tuple[RemedyPlan, ...]
    severity: str = "high"
    layer: str = ""
    references: tuple[str, ...] = ()
    flows: tuple[int, ...] = ()
    """Numbers of the flows that it concerns."""
    shared: bool = False
    """It is in the cluster's objects, the same for every node; ``node`` is the one that the flow was seen from."""
    told: bool = False
    """Nothing supports it but an error that a client was told (by ICMP, or by docker's resolver): it says where packets end, not why."""


class Missing(NamedTuple):
    """Evidence that would settle the question."""

    node: str
    command: str
    why: Mapping[str, str]


class Assumption(NamedTuple):
    """Something that the question or the walk took for granted."""

    text: Mapping[str, str]


class Question(NamedTuple):
    """The user's question, understood."""

    symptom: str
    error_class: str
    """``timeout`` | ``EHOSTUNREACH`` | ``ENETUNREACH`` | ``ECONNREFUSED`` | ``EPERM`` | ``EACCES`` | ``EINVAL`` | ``EMSGSIZE`` |
    ``EADDRNOTAVAIL`` | ``reset`` | ``dns`` | ``slow`` | ``intermittent`` |
    ``wrong-source`` | ``wrong-server`` (something answers, but not what was asked) | "" (not said)"""
    flows: tuple[Flow, ...]
    assumptions: tuple[Assumption, ...] = ()
    missing: tuple[Missing, ...] = ()
    """Why no flow could be formed, where none could."""
    mentioned: tuple[str, ...] = ()
    """Words of the symptom that resolved to something in the evidence."""
    about_names: bool = False
    """Whether the symptom is about looking names up, whatever its error class."""
    name: str = ""
    """Name that the symptom says was looked up; "" if it says none."""


class Report(NamedTuple):
    """All that a renderer needs."""

    question: Question
    verdict: Verdict
    findings: tuple[Finding, ...]
    """Best first."""
    traces: tuple[Trace, ...]
    missing: tuple[Missing, ...]
    warnings: tuple[str, ...]
    mismatch: Mapping[str, str] | None = None
    """Said where the symptom and the predicted error disagree."""
