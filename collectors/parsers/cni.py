"""CNI network configurations: ``.conf`` (one plug-in), ``.conflist`` (a chain) and ``.json``.

A runtime takes the first of these files in the order of their names; it ignores files with another ending (``.bak``), which are ``disabled``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.files import node_path
from collectors.parsers.jsontext import dict_of, dicts_of, int_of, list_of, text_of
from engine.inet import is_address, prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.place import Place
    from engine.facts import Fact, Source

_SUFFIXES = (".conf", ".conflist", ".json")
_DEFAULT_BRIDGE = "cni0"
"""Bridge of the bridge plug-in where the configuration names none."""


def parse(source: Source, place: Place) -> list[Fact]:
    """The ``cni_config`` of one file; one that no runtime can load has ``error``."""
    from json import JSONDecodeError, loads

    out = Emitter(source, place)
    file = node_path(source)
    fields: dict[str, Any] = {"file": file, "disabled": not file.endswith(_SUFFIXES)}
    line = 1
    try:
        config = loads(source.text)
    except JSONDecodeError as error:
        line = error.lineno
        fields["error"] = f"not JSON: {error.msg} (line {error.lineno} column {error.colno})"
    except (ValueError, RecursionError) as error:
        fields["error"] = f"not JSON: {error}"[:200]
    else:
        read_config(fields, config, chain=file.endswith(".conflist"))
    out.add("cni_config", fields, line, _shown(fields))
    return out.done()


def read_config(fields: dict[str, Any], config: Any, chain: bool) -> None:
    """Read a decoded configuration into ``fields`` (of a ``cni_config``); ``chain`` if it must be a list of plug-ins."""
    if not isinstance(config, dict):
        fields["error"] = "not a JSON object"
        return
    plugins = dicts_of(config, "plugins")
    if not plugins and not chain:
        plugins = [config] if text_of(config, "type") else []
    if text_of(config, "name"):
        fields["name"] = text_of(config, "name")
    if not plugins:
        fields["error"] = "no plug-ins" if chain or "plugins" in config else 'no "type"'
        return
    fields["types"] = tuple(text_of(plugin, "type") for plugin in plugins)
    for plugin in reversed(plugins):
        # The first plug-in of the chain that says something has the last word.
        _read_plugin(fields, plugin)
    main = plugins[0]
    if main.get("type") == "flannel":
        # flannel hands its "delegate" to another plug-in: to bridge, unless it says otherwise.
        delegate = {"type": "bridge", **dict_of(main, "delegate")}
        _read_plugin(fields, delegate)


def _read_plugin(fields: dict[str, Any], plugin: dict[str, Any]) -> None:
    """Read what one plug-in configures."""
    if plugin.get("type") == "bridge":
        fields["bridge"] = text_of(plugin, "bridge") or _DEFAULT_BRIDGE
    if isinstance(plugin.get("isGateway"), bool) or plugin.get("isDefaultGateway") is True:
        # A default gateway is a gateway, whatever isGateway says.
        fields["is_gateway"] = plugin.get("isGateway") is True or plugin.get("isDefaultGateway") is True
    for key, name in (("ipMasq", "ip_masq"), ("hairpinMode", "hairpin")):
        if isinstance(plugin.get(key), bool):
            fields[name] = plugin[key]
    mtu = int_of(plugin, "mtu")
    if mtu:
        fields["mtu"] = mtu
    ipam = dict_of(plugin, "ipam")
    if text_of(ipam, "type"):
        fields["ipam"] = text_of(ipam, "type")
    ranges = [ipam, *(each for group in list_of(ipam, "ranges") if isinstance(group, list) for each in group if isinstance(each, dict))]
    _read_ranges(fields, ranges)


def _read_ranges(fields: dict[str, Any], ranges: Sequence[dict[str, Any]]) -> None:
    """Read subnets and the first gateway of host-local's ranges."""
    subnets = tuple(dict.fromkeys(filter(None, (_prefix(text_of(each, "subnet")) for each in ranges))))
    if subnets:
        fields["subnets"] = subnets
    gateway = next((text_of(each, "gateway") for each in ranges if is_address(text_of(each, "gateway"))), "")
    if gateway:
        fields["gateway"] = gateway


def _prefix(text: str) -> str:
    """Canonical prefix, or "" for a placeholder (``usePodCidr``) or nonsense."""
    try:
        return str(prefix(text))
    except ValueError:
        return ""


def _shown(fields: dict[str, Any]) -> str:
    """One line for a reader."""
    words = [fields["file"], fields.get("name", ""), "→".join(fields.get("types", ())), fields.get("bridge", ""), ",".join(fields.get("subnets", ()))]
    words += [fields.get("error", ""), "(ignored by runtimes)" if fields["disabled"] else ""]
    return " ".join(filter(None, words))
