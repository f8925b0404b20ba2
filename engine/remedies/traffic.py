"""Operations on traffic control."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.model.packet import PROTOCOL_NUMBERS
from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.facts import Fact, FactBase

SHOWN_ONLY = frozenset({"refcnt"})
"""Words of a listing that are no options."""


class QdiscDelete(Operation):
    """Delete a device's root queue: the kernel's usual one takes its place."""

    NAME: ClassVar[str] = "tc.qdisc-delete"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"dev": Parameter("device")}

    def _queues(self, facts: FactBase) -> list[Fact]:
        here = facts.at("qdisc", self.site.node, self.site.stack)
        return [f for f in here if f.get("device") == self.text("dev") and f.get("parent") == "root"]

    def commands(self) -> tuple[str, ...]:
        """``tc qdisc del … root``."""
        return (self.site.shell("tc", "qdisc", "del", "dev", self.text("dev"), "root"),)

    def undo(self) -> tuple[str, ...]:
        """``tc qdisc add … root`` with the options that were shown."""
        lines = []
        for fact in self._queues(self.site.facts):
            words = str(fact.get("options", "")).split()
            kept = [w for at, w in enumerate(words) if w not in SHOWN_ONLY and (at == 0 or words[at - 1] not in SHOWN_ONLY)]
            lines.append(self.site.shell("tc", "qdisc", "add", "dev", self.text("dev"), "root", str(fact.get("kind")), *kept))
        return tuple(lines)

    def persist(self) -> tuple[str, ...]:
        """Who set it sets it again."""
        return ("# whoever set it sets it again: chaos-mesh, pumba, a script in /etc/network or a systemd unit; end the experiment there",)

    def verify(self) -> tuple[str, ...]:
        """The queue, and what it dropped."""
        return (self.site.shell("tc", "-s", "qdisc", "show", "dev", self.text("dev")),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """Without the queue; ``None`` if there is none."""
        found = self._queues(facts)
        return facts.swap({id(fact): None for fact in found}) if found else None


class FilterDelete(Operation):
    """Delete a filter."""

    NAME: ClassVar[str] = "tc.filter-delete"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "dev": Parameter("device"),
        "side": Parameter("ingress | egress"),
        "pref": Parameter("its preference"),
        "type": Parameter("u32 | flower | matchall …"),
        "handle": Parameter("its handle"),
        "protocol": Parameter("ip, ipv6, all …", required=False),
    }

    def _filters(self, facts: FactBase) -> list[Fact]:
        wanted = (self.text("dev"), self.text("side"), self.text("pref"), self.text("handle"))
        here = facts.at("tc_filter", self.site.node, self.site.stack)
        return [f for f in here if (f.get("device"), f.get("side"), str(f.get("pref")), f.get("handle")) == wanted]

    def commands(self) -> tuple[str, ...]:
        """``tc filter del``."""
        protocol = ["protocol", self.text("protocol")] if self.text("protocol") else []
        place = ("dev", self.text("dev"), self.text("side"), *protocol, "pref", self.text("pref"), "handle", self.text("handle"), self.text("type"))
        return (self.site.shell("tc", "filter", "del", *place),)

    def undo(self) -> tuple[str, ...]:
        """The filter anew, from what was shown of it; nothing where not all of it was understood."""
        return tuple(line for fact in self._filters(self.site.facts) for line in [self._again(fact)] if line)

    def _again(self, fact: Fact) -> str:
        get = fact.get
        if not get("whole") or get("actions") != ("gact drop",):
            return ""
        words = ["dev", self.text("dev"), self.text("side"), "protocol", str(get("protocol")), "pref", self.text("pref"), self.text("type")]
        if get("kind") == "u32":
            names = (("src_ip", "src"), ("dst_ip", "dst"), ("src_port", "sport"), ("dst_port", "dport"))
            header = "ip6" if get("protocol") == "ipv6" else "ip"
            for name, word in names:
                if get(name) is not None:
                    words += ["match", header, word, str(get(name)), *(["0xffff"] if name.endswith("port") else [])]
            inner = get("ip_proto")
            words += ["match", header, "protocol", str(PROTOCOL_NUMBERS.get(inner, inner)), "0xff"] if inner else []
        else:
            for name in ("ip_proto", "src_ip", "dst_ip", "src_port", "dst_port"):
                words += [name, str(get(name))] if get(name) is not None else []
        return self.site.shell("tc", "filter", "add", *words, "action", "drop")

    def persist(self) -> tuple[str, ...]:
        """Who set it sets it again."""
        return ("# whoever set it sets it again: a CNI's bandwidth plug-in, a DDoS guard, chaos-mesh, a script in /etc/network or a systemd unit",)

    def verify(self) -> tuple[str, ...]:
        """The filters that are left."""
        return (self.site.shell("tc", "-s", "filter", "show", "dev", self.text("dev"), self.text("side")),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """Without the filter; ``None`` if there is none."""
        found = self._filters(facts)
        return facts.swap({id(fact): None for fact in found}) if found else None
