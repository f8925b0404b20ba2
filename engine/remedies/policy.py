"""Operations on policy routing rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from engine.facts import Fact, FactBase
from engine.inet import family_of
from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

_SELECTORS = (
    ("src", "from"),
    ("dst", "to"),
    ("iif", "iif"),
    ("oif", "oif"),
    ("ipproto", "ipproto"),
    ("sport", "sport"),
    ("dport", "dport"),
    ("tos", "tos"),
    ("uidrange", "uidrange"),
)
"""Field of a ``routing_rule`` fact → word of ``ip rule``."""


def words_of(fields: Mapping[str, Any]) -> list[str]:
    """Words of ``ip rule add`` that make a rule as it was observed."""
    get = fields.get
    words = ["not"] if get("invert") else []
    words += [word for field, name in _SELECTORS if get(field) for word in (name, str(fields[field]))]
    if not get("src"):
        words += ["from", "all"]
    if get("fwmark") is not None:
        mask = get("fwmask", 0xFFFFFFFF)
        words += ["fwmark", f"{fields['fwmark']:#x}" + ("" if mask == 0xFFFFFFFF else f"/{mask:#x}")]
    action = get("action", "lookup")
    words += {"lookup": ["lookup", str(get("table", "main"))], "goto": ["goto", str(get("goto", ""))]}.get(action, [action])
    if get("suppress_prefixlength") is not None:
        words += ["suppress_prefixlength", str(fields["suppress_prefixlength"])]
    return [*words, "priority", str(get("priority", 0))]


class _Rule(Operation):
    """What adding and deleting share."""

    def _line(self, action: str, fields: Mapping[str, Any]) -> str:
        family = ["-6"] if fields.get("family", 4) == 6 else []
        return self.site.shell("ip", *family, "rule", action, *words_of(fields))

    def verify(self) -> tuple[str, ...]:
        """The list of rules."""
        return (self.site.shell("ip", "rule", "show"),)


class RuleAdd(_Rule):
    """Add a policy rule that looks into a table, in front of another rule."""

    NAME: ClassVar[str] = "rule.add"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "dst": Parameter("destination prefix"),
        "before": Parameter("priority of the rule that it must come before"),
        "table": Parameter("table to look into; main if absent", required=False),
    }

    def _fields(self) -> dict[str, Any]:
        """The rule: the highest free priority below the given one."""
        taken = {f.fields.get("priority", 0) for f in self.site.here("routing_rule")}
        free = (p for p in range(int(self.text("before")) - 1, 0, -1) if p not in taken)
        dst, table = self.text("dst"), self.text("table", "main")
        return {"priority": next(free, 0), "dst": dst, "table": table, "action": "lookup", "invert": False, "family": family_of(dst)}

    def commands(self) -> tuple[str, ...]:
        """``ip rule add``."""
        return (self._line("add", self._fields()),)

    def undo(self) -> tuple[str, ...]:
        """``ip rule del``."""
        return (self._line("del", self._fields()),)

    def persist(self) -> tuple[str, ...]:
        """Where each distribution keeps rules."""
        fields = self._fields()
        number = {"main": 254, "default": 253}.get(fields["table"], fields["table"])
        words = f"priority {fields['priority']} to {fields['dst']} table {number}"
        return (
            "# a rule made by hand is lost at the next reboot; keep it where this machine's other rules come from:",
            f"#   NetworkManager: nmcli connection modify CONNECTION +ipv4.routing-rules '{words}'",
            f"#   netplan: routing-policy: [{{to: {fields['dst']}, table: {number}, priority: {fields['priority']}}}]",
            f"#   ifcfg: echo '{' '.join(words_of(fields))}' >> /etc/sysconfig/network-scripts/rule-DEVICE",
        )

    def apply(self, facts: FactBase) -> FactBase | None:
        """The rules with the new one; ``None`` if they were not observed, or no priority is left."""
        fields = self._fields()
        if not fields["priority"] or not any(f.fields.get("family", 4) == fields["family"] for f in self.site.here("routing_rule")):
            return None
        shown = f"{fields['priority']}:\tfrom all to {fields['dst']} lookup {fields['table']}"
        return facts.plus([Fact("routing_rule", fields, self.site.node, self.site.stack, shown=shown)])


class RuleDelete(_Rule):
    """Delete a policy rule."""

    NAME: ClassVar[str] = "rule.delete"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "priority": Parameter("priority of the rule"),
        "action": Parameter("what it does; lookup if absent", required=False),
        "family": Parameter("4 or 6; 4 if absent", required=False),
    }

    def _found(self, facts: FactBase) -> Fact | None:
        priority, action, family = int(self.text("priority")), self.text("action", "lookup"), int(self.text("family") or 4)
        for fact in facts.at("routing_rule", self.site.node, self.site.stack):
            get = fact.fields.get
            if (get("priority", 0), get("action", "lookup"), get("family", 4)) == (priority, action, family):
                return fact
        return None

    def commands(self) -> tuple[str, ...]:
        """``ip rule del`` with all that the rule says; by its priority alone where it was not observed."""
        fact = self._found(self.site.facts)
        return (self._line("del", fact.fields) if fact is not None else self.site.shell("ip", "rule", "del", "priority", self.text("priority")),)

    def undo(self) -> tuple[str, ...]:
        """``ip rule add`` of the same."""
        fact = self._found(self.site.facts)
        return (self._line("add", fact.fields),) if fact is not None else ()

    def persist(self) -> tuple[str, ...]:
        """Whoever made it makes it again."""
        return (
            "# take it out of its source too: NetworkManager (routing-rules), netplan (routing-policy), a rule-DEVICE file, a VPN client's script",
        )

    def apply(self, facts: FactBase) -> FactBase | None:
        """The rules without it."""
        fact = self._found(facts)
        return facts.swap({id(fact): None}) if fact is not None else None
