"""Containers and networks of docker and podman: ``inspect``, ``network inspect``, ``ps``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from collectors.parsers import composed
from collectors.parsers.cni import read_config
from collectors.parsers.emit import Emitter
from collectors.parsers.invocation import invocation
from collectors.parsers.jsontext import dict_of, dicts_of, emit_broken, int_of, is_json, read_json, text_of
from collectors.parsers.text import clean_lines
from engine.inet import is_address, prefix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from collectors.place import Place
    from engine.facts import Fact, Source

_BRIDGE_OPTION = "com.docker.network.bridge."
_ANY = "0.0.0.0"  # noqa: S104  how runtimes print "every address"; nothing listens on it here
_COLUMNS = frozenset({
    "CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "CREATED AT", "STATUS", "STATE", "PORTS", "NAMES", "SIZE", "NETWORKS", "SERVICE",
})
"""Columns of ``docker ps``; ``--format 'table …'`` prints some of them in any order."""
_NETWORKS = re.compile(
    r"(?P<id>[0-9a-z]{12,64})\s+(?P<name>\S+)\s+(?P<driver>bridge|overlay|macvlan|ipvlan|host|null)(?:\s+(?:local|swarm|global))?\s*\Z"
)
_STATES = {
    "Up": "running", "Exited": "exited", "Created": "created", "Restarting": "restarting", "Dead": "dead", "Removal": "removing",
    "Initialized": "initialized",
}


def parse(source: Source, place: Place) -> list[Fact]:
    """Facts of ``docker|podman inspect`` and ``network inspect`` (told apart object by object) or of ``docker|podman ps``."""
    if not is_json(source.text):
        return _parse_cut(source, place) or parse_ps(source, place)
    out = Emitter(source, place)
    read = read_json(source.text)
    emit_broken(out, read)
    call = invocation(source.command, "docker", "podman", "nerdctl")
    for number, entry in read.items:
        if not isinstance(entry, dict):
            out.unparsed.add(number, str(entry))
        elif "NetworkSettings" in entry or "HostConfig" in entry:
            _container(out, number, entry, "podman" if "ImageName" in entry or (call and call.program == "podman") else "docker")
        elif "IPAM" in entry and "Driver" in entry:
            _docker_network(out, number, entry)
        elif "network_interface" in entry or "subnets" in entry:
            _podman_network(out, number, entry)
        elif "cniVersion" in entry and "plugins" in entry:
            _podman_cni_network(out, number, entry)
        elif entry and all(isinstance(each, dict) and "EndpointID" in each for each in entry.values()):
            _networks_of(out, number, entry, source.command)
    _claim(out, source.command, whole=read.complete)
    return out.done()


def _parse_cut(source: Source, place: Place) -> list[Fact]:
    """Facts of what people cut out of ``inspect``; none for any other output."""
    if "inspect" not in source.command:
        return []
    from collectors.parsers import inspected

    call = inspected.asked(source.command)
    out = Emitter(source, place)
    if call is not None:
        inspected.read(out, call)
    return out.done() if out.facts else []


def _claim(out: Emitter, command: str, whole: bool) -> None:
    """Inspecting everything that a nested listing names covers everything: ``docker inspect $(docker ps -aq)``."""
    if not whole or not out.whole or "|" in command:
        return
    if re.search(r"(?:\$\(|`)\s*(?:docker|podman) network ls -q\s*[)`]", command):
        out.collected("container_networks")
    elif re.search(r"(?:\$\(|`)\s*(?:docker|podman) ps -(?:aq|qa|a -q|q -a)\s*[)`]", command):
        out.collected("containers")


def _networks_of(out: Emitter, number: int, entry: dict[str, Any], command: str) -> None:
    """The networks of one container, cut out of what ``inspect`` printed."""
    from collectors.parsers import inspected

    call = inspected.asked(command)
    ends = tuple(_endpoint(name, each) for name, each in entry.items())
    if call is not None and len(call.names) == 1 and not call.network:
        fields = {"id": "", "name": call.names[0], "runtime": call.runtime, "state": "running", "endpoints": ends}
        out.add("container", fields, number, f"container {call.names[0]} {' '.join(str(e.get('address', '-')) for e in ends)}")


def _container(out: Emitter, number: int, entry: dict[str, Any], runtime: str) -> None:
    """One container of ``inspect``."""
    config, state, network, host = (dict_of(entry, key) for key in ("Config", "State", "NetworkSettings", "HostConfig"))
    labels = {key: value for key, value in dict_of(config, "Labels").items() if isinstance(value, str)}
    running = text_of(state, "Status") in {"", "running", "paused"}
    values = {
        "id": text_of(entry, "Id"),
        "name": text_of(entry, "Name").removeprefix("/"),
        "state": text_of(state, "Status"),
        "pid": int_of(state, "Pid"),
        "image": text_of(entry, "ImageName") or text_of(config, "Image"),
        "hostname": text_of(config, "Hostname"),
        "network_mode": text_of(host, "NetworkMode"),
        "namespace": text_of(network, "SandboxKey"),
        "pod": "/".join(filter(None, (labels.get("io.kubernetes.pod.namespace"), labels.get("io.kubernetes.pod.name")))),
    }
    fields: dict[str, Any] = {key: value for key, value in values.items() if value}
    networks = dict_of(network, "Networks")
    fields.update(
        runtime=runtime,
        labels=labels,
        endpoints=tuple(_endpoint(name, networks[name]) for name in networks if isinstance(networks[name], dict)),
        # A container that does not run has no ports, but it will have these.
        ports=tuple(_bindings(dict_of(network, "Ports") if running else dict_of(host, "PortBindings"))),
    )
    exposed = tuple(sorted(key for key, value in dict_of(network, "Ports").items() if not value))
    if exposed:
        fields["exposed"] = exposed
    out.add("container", fields, number, _shown(fields))


def _endpoint(name: str, network: dict[str, Any]) -> dict[str, Any]:
    """What a container has on one network."""
    endpoint: dict[str, Any] = {"network": name}
    for key, field in (("IPAddress", "address"), ("Gateway", "gateway"), ("MacAddress", "mac")):
        if text_of(network, key):
            endpoint[field] = text_of(network, key)
    length = int_of(network, "IPPrefixLen")
    if length and "address" in endpoint:
        endpoint["prefixlen"] = length
    return endpoint


def _bindings(ports: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Published ports of ``{"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "90/tcp": null}``."""
    for port in ports:
        number, _, protocol = port.partition("/")
        for binding in dicts_of(ports, port):
            host_port = int_of(binding, "HostPort")
            if number.isdecimal() and host_port:
                address = text_of(binding, "HostIp") or _ANY
                yield {"host_ip": address, "host_port": host_port, "container_port": int(number), "protocol": protocol or "tcp"}


def _shown(fields: Mapping[str, Any]) -> str:
    """One line for a reader."""
    words = [f"container {fields.get('name') or fields.get('id', '')}", f"({fields['state']})" if "state" in fields else ""]
    words += [f"{endpoint.get('address', '-')} on {endpoint['network']}" for endpoint in fields.get("endpoints", ())]
    words += [f"{port['host_ip']}:{port['host_port']}->{port['container_port']}/{port['protocol']}" for port in fields["ports"]]
    return " ".join(filter(None, words))


def _docker_network(out: Emitter, number: int, entry: dict[str, Any]) -> None:
    """One network of ``docker network inspect``."""
    options = _texts(dict_of(entry, "Options"))
    driver = text_of(entry, "Driver")
    fields: dict[str, Any] = {"id": text_of(entry, "Id"), "name": text_of(entry, "Name"), "runtime": "docker", "driver": driver, "options": options}
    ranges = dicts_of(dict_of(entry, "IPAM"), "Config")
    _set_ranges(fields, [(text_of(each, "Subnet"), text_of(each, "Gateway")) for each in ranges])
    if isinstance(entry.get("Internal"), bool):
        fields["internal"] = entry["Internal"]
    if driver == "bridge":
        # What the driver takes where the network's options are silent.
        bridge = options.get(_BRIDGE_OPTION + "name") or (f"br-{fields['id'][:12]}" if fields["id"] else "")
        if bridge:
            fields["bridge"] = bridge
        fields["icc"] = options.get(_BRIDGE_OPTION + "enable_icc", "true") == "true"
        fields["masquerade"] = options.get(_BRIDGE_OPTION + "enable_ip_masquerade", "true") == "true" and not fields.get("internal", False)
    inside = [(identity, each) for identity, each in dict_of(entry, "Containers").items() if isinstance(each, dict)]
    if inside:
        held = (text_of(each, "IPv4Address").partition("/")[0] for _, each in inside)
        fields["members"] = tuple(address for address in held if is_address(address))
    _add_network(out, number, fields)
    for identity, each in inside:
        _listed_container(out, number, identity, each, fields)


def _listed_container(out: Emitter, number: int, identity: str, inside: dict[str, Any], network: Mapping[str, Any]) -> None:
    """A container that a network lists among its own: it runs, and has an address there."""
    address, _, length = text_of(inside, "IPv4Address").partition("/")
    if not is_address(address):
        return
    endpoint: dict[str, Any] = {"network": network["name"], "address": address}
    if length.isdecimal():
        endpoint["prefixlen"] = int(length)
    if network.get("gateways"):
        endpoint["gateway"] = network["gateways"][0]
    if text_of(inside, "MacAddress"):
        endpoint["mac"] = text_of(inside, "MacAddress")
    name = text_of(inside, "Name")
    fields = {"id": identity, "name": name, "runtime": "docker", "state": "running", "endpoints": (endpoint,)}
    out.add("container", fields, number, f"container {name or identity[:12]} {address} on {network['name']}")


def _podman_network(out: Emitter, number: int, entry: dict[str, Any]) -> None:
    """One network of ``podman network inspect`` (4.0 and later)."""
    fields: dict[str, Any] = {"id": text_of(entry, "id"), "name": text_of(entry, "name"), "runtime": "podman", "driver": text_of(entry, "driver")}
    fields["options"] = _texts(dict_of(entry, "options"))
    if text_of(entry, "network_interface"):
        fields["bridge"] = text_of(entry, "network_interface")
    _set_ranges(fields, [(text_of(each, "subnet"), text_of(each, "gateway")) for each in dicts_of(entry, "subnets")])
    if isinstance(entry.get("internal"), bool):
        fields["internal"] = entry["internal"]
    _add_network(out, number, fields)


def _podman_cni_network(out: Emitter, number: int, entry: dict[str, Any]) -> None:
    """One network of ``podman network inspect`` before 4.0: its CNI configuration."""
    config: dict[str, Any] = {}
    read_config(config, entry, chain=True)
    types = config.get("types") or ("",)
    fields: dict[str, Any] = {"name": config.get("name", ""), "runtime": "podman", "driver": types[0], "options": {}}
    for key, name in (("bridge", "bridge"), ("subnets", "subnets"), ("ip_masq", "masquerade")):
        if key in config:
            fields[name] = config[key]
    if "gateway" in config:
        fields["gateways"] = (config["gateway"],)
    _add_network(out, number, fields)


def _add_network(out: Emitter, number: int, fields: dict[str, Any]) -> None:
    """Emit a network."""
    words = [f"network {fields['name']}", f"driver {fields['driver']}", f"bridge {fields['bridge']}" if "bridge" in fields else ""]
    words += [f"subnet {subnet}" for subnet in fields.get("subnets", ())] + (["internal"] if fields.get("internal") else [])
    out.add("container_network", fields, number, " ".join(filter(None, words)))


def _set_ranges(fields: dict[str, Any], ranges: Sequence[tuple[str, str]]) -> None:
    """Set subnets and gateways; old versions print the gateway with a length."""
    subnets, gateways = [], []
    for subnet, gateway in ranges:
        try:
            subnets.append(str(prefix(subnet)))
        except ValueError:
            continue
        if is_address(gateway.partition("/")[0]):
            gateways.append(gateway.partition("/")[0])
    fields.update(subnets=tuple(subnets), gateways=tuple(gateways))


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {key: value for key, value in values.items() if isinstance(value, str)}


def parse_ps(source: Source, place: Place) -> list[Fact]:
    """Names, states and published ports of ``docker ps`` or ``podman ps``."""
    out = Emitter(source, place)
    call = invocation(source.command, "docker", "podman", "nerdctl")
    runtime = "podman" if call and call.program == "podman" else "docker"
    if composed.parse(out, source.command, runtime):
        return out.done()
    starts: dict[str, int] = {}
    whole = False
    for number, line in clean_lines(source.text):
        if networks := _NETWORKS.match(line):
            _listed_network(out, number, networks, runtime)
        elif line.startswith("NETWORK ID"):
            continue
        elif columns := _columns(line):
            starts, whole = columns, "CONTAINER ID" in columns
        elif starts and line.strip():
            fields = _row(line, starts, runtime)
            if fields:
                out.add("container", fields, number)
            else:
                out.unparsed.add(number, line)
        else:
            out.unparsed.add(number, line)
    if whole and call and call.words[:1] == ("ps",) and not call.piped:
        options = set(call.words[1:])
        if options <= {"-a", "--all", "--no-trunc"}:
            out.collected("containers", "all" if options & {"-a", "--all"} else "running")
    return out.done()


def _listed_network(out: Emitter, number: int, row: re.Match[str], runtime: str) -> None:
    """A line of ``docker network ls``: a bridge's device bears the network's identity, but for the default one's."""
    if row["driver"] in {"host", "null"}:
        return
    fields: dict[str, Any] = {"id": row["id"], "name": row["name"], "runtime": runtime, "driver": row["driver"]}
    if row["driver"] == "bridge":
        fields["bridge"] = "docker0" if row["name"] == "bridge" else "docker_gwbridge" if row["name"] == "docker_gwbridge" else f"br-{row['id'][:12]}"
    out.add("container_network", fields, number)


def _columns(line: str) -> dict[str, int]:
    """Column → where it begins, if a line is the heading of ``docker ps``."""
    found = {match[1]: match.start(1) for match in re.finditer(r"(?:^|(?<=\s\s))([A-Z]+(?: [A-Z]+)?)(?=\s{2,}|\s*$)", line)}
    if "NAME" in found and "SERVICE" in found:
        found["NAMES"] = found.pop("NAME")  # docker compose ps
    return found if "NAMES" in found and len(found) > 1 and found.keys() <= _COLUMNS else {}


def _row(line: str, starts: dict[str, int], runtime: str) -> dict[str, Any] | None:
    """Fields of one line, cut at the columns of the heading."""
    edges = sorted(starts.values())
    cells = {column: line[at : next((edge for edge in edges if edge > at), None)].strip() for column, at in starts.items()}
    identity, name, status, ports = (cells.get(column, "") for column in ("CONTAINER ID", "NAMES", "STATUS", "PORTS"))
    if not name or " " in name or ("CONTAINER ID" in starts and not re.fullmatch(r"[0-9a-f]{12,64}", identity)):
        return None
    fields: dict[str, Any] = {"id": identity, "name": name, "runtime": runtime}
    if "IMAGE" in starts:
        fields["image"] = cells["IMAGE"]
    if cells.get("SERVICE"):
        fields["labels"] = {"com.docker.compose.service": cells["SERVICE"]}
    state = _STATES.get(status.partition(" ")[0])
    if state:
        fields["state"] = "paused" if "(Paused)" in status else state
    if ports or (state == "running" and "PORTS" in starts):
        # docker lists no ports of a container that does not run, whatever it will publish.
        fields["ports"] = tuple(_listed_ports(ports))
        exposed = tuple(part.strip() for part in ports.split(",") if re.fullmatch(r"\s*\d{1,5}/\w+\s*", part))
        if exposed:
            fields["exposed"] = exposed
    return fields


def _listed_ports(text: str) -> Iterator[dict[str, Any]]:
    """Published ports of ``0.0.0.0:8080->80/tcp, [::]:7000-7001->7000-7001/tcp, 9000/tcp`` (the last one is only exposed)."""
    for part in text.split(","):
        found = re.fullmatch(r"\s*(.*):(\d{1,5})(?:-(\d{1,5}))?->(\d{1,5})(?:-\d{1,5})?/(\w+)\s*", part)
        if not found:
            continue
        first, last, inner = int(found[2]), int(found[3] or found[2]), int(found[4])
        for offset in range(min(last - first, 65535) + 1):
            yield {"host_ip": found[1].strip("[]") or _ANY, "host_port": first + offset, "container_port": inner + offset, "protocol": found[5]}
