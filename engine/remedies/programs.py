"""Operations on programs that listen: start one, or bind it to another address or port."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from engine.facts import Fact, FactBase
from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

ANY: Final = frozenset({"0.0.0.0", "::", "*", ""})  # noqa: S104 - listening addresses to recognise, not to bind

SETTINGS: Final = {
    "postgres": ("listen_addresses", "postgresql.conf", ", ", "systemctl restart postgresql"),
    "mysqld": ("bind-address", "/etc/mysql/*.conf.d/*.cnf, under [mysqld]", ",", "systemctl restart mysql"),
    "mariadbd": ("bind-address", "/etc/mysql/mariadb.conf.d/50-server.cnf, under [mysqld]", ",", "systemctl restart mariadb"),
    "mongod": ("net.bindIp", "/etc/mongod.conf", ",", "systemctl restart mongod"),
    "memcached": ("-l", "/etc/memcached.conf", ",", "systemctl restart memcached"),
    "sshd": ("ListenAddress", "/etc/ssh/sshd_config, one line an address", " ", "systemctl restart ssh"),
    "nginx": ("listen", "the server block in /etc/nginx", " ", "nginx -s reload"),
    "dnsmasq": ("listen-address", "/etc/dnsmasq.conf", ",", "systemctl restart dnsmasq"),
    "etcd": ("--listen-client-urls", "the unit or the static pod's manifest", ",", "systemctl restart etcd"),
}
"""Program → its setting, where it stands, what separates addresses, and what makes it count."""


class _Listener(Operation):
    """What operations on a listening socket share."""

    def _sockets(self, facts: FactBase) -> list[Fact]:
        protocol = self.text("protocol", "tcp")
        wanted = (protocol, "LISTEN" if protocol == "tcp" else "UNCONN", int(self.text("port")))
        return [f for f in facts.at("socket", self.site.node, self.site.stack) if (f.get("protocol"), f.get("state"), f.get("port")) == wanted]

    def _with(self, facts: FactBase, address: str) -> FactBase:
        """The facts with one more listener."""
        protocol = self.text("protocol", "tcp")
        fields = {"protocol": protocol, "state": "LISTEN" if protocol == "tcp" else "UNCONN", "address": address, "port": int(self.text("port"))}
        fields["family"] = 6 if ":" in address else 4
        if self.text("process"):
            fields["process"] = self.text("process")
        return facts.swap({}, [Fact("socket", fields, self.site.node, self.site.stack)])


class ProgramBind(_Listener):
    """Bind a program to one more address."""

    NAME: ClassVar[str] = "program.bind"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "process": Parameter("name of the program, as ss shows it", required=False),
        "port": Parameter("port that it listens on"),
        "protocol": Parameter("tcp (default) | udp", required=False),
        "address": Parameter("address that it shall take connections to"),
    }

    def _addresses(self) -> tuple[list[str], list[str]]:
        """Addresses now and afterwards; any address makes the others needless."""
        now = sorted({str(f.get("address", "")) for f in self._sockets(self.site.facts)}, key=lambda a: (not a.startswith("127."), a))
        wanted = self.text("address")
        return now, [wanted] if wanted in ANY else [*now, wanted]

    def _unit_of(self, process: str) -> str:
        """The command that shows who started the program: by the process that holds the socket, where that was seen."""
        pids = {f.get("pid") for f in self._sockets(self.site.facts) if f.get("process", "") == process and f.get("pid")}
        if len(pids) == 1:
            return f"systemctl status {pids.pop()}"
        if not process:
            return "systemctl status PID"
        # Several programs may have that name: the socket tells which of them it is.
        return self.site.shell("ss", "-ln" + ("u" if self.text("protocol") == "udp" else "t") + "p", "sport", "=", f":{self.text('port')}")

    def _setting(self, addresses: list[str]) -> tuple[str, ...]:
        process, port = self.text("process"), self.text("port")
        if process == "redis-server":
            now = self._addresses()[0]
            host = next((a for a in now if a in addresses), now[0] if now else "127.0.0.1")
            given = " ".join("*" if a in ANY else a for a in addresses)
            return (self.site.shell("redis-cli", "-h", host, "-p", port, "config", "set", "bind", given),)
        if process not in SETTINGS:
            unit = self._unit_of(process)
            return (f"# bind {process or 'the program'} to {' and '.join(addresses)} in its configuration and restart it; where that is: {unit}",)
        name, file, separator, restart = SETTINGS[process]
        given = separator.join("*" if a in ANY and process == "postgres" else a for a in addresses)
        return (f"# in {file}: {name} = {given}", restart)

    def commands(self) -> tuple[str, ...]:
        """Of redis at run time; of others in the configuration file."""
        return self._setting(self._addresses()[1])

    def undo(self) -> tuple[str, ...]:
        """The addresses of before."""
        now, wanted = self._addresses()
        if self.text("process") != "redis-server":
            return self._setting(now)
        # Any of the new addresses still leads to it.
        host = next((a for a in now if a in wanted), now[0] if now else "127.0.0.1")
        return (self.site.shell("redis-cli", "-h", host, "-p", self.text("port"), "config", "set", "bind", " ".join(now)),) if now else ()

    def persist(self) -> tuple[str, ...]:
        """Redis writes its own file; the others were told there."""
        if self.text("process") != "redis-server":
            return ()
        return (self.site.shell("redis-cli", "-p", self.text("port"), "config", "rewrite"),)

    def verify(self) -> tuple[str, ...]:
        """The listening sockets."""
        return (self.site.shell("ss", "-ln" + ("u" if self.text("protocol") == "udp" else "t") + "p"),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """One more listening socket."""
        return self._with(facts, self.text("address"))


class ServiceStart(_Listener):
    """Start the service that listens on a port."""

    NAME: ClassVar[str] = "service.start"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "unit": Parameter("unit of systemd"),
        "port": Parameter("port that it listens on"),
        "protocol": Parameter("tcp (default) | udp", required=False),
        "address": Parameter("address that was asked for", required=False),
    }

    def commands(self) -> tuple[str, ...]:
        """``systemctl start``."""
        return (self.site.shell("systemctl", "start", self.text("unit")),)

    def undo(self) -> tuple[str, ...]:
        """``systemctl stop``."""
        return (self.site.shell("systemctl", "stop", self.text("unit")),)

    def persist(self) -> tuple[str, ...]:
        """Started with the system from then on."""
        return (self.site.shell("systemctl", "enable", self.text("unit")),)

    def verify(self) -> tuple[str, ...]:
        """Its own account of why it did not run, and the sockets."""
        return (self.site.shell("journalctl", "-u", self.text("unit"), "-n", "30", "--no-pager"), self.site.shell("ss", "-lntp"))

    def apply(self, facts: FactBase) -> FactBase | None:
        """A socket that takes what was asked for (the service's own configuration was not seen)."""
        return self._with(facts, self.text("address", "0.0.0.0"))  # noqa: S104 - what a service listens on, in facts


class DockerPublish(Operation):
    """Create a container anew with another published port."""

    NAME: ClassVar[str] = "docker.publish"
    RISK: ClassVar[str] = "high"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "container": Parameter("its name"),
        "publish": Parameter("ADDRESS:PORT:CONTAINER-PORT of the new publication"),
    }

    def commands(self) -> tuple[str, ...]:
        """Publications are fixed when a container is made: it must be made again, by compose or by the command that made it."""
        name, publish = self.text("container"), self.text("publish")
        return (
            f"# in compose: ports: [{publish!r}], then: docker compose up -d",
            f"# made by hand: docker inspect {_plain(name)} shows how; docker rm -f {_plain(name)}, then the same docker run with -p {publish}",
        )

    def verify(self) -> tuple[str, ...]:
        """What docker publishes."""
        return (self.site.shell("docker", "port", self.text("container")),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """Not modelled: the new container has another address and other rules."""
        del facts
        return None


class DockerRecreate(_Listener):
    """Restart a container, and with it the process that serves its published ports on the loopback."""

    NAME: ClassVar[str] = "docker.recreate"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"container": Parameter("its name"), "port": Parameter("published port of the host")}

    def commands(self) -> tuple[str, ...]:
        """``docker restart``."""
        return (self.site.shell("docker", "restart", self.text("container")),)

    def verify(self) -> tuple[str, ...]:
        """The proxy listens."""
        return (self.site.shell("ss", "-lntp", f"sport = :{self.text('port')}"),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The proxy's socket is there again (the container keeps its address, unless others took it meanwhile)."""
        return self._with(facts, "0.0.0.0")  # noqa: S104 - where docker publishes, in facts


def _plain(name: str) -> str:
    """A container's name in a comment: what is no such name is quoted."""
    from shlex import quote

    return quote(name)
