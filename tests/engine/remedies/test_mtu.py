"""Sizes: on the model and on the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import RuleError
from tests.engine.remedies.conftest import Space, operation
from tests.engine.remedies.test_netfilter import specs
from tests.engine.walk.world import World, lan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.facts import Fact

SPEC = "-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"


def sizes(facts: Iterable[Fact]) -> dict[str, int]:
    """MTU by device."""
    return {f.get("name"): f.get("mtu") for f in facts if f.kind == "link"}


class TestDevice:
    """link.mtu."""

    def test_set(self) -> None:
        """The device has its new MTU; the one that it had is the undo; who keeps it over a reboot depends on who made the device."""
        facts = lan().facts()
        made = operation("link.mtu", facts, "router", dev="eth1", mtu="1400")
        after = made.apply(facts)
        assert after is not None
        assert [f.get("mtu") for f in after.at("link", "router", "host") if f.get("name") == "eth1"] == [1400]
        assert (made.commands(), made.undo()) == (("ip link set dev eth1 mtu 1400",), ("ip link set dev eth1 mtu 1500",))
        assert "netplan" in "".join(made.persist())
        inside = operation("link.mtu", facts, "router", "web", "ip netns exec web", dev="eth0", mtu="1400")
        assert inside.commands() == ("ip netns exec web ip link set dev eth0 mtu 1400",)
        assert "daemon.json" in "".join(inside.persist())
        assert (inside.undo(), inside.apply(facts)) == ((), None)

    @pytest.mark.parametrize("mtu", ["", "67", "65536", "1400; reboot"])
    def test_no_mtu(self, mtu: str) -> None:
        """What is no MTU is refused."""
        with pytest.raises(RuleError):
            operation("link.mtu", lan().facts(), "router", dev="eth1", mtu=mtu)

    def test_vxlan_stays_below_its_card(self) -> None:
        """The kernel refuses a VXLAN device an MTU that its card could not carry."""
        world = World()
        world.host("n1", "192.0.2.1/24").device("flannel.1", "10.244.1.0/32", kind="vxlan id 1 local 192.0.2.1 dev eth0 dstport 8472", mtu=1400)
        facts = world.facts()
        assert operation("link.mtu", facts, dev="flannel.1", mtu="1450").commands() == ("ip link set dev flannel.1 mtu 1450",)
        with pytest.raises(RuleError, match="1450"):
            operation("link.mtu", facts, dev="flannel.1", mtu="1451")

    @pytest.mark.parametrize("mtu", [1400, 1600])
    def test_kernel(self, space: Space, mtu: int) -> None:
        """The model's devices are the kernel's after the command and after the undo, the bridge that follows its ports too."""
        space.run("ip link add br0 type bridge; ip link set eth1 master br0; ip link add v0 type veth peer name v1; ip link set v0 master br0")
        applied, after, undone, before = space.tried("link.mtu", ("ip -d link",), dev="eth1", mtu=str(mtu))
        assert applied is not None
        assert sizes(applied) == sizes(after)
        assert sizes(undone) == sizes(before) != sizes(after)

    def test_kernel_bridge_of_its_own(self, space: Space) -> None:
        """A bridge whose MTU somebody set keeps it."""
        space.run("ip link add br0 type bridge; ip link set eth1 master br0; ip link set br0 mtu 1300")
        applied, after, undone, before = space.tried("link.mtu", ("ip -d link",), dev="eth1", mtu="1400")
        assert applied is not None
        assert sizes(applied) == sizes(after)
        assert sizes(undone) == sizes(before)

    def test_kernel_refuses(self, space: Space) -> None:
        """The kernel refuses what the operation refuses."""
        space.run("ip link add vx0 mtu 1400 type vxlan id 7 dev eth0 dstport 8472; ! ip link set vx0 mtu 1451 2>/dev/null; ip link set vx0 mtu 1450")


class TestClamp:
    """tcp.clamp-mss."""

    def test_loads_the_table(self) -> None:
        """Where all tables were listed and mangle is not among them, the rule comes into an empty one."""
        world = lan()
        world.stack("router").filter("-A FORWARD -p udp -j ACCEPT")
        facts = world.facts()
        made = operation("tcp.clamp-mss", facts, "router")
        after = made.apply(facts)
        assert after is not None
        assert specs(after.facts, "FORWARD", "mangle") == [SPEC]
        assert made.commands() == (f"iptables -w -t mangle -A FORWARD {SPEC}",)
        assert made.undo() == (f"iptables -w -t mangle -D FORWARD {SPEC}",)
        assert made.verify() == ("iptables -w -t mangle -S FORWARD",)
        again = operation("tcp.clamp-mss", after, "router", mss="1200").apply(after)
        assert again is not None
        assert specs(again.facts, "FORWARD", "mangle") == [SPEC, SPEC.replace("--clamp-mss-to-pmtu", "--set-mss 1200")]

    def test_unknown_tables(self) -> None:
        """Where mangle may hold anything, the model cannot tell."""
        world = lan()
        world.stack("router").unseen("iptables-save")
        facts = world.facts()
        assert operation("tcp.clamp-mss", facts, "router").apply(facts) is None

    @pytest.mark.parametrize("mss", ["87", "65496", "x"])
    def test_no_mss(self, mss: str) -> None:
        """What is no MSS is refused."""
        with pytest.raises(RuleError):
            operation("tcp.clamp-mss", lan().facts(), "router", mss=mss)

    @pytest.mark.parametrize("backend", ["legacy", "nft"])
    @pytest.mark.parametrize("mss", ["", "1360"])
    def test_kernel(self, space: Space, backend: str, mss: str) -> None:
        """The model's rules are the kernel's after the command, by the program of the backend that was dumped; the undo leaves an empty table."""
        space.run(f"iptables-{backend} -w -A FORWARD -p udp -j ACCEPT")
        applied, after, undone, _ = space.tried("tcp.clamp-mss", (f"iptables-{backend}-save",), mss=mss)
        assert applied is not None
        assert specs(applied, "FORWARD", "mangle") == specs(after, "FORWARD", "mangle") != []
        assert specs(applied, "FORWARD") == specs(after, "FORWARD")
        assert specs(undone, "FORWARD", "mangle") == []
