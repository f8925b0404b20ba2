"""Operations on kernel parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.facts import Fact, FactBase
from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping


class SysctlSet(Operation):
    """Set a parameter now and persistently."""

    NAME: ClassVar[str] = "sysctl.set"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"key": Parameter("dotted key"), "value": Parameter("new value")}

    def commands(self) -> tuple[str, ...]:
        """``sysctl -w``."""
        return (self.site.shell("sysctl", "-w", f"{self.text('key')}={self.text('value')}"),)

    def _before(self) -> Fact | None:
        return next((f for f in self.site.here("sysctl") if f.fields.get("key") == self.text("key")), None)

    def undo(self) -> tuple[str, ...]:
        """The value that was there, if it was observed."""
        before = self._before()
        return (self.site.shell("sysctl", "-w", f"{self.text('key')}={before.fields.get('value')}"),) if before is not None else ()

    def persist(self) -> tuple[str, ...]:
        """A file in sysctl.d that is read last; only the node's own stack has one."""
        if self.site.entry:
            return ()
        from shlex import quote

        line = quote(f"{self.text('key')} = {self.text('value')}")
        return (
            f"echo {line} > /etc/sysctl.d/99-zz-{self.text('key').replace('/', '.')}.conf",
            "# then look for what sets it back: grep -rn KEY /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d",
        )

    def apply(self, facts: FactBase) -> FactBase | None:
        """The parameter with its new value; ``ip_forward`` copies to every device's ``forwarding``."""
        key, value = self.text("key"), self.text("value")
        change: dict[int, Fact | None] = {}
        found = False
        for fact in facts.at("sysctl", self.site.node, self.site.stack):
            name = str(fact.fields.get("key", ""))
            copied = key == "net.ipv4.ip_forward" and name.startswith("net.ipv4.conf.") and name.endswith(".forwarding")
            if name == key or copied:
                change[id(fact)] = fact.having(value=value)
                found = found or name == key
        added = [] if found else [Fact("sysctl", {"key": key, "value": value}, self.site.node, self.site.stack)]
        return facts.swap(change, added)
