"""Pages of the catalogue as Markdown: an index and one page a rule, in English and Chinese."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from engine.catalogue.example import Example, Mend, examples
from engine.catalogue.words import LAYERS, SEVERITIES, guard, pick, signs, symptom, word
from engine.rulebase.model import LANGUAGES
from engine.rulebase.model import LAYERS as ORDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.catalogue.proofs import Proofs
    from engine.rulebase.model import Rule

SPECIAL = re.compile(r"(`[^`]*`)|([\\*<>|])")
"""Code, which stays, and characters that Markdown would take for its own."""
ALIKE = 0.9
"""Share of common text from which on a variant is not told again."""
ADDRESS = re.compile(r"https?://\S+")


class Entry(NamedTuple):
    """A rule with its worked examples."""

    rule: Rule
    examples: tuple[Example, ...]


def pages(rules: Sequence[Rule], proofs: Proofs, command: str) -> dict[str, str]:
    """File name → text of all pages; rules that make no finding have none.  ``command`` is what writes them."""
    entries = [Entry(rule, tuple(examples(rule, rules, LANGUAGES))) for rule in rules if rule.finding]
    found = {}
    for lang in LANGUAGES:
        found[_file("README", lang)] = _text(_index(entries, lang, command))
        for entry in entries:
            found[_file(entry.rule.id, lang)] = _text(_page(entry, proofs, lang))
    return found


def _file(name: str, lang: str) -> str:
    return f"{name}.md" if lang == "en" else f"{name}.{lang}.md"


def _text(blocks: Iterator[str]) -> str:
    return "\n\n".join(blocks) + "\n"


def _index(entries: Sequence[Entry], lang: str, command: str) -> Iterator[str]:
    yield f"# {word('index', lang)}"
    yield word("other", lang)
    yield word("index-about", lang, n=len(entries), command=command)
    for layer in ORDER:
        here = [entry for entry in entries if entry.rule.layer == layer]
        if here:
            yield f"## {pick(LAYERS[layer], lang)}"
            head = _row([word(key, lang) for key in ("mode", "for-example", "client")])
            yield "\n".join([head, "|---|---|---|", *(_summary(entry, lang) for entry in here)])


def _summary(entry: Entry, lang: str) -> str:
    rule = entry.rule
    client = word("comma", lang).join(symptom(name, lang) for name in rule.symptoms)
    return _row([f"[{rule.id}]({_file(rule.id, lang)})", _title(entry, lang), client])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _title(entry: Entry, lang: str) -> str:
    return escape(entry.examples[0].title[lang]) if entry.examples else entry.rule.id


def _page(entry: Entry, proofs: Proofs, lang: str) -> Iterator[str]:
    rule = entry.rule
    yield f"# {rule.id}"
    yield word("back", lang, id=rule.id)
    yield word("names", lang)
    yield f"## {word('wrong', lang)}"
    yield _title(entry, lang)
    yield word("facts", lang, layer=pick(LAYERS[rule.layer], lang), severity=pick(SEVERITIES[rule.severity], lang))
    yield f"## {word('recognise', lang)}"
    yield from _recognise(rule, lang)
    yield f"## {word('happens', lang)}"
    yield from _happens(entry, lang)
    yield f"## {word('mend', lang)}"
    yield from _mends(entry, lang)
    yield f"## {word('proof', lang)}"
    yield _proof(rule, proofs, lang)
    if rule.references:
        yield f"## {word('references', lang)}"
        yield _list(_reference(text) for text in rule.references)


def _recognise(rule: Rule, lang: str) -> Iterator[str]:
    seen = word("comma", lang).join(symptom(name, lang) for name in rule.symptoms)
    yield word("client-sees", lang, what=seen) if seen else word("client-any", lang)
    lines = [signs(pattern, lang) for pattern in rule.when]
    lines += [guard(one, lang) for one in rule.guards]
    lines += [word("absent", lang, what=signs(pattern, lang)) for pattern in rule.none]
    yield word("evidence" if lines else "evidence-cases", lang)
    if lines:
        yield _list(lines)
    for branch in rule.branches:
        more = [signs(pattern, lang) for pattern in branch.when]
        more += [guard(one, lang) for one in branch.guards]
        more += [word("absent", lang, what=signs(pattern, lang)) for pattern in branch.none]
        if more:
            yield word("one-of" if lines else "case", lang, name=branch.name)
            yield _list(more)
    cases = [(test.name, rule.id in {expected.id for expected in test.expect}) for test in rule.tests]
    for key, wanted in (("is", True), ("is-not", False)):
        yield word(key, lang)
        yield _list(escape(name) for name, fires in cases if fires is wanted)


def _happens(entry: Entry, lang: str) -> Iterator[str]:
    told: list[str] = []
    for example in entry.examples:
        for text in (example.cause[lang], example.extra[lang]):
            if text and not any(_alike(text, other) for other in told):
                if told and example.branch and text == example.cause[lang]:
                    yield escape(word("variant", lang, name=example.branch, title=example.title[lang]))
                yield from (escape(part.strip()) for part in text.split("\n") if part.strip())
                told.append(text)


def _alike(one: str, other: str) -> bool:
    """Whether two texts differ in little more than the names of their examples."""
    from difflib import SequenceMatcher

    return SequenceMatcher(None, one, other, autojunk=False).ratio() > ALIKE


def _mends(entry: Entry, lang: str) -> Iterator[str]:
    told: set[tuple[str, ...]] = set()
    for example in entry.examples:
        for mend in example.mends:
            if mend.commands not in told and (mend.op, mend.title["en"]) not in told:
                told.update({mend.commands, (mend.op, mend.title["en"])})
                yield from _mend(mend, lang)
    if not told:
        yield word("no-mend", lang)


def _mend(mend: Mend, lang: str) -> Iterator[str]:
    yield f"### {escape(mend.title[lang])}"
    yield word("risk", lang, risk=pick(SEVERITIES[mend.risk], lang) if mend.risk in SEVERITIES else mend.risk)
    yield _code(mend.commands)
    for key, commands in (("persist", mend.persist), ("undo", mend.undo)):
        if commands:
            yield word(key, lang)
            yield _code(commands)


def _code(commands: Sequence[str]) -> str:
    lines = [line.rstrip() for command in commands for line in command.split("\n")]
    return "\n".join(["```sh", *lines, "```"])


def _proof(rule: Rule, proofs: Proofs, lang: str) -> str:
    fires = sum(rule.id in {expected.id for expected in test.expect} for test in rule.tests)
    lines = [word("own-tests", lang, fires=fires, silent=len(rule.tests) - fires)]
    for lab in proofs.labs.get(rule.id, ()):
        text = word("lab", lang, file=lab.file, kernel=word("kernel-vm" if lab.machine else "kernel", lang))
        if lab.about and lang == "en":
            text += f": {escape(lab.about)}"
        if lab.alike:
            alike = word("alike", lang, names=word("comma", lang).join(f"`{name}`" for name in lab.alike))
            text += f"{'' if text.endswith('.') else '.'} {alike[0].upper()}{alike[1:]}." if lang == "en" else f"；{alike}。"
        lines.append(text)
    if rule.id in proofs.rows:
        why, what = proofs.rows[rule.id]
        lines.append(escape(f"{what} ({why})" if lang == "en" else f"{what}（{why}）"))
    return _list(lines)


def _list(items: Iterator[str] | Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _reference(text: str) -> str:
    return ADDRESS.sub(lambda found: f"<{found[0]}>", text)


def escape(text: str) -> str:
    """Text as Markdown shows it as it is, but for code in backticks."""
    return SPECIAL.sub(lambda found: found[1] or f"\\{found[2]}", " ".join(text.split()))


def foreign(text: str) -> bool:
    """Whether a page was not written by this program."""
    heads = {word("names", lang) for lang in LANGUAGES}
    # An index says in its last words who wrote it.
    heads |= {word("index-about", lang, n=0, command="\0").partition("\0")[2] for lang in LANGUAGES}
    return not any(head in text for head in heads)
