"""Read a reply: what did the person mean? Rules are data (`rules.toml`), tried in order; the first that fits decides.

Two mistakes are not made: taking for a vote what is none, and missing a plain STOP. Everything else that is not clear
is `unclear`, and a person reads it.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

READINGS: Final = frozenset(
    {
        "opt_out",
        "opt_in",
        "help",
        "voted",
        "not_voted",
        "will_vote",
        "no_ballot_paper",
        "call_me",
        "wrong_number",
        "unclear",
    }
)
LONGEST: Final = 4000
"""Characters looked at. Longer than any text message; an email's first 4,000 say what it wants or nobody can tell."""
LONGEST_WORD: Final = 30
"""Characters of a word looked at, so that no pattern meets a word it would go over again and again."""

_RULES: Final = Path(__file__).with_name("rules.toml")
_JOINERS: Final = re.compile("['\u2018\u2019\u02bc`\u00b4\u200b-\u200d\u2060\ufeff\ufe0f\u20e3\u00ad]")
_CLAUSE_END: Final = re.compile(r"[.,;:!\n\r()\u2013\u2014\u2026|/]+|\s[-*]\s")
_WORDS: Final = re.compile(r"[^\W_]+|\?")
_DIGIT: Final = re.compile(
    r"(?:(?:option|number|answer|press|reply|its|no|hi|hello|yes|ok) ){0,2}(?P<digit>\d{1,2})"
    r"(?: (?:please|thanks|thank you|ta|cheers|x|diolch)){0,2}"
)
_DIGIT_FIRST: Final = re.compile(r"(?P<digit>\d{1,2}) (?P<rest>.+)")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply says.

    Attributes:
        reading: one of `READINGS`.
        rule: the rule that decided; `none` where none fits.
        version: of the rules.
        also: a second thing the same reply says, such as the vote in "Voted, now stop texting me".
    """

    reading: str
    rule: str
    version: str
    also: str | None = None


@dataclass(frozen=True, slots=True)
class _Plain:
    """A text made plain: its clauses, and the words without punctuation (a question mark stays)."""

    clauses: tuple[str, ...]

    @property
    def words(self) -> str:
        return " ".join(self.clauses)


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    reading: str
    longest: int
    strangers: int | None
    whole: tuple[re.Pattern[str], ...]
    clause: tuple[re.Pattern[str], ...]
    anywhere: tuple[re.Pattern[str], ...]
    unless: tuple[re.Pattern[str], ...]

    def match(self, plain: _Plain, harmless: re.Pattern[str], familiar: frozenset[str]) -> str | None:
        """The words that made the rule fit, or None."""
        words = plain.words
        if words.count(" ") >= self.longest:
            return None
        guarded = " ".join(harmless.sub(" ", words).split())
        found = self._found((*plain.clauses, guarded), words)
        if found is None:
            return None
        if any(guard.search(guarded) for guard in self.unless):
            return None
        if self.strangers is not None:
            beside = guarded.replace(found, " ", 1).split()
            if sum(word not in familiar for word in beside) > self.strangers:
                return None
        return found

    def _found(self, clauses: Sequence[str], words: str) -> str | None:
        tries = [pattern.fullmatch(words) for pattern in self.whole]
        tries += [pattern.match(clause) for pattern in self.clause for clause in clauses]
        tries += [pattern.search(words) for pattern in self.anywhere]
        return next((match.group() for match in tries if match), None)


@dataclass(frozen=True, slots=True)
class _Rules:
    version: str
    spellings: Mapping[str, str]
    pictures: Mapping[int, str]
    harmless: re.Pattern[str]
    familiar: frozenset[str]
    rules: tuple[_Rule, ...]

    def plain(self, text: str) -> _Plain:
        text = unicodedata.normalize("NFKC", text[:LONGEST]).casefold()
        text = _JOINERS.sub("", text).translate(self.pictures)
        clauses = (
            " ".join(self.spellings.get(word, word[:LONGEST_WORD]) for word in _WORDS.findall(clause))
            for clause in _CLAUSE_END.split(text)
        )
        return _Plain(tuple(clause for clause in clauses if clause))

    def read(self, plain: _Plain) -> tuple[str, _Rule | None]:
        """The words matched and the first rule that fits."""
        for rule in self.rules:
            found = rule.match(plain, self.harmless, self.familiar)
            if found is not None:
                return found, rule
        return "", None


def read_reply(text: str, menu: Mapping[str, str] | None = None) -> Reading:
    """Read one reply.

    Args:
        text: as it came.
        menu: the digits the message offered and what each means, `{"1": "voted"}`.
    """
    rules = _load()
    plain = rules.plain(text)
    found, rule = rules.read(plain)
    if menu and not (rule and rule.reading in {"opt_out", "opt_in", "help"}):
        chosen = _by_digit(rules, plain.words, menu)
        if chosen is not None:
            return chosen
    if rule is None:
        return Reading("unclear", "none", rules.version)
    return Reading(rule.reading, rule.name, rules.version, _also(rules, plain, found, rule))


def _by_digit(rules: _Rules, words: str, menu: Mapping[str, str]) -> Reading | None:
    """A digit the message offered; words after it must not say something else."""
    if (alone := _DIGIT.fullmatch(words)) is not None:
        reading = menu.get(str(int(alone["digit"])), "unclear")
        return Reading(reading if reading in READINGS else "unclear", "digit", rules.version)
    first = _DIGIT_FIRST.fullmatch(words)
    meant = menu.get(str(int(first["digit"]))) if first else None
    if first is None or meant is None:
        return None
    _, rule = rules.read(_Plain((first["rest"],)))
    agreed = rule is not None and rule.reading == meant
    return Reading(meant, "digit_and_words", rules.version) if agreed else Reading("unclear", "digit", rules.version)


def _also(rules: _Rules, plain: _Plain, found: str, first: _Rule) -> str | None:
    """What the rest of the reply says, once the words that decided are taken out."""
    rest = _Plain(tuple(left for clause in plain.clauses if (left := clause.replace(found, " ").strip())))
    if rest.words == plain.words and first.reading != "call_me":
        rest = _Plain(tuple(left for left in (plain.words.replace(found, " ").strip(),) if left))
    _, rule = rules.read(rest)
    if rule is None or rule.reading == first.reading:
        return None
    # an opt-out is obeyed whatever else is said; anything more delicate a person reads in full
    return rule.reading if first.reading == "opt_out" or rule.reading == "call_me" else None


@cache
def _load() -> _Rules:
    data = tomllib.loads(_RULES.read_text(encoding="utf-8"))
    vocabulary: dict[str, str] = {}
    for name, pattern in data["vocabulary"].items():
        vocabulary[name] = _fill(pattern, vocabulary)
    guards = {name: _either(patterns, vocabulary) for name, patterns in data["guards"].items()}
    return _Rules(
        version=data["version"],
        spellings=MappingProxyType(data["spellings"]),
        pictures=MappingProxyType({ord(picture): f" {word} " for picture, word in data["pictures"].items()}),
        harmless=re.compile(rf"\b(?:{'|'.join(data['harmless']['phrases'])})\b"),
        familiar=frozenset(data["familiar"]["words"].split()),
        rules=tuple(_rule(entry, vocabulary, guards) for entry in data["rule"]),
    )


def _rule(entry: Mapping[str, Any], vocabulary: Mapping[str, str], guards: Mapping[str, re.Pattern[str]]) -> _Rule:
    def compiled(key: str) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(_fill(pattern, vocabulary)) for pattern in entry.get(key, ()))

    return _Rule(
        name=entry["name"],
        reading=entry["reading"],
        longest=entry.get("longest", 400),
        strangers=entry.get("strangers"),
        whole=compiled("whole"),
        clause=compiled("clause"),
        anywhere=compiled("anywhere"),
        unless=tuple(guards[name] for name in entry.get("unless", ())),
    )


def _either(patterns: Sequence[str], vocabulary: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{_fill(pattern, vocabulary)})" for pattern in patterns))


def _fill(pattern: str, vocabulary: Mapping[str, str]) -> str:
    """`{name}` becomes the vocabulary's pattern; `{0,3}` is a regular expression's own."""
    return re.sub(r"\{([a-z_]+)\}", lambda match: vocabulary[match[1]], pattern)
