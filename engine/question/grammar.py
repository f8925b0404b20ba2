"""Who sends and who answers: the grammar of "A cannot reach B" and "A 访问不了 B".

A *mention* is a name, an address or a word for a kind of machine.  What stands around it (a verb, a preposition, 从 … 到 …, 内) gives
its side.  Only clauses that tell of a failure count; a clause that tells what works may still say who sends.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from engine.question import phrases
from engine.question.tokens import MASK, MASKED_VERB, MAX_PORT, Token, clauses, holds, occurrences, port_beside, tokens, works

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SENDER = "from"
TARGET = "to"
OUTER = frozenset({"published", "nodeport"})
"""Kinds of ports of a node that lead to a container or a Service."""


class Mention(NamedTuple):
    """A word of the symptom that stands for a machine."""

    start: int
    end: int
    text: str
    host: str = ""
    """Name or address ("" for a word of kind)."""
    role: str = ""
    """Kind of machine: ``pod``, ``node``, ``database``, ``product:mysql`` …; beside a name it narrows the name."""
    address: bool = False
    port: int = 0
    protocol: str = ""
    known: bool = True
    """Whether the evidence has such a name (addresses and kinds always count as known)."""
    at: str = ""
    """Node that the phrase puts it on ("pods on node1")."""
    side: str = ""
    """:data:`SENDER`, :data:`TARGET` or ""."""


class Marker(NamedTuple):
    """A word that tells the side of the names around it."""

    start: int
    end: int
    kind: str


class Roles(NamedTuple):
    """Both ends as the text names them."""

    senders: tuple[Mention, ...]
    targets: tuple[Mention, ...]
    mutual: bool = False
    """Both ends are named by one word ("pods cannot reach each other")."""


def read(folded: str, original: str, known: Callable[[str], bool]) -> Roles:
    """Sides of all names in a folded symptom whose error strings are masked; ``known(word)`` tells what the evidence names."""
    failing: list[Mention] = []
    working: list[Mention] = []
    mutual = False
    for start, end in clauses(folded):
        clause = folded[start:end]
        named = _sided(clause, original[start:end], known)
        if works(folded, (start, end)):
            working += named
        else:
            mutual = mutual or holds(clause, phrases.EACH_OTHER) or any(phrase in clause for phrase in phrases.EACH_OTHER if not phrase.isascii())
            failing += named
    senders = [m for m in failing if m.side == SENDER] or [m for m in working if m.side == SENDER]
    targets = [m for m in failing if m.side == TARGET]
    loose = [m for m in failing if not m.side]
    if not any(m.known for m in failing) and not mutual:
        # Nothing is said to fail: what is said to work is what was asked about.
        targets, loose = targets or [m for m in working if m.side == TARGET], loose or [m for m in working if not m.side]
    elif not targets and not loose and any(_is_loopback(m) for m in working):
        # "curl localhost:8080 works, from other machines it is refused": the machine that answers itself is asked by others.
        targets = [Mention(0, 0, m.text, role="node", port=m.port) for m in working if _is_loopback(m)][:1]
    return _settle(senders, targets, loose, mutual=mutual)


def _is_loopback(mention: Mention) -> bool:
    return mention.role in {"localhost", "itself"} or mention.host.startswith("127.") or mention.host == "::1"


def _settle(senders: list[Mention], targets: list[Mention], loose: list[Mention], *, mutual: bool) -> Roles:
    """Give a side to mentions that nothing around them decides; a lone name with a port is asked for, not asking ("refused on db:5432")."""
    if senders and not targets and not loose and senders[-1].port:
        targets, senders = senders[-1:], senders[:-1]
    if not targets and not loose and senders and all(m.role == "localhost" for m in senders):
        # "psql on localhost": the client is there too, and it is what was asked.
        return Roles((), tuple(senders), mutual)
    if mutual and not targets and (senders or loose):
        everyone = senders + loose
        return Roles(tuple(everyone[:1]), tuple(everyone[1:]) or tuple(everyone), mutual=True)
    through = [m for m in loose if m.role == "service" or (m.host and m.known)]
    if through and any(m.role == "itself" for m in targets):
        return Roles(tuple(senders), tuple(m._replace(role="own-service") if not m.host else m for m in through))
    if targets and not senders and "://" in targets[0].text:
        # "web gets connection refused from http://db": who stands before the URL asked for it.
        senders = [m for m in loose if m.host and m.known and not m.address and m.role != "service" and m.start < targets[0].start][:1]
    # "published port 8080 of the container": who publishes a port does not ask for it.
    publishes = bool(targets) and all(t.role in OUTER for t in targets)
    for mention in loose:
        kinds = ("own-host", "localhost", "tunnel", "behind") if publishes else ("pod", "container", "own-host", "localhost", "tunnel", "behind")
        sends = not senders and mention.role in kinds and not mention.host
        # "web has no internet": who is named beside what is lacked lacks it.
        sends = sends or (not senders and mention.known and bool(targets) and all(t.role == "internet" for t in targets))
        if sends or (not senders and not targets and len(loose) > 1 and mention is loose[0]):
            senders.append(mention)
        elif not targets or (mention.address and (mention.role not in {"pod", "container"} or not any(m.known for m in targets))):
            targets.append(mention)
    return Roles(tuple(senders), tuple(targets), mutual=mutual)


# --- mentions ------------------------------------------------------------------------------------------------------------


def _sided(clause: str, original: str, known: Callable[[str], bool]) -> list[Mention]:
    """Mentions of one clause with their sides."""
    found = [_with_port(clause, mention) for mention in _joined(clause, _mentions(clause, original, known))]
    marks = _markers(clause, found)
    # "service discovery": what follows a word of kind is no name unless it stands where names stand.
    kinds = (m if m.known or _placed(clause, m, marks) else m._replace(host="", known=True) if m.role else None for m in found)
    found = [mention for mention in kinds if mention is not None]
    return _assign(clause, found, marks)


def _with_port(clause: str, mention: Mention) -> Mention:
    """A machine with the bare number behind its name as its port, or the one before it that is said to be on it."""
    if not mention.host or mention.port:
        return mention
    return mention._replace(port=_port_on(clause, mention) or port_beside(clause[mention.end :]))


def _port_on(clause: str, mention: Mention) -> int:
    """The port of "port 443 on web1", which is a port of that machine; 0 if none is said so.

    "Published port 8080 of web" is a port of the machine that web runs on.
    """
    said = re.search(r"\bport (\d{1,5}) (?:on|of|at) (?:(?:the|my|our|node|host|machine|server|vm) )*['\"(]*$", clause[: mention.start])
    if not said or clause[: said.start() + len("port")].endswith(_outer_ports()):
        return 0
    return int(said[1]) if 0 < int(said[1]) <= MAX_PORT else 0


@cache
def _outer_ports() -> tuple[str, ...]:
    """Words for a port of a node that leads to a container or a Service."""
    return tuple(word for word, role in phrases.ROLES if role in OUTER)


def _mentions(clause: str, original: str, known: Callable[[str], bool]) -> list[Mention]:
    read_one = (_titled(clause, token, known) or _public(clause, token, known) or _mention(token, known) for token in tokens(clause, original))
    named = [mention for mention in read_one if mention]
    taken = [(m.start, m.end) for m in named if m.known or _compound(m)]
    kinds = [m for m in _kinds(clause, original) if not any(m.start < end and start < m.end for start, end in taken)]
    names = [m for m in named if not any(k.start < m.end and m.start < k.end for k in kinds)]
    return sorted([*names, *kinds], key=lambda m: m.start)


def _compound(mention: Mention) -> bool:
    """Whether an unknown word is a name made from a word of kind: ``pod-b``, ``db_1``, ``node2``."""
    return (
        bool(mention.host)
        and re.fullmatch(r"(?:pod|container|node|host|db|service|svc|master|worker)[-_./]?[a-z0-9][a-z0-9._-]*", mention.host) is not None
        and mention.host not in _plurals()
    )


@cache
def _plurals() -> frozenset[str]:
    return frozenset(_role_words()) | {f"{word}s" for word in _role_words()}


@cache
def _titles() -> re.Pattern[str]:
    return re.compile(r"(?:^|[\s'\"(])(?:(pods?|deployment|daemonset|statefulset|容器组)|(services?|svc|服务))[\s'\":]{1,3}$")


def _titled(clause: str, token: Token, known: Callable[[str], bool]) -> Mention | None:
    """A word of kind or an ordinary one that is a name because it stands behind a kind: "pod gateway", "service db"."""
    if token.address or known(token.host):
        return None
    title = _titles().search(clause[max(token.start - 24, 0) : token.start])
    name = f"{'pod' if title[1] else 'svc'}/{token.host}" if title else ""
    if not name or not known(name):
        return None
    return Mention(token.start, token.end, token.text, name, port=token.port, protocol=token.protocol)


@cache
def _looking_up() -> re.Pattern[str]:
    return re.compile(r"(?:resolv(?:e|es|ed|ing)|look(?:s|ed|ing)? up|lookup|nslookup|dig|getent hosts|valid for|not|解析)[\s'\":]*$")


def _public(clause: str, token: Token, known: Callable[[str], bool]) -> Mention | None:
    """A site that people try stands for the internet; where it is looked up, or a certificate is not made out to it, it is a name and no machine."""
    if token.host not in phrases.PUBLIC_SITES or known(token.host) or _looking_up().search(clause[max(token.start - 24, 0) : token.start]):
        return None
    return Mention(token.start, token.end, token.text, "", address=token.address, port=token.port, protocol=token.protocol, role="internet")


def _mention(token: Token, known: Callable[[str], bool]) -> Mention | None:
    word = token.host
    base = Mention(token.start, token.end, token.text, word, address=token.address, port=token.port, protocol=token.protocol)
    if token.address:
        return base
    if word in phrases.OWN_HOST_NAMES and not known(word):
        return base._replace(host="", role="own-host")
    if word in _marker_words() or word.isdigit() or word in ("a", "i"):
        return None
    if known(word):
        return base
    product = _product(word)
    if product:
        return base._replace(host="", role=f"product:{product}")
    if word in phrases.FILLERS or word in _role_words() or word.endswith("ly") or word.startswith("-"):
        return base._replace(role=_role_words()[word], host="") if token.sure and word in _role_words() else None
    return base._replace(known=False)


def _product(word: str) -> str:
    return word if word in phrases.PRODUCTS else ""


@cache
def _role_words() -> dict[str, str]:
    return dict(phrases.ROLES)


@cache
def _marker_words() -> frozenset[str]:
    return frozenset(word for word, _ in phrases.MARKERS if word.isascii() and " " not in word)


def _longest(clause: str, table: Iterable[tuple[str, str]]) -> list[tuple[int, int, str]]:
    """Places of phrases, the longest first where they overlap."""
    taken: list[tuple[int, int, str]] = []
    for word, meaning in sorted(table, key=lambda pair: -len(pair[0])):
        if word not in clause:
            continue
        for at in occurrences(clause, word):
            end = at + len(word)
            if not any(at < stop and start < end for start, stop, _ in taken):
                taken.append((at, end, meaning))
    return sorted(taken)


def _kinds(clause: str, original: str) -> list[Mention]:
    found = [Mention(start, end, original[start:end], role=role) for start, end, role in _longest(clause, phrases.ROLES)]
    inside = [(match.start(1), match.end(1)) for match in _runtime().finditer(clause)]
    found += [Mention(a, b, original[a:b], role="container") for a, b in inside if not any(m.start < b and a < m.end for m in found)]
    return sorted(found)


@cache
def _runtime() -> re.Pattern[str]:
    """A runtime that stands for its containers: "hangs inside docker"."""
    other = r"containers?|hosts?|networks?|bridges?|daemon|engine|compose|hub|desktop|swarm|images?|logs?|info|ps|run|stack"
    return re.compile(rf"\b(?:inside|within|in|from) (docker|podman|lxc|lxd)\b(?!-| (?:{other})\b)")


def _markers(clause: str, mentions: Sequence[Mention]) -> list[Marker]:
    known = [(m.start, m.end) for m in mentions if m.known]
    found = _longest(clause, phrases.MARKERS)
    found += [(run.start(), run.end(), "to") for run in re.finditer(f"{MASKED_VERB}+", clause)]
    return [Marker(a, b, kind) for a, b, kind in sorted(found) if not any(a < end and start < b for start, end in known)]


@cache
def _article() -> re.Pattern[str]:
    return re.compile(
        r"[\s'\"(:=]*(?:(?:the|my|our|its|a|an|remote|host|server|address|ip|named|called|at|service|pod|container|node)\b[\s'\"(:=]*)*"
    )


def _is_gap(text: str) -> bool:
    """Whether a stretch of text holds nothing but articles and punctuation."""
    return _article().fullmatch(text) is not None


def _placed(clause: str, mention: Mention, marks: Sequence[Marker]) -> bool:
    """Whether an unknown word stands where a machine's name stands: right after or before a marker, or in a form only names have."""
    if mention.port or "." in mention.host or _compound(mention):
        return True
    after = any(m.end <= mention.start and m.kind in ("to", "fails", "arrow") and _is_gap(clause[m.end : mention.start]) for m in marks)
    ends = [m for m in marks if m.kind in ("fails", "arrow", "passive", "seen") or clause[m.start] == MASKED_VERB]
    before = any(mention.end <= m.start and not clause[mention.end : m.start].strip() for m in ends)
    return after or before or (_cannot(clause, mention.end) and _is_gap(clause[: mention.start]))


def _cannot(clause: str, at: int) -> bool:
    rest = clause[at:].lstrip()
    return rest.startswith(("cannot ", "can't ", "can not ", "could not ", "couldn't ", "unable ", "is unable ", "fails ", "failed "))


@cache
def _qualifier() -> re.Pattern[str]:
    return re.compile(r"\s*(?:节点|主机|机器)?\s*(?:上面|上|里面|里|内|中)?的\s*(?:(?:所有|全部|任何|任意|每个)的?\s*)?")


def _joined(clause: str, mentions: list[Mention]) -> list[Mention]:
    """Merge neighbours that name one machine: "pod web", "web pod", "node1 上的 pod", "pods on node1".

    What is one by now may be one with its neighbour again: "nodePort on | node node1 | (10.0.0.1)".
    """
    merged: list[Mention] = []
    for mention in mentions:
        last = merged[-1] if merged else None
        both = _merge(last, mention, clause[last.end : mention.start]) or _called_twice(clause, last, mention) if last else None
        if both:
            merged[-1] = both
        else:
            merged.append(mention)
    return merged if len(merged) == len(mentions) else _joined(clause, merged)


def _merge(left: Mention, right: Mention, gap: str) -> Mention | None:
    """One mention of two neighbours, or ``None`` if they are two machines."""
    if left.role in ("pod", "container") and not left.host and right.address and _has().fullmatch(gap):
        # "container on 10.0.3.77": the address that it has.
        return right._replace(start=left.start, role=left.role)
    return _named(left, right, gap)


def _called_twice(clause: str, left: Mention, right: Mention) -> Mention | None:
    """One machine by its name and by its address: "the web pod 10.244.1.5", "pod web (10.244.1.5)".

    "from pod web 10.96.0.1 times out" are two: behind a word for the place an address begins anew.
    """
    if not (left.host and left.known and left.role and not left.address and right.address):
        return None
    gap = clause[left.end : right.start].strip()
    placed = re.search(r"\b(?:from|on|in|inside|within|at)\s+(?:the\s+|my\s+)?$", clause[: left.start]) is not None
    return left._replace(end=right.end, port=left.port or right.port) if gap == "(" or (not gap and not placed) else None


@cache
def _has() -> re.Pattern[str]:
    return re.compile(r"\s+(?:on|at|with|is|is on|is at|has)(?: the)?(?: (?:ip|address|ip address))?\s+")


def _named(left: Mention, right: Mention, gap: str) -> Mention | None:
    """One mention of a word of kind and the name beside it."""
    if _qualifier().fullmatch(gap) and left.role not in ("internet", "dns") and (right.role or right.host):
        place = left.host or ("" if left.role != "master" else "master")
        return right._replace(start=left.start, at=place)
    if (
        re.fullmatch(r"\s+(?:\d+\s+)?(?:running )?(?:on|at|@)\s+(?:the\s+)?(?:host |node )?", gap)
        and left.role in ("pod", "container", "nodeport", "published")
        and right.host
        and not right.address
    ):
        return left._replace(end=right.end, at=right.host)
    if left.role == "service" and not left.host and right.host and right.known and re.fullmatch(r"\s+of\s+(?:the\s+)?(?:service\s+)?", gap):
        return right._replace(start=left.start, role="service")
    if gap.strip(" '\"(/=:") or MASK in gap:
        return None
    titled = left.role != "internet" if right.known else left.role in ("service", "pod", "container")
    if left.role and not left.host and right.host and titled:
        return right._replace(start=left.start, role=right.role or left.role)
    if left.host and right.role and not right.host and left.known and right.role not in ("internet", "localhost", "dns") and not left.role:
        return left._replace(end=right.end, role=right.role)
    if left.role.startswith("product:") and right.role and not right.host:
        return left._replace(end=right.end)
    if left.role in ("pod", "container", "service", "node") and right.role.startswith(("product:", "database")) and not right.host:
        return right._replace(start=left.start)
    if left.role == "node" and right.role == "master":
        return right._replace(start=left.start)
    return None


# --- sides ---------------------------------------------------------------------------------------------------------------


def _assign(clause: str, mentions: Sequence[Mention], marks: Sequence[Marker]) -> list[Mention]:
    sided: list[Mention] = []
    for index, mention in enumerate(mentions):
        previous = sided[-1] if sided else None
        left = previous.end if previous else 0
        right = mentions[index + 1].start if index + 1 < len(mentions) else len(clause)
        before = [m for m in marks if left <= m.start and m.end <= mention.start and not _in_heading(clause, m, mention)]
        after = [m for m in marks if mention.end <= m.start and m.end <= right]
        side = _side(clause, mention, before, after, last=index + 1 == len(mentions))
        if not side and previous and clause[left : mention.start].strip() in phrases.CONJUNCTIONS:
            side = previous.side
        sided.append(mention._replace(side=side))
    for index in range(len(sided) - 2, -1, -1):
        gap = clause[sided[index].end : sided[index + 1].start].strip()
        if not sided[index].side and gap in phrases.CONJUNCTIONS:
            sided[index] = sided[index]._replace(side=sided[index + 1].side)
    return _opposite(_fetched(clause, _turned(clause, sided)))


def _in_heading(clause: str, mark: Marker, mention: Mention) -> bool:
    """Whether a preposition has its noun before a colon: "kube-proxy in ipvs mode: web times out" puts web in no place."""
    gap = clause[mark.end : mention.start]
    return clause[mark.start : mark.end] in {"on", "in"} and re.search(r"\w:\s", gap) is not None and not _is_gap(gap)


@cache
def _passive() -> re.Pattern[str]:
    """What stands between who is asked and who asks: "X cannot be reached by Y", "X refuses Y", "X 无法被 Y 访问"."""
    cannot = r"(?:can(?:not|'t| not)|could(?:n't| not)|(?:is|are|was|were)(?:n't| not| never)?|isn't)"
    done = r"(?:(?:be(?:ing)? )?(?:reached|accessed|called|contacted|pinged|opened|connected to|seen|found))"
    state = r"(?:reachable|unreachable|accessible|inaccessible|available|unavailable|open|closed|blocked|filtered|down|dead)"
    passive = rf"{cannot} (?:{done} by|{state} (?:by|for|to|from))"
    active = r"(?:refuses|rejects|ignores|drops|blocks|does(?:n't| not) (?:accept|answer|let in|see|hear|take))"
    whose = r"(?:(?:the |any |all )?(?:new )?(?:connections?|requests?|packets?|calls?|traffic)? ?(?:of|from|by) )?"
    article = r"(?:(?:the|my|our|a|an|pod|container|host|client|node|machine) )*"
    return re.compile(rf"[\s'\"(:,]*(?:(?:port \d+ )?(?:{passive} |{active} {whose}){article}|(?:无法|不能|没法)被\s*)['\"(]*")


@cache
def _fetches() -> re.Pattern[str]:
    """What stands before the "from" of who is asked: a client takes something from it, or gets something (or nothing) back."""
    takes = r"(?:download|pull|fetch|clon|copy|copi|stream|load|read)(?:s|es|ed|ing|e)?\b"
    gets = r"(?:get|gets|getting|got|sees?|receives?|reads?)\s"
    told = f"[{MASK}{MASKED_VERB}]+"
    back = r"(?:answers?|respon[sd]\w*|reply|replies|data|page|files?|image|errors?|nothing|reset|status|\d{3})"
    return re.compile(rf"\b(?:{takes}[^,;]*|{gets}[^,;]*(?:\b{back}|{told}))[^,;\w]*\bfrom\s+\S*$")


def _fetched(clause: str, mentions: list[Mention]) -> list[Mention]:
    """Who stands behind the "from" of a download is asked, who stands before it asks."""
    made = list(mentions)
    for at, mention in enumerate(made):
        if mention.side != SENDER or _fetches().search(clause[: mention.start].rstrip("'\"( ") + " ") is None:
            continue
        if at and made[at - 1].side in {"", SENDER}:
            made[at - 1] = made[at - 1]._replace(side=SENDER)
        made[at] = mention._replace(side=TARGET)
    return made


def _turned(clause: str, mentions: list[Mention]) -> list[Mention]:
    """With a passive between two names the first is asked, the second asks."""
    turned = list(mentions)
    for at in range(len(turned) - 1):
        gap = clause[turned[at].end : turned[at + 1].start]
        refuses = MASK in gap and not gap.strip(f"{MASK} ") and re.match(r"\s*的\s*(?:连接|请求|访问|包)", clause[turned[at + 1].end :])
        if refuses or _passive().fullmatch(gap):
            turned[at] = turned[at]._replace(side=TARGET)
            turned[at + 1] = turned[at + 1]._replace(side=SENDER)
    return turned


def _side(clause: str, mention: Mention, before: Sequence[Marker], after: Sequence[Marker], *, last: bool) -> str:
    """Side of one mention by what stands before and after it."""
    if "://" in mention.text or _port_on(clause, mention) or (_lacked(clause, mention) and not (before and before[-1].kind == "from")):
        # What has a scheme is asked for ("connection refused from http://db"), and what somebody lacks.
        return TARGET
    following = clause[mention.end :].lstrip()
    if after and after[0].kind == "arrow" and not clause[mention.end : after[0].start].strip() and not _told_error(clause, after[0].end):
        return SENDER
    leading = before[-1].kind if before else ""
    if leading == "from" and clause[before[-1].start : before[-1].end] in {"on", "in"} and _is_place(clause, mention):
        return TARGET if mention.port else ""
    if leading in ("from", "between"):
        return SENDER
    if leading in ("to", "fails", "arrow"):
        return TARGET
    if mention.role in OUTER or (mention.port and mention.text.lower().startswith(phrases.OWN_HOST_NAMES)):
        return TARGET
    if mention.role == "clients":
        return SENDER
    if following.startswith(phrases.INSIDE):
        return SENDER
    if not after:
        return ""
    return _by_verb(after, last=last, inside=_cannot(clause, mention.end))


def _lacked(clause: str, mention: Mention) -> bool:
    """Whether somebody lacks it: "no internet access"."""
    return mention.role == "internet" and clause[mention.end :].lstrip().startswith(("access", "connection", "connectivity"))


def _is_place(clause: str, mention: Mention) -> bool:
    """Whether what stands behind "on" or "in" is a place rather than a sender.

    "mysql on the host 10.2.0.9:3306": nobody tells the port that a client sends from; "10.2.0.9 on the other node".
    """
    asks = _cannot(clause, mention.end) and not re.match(r"\s*(?:cannot|can't|can not|could not|couldn't) be\b", clause[mention.end :])
    return not asks and ((mention.address and mention.port > 0) or (mention.role == "others" and not mention.host))


def _told_error(clause: str, at: int) -> bool:
    """Whether what follows is what a program said ("ping 10.2.0.9 -> No route to host"), not a target."""
    return clause[at:].lstrip()[:1] in {MASK, MASKED_VERB}


def _by_verb(after: Sequence[Marker], *, last: bool, inside: bool) -> str:
    """Side of a mention that nothing precedes, by the verb that follows it."""
    if after[0].kind in {"passive", "seen"}:
        return TARGET
    if inside or after[0].kind in ("to", "sends"):
        return SENDER
    if after[0].kind == "fails":
        return "" if last else SENDER
    return ""


def _opposite(mentions: list[Mention]) -> list[Mention]:
    """With "between A and B" the second name is the target."""
    sides = [m.side for m in mentions]
    if len(mentions) == 2 and sides == [SENDER, SENDER]:
        return [mentions[0], mentions[1]._replace(side=TARGET)]
    return mentions
