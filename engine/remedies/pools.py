"""Operations on address pools of a CNI."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, ClassVar

from engine.inet import Prefix, prefix
from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.facts import FactBase


class CalicoMovePool(Operation):
    """Make a pool outside the host network, retire the old one, recreate the pods."""

    NAME: ClassVar[str] = "calico.move-pool"
    RISK: ClassVar[str] = "high"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "cidr": Parameter("prefix of the pool that overlaps"),
        "pool": Parameter("name of that pool; looked up in the commands if absent", required=False),
    }

    def new_cidr(self) -> str:
        """A private /16 that overlaps no address, route or pool of the evidence."""
        used = list(self._used())
        candidates = [f"10.{n}.0.0/16" for n in (244, *range(200, 244))] + [f"172.{n}.0.0/16" for n in range(20, 32)]
        return next((c for c in candidates if not any(prefix(c).overlaps(u) for u in used)), candidates[0])

    def _used(self) -> Iterator[Prefix]:
        for kind, name in (("address", "address"), ("route", "dst"), ("ippool", "cidr")):
            for fact in self.site.facts.of_kind(kind):
                try:
                    net = prefix(str(fact.fields.get(name, "")))
                except ValueError:
                    continue
                if net.length > 0:
                    yield net

    def commands(self) -> tuple[str, ...]:
        """Pool first, then the switch, then the pods node by node."""
        new = self.new_cidr()
        body = (
            '{"apiVersion":"crd.projectcalico.org/v1","kind":"IPPool","metadata":{"name":"pods-outside-hosts"},'
            f'"spec":{{"cidr":"{new}","natOutgoing":true,"ipipMode":"Always","nodeSelector":"all()"}}}}'
        )
        old = self.text("pool") or "default-ipv4-ippool"
        return (
            f"echo {shlex.quote(body)} | kubectl apply -f -",
            f'kubectl patch ippools.crd.projectcalico.org {shlex.quote(old)} --type merge -p \'{{"spec":{{"disabled":true}}}}\'',
            "# then recreate the pods node by node (kubectl rollout restart …); when no pod has an old address:",
            f"kubectl delete ippools.crd.projectcalico.org {shlex.quote(old)}",
        )

    def undo(self) -> tuple[str, ...]:
        """Enable the old pool again, before it is deleted."""
        old = self.text("pool") or "default-ipv4-ippool"
        return (
            f'kubectl patch ippools.crd.projectcalico.org {shlex.quote(old)} --type merge -p \'{{"spec":{{"disabled":false}}}}\'',
            "kubectl delete ippools.crd.projectcalico.org pods-outside-hosts",
        )

    def apply(self, facts: FactBase) -> FactBase | None:
        """Not modelled: every pod of the cluster gets another address."""
        del facts
        return None
