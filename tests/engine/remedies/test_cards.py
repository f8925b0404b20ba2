"""What devices do by themselves: on the model and on the kernel."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from engine.errors import RuleError
from engine.facts import FactBase
from tests.engine.remedies.conftest import Space, operation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.facts import Fact

GENERIC = "tx-checksum-ip-generic"


def features(facts: Iterable[Fact]) -> dict[tuple[str, str], bool]:
    """What is on, by device and feature."""
    return {(f.get("device"), f.get("feature")): f.get("on") for f in facts if f.kind == "offload"}


class TestOffload:
    """ethtool.offload."""

    def test_commands(self) -> None:
        """All features in one call, and a udev rule for the next start; of a container's device nothing is kept."""
        made = operation("ethtool.offload", FactBase([]), dev="ens192", feature=["tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation"])
        assert made.commands() == ("ethtool -K ens192 tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off",)
        assert made.undo() == ("ethtool -K ens192 tx-udp_tnl-segmentation on tx-udp_tnl-csum-segmentation on",)
        assert "90-ens192-offload.rules" in made.persist()[0]
        assert made.apply(FactBase([])) is None
        inside = operation("ethtool.offload", FactBase([]), "n1", "web", "ip netns exec web", dev="eth0", feature="tx-checksumming")
        assert (inside.commands(), inside.persist()) == (("ip netns exec web ethtool -K eth0 tx-checksumming off",), ())

    @pytest.mark.parametrize("feature", ["tx; reboot", "TX", "-K"])
    def test_no_feature(self, feature: str) -> None:
        """What cannot be a feature is refused."""
        with pytest.raises(RuleError):
            operation("ethtool.offload", FactBase([]), dev="eth0", feature=feature)

    @pytest.mark.skipif(shutil.which("ethtool") is None, reason="not installed: ethtool")
    @pytest.mark.parametrize("feature", [GENERIC, "tx-checksumming"])
    def test_kernel(self, space: Space, feature: str) -> None:
        """The model's features are the kernel's after the command and after the undo, those that go with it too."""
        space.run("ip link add flannel.1 type vxlan id 1 dev eth0 dstport 8472")
        applied, after, undone, before = space.tried("ethtool.offload", ("ethtool -k flannel.1",), dev="flannel.1", feature=feature)
        assert applied is not None
        assert features(applied) == features(after)
        assert features(undone) == features(before) != features(after)

    @pytest.mark.skipif(shutil.which("ethtool") is None, reason="not installed: ethtool")
    def test_what_was_off_stays_off(self, space: Space) -> None:
        """The undo does not switch on what was off before."""
        space.run(f"ethtool -K eth0 {GENERIC} off")
        facts = space.facts("ethtool -k eth0")
        assert operation("ethtool.offload", facts, dev="eth0", feature=GENERIC).undo() == ()


class TestFlannelPort:
    """flannel.port."""

    def test_commands(self) -> None:
        """The configuration, then every node's flannel; the model cannot follow, and the undo is the port that was there."""
        made = operation("flannel.port", FactBase([]), port="8475", was="8472")
        assert made.commands()[1:2] == made.undo()[1:] == ("kubectl -n kube-flannel rollout restart daemonset",)
        assert made.apply(FactBase([])) is None

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ('"Type": "vxlan"', '"Type": "vxlan", "Port": 8475'),
            ('"Type":"vxlan", "Port": 8472, "VNI": 1', '"Type": "vxlan", "Port": 8475, "VNI": 1'),
            ('"Type": "host-gw"', '"Type": "host-gw"'),
        ],
    )
    def test_expression(self, before: str, after: str) -> None:
        """The sed expression, run by sed: with and without a port that was there; other backends are left alone."""
        line = operation("flannel.port", FactBase([]), port="8475", was="8472").commands()[0]
        expression = line.split("'")[1]
        assert subprocess.run(["sed", expression], input=before, capture_output=True, text=True, check=True).stdout == after

    @pytest.mark.parametrize("port", ["0", "65536", "x"])
    def test_no_port(self, port: str) -> None:
        """What is no port is refused."""
        with pytest.raises(RuleError):
            operation("flannel.port", FactBase([]), port=port, was="8472")
