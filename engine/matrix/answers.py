"""Who reaches whom: one walk for each shape of flow, its answer taken for every pair of members that has it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from engine.facts import HOST
from engine.matrix.classes import EVERYWHERE, Classes, Group, Member
from engine.matrix.members import MAX_DOORS, Frontend, LeftOut, doors, frontends, left_out, members, named, outside
from engine.matrix.shapes import Atlas, Behind, shape
from engine.walk import walk
from engine.walk.trace import Flow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from engine.cluster import Cluster
    from engine.matrix.observer import Key
    from engine.model.network import Network
    from engine.walk.trace import Line, Trace, Unknown

T = TypeVar("T")

TUNNEL_PORTS = frozenset({4789, 6081, 8472, 51820})
"""Where tunnels usually listen."""


class Options(NamedTuple):
    """What is asked."""

    port: int = 0
    protocol: str = "icmp"
    """Of flows between members; those to Services use the Service's."""
    sources: tuple[str, ...] = ()
    """Names of senders; none = all."""
    targets: tuple[str, ...] = ()
    services: bool = True
    nodes: bool = True
    doors: bool = True
    """Services also by ports of nodes and external addresses, asked by outside clients too."""
    family: int = 4


class Reason(NamedTuple):
    """Why flows of one shape end as they do."""

    node: str
    stack: str
    what: str
    """What decided: ``policy``, ``rule``, ``no-route``, ``fdb`` … (``drop.by``); "" = not told."""
    summary: str
    """The step of the walk, in words."""
    line: Line | None


class Answer(NamedTuple):
    """What senders of one shape of flow see."""

    number: int
    sees: str
    trace: Trace

    @property
    def connects(self) -> bool:
        """Whether they reach the target."""
        return self.sees == "connected"

    @property
    def outcome(self) -> str:
        """``sees``; but ``partly`` where the kernel's own dice decide and nothing is missing: some connections to a Service fail."""
        return "partly" if self.sees == "depends" and not self.trace.depends and self.trace.branches else self.sees


class Cell(NamedTuple):
    """Flows from one class to another that end alike."""

    source: Group
    target: Group | Frontend
    answer: Answer
    pairs: int


class Block(NamedTuple):
    """Cells of one answer, gathered: every sender fails to reach every target."""

    sees: str
    """``timeout`` | an errno name | ``depends`` | ``partly`` (see :attr:`Answer.outcome`)"""
    sources: tuple[Member, ...]
    targets: tuple[Member | Frontend, ...]
    pairs: int
    trace: Trace
    """Walk of one of these very pairs."""

    @property
    def reason(self) -> Reason | None:
        """What decided on that walk; ``None`` where it is undecided."""
        return None if self.sees == "depends" else reason_of(self.trace)

    @property
    def ends(self) -> tuple[str, ...]:
        """Of ``partly``: how those connections end that fail."""
        first = (str(f.fields["client_sees"]) for f in self.trace.facts if f.kind == "drop" and f.fields.get("client_sees"))
        found = dict.fromkeys((*first, *(sees for _, _, sees in self.trace.branches)))
        return tuple(end for end in found if end != "connected")

    @property
    def missing(self) -> tuple[Unknown, ...]:
        """What would settle it."""
        return self.trace.depends


class Matrix(NamedTuple):
    """The answer for all pairs."""

    options: Options
    cells: tuple[Cell, ...]
    blocks: tuple[Block, ...]
    """What does not connect, the most pairs first."""
    members: tuple[Member, ...]
    frontends: tuple[Frontend, ...]
    walks: int
    """Flows that were walked."""
    unseen: tuple[str, ...] = ()
    """Members whose own stack was not collected: they are targets only."""
    outside: Member | None = None
    """The sender that stands for everybody outside, if it asked anybody."""
    unasked: int = 0
    """Ports of nodes that were not asked about, for there are too many."""
    left_out: tuple[LeftOut, ...] = ()
    """Stacks that are no members, for nothing tells their address."""

    def pairs(self, test: Callable[[Answer], bool]) -> int:
        """Number of pairs with an answer of a kind."""
        return sum(cell.pairs for cell in self.cells if test(cell.answer))

    @property
    def classes(self) -> int:
        """Number of classes of equal behaviour among the members."""
        return len({g.number for c in self.cells for g in (c.source, c.target) if isinstance(g, Group)})


def reason_of(trace: Trace) -> Reason | None:
    """What stopped the flow: the drop on the way there, else the one on the way back."""
    from engine.walk.recorder import line_of

    for direction in ("request", "reply"):
        drops = [f for f in trace.facts if f.kind == "drop" and f.fields.get("direction") == direction]
        if drops:
            end = drops[-1]
            return Reason(end.node, end.stack, str(end.fields.get("by", "")), _said(trace, direction), next(iter(line_of(end)), None))
    return None


def _said(trace: Trace, direction: str) -> str:
    walked = trace.request if direction == "request" else trace.reply
    steps = [step for hop in (walked.hops if walked is not None else ()) for step in hop.steps if step.verdict in {"drop", "reject"}]
    return steps[-1].summary if steps else ""


def sending(member: Member) -> Key:
    """The stack of a member that may send; raises ``ValueError`` for one whose stack was not collected."""
    if member.key is None:
        raise ValueError(member.name)
    return member.key


class Asking:
    """One run: the members, their classes, and what was walked so far."""

    def __init__(self, network: Network, cluster: Cluster, options: Options) -> None:
        self.network = network
        self.options = options
        self.atlas = Atlas(network, options.family)
        everybody = members(network, cluster, options.family)
        self.left_out = tuple(left_out(network, everybody, options.family))
        self.members = [m for m in everybody if options.nodes or m.kind != "node"]
        self.atlas.persons = frozenset(m.value for m in everybody if m.kind != "node")
        self.outside = outside(network, options.family)
        self.frontends = frontends(cluster, options.family) if options.services else []
        hosts = [m for m in everybody if m.kind == "node"]
        found = doors(network, cluster, hosts, options.family) if options.services and options.doors else []
        wanted = self._fronts(found) if options.targets else found
        self.unasked = len(found) if len(wanted) * len(hosts) > MAX_DOORS else 0
        self.frontends += [] if self.unasked else found
        self.tunnels = TUNNEL_PORTS | {link.vxlan_port for stack in network.stacks.values() for link in stack.links.values() if link.vxlan_port}
        asked = frozenset({options.port} if options.port else ())
        self.ports: frozenset[int] = frozenset({*self.tunnels, *asked})
        self.classes = Classes(self.atlas, self.members, self.ports | {f.port for f in self.frontends})
        self.sources = {m for m in self._chosen(options.sources) if m.key is not None}
        self.targets = set(self._chosen(options.targets))
        self._answers: dict[object, Answer] = {}
        self._pairs: dict[tuple[Member, Member], int | None] = {}
        self._first: dict[str, Member] = {}
        for member in self.members:
            if member.kind != "node" and member.key is not None:
                self._first.setdefault(member.node, member)
        self._endpoints: dict[Frontend, Behind] = {}
        self._to_service: dict[tuple[Key, Frontend], tuple[int | None, frozenset[int]]] = {}
        self.walks = 0

    def _chosen(self, names: Sequence[str]) -> list[Member]:
        if not names:
            return self.members
        return list(dict.fromkeys(m for name in names for m in named(self.members, name)))

    # --- flows ----------------------------------------------------------------------------------------------------

    def flow(self, source: Member, target: Member | Frontend) -> Flow:
        """The flow between two ends."""
        node, stack = ("", "") if source.kind == "outside" else sending(source)
        port, protocol = (target.port, target.protocol) if isinstance(target, Frontend) else (self.options.port, self.options.protocol)
        origin = "" if node else source.address
        return Flow(node, stack, origin, target.address, 0 if protocol == "icmp" else port, protocol, source.name, target.name)

    def walk(self, source: Member, target: Member | Frontend) -> Trace:
        """Walk it."""
        self.walks += 1
        return walk(self.network, self.flow(source, target))

    def answer(self, source: Member, target: Member, key: tuple[int, int]) -> Answer:
        """What one member sees of another, from a walk of a flow of that shape; ``key`` are their classes."""
        drawn = self._shape(source, target)
        return self._answered(("own", *key) if drawn is None else drawn, source, target)

    def _shape(self, source: Member, target: Member) -> object:
        """The shape of a flow; one of a node's own rides along in the world of a pod of it, which holds all that it has to do with."""
        if source.node != target.node:
            one, other = self._rider(source), self._rider(target)
            if one is not source or other is not target:
                drawn = self._pair(one, other)
                return (drawn, one is source, other is target) if drawn is not None else self._pair(source, target)
        return self._pair(source, target)

    def _pair(self, source: Member, target: Member) -> object:
        key = (source, target)
        if key not in self._pairs:
            drawn = shape(self.atlas, sending(source), (target.value, target.key, target.node), self.options.protocol, self.ports)[0]
            self._pairs[key] = None if drawn is None else self.atlas.intern(drawn)
        return self._pairs[key]

    def _rider(self, member: Member) -> Member:
        """The first pod of a node, for the node itself."""
        return self._first.get(member.node, member) if member.kind == "node" else member

    def _answered(self, known: object, source: Member, target: Member | Frontend) -> Answer:
        found = self._answers.get(known)
        if found is None:
            trace = self.walk(source, target)
            found = self._answers[known] = Answer(len(self._answers), trace.client_sees, trace)
        return found

    # --- between members ------------------------------------------------------------------------------------------

    def between(self) -> Iterator[Cell]:
        """Cells of all pairs of members."""
        listen = self.ports if self.options.protocol != "icmp" else None
        kept: dict[tuple[int, int], Answer] = {}
        for node in self.classes.nodes:
            for other in self.classes.nodes:
                targets = self._among(self.classes.groups(other, node, listen), self.targets)
                for source in self._among(self.classes.groups(node, other), self.sources) if targets else ():
                    for target in targets:
                        yield from self._cell(source, target, kept)

    @staticmethod
    def _among(groups: Sequence[Group], chosen: set[Member]) -> list[Group]:
        found = ((group, tuple(m for m in group.members if m in chosen)) for group in groups)
        return [group._replace(members=held) for group, held in found if held]

    def _cell(self, source: Group, target: Group, kept: dict[tuple[int, int], Answer]) -> Iterator[Cell]:
        both = set(source.members) & set(target.members)
        pairs = len(source.members) * len(target.members) - len(both)
        if not pairs:
            return
        key = (source.number, target.number)
        answer = kept.get(key)
        if answer is None:
            one, other = next((a, b) for a in source.members for b in target.members if a is not b)
            answer = kept[key] = self.answer(one, other, key)
        yield Cell(source, target, answer, pairs)

    # --- to Services ----------------------------------------------------------------------------------------------

    def to_services(self) -> Iterator[Cell]:
        """Cells of all members and every port of a Service."""
        for node in self.classes.nodes:
            groups = self._among(self.classes.groups(node, EVERYWHERE), self.sources)
            for front in self._fronts(self.frontends) if groups else ():
                behind = self._behind(node, front)
                for group in self._split(groups, behind):
                    known = self._service_shape(group.members[0], front)
                    known = ("own", group.number, front) if known is None else ("service", known)
                    yield Cell(group, front, self._answered(known, group.members[0], front), len(group.members))

    def from_outside(self) -> Iterator[Cell]:
        """Cells of a client outside and what nodes hold of Services."""
        if self.outside is None or (self.options.sources and self.outside.name not in self.options.sources):
            return
        for front in self._fronts([f for f in self.frontends if f.key is not None]):
            ports = frozenset({*self.tunnels, front.port})
            known = shape(self.atlas, self.outside.value, (front.value, front.key, front.node), front.protocol, ports)[0]
            group = Group(self.atlas.intern(("outside",)), (self.outside,))
            shaped = ("outside", front) if known is None else ("outside", self.atlas.intern(known))
            yield Cell(group, front, self._answered(shaped, self.outside, front), 1)

    def _fronts(self, fronts: list[Frontend]) -> list[Frontend]:
        if not self.options.targets:
            return fronts
        from fnmatch import fnmatchcase

        wanted = self.options.targets
        names = [(f, {f.name, f.name.partition("@")[0].rpartition(":")[0], f.address}) for f in fronts]
        return [f for f, called in names if any(w in called or fnmatchcase(f.name, w) for w in wanted)]

    def _service_shape(self, source: Member, front: Frontend) -> object:
        rider = self._rider(source)
        known = self._drawn(sending(rider), front)[0]
        if rider is source:
            return known
        return (known, "node") if known is not None else self._drawn(sending(source), front)[0]

    def _drawn(self, key: Key, front: Frontend) -> tuple[int | None, frozenset[int]]:
        """Shape of a flow to a Service, and the pods that rules on its way name."""
        found = self._to_service.get((key, front))
        if found is None:
            asked, ports = (front.value, front.key, front.node), frozenset({*self.tunnels, front.port})
            if front not in self._endpoints:
                world = shape(self.atlas, key, asked, front.protocol, ports)[1]
                self._endpoints[front] = Behind(tuple(world.sent), frozenset(world.ports))
            known, world = shape(self.atlas, key, asked, front.protocol, ports, self._endpoints[front])
            spoken = world.spoken | self.atlas.persons.intersection(self._endpoints[front].addresses)
            found = self._to_service[key, front] = (None if known is None else self.atlas.intern(known), spoken)
        return found

    def _behind(self, node: str, front: Frontend) -> frozenset[int]:
        """Pods that a node's rules for a Service speak of."""
        key = sending(self._first[node]) if node in self._first else (node, HOST)
        return self._drawn(key, front)[1] if key in self.network.stacks else frozenset()

    @staticmethod
    def _split(groups: Iterable[Group], behind: frozenset[int]) -> Iterator[Group]:
        """Groups, those members that a Service's rules speak of each by itself."""
        for group in groups:
            alone = [m for m in group.members if m.value in behind and m.kind != "node"] if len(group.members) > 1 else []
            rest = tuple(m for m in group.members if m not in alone)
            for member in alone:
                yield Group(-member.value - 1, (member,))
            if rest:
                yield group._replace(members=rest)


def matrix(network: Network, cluster: Cluster, options: Options) -> Matrix:
    """Who reaches whom in all the evidence."""
    asking = Asking(network, cluster, options)
    beyond = list(asking.from_outside())
    cells = [*asking.between(), *asking.to_services(), *beyond]
    walks = asking.walks
    unseen = tuple(m.name for m in asking.members if m.key is None)
    chosen = tuple(m for m in asking.members if m in asking.sources or m in asking.targets)
    blocks = tuple(_blocks(asking, cells))
    whole = Matrix(options, tuple(cells), blocks, chosen, tuple(asking.frontends), walks, unseen)
    return whole._replace(outside=asking.outside if beyond else None, unasked=asking.unasked, left_out=asking.left_out)


def _blocks(asking: Asking, cells: Iterable[Cell]) -> list[Block]:
    """Cells that do not connect, gathered: by what their senders fail to reach, then by what decided."""
    by_source: dict[tuple[int, tuple[Member, ...]], list[Cell]] = defaultdict(list)
    for cell in cells:
        if not cell.answer.connects:
            by_source[cell.answer.number, cell.source.members].append(cell)
    gathered: dict[tuple[int, tuple[object, ...]], list[list[Cell]]] = defaultdict(list)
    for (number, _), row in by_source.items():
        gathered[number, tuple(_ends(cell.target) for cell in row)].append(row)
    found = [_block(asking, rows) for rows in gathered.values()]
    found = _joined(found, lambda block: block.sources, lambda block, other: block._replace(targets=_union(block.targets, other.targets)))
    found = _joined(found, lambda block: block.targets, lambda block, other: block._replace(sources=_union(block.sources, other.sources)))
    return sorted(found, key=lambda block: (block.sees == "depends", -block.pairs, block.sources[0].name))


def _block(asking: Asking, rows: Sequence[Sequence[Cell]]) -> Block:
    first = rows[0][0]
    sources = tuple(dict.fromkeys(m for row in rows for m in row[0].source.members))
    targets = tuple(dict.fromkeys(t for cell in rows[0] for t in _ends(cell.target)))
    one, other = next((a, b) for a in first.source.members for b in _ends(first.target) if a is not b)
    return Block(first.answer.outcome, sources, targets, sum(c.pairs for row in rows for c in row), asking.walk(one, other))


def _union(some: tuple[T, ...], others: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*some, *others)))


def _joined(blocks: Sequence[Block], side: Callable[[Block], object], join: Callable[[Block, Block], Block]) -> list[Block]:
    """Blocks of one cause that are equal on one side made one."""
    found: dict[object, Block] = {}
    for block in blocks:
        # The same command settles what depends on one thing, the same line decides what fails.
        key = (block.sees, side(block), block.reason, tuple((u.node, u.stack, u.what) for u in block.missing))
        before = found.get(key)
        found[key] = block if before is None else join(before, block)._replace(pairs=before.pairs + block.pairs)
    return list(found.values())


def _ends(target: Group | Frontend) -> tuple[Member | Frontend, ...]:
    return target.members if isinstance(target, Group) else (target,)
