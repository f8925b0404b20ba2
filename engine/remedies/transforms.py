"""Operations on IPsec's policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.facts import Fact, FactBase

SELECTOR = (("src", "src"), ("dst", "dst"), ("proto", "protocol"), ("sport", "sport"), ("dport", "dport"), ("dev", "device"))
"""Words of a selector, and the fields that hold them."""


class XfrmDelete(Operation):
    """Delete a policy: packets that it selects pass as they are."""

    NAME: ClassVar[str] = "xfrm.delete"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "dir": Parameter("in | out | fwd"),
        **{word: Parameter("of its selector", required=False) for word, _ in SELECTOR},
    }

    def _words(self) -> list[str]:
        told = [(word, self.text(word)) for word, _ in SELECTOR if self.text(word)]
        return [text for pair in told for text in pair]

    def _policies(self, facts: FactBase) -> list[Fact]:
        wanted = {field: self.text(word) for word, field in SELECTOR}
        here = facts.at("xfrm_policy", self.site.node, self.site.stack)
        return [f for f in here if f.get("dir") == self.text("dir") and all(str(f.get(name) or "") == text for name, text in wanted.items())]

    def commands(self) -> tuple[str, ...]:
        """``ip xfrm policy delete``."""
        return (self.site.shell("ip", "xfrm", "policy", "delete", *self._words(), "dir", self.text("dir")),)

    def undo(self) -> tuple[str, ...]:
        """``ip xfrm policy add`` with its verdict and templates."""
        head = ("ip", "xfrm", "policy", "add", *self._words(), "dir", self.text("dir"))
        return tuple(self.site.shell(*head, *_rest(fact)) for fact in self._policies(self.site.facts))

    def persist(self) -> tuple[str, ...]:
        """Who wrote the policy writes it again."""
        return ("# whoever wrote it writes it again: strongSwan (swanctl --list-conns), libreswan (ipsec status), cilium (encrypt status), scripts",)

    def verify(self) -> tuple[str, ...]:
        """The policies that are left, and what they dropped."""
        return (self.site.shell("ip", "xfrm", "policy"), "grep -v ' 0$' /proc/net/xfrm_stat")

    def apply(self, facts: FactBase) -> FactBase | None:
        """Without the policy; ``None`` if there is none."""
        found = self._policies(facts)
        return facts.swap({id(fact): None for fact in found}) if found else None


def _rest(policy: Fact) -> list[str]:
    """What follows the selector and the direction."""
    get = policy.get
    words = [*(["action", "block"] if get("action") == "block" else []), *(["priority", str(get("priority"))] if get("priority") else [])]
    for template in get("templates", ()):
        told: dict[str, Any] = dict(template)
        words.append("tmpl")
        words += [text for name in ("src", "dst", "proto", "reqid", "mode", "level") if told.get(name) for text in (name, str(told[name]))]
    return words
