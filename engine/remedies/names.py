"""Operations on the files by which names are found: resolv.conf and hosts."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, ClassVar, Final

from engine.errors import RuleError
from engine.facts import HOST, Fact, FactBase
from engine.inet import is_address
from engine.remedies.base import Operation, Parameter, Site

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LOOPBACK: Final = ("127.", "::1")
_WORD: Final = r"[A-Za-z0-9_.:-]{1,253}"


class _File(Operation):
    """What operations on a copied file share: where it lies, if commands can reach it."""

    def _path(self, name: str) -> str:
        """Path on the node; "" for a container whose files the runtime makes."""
        if self.site.stack == HOST:
            return f"/etc/{name}"
        found = re.fullmatch(rf"ip netns exec ({_WORD})", self.site.entry)
        return f"/etc/netns/{found[1]}/{name}" if found else ""

    def _word(self, name: str) -> str:
        """A parameter that becomes part of a pattern; raises :class:`RuleError` if it is no word."""
        word = self.text(name)
        if not re.fullmatch(_WORD, word):
            message = f"operation {self.NAME}: {name} is no address or name: {word!r}"
            raise RuleError(message)
        return word

    def _sed(self, path: str, old: str, new: str) -> str:
        """Replace whole words of lines; both are words of addresses and names only."""
        return f"sed -i {shlex.quote(f's/{re.escape(old)}/{new}/')} {shlex.quote(path)}"

    def _config(self, facts: FactBase) -> Fact | None:
        """The resolv.conf that programs here read."""
        here = [f for f in facts.at("dns_config", self.site.node, self.site.stack) if not str(f.get("file", "")).startswith("/run/")]
        return here[0] if here else None


def _restart_hint(what: str) -> tuple[str, ...]:
    return (
        f"# docker: {what} in daemon.json or with docker run, then create the container anew",
        "# Kubernetes: in the pod's dnsConfig, or in the file that the kubelet's resolvConf names, then recreate the pod",
    )


class ResolverNameserver(_File):
    """Ask another name server."""

    NAME: ClassVar[str] = "resolver.nameserver"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"old": Parameter("address that is asked now")}

    def server(self) -> str:
        """A server that the node itself asks beyond its loopback, or that its other containers ask; "" if none was seen."""
        configs = [f for f in self.site.facts.of_kind("dns_config") if f.node == self.site.node]
        ordered = sorted(configs, key=lambda f: f.stack != HOST)
        found = (str(s) for f in ordered for s in f.get("nameservers", ()))
        return next((s for s in found if not s.startswith(LOOPBACK) and is_address(s)), "")

    def commands(self) -> tuple[str, ...]:
        """In the file where commands can reach it; else in what makes the file."""
        new, path = self.server(), self._path("resolv.conf")
        shown = new or "ADDRESS"
        if path and new:
            return (self._sed(path, f"nameserver {self._word('old')}", f"nameserver {new}"),)
        return _restart_hint(f'"dns": ["{shown}"]')

    def undo(self) -> tuple[str, ...]:
        """The address of before."""
        new, path = self.server(), self._path("resolv.conf")
        return (self._sed(path, f"nameserver {new}", f"nameserver {self._word('old')}"),) if path and new else ()

    def apply(self, facts: FactBase) -> FactBase | None:
        """The file with the other server; ``None`` if none was seen."""
        config, new = self._config(facts), self.server()
        if config is None or not new:
            return None
        servers = tuple(dict.fromkeys(new if s == self.text("old") else str(s) for s in config.get("nameservers", ()))) or (new,)
        return facts.swap({id(config): config.having(nameservers=servers)})


class ResolverSearch(_File):
    """Take a domain out of the search list."""

    NAME: ClassVar[str] = "resolver.search"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"domain": Parameter("search domain that goes")}

    def __init__(self, parameters: Mapping[str, Any], site: Site) -> None:
        """Raises :class:`RuleError` if the domain is none."""
        super().__init__(parameters, site)
        self.domain = self._word("domain")

    def _lists(self) -> tuple[list[str], list[str]]:
        """Search list now and afterwards."""
        config = self._config(self.site.facts)
        now = [str(d) for d in config.get("search", ())] if config is not None else []
        return now, [d for d in now if d.rstrip(".").lower() != self.domain.rstrip(".").lower()]

    def _line(self, domains: Sequence[str]) -> str:
        words = [d for d in domains if re.fullmatch(_WORD, d)]
        path = shlex.quote(self._path("resolv.conf"))
        # "search ." keeps resolvers from taking the host's own domain.
        wanted = shlex.quote(f"s/^\\(search\\|domain\\)[[:space:]].*/search {' '.join(words) or '.'}/")
        return f"sed -i {wanted} {path}"

    def commands(self) -> tuple[str, ...]:
        """The line without it."""
        if not self._path("resolv.conf"):
            return _restart_hint(f"a search list without {self.domain}")
        return (self._line(self._lists()[1]),)

    def undo(self) -> tuple[str, ...]:
        """The line of before."""
        return (self._line(self._lists()[0]),) if self._path("resolv.conf") else ()

    def persist(self) -> tuple[str, ...]:
        """The file is mostly made by something else."""
        if self.site.stack != HOST:
            return ()
        return ("# what writes the file: nmcli connection modify NAME ipv4.dns-search '', netplan search: [], or domain-name of the DHCP server",)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The file with the shorter list."""
        config = self._config(facts)
        return facts.swap({id(config): config.having(search=tuple(self._lists()[1]))}) if config is not None else None


class ResolverNdots(_File):
    """Set from how many dots on a name is tried as it is first."""

    NAME: ClassVar[str] = "resolver.ndots"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"ndots": Parameter("number of dots")}

    def _options(self, facts: FactBase) -> list[str]:
        config = self._config(facts)
        return [str(option) for option in config.get("options", ())] if config is not None else []

    def _changed(self, options: Sequence[str]) -> list[str]:
        return [*(option for option in options if not option.startswith("ndots:")), f"ndots:{self._word('ndots')}"]

    def _line(self, options: Sequence[str]) -> str:
        words = [option for option in options if re.fullmatch(_WORD, option)]
        wanted = shlex.quote(f"s/^options[[:space:]].*/options {' '.join(words)}/")
        return f"sed -i {wanted} {shlex.quote(self._path('resolv.conf'))}"

    def commands(self) -> tuple[str, ...]:
        """The options line with the other number."""
        number = self._word("ndots")
        if not self._path("resolv.conf"):
            return (
                f"# docker: --dns-opt ndots:{number} (compose: dns_opt), then create the container anew",
                f'# Kubernetes: spec.template.spec.dnsConfig: {{options: [{{name: ndots, value: "{number}"}}]}}',
            )
        return (self._line(self._changed(self._options(self.site.facts))),)

    def undo(self) -> tuple[str, ...]:
        """The options of before."""
        return (self._line(self._options(self.site.facts)),) if self._path("resolv.conf") else ()

    def apply(self, facts: FactBase) -> FactBase | None:
        """The file with the other number."""
        config = self._config(facts)
        return facts.swap({id(config): config.having(options=tuple(self._changed(self._options(facts))))}) if config is not None else None


class HostsAdd(_File):
    """Write a name into the hosts file."""

    NAME: ClassVar[str] = "hosts.add"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"names": Parameter("name, or several"), "address": Parameter("its address")}

    def _entry(self) -> str:
        names = [n for n in self.text("names").split() if re.fullmatch(_WORD, n)]
        if not names:
            message = f"operation {self.NAME}: no name"
            raise RuleError(message)
        return f"{self._word('address')} {' '.join(names)}"

    def commands(self) -> tuple[str, ...]:
        """A line at the end of the file."""
        path = self._path("hosts")
        if not path:
            host, _, names = self._entry().partition(" ")
            return (f"# docker: --add-host {names.split()[0]}:{host}; Kubernetes: spec.hostAliases",)
        return (f"echo {shlex.quote(self._entry())} >> {shlex.quote(path)}",)

    def undo(self) -> tuple[str, ...]:
        """Without that line."""
        path = self._path("hosts")
        return (f"sed -i {shlex.quote(f'/^{re.escape(self._entry())}$/d')} {shlex.quote(path)}",) if path else ()

    def verify(self) -> tuple[str, ...]:
        """What programs get."""
        return (self.site.shell("getent", "hosts", self._entry().split()[1]),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """One more line."""
        host, *names = self._entry().split()
        return facts.swap({}, [Fact("hosts_entry", {"address": host, "names": tuple(names)}, self.site.node, self.site.stack)])
