"""Rules for reading replies: data, one file per language (`rules/`), compiled into one list.

Guards, spellings and harmless phrases of all languages are combined, so that a reply in two languages is read as safely
as a reply in one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from campaigns.replies.classification.plain import Plain, make_plain
from campaigns.replies.classification.remainder import PARTS as REMAINDERS
from campaigns.replies.classification.remainder import Remainder
from campaigns.replies.classification.wish import PARTS, WORDS, Wish

FOLDER: Final = Path(__file__).with_name("rules")
ORDER: Final = "order.toml"
MAX_WORDS: Final = 400
"""Most words of a reply for a rule that names no limit."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Rule for one reading.

    Attributes:
        name: unique.
        stage: the stage at which it is tried.
        language: the language of its file.
        reading: the reading of a reply that it fits.
        examples: replies it must fit; a test checks them.
        longest: the most words a reply may have.
        strangers: how many unfamiliar words may stand beside the match; None for any number.
        whole: patterns for all the words.
        sentence: patterns for all of any clause.
        clause: patterns for the beginning of any clause.
        anywhere: patterns for any place.
        unless: guards that forbid it.
    """

    name: str
    stage: str
    language: str
    reading: str
    examples: tuple[str, ...]
    longest: int
    strangers: int | None
    whole: tuple[re.Pattern[str], ...]
    sentence: tuple[re.Pattern[str], ...]
    clause: tuple[re.Pattern[str], ...]
    anywhere: tuple[re.Pattern[str], ...]
    unless: tuple[re.Pattern[str], ...]

    def match(self, plain: Plain, harmless: re.Pattern[str], familiar: frozenset[str]) -> str | None:
        """Return the words that the rule matched, or None if it does not fit."""
        words = plain.words
        if words.count(" ") >= self.longest:
            return None
        guarded = " ".join(harmless.sub(" ", plain.guarded).split())
        matched = self._first_match((*plain.clauses, guarded), (words, plain.ungreeted, plain.unsigned))
        if matched is None or any(guard.search(guarded) for guard in self.unless):
            return None
        if self.strangers is not None:
            beside = guarded.replace(matched, " ", 1).split()
            strange = (word not in familiar and word not in plain.names and not word.isdigit() for word in beside)
            if sum(strange) > self.strangers:
                return None
        return matched

    def _first_match(self, clauses: Sequence[str], whole: Sequence[str]) -> str | None:
        return next((match.group() for match in self._tries(clauses, whole) if match), None)

    def _tries(self, clauses: Sequence[str], whole: Sequence[str]) -> Iterator[re.Match[str] | None]:
        yield from (pattern.fullmatch(words) for pattern in self.whole for words in dict.fromkeys(whole))
        yield from (pattern.fullmatch(clause) for pattern in self.sentence for clause in clauses)
        yield from (pattern.match(clause) for pattern in self.clause for clause in clauses)
        yield from (pattern.search(whole[0]) for pattern in self.anywhere)


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules of all languages, in order.

    Attributes:
        version: the declared one, and a few digits of a hash of the files.
        spellings: words as typed, and as they are meant.
        pictures: code points of emoji, and the words they stand for.
        harmless: phrases removed before guards are tried.
        familiar: words that add no meaning.
        wishing: words that add no meaning beside an opt-out wish of the writer's own.
        polite: words of politeness, and words around a digit, which add no meaning.
        courteous: words of politeness alone, which may stand beside a wish.
        trailing: words that may end a claim before an opt-out wish: "tomorrow", "though".
        leading: words that may begin a claim behind an opt-out wish: "I", "still", "my".
        digit: a number, with the polite words that may stand around it.
        numbers: numbers in words, and their digits.
        agreeing: by reading, words that confirm a digit with that reading, but mean too little alone.
        wish: removes an opt-out wish from a reply.
        remainder: knows which words may stand in a sentence with such a wish.
        rules: in the order in which they are tried.
    """

    version: str
    spellings: Mapping[str, str]
    pictures: Mapping[int, str]
    harmless: re.Pattern[str]
    familiar: frozenset[str]
    wishing: frozenset[str]
    polite: frozenset[str]
    courteous: frozenset[str]
    trailing: frozenset[str]
    leading: frozenset[str]
    digit: re.Pattern[str]
    numbers: Mapping[str, str]
    agreeing: Mapping[str, re.Pattern[str]]
    wish: Wish
    remainder: Remainder
    rules: tuple[Rule, ...]

    def agrees(self, reading: str, words: str) -> bool:
        """Tell whether words beside a digit confirm its reading."""
        return reading in self.agreeing and self.agreeing[reading].fullmatch(words) is not None

    def plain(self, text: str) -> Plain:
        """Normalise a text. Words that ask for something are not taken for a name: "thanks stop"."""
        plain = make_plain(text, self.spellings, self.pictures)
        named = plain.anonymous if self.wish.is_in(plain.signed) else plain
        asking = frozenset(name for name in named.names if self.remainder.family.fullmatch(name))
        return replace(named, names=named.names - asking) if asking else named

    def read(self, plain: Plain, readings: Collection[str] | None = None) -> tuple[str, Rule | None]:
        """Return the words matched and the first rule that fits; "" and None if none does.

        Args:
            plain: the reply.
            readings: only rules that give one of these readings; None for all.
        """
        for rule in self.rules:
            if readings is not None and rule.reading not in readings:
                continue
            matched = rule.match(plain, self.harmless, self.familiar)
            if matched is not None:
                return matched, rule
        return "", None


@cache
def load_rules(folder: Path = FOLDER) -> Rules:
    """Load the rules of a folder: `order.toml`, and a file for each language.

    Raises:
        ValueError: the files are inconsistent; the message says where.
    """
    content = [(folder / ORDER).read_bytes()]
    order = tomllib.loads(content[0].decode())
    content += [(folder / f"{language}.toml").read_bytes() for language in order["languages"]]
    languages = {
        language: tomllib.loads(data.decode()) for language, data in zip(order["languages"], content[1:], strict=True)
    }
    content += [path.read_bytes() for path in folder.glob("reactions.toml")]
    guards = _guards(languages.values())
    rules = [_rule(entry, language, data, guards) for language, data in languages.items() for entry in data["rule"]]
    for rule in rules:
        if rule.stage not in order["stages"]:
            raise ValueError(f"The rule {rule.name} is at the stage {rule.stage}, which {ORDER} does not name.")
    return Rules(
        version=f"{order['version']}+{sha256(b''.join(content)).hexdigest()[:8]}",
        spellings=MappingProxyType(
            {typed: meant for data in languages.values() for meant, ways in data["spellings"].items() for typed in ways}
        ),
        pictures=MappingProxyType(
            {ord(picture): f" {word} " for word, pictures in order["pictures"].items() for picture in pictures}
        ),
        harmless=_whole_words(phrase for data in languages.values() for phrase in _filled(data, data["harmless"])),
        digit=_digit(languages.values()),
        numbers=MappingProxyType(
            {word: digit for data in languages.values() for word, digit in data["menu"]["numbers"].items()}
        ),
        polite=frozenset(
            word
            for data in languages.values()
            for key in ("before", "after")
            for phrase in data["menu"][key]
            for word in phrase.split()
        ),
        agreeing=MappingProxyType(_agreeing(languages.values())),
        wish=Wish.of(_wishes(languages, PARTS + WORDS)),
        remainder=Remainder.of(_wishes(languages, REMAINDERS)),
        familiar=frozenset(word for data in languages.values() for word in data["familiar"].split()),
        courteous=frozenset(word for data in languages.values() for word in data.get("courteous", "").split()),
        trailing=frozenset(word for data in languages.values() for word in data.get("trailing", "").split()),
        leading=frozenset(word for data in languages.values() for word in data.get("leading", "").split()),
        wishing=frozenset(word for data in languages.values() for word in data.get("wishing", "").split()),
        rules=tuple(sorted(rules, key=lambda rule: order["stages"].index(rule.stage))),
    )


def _wishes(languages: Mapping[str, Mapping[str, Any]], parts: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Return lists of each language's `[wish]`, by part."""
    return {
        language: {part: _filled(data, data["wish"][part]) for part in parts if part in data["wish"]}
        for language, data in languages.items()
        if "wish" in data
    }


def _digit(languages: Iterable[Mapping[str, Any]]) -> re.Pattern[str]:
    """Compile the pattern of a number, alone or with polite words around it."""
    before = "|".join(word for data in languages for word in data["menu"]["before"])
    after = "|".join(word for data in languages for word in data["menu"]["after"])
    numbers = "|".join(word for data in languages for word in data["menu"]["numbers"])
    return re.compile(rf"(?:(?:{before}) ){{0,2}}(?P<digit>\d{{1,2}}|{numbers})(?: (?:{after})){{0,2}}")


def _agreeing(languages: Iterable[Mapping[str, Any]]) -> dict[str, re.Pattern[str]]:
    patterns: dict[str, list[str]] = {}
    for data in languages:
        for reading, mine in data["menu"].get("agrees", {}).items():
            patterns.setdefault(reading, []).extend(_filled(data, mine))
    return {reading: re.compile("|".join(f"(?:{pattern})" for pattern in mine)) for reading, mine in patterns.items()}


def _guards(languages: Iterable[Mapping[str, Any]]) -> Mapping[str, re.Pattern[str]]:
    patterns: dict[str, list[str]] = {}
    for data in languages:
        for name, guard in data["guards"].items():
            mine = patterns.setdefault(name, [])
            if words := guard.get("words"):
                mine.append(rf"\b(?:{'|'.join(_filled(data, words))})\b")
            mine += _filled(data, guard.get("patterns", ()))
    return {name: re.compile("|".join(f"(?:{pattern})" for pattern in mine)) for name, mine in patterns.items()}


def _rule(
    entry: Mapping[str, Any], language: str, data: Mapping[str, Any], guards: Mapping[str, re.Pattern[str]]
) -> Rule:
    def compiled(key: str) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(pattern) for pattern in _filled(data, entry.get(key, ())))

    try:
        return Rule(
            name=entry["name"],
            stage=entry["stage"],
            language=language,
            reading=entry["reading"],
            examples=tuple(entry["examples"]),
            longest=entry.get("longest", MAX_WORDS),
            strangers=entry.get("strangers"),
            whole=compiled("whole"),
            sentence=compiled("sentence"),
            clause=compiled("clause"),
            anywhere=compiled("anywhere"),
            unless=tuple(guards[name] for name in entry.get("unless", ())),
        )
    except KeyError as missing:
        raise ValueError(f"A rule of {language} ({entry.get('name', 'without a name')}) lacks {missing}.") from None


def _whole_words(phrases: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(phrases)})\b")


def _filled(data: Mapping[str, Any], patterns: Iterable[str]) -> list[str]:
    """Replace `{name}` by an alternation of the language's list of that name; `{0,3}`, a quantifier, stays."""
    vocabulary: dict[str, str] = {}
    for name, words in data["vocabulary"].items():
        vocabulary[name] = f"(?:{'|'.join(_fill(word, vocabulary) for word in words)})"
    return [_fill(pattern, vocabulary) for pattern in patterns]


def _fill(pattern: str, vocabulary: Mapping[str, str]) -> str:
    return re.sub(r"\{([a-z_]+)\}", lambda match: vocabulary[match[1]], pattern)
