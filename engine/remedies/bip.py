"""The subnet of docker's own bridge set to flannel's lease."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, ClassVar

from engine.errors import RuleError
from engine.inet import Prefix, is_address, prefix, to_int, to_text
from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.facts import Fact, FactBase
    from engine.remedies.base import Site

PLACES = "/etc/docker /etc/default/docker /etc/sysconfig/docker /etc/sysconfig/docker-network /etc/systemd/system"
"""Where the option stands, by distribution."""


WITH_LENGTH = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}/\d{1,2}")


class DockerSetBip(Operation):
    """Give docker0 the address that flannel's lease asks for; the containers on it get new addresses."""

    NAME: ClassVar[str] = "docker.set-bip"
    RISK: ClassVar[str] = "high"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "old": Parameter("address of docker0 with its length, as it is"),
        "bip": Parameter("address of docker0 with its length, as it is to be"),
    }

    def __init__(self, parameters: Mapping[str, Any], site: Site) -> None:
        """Raises :class:`RuleError` for what is no IPv4 address with a length: both get into a pattern."""
        super().__init__(parameters, site)
        for name in self.PARAMETERS:
            if not WITH_LENGTH.fullmatch(self.text(name)):
                message = f"operation {self.NAME}: {name} is no address with a length: {self.text(name)!r}"
                raise RuleError(message)

    def _set(self, old: str, new: str) -> tuple[str, ...]:
        dots = old.replace(".", r"\.")
        return (
            f"grep -rlF {shlex.quote(old)} {PLACES} 2>/dev/null | xargs -r sed -i {shlex.quote(f's#{dots}#{new}#g')}",
            "systemctl restart docker",
            *self._started(),
        )

    def _started(self) -> list[str]:
        """Containers that ran: without a restart policy they stay down."""
        here = (f for f in self.site.facts.of_kind("container") if f.node == self.site.node and f.fields.get("state") == "running")
        names = [str(f.fields["name"]) for f in here if f.fields.get("runtime") == "docker" and f.fields.get("name")]
        return [self.site.shell("docker", "start", *names)] if names else []

    def commands(self) -> tuple[str, ...]:
        """The option replaced wherever it stands, and the restart; docker's default stands nowhere."""
        if self._default():
            return (
                f'# in /etc/docker/daemon.json (merge with what is there): {{"bip": "{self.text("bip")}"}}',
                "systemctl restart docker",
                *self._started(),
            )
        return self._set(self.text("old"), self.text("bip"))

    def _default(self) -> bool:
        return self.text("old") == "172.17.0.1/16"

    def undo(self) -> tuple[str, ...]:
        """The old address again."""
        if self._default():
            return ("# take bip out of /etc/docker/daemon.json again", "systemctl restart docker", *self._started())
        return self._set(self.text("bip"), self.text("old"))

    def persist(self) -> tuple[str, ...]:
        """Docker must start after flannel, with what flannel wrote."""
        return (
            "# docker must start after flanneld and take its lease each time, in docker.service:",
            "#   After=flanneld.service  EnvironmentFile=/run/flannel/docker  ExecStart=… $DOCKER_NETWORK_OPTIONS (of mk-docker-opts.sh)",
        )

    def verify(self) -> tuple[str, ...]:
        """The bridge, and the lease."""
        return ("ip addr show docker0", "cat /run/flannel/subnet.env")

    def apply(self, facts: FactBase) -> FactBase | None:
        """Bridge, containers and their routes in the new subnet, each at the place that it had in the old one."""
        try:
            old, new = prefix(self.text("old")), prefix(self.text("bip"))
        except ValueError:
            return None
        here = [f for f in facts.facts if f.node == self.site.node]
        changes: dict[int, Fact | None] = {}
        for fact in here:
            moved = self._moved(fact, old, new)
            if moved is not fact:
                changes[id(fact)] = moved
        return facts.swap(changes) if changes else None

    def _moved(self, fact: Fact, old: Prefix, new: Prefix) -> Fact:
        get = fact.fields
        if fact.kind == "address" and get.get("family", 4) == 4:
            text = _address(str(get.get("address", "")), old, new)
            return fact if text == get.get("address") else fact.having(address=text, prefixlen=new.length, broadcast=to_text(new.last))
        if fact.kind == "route":
            changed = {name: _address(str(get[name]), old, new) for name in ("gateway", "src") if get.get(name)}
            changed["dst"] = _prefix(str(get.get("dst", "")), old, new)
            return fact if all(get.get(name) == value for name, value in changed.items()) else fact.having(**changed)
        if fact.kind == "container" and get.get("endpoints"):
            ends = tuple(_end(end, old, new) for end in get["endpoints"])
            return fact if ends == get["endpoints"] else fact.having(endpoints=ends)
        if fact.kind == "container_network":
            subnets = tuple(_prefix(str(each), old, new) for each in get.get("subnets", ()))
            gateways = tuple(_address(str(each), old, new) for each in get.get("gateways", ()))
            return fact if subnets == get.get("subnets", ()) else fact.having(subnets=subnets, gateways=gateways)
        return fact


def _address(text: str, old: Prefix, new: Prefix) -> str:
    """An address of the old subnet at its place in the new one; every other as it is."""
    if not is_address(text) or ":" in text or not old.holds(to_int(text)):
        return text
    value = new.value + (to_int(text) - old.value)
    return to_text(value) if new.holds(value) else text


def _prefix(text: str, old: Prefix, new: Prefix) -> str:
    """The old subnet, or an address in it, in the new one."""
    if text == str(old):
        return str(new)
    address, slash, length = text.partition("/")
    return f"{_address(address, old, new)}/{length}" if slash and length == "32" else text


def _end(end: Mapping[str, Any], old: Prefix, new: Prefix) -> dict[str, Any]:
    """What a container has on a network."""
    moved = {name: _address(str(end[name]), old, new) for name in ("address", "gateway") if end.get(name)}
    return {**end, **moved, **({"prefixlen": new.length} if moved.get("address") not in {None, end.get("address")} else {})}
