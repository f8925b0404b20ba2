"""Symptoms about names: whether a text complains of look-ups, and of which name."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from engine.question import phrases
from engine.question.tokens import holds

_BEFORE: Final = (
    "could not resolve host name", "could not resolve hostname", "could not resolve host", "couldn't resolve host name", "couldn't resolve host",
    "unable to resolve host address", "unable to resolve host", "unable to resolve", "could not resolve", "couldn't resolve", "cannot resolve",
    "can not resolve", "can't resolve", "failed to resolve", "fails to resolve", "not resolve", "java.net.unknownhostexception",
    "unknownhostexception", "unknown mysql server host", "could not translate host name", "host not found in upstream", "unknown host",
    "bad address", "server can't find", "can't find", "getaddrinfo enotfound", "getaddrinfo eai_again", "getaddrinfo for", "enotfound",
    "eai_again", "nslookup", "dig", "resolving", "resolve", "lookup of", "lookups of", "lookup", "look up", "nxdomain for", "servfail for",
    "nxdomain", "servfail", "解析不了", "解析不到", "无法解析", "不能解析", "解析",
)  # fmt: skip
"""Words that stand right before the name, the longest first."""

_AFTER: Final = (
    "temporary failure in name resolution", "name or service not known", "name does not resolve", "no address associated with hostname",
    "nodename nor servname provided", "could not be resolved", "cannot be resolved", "can't be resolved", "does not resolve", "doesn't resolve",
    "no such host", "nxdomain", "servfail", "not found: 3", "not found: 2", "解析失败", "域名解析暂时失败", "未知的名称或服务",
)
"""Words that stand right after it: ``ping: db: Name or service not known``."""

_NO_NAME: Final = frozenset({
    "host", "hosts", "hostname", "name", "names", "the", "a", "an", "any", "address", "addresses", "domain", "domains", "dns", "service",
    "services", "server", "container", "containers", "pod", "pods", "takes", "take", "is", "are", "of", "in", "on", "for", "from", "to",
    "within", "inside", "external", "internal", "internet", "outside", "other", "error", "errors", "failed", "failure", "timeout", "slow",
    "slowly", "fails", "with", "at", "by", "and", "or", "but", "not", "its", "it", "all", "some", "query", "queries", "lookup", "lookups",
    "resolution", "resolver", "udp", "tcp", "read", "i/o", "again", "errno", "code",
    # Pronouns and determiners stand for names, and are none.
    "anything", "everything", "nothing", "something", "them", "this", "that", "these", "those", "each", "every", "no", "my", "our", "their", "your",
})  # fmt: skip
"""Words that may stand there and are no name."""

_NAME: Final = r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?\.?"


def about_names(folded: str) -> bool:
    """Whether a folded symptom is about looking names up, whatever else it says (slow, now and then)."""
    strings = next(words for name, words in phrases.ERRORS if name == "dns")
    return holds(folded, strings) or holds(folded, phrases.WEAK_DNS) or holds(folded, phrases.LOOKUPS) or any(w in folded for w in phrases.LOOKUPS_ZH)


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    latin = "|".join(re.escape(phrase) for phrase in _BEFORE if phrase.isascii())
    chinese = "|".join(re.escape(phrase) for phrase in _BEFORE if not phrase.isascii())
    after = "|".join(map(re.escape, _AFTER))
    before = rf"(?:(?<![a-z])(?:{latin})[ \t:'\"`(=]{{1,6}}|(?:{chinese})[ :]{{0,2}})(?:(?:host|name|hostname|the|域名)[ :'\"]{{1,3}}|域名)?"
    return (
        re.compile(rf"{before}(?P<name>{_NAME})(?![\w-]|'t\b)", re.ASCII),
        re.compile(rf"(?<![\w.-])(?P<name>{_NAME})[ '\"`):]{{1,4}}(?:\(\S{{1,40}}\) )?(?:lookup )?(?:{after})", re.ASCII),
    )


def looked_up(folded: str) -> str:
    """The name that a folded symptom says does not resolve, without its last dot; "" if it names none."""
    for pattern in _patterns():
        for match in pattern.finditer(folded):
            name = match["name"].rstrip(".")
            if name not in _NO_NAME and not name.replace(".", "").isdigit() and not name.endswith("..."):
                return name
    return ""
