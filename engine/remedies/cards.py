"""Operations on what network devices compute themselves, and on the port that a flannel overlay uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from engine.errors import RuleError
from engine.facts import HOST, Fact, FactBase
from engine.remedies.base import Operation, Parameter, Site

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLLOWERS = {
    "tx-checksum-ip-generic": ("tx-checksumming",),
    "tx-checksumming": ("tx-checksum-ip-generic", "tx-checksum-ipv4", "tx-checksum-ipv6"),
}
"""Features that go off with another: ``ethtool`` shows groups as off with the last of their members."""
WORD = re.compile(r"[a-z][a-z0-9_-]{0,40}", re.ASCII)


class EthtoolOffload(Operation):
    """Leave something to the kernel that a device did by itself."""

    NAME: ClassVar[str] = "ethtool.offload"
    RISK: ClassVar[str] = "low"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "dev": Parameter("device"),
        "feature": Parameter("feature as ethtool -k names it, or a list of them; switched off"),
    }

    def __init__(self, parameters: Mapping[str, Any], site: Site) -> None:
        """Raises :class:`RuleError` for what cannot be the name of a feature."""
        super().__init__(parameters, site)
        self.features = self.texts("feature")
        if not all(WORD.fullmatch(feature) for feature in self.features):
            message = f"operation {self.NAME}: no feature: {self.features}"
            raise RuleError(message)

    def _line(self, state: str, features: list[str]) -> str:
        return self.site.shell("ethtool", "-K", self.text("dev"), *(word for feature in features for word in (feature, state)))

    def _off(self) -> str:
        return self._line("off", self.features)

    def commands(self) -> tuple[str, ...]:
        """``ethtool -K``."""
        return (self._off(),)

    def undo(self) -> tuple[str, ...]:
        """Switched on again, but for what was seen to be off before."""
        were_off = {f.get("feature") for f in self._facts(self.site.facts) if f.get("on") is False}
        again = [feature for feature in self.features if feature not in were_off]
        return (self._line("on", again),) if again else ()

    def persist(self) -> tuple[str, ...]:
        """A udev rule that runs when the device appears: tunnels are made by their program, cards by their driver."""
        if self.site.stack != HOST:
            return ()
        device = self.text("dev")
        states = " ".join(f"{feature} off" for feature in self.features)
        rule = f'ACTION=="add", SUBSYSTEM=="net", KERNEL=="{device}", RUN+="/usr/sbin/ethtool -K {device} {states}"'
        return (f"echo '{rule}' > /etc/udev/rules.d/90-{device}-offload.rules",) if re.fullmatch(r"[\w.@-]+", device) else ()

    def verify(self) -> tuple[str, ...]:
        """The features of the device."""
        return (self.site.shell("ethtool", "-k", self.text("dev")),)

    def _facts(self, facts: FactBase) -> list[Fact]:
        return [f for f in facts.at("offload", self.site.node, self.site.stack) if f.get("device") == self.text("dev")]

    def apply(self, facts: FactBase) -> FactBase | None:
        """The features off, and those that go with them; ``None`` if they were not observed."""
        gone = {*self.features, *(follower for feature in self.features for follower in FOLLOWERS.get(feature, ()))}
        there = [f for f in self._facts(facts) if f.get("feature") in gone and not f.get("fixed")]
        if not any(f.get("feature") in self.features for f in there):
            return None
        return facts.swap({id(f): f.having(on=False) for f in there})


class FlannelPort(Operation):
    """Give a flannel overlay another UDP port on every node."""

    NAME: ClassVar[str] = "flannel.port"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"port": Parameter("UDP port"), "was": Parameter("UDP port that it has")}

    def __init__(self, parameters: Mapping[str, Any], site: Site) -> None:
        """Raises :class:`RuleError` for what is no port."""
        super().__init__(parameters, site)
        for name in ("port", "was"):
            if not self.text(name).isdecimal() or not 0 < int(self.text(name)) < 65536:
                message = f"operation {self.NAME}: no port: {self.text(name)!r}"
                raise RuleError(message)

    @staticmethod
    def _lines(port: str) -> tuple[str, ...]:
        expression = rf's/"Type": *"vxlan"\(, *"Port": *[0-9]*\)\{{0,1\}}/"Type": "vxlan", "Port": {port}/'
        return (
            f"kubectl -n kube-flannel get configmap kube-flannel-cfg -o yaml | sed '{expression}' | kubectl apply -f -",
            "kubectl -n kube-flannel rollout restart daemonset",
        )

    def commands(self) -> tuple[str, ...]:
        """The ConfigMap, then new flannel pods, which make flannel.1 anew on every node: pods of different nodes are cut off for some seconds."""
        return (*self._lines(self.text("port")), f"# then let the firewalls and security groups between the nodes pass UDP {self.text('port')}")

    def undo(self) -> tuple[str, ...]:
        """The same with the port that it had."""
        return self._lines(self.text("was"))

    def verify(self) -> tuple[str, ...]:
        """The port that the device has."""
        return ("ip -d link show flannel.1",)

    def apply(self, facts: FactBase) -> FactBase | None:
        """Devices, forwarding databases and firewalls of every node change: the model does not follow."""
        del facts
        return None
