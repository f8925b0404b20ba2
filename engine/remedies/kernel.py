"""Operations on kernel parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from engine.errors import RuleError
from engine.facts import Fact, FactBase
from engine.remedies.base import Operation, Parameter, Site

if TYPE_CHECKING:
    from collections.abc import Mapping


COPIED = {"net.ipv4.ip_forward": "ipv4", "net.ipv4.conf.all.forwarding": "ipv4", "net.ipv6.conf.all.forwarding": "ipv6"}
"""Parameters that the kernel copies to every device's ``forwarding`` when their value changes."""


class SysctlSet(Operation):
    """Set a parameter now and persistently."""

    NAME: ClassVar[str] = "sysctl.set"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"key": Parameter("dotted key"), "value": Parameter("new value")}

    def commands(self) -> tuple[str, ...]:
        """``sysctl -w``."""
        return (self.site.shell("sysctl", "-w", f"{self.text('key')}={self.text('value')}"),)

    def _changed(self, facts: FactBase) -> list[Fact]:
        """The parameter's fact, then those that the kernel changes with it (``inet_forward_change``, ``addrconf_fixup_forwarding``)."""
        key, value = self.text("key"), self.text("value")
        here = list(facts.at("sysctl", self.site.node, self.site.stack))
        own = [f for f in here if f.fields.get("key") == key]
        family = COPIED.get(key)
        if family is None or (own and str(own[0].fields.get("value")) == value):
            return own
        names = {"net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"} if family == "ipv4" else {"net.ipv6.conf.all.forwarding"}
        start = f"net.{family}.conf."
        copied = [f for f in here if f.get("key") in names or (f.get("key", "").startswith(start) and f.get("key").endswith(".forwarding"))]
        return own + [f for f in copied if f not in own]

    def undo(self) -> tuple[str, ...]:
        """The values that were there, as far as they were observed: the parameter's, then those of devices that differed from it."""
        changed = self._changed(self.site.facts)
        if not changed or changed[0].get("key") != self.text("key"):
            return ()
        first = changed[0]
        again = [first, *(f for f in changed[1:] if f.get("value") != first.get("value"))]
        return tuple(self.site.shell("sysctl", "-w", f"{f.get('key')}={f.get('value')}") for f in again)

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
        """The parameter with its new value, and what the kernel copies it to."""
        key, value = self.text("key"), self.text("value")
        changed = self._changed(facts)
        found = any(fact.get("key") == key for fact in changed)
        added = [] if found else [Fact("sysctl", {"key": key, "value": value}, self.site.node, self.site.stack)]
        return facts.swap({id(fact): fact.having(value=value) for fact in changed}, added)


MODULE_SYSCTLS = {
    "br_netfilter": {
        "net.bridge.bridge-nf-call-iptables": "1",
        "net.bridge.bridge-nf-call-ip6tables": "1",
        "net.bridge.bridge-nf-call-arptables": "1",
    },
    "ip_vs": {"net.ipv4.vs.conntrack": "0", "net.ipv4.vs.conn_reuse_mode": "1", "net.ipv4.vs.expire_nodest_conn": "0"},
    "ip_vs_rr": {},
}
"""Modules that may be loaded, with the parameters that are there from then on (in every namespace) and their first values."""


class ModuleLoad(Operation):
    """Load a kernel module now and at every start."""

    NAME: ClassVar[str] = "module.load"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"module": Parameter(f"one of {', '.join(MODULE_SYSCTLS)}")}

    def __init__(self, parameters: Mapping[str, Any], site: Site) -> None:
        """Raises :class:`RuleError` for a module whose effect is not known."""
        super().__init__(parameters, site)
        if self.text("module") not in MODULE_SYSCTLS:
            message = f"operation {self.NAME} does not know the module {self.text('module')!r}"
            raise RuleError(message)

    def commands(self) -> tuple[str, ...]:
        """``modprobe``; modules are the kernel's, not a namespace's."""
        return (f"modprobe {self.text('module')}",)

    def undo(self) -> tuple[str, ...]:
        """``modprobe -r``, which fails while something uses the module."""
        return (f"modprobe -r {self.text('module')}",)

    def persist(self) -> tuple[str, ...]:
        """A file in modules-load.d."""
        return (f"echo {self.text('module')} > /etc/modules-load.d/{self.text('module')}.conf",)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The module's parameters with the values that they start with, on every stack of the node."""
        node = self.site.node
        stacks = {f.stack for f in facts.of_kind("netns") if f.node == node} | {self.site.stack}
        there = {(f.stack, f.get("key")) for f in facts.of_kind("sysctl") if f.node == node}
        first = MODULE_SYSCTLS[self.text("module")]
        added = [Fact("sysctl", {"key": k, "value": v}, node, s) for s in sorted(stacks) for k, v in first.items() if (s, k) not in there]
        return facts.swap({}, [*added, Fact("kernel_module", {"name": self.text("module")}, node)])
