"""A route's way changed: another device, with or without a gateway that is on no subnet of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from engine.facts import Fact
from engine.inet import family_of
from engine.remedies.base import Parameter
from engine.remedies.routes import RouteDelete, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.facts import FactBase


class RouteRedirect(RouteDelete):
    """Send a route of the main table out by another device."""

    NAME: ClassVar[str] = "route.redirect"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "dst": Parameter("destination prefix"),
        "dev": Parameter("device of the route now", required=False),
        "via": Parameter("its gateway now, where it has one", required=False),
        "new_dev": Parameter("the device to use"),
        "new_via": Parameter("the gateway to use"),
        "onlink": Parameter("yes: the gateway is taken to be on the link, whatever subnets the device has", required=False),
    }

    def _line_with(self, fact: Fact) -> str:
        family = ["-6"] if family_of(self.dst) == 6 else []
        return self.site.shell("ip", *family, "route", "replace", *words_of(fact))

    def _new(self, old: Fact) -> Fact:
        onlink = True if self.text("onlink") == "yes" else None
        return old.having(
            gateway=self.text("new_via"), device=self.text("new_dev"), onlink=onlink, scope="global", src=None, mtu=None, protocol="boot"
        )

    def commands(self) -> tuple[str, ...]:
        """``ip route replace``, with the metric that the route has: the kernel tells routes of one prefix apart by it."""
        old = self._found(self.site.facts) or Fact("route", {"dst": self.dst})
        return (self._line_with(self._new(old)),)

    def undo(self) -> tuple[str, ...]:
        """``ip route replace`` with what the route was."""
        old = self._found(self.site.facts)
        return (self._line_with(old),) if old is not None else ()

    def persist(self) -> tuple[str, ...]:
        """Who makes such routes."""
        return ("# the agent of the overlay makes these routes from its configuration: give all nodes one backend (net-conf.json), restart it",)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The table with the route changed; ``None`` if it is not there."""
        old = self._found(facts)
        if old is None:
            return None
        new = self._new(old)
        return facts.swap({id(old): replace(new, shown=" ".join(words_of(new)))})
