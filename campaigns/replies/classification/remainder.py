"""Remainder of a sentence that asks to opt out: words that may stand in it without limiting the wish.

"Stop texting me" is obeyed. "Stop texting me in English", "opt me out of the lottery" and "don't text me, at weekends"
ask for something else. No list of such limits is ever complete, so the rules list the words that do not limit a wish.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PARTS: Final = ("asks", "follows", "opens", "lessens", "narrows", "family")
"""Lists of a language's `[wish]` that this module uses; all languages share them."""
MAX_PARTS: Final = 24
"""Most words or phrases behind a wish that are tried; longer ones are left to a person."""
_SENTENCE_END: Final = re.compile(r"(?<=[.!?\u2026])\s+|\n[ \t]*\n|\n(?=[^a-z]|$)")
_LINK: Final = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class Remainder:
    """Patterns for the sentence around a wish.

    Attributes:
        asks: the beginning of a wish that is more than a word: "stop texting", "remove".
        follows: words that complete it or add nothing: "me", "from your list", "ever again".
        opens: beginnings of a remark about it: "I have left", "this is".
        lessens: words in such a remark that limit the wish: "only", "prefer".
        narrows: beginnings that limit the wish behind them: "at weekends".
        family: a word that asks for an opt-out in any form, and is not a name.
    """

    asks: re.Pattern[str]
    follows: tuple[re.Pattern[str], ...]
    opens: re.Pattern[str]
    lessens: re.Pattern[str]
    narrows: re.Pattern[str]
    family: re.Pattern[str]

    @classmethod
    def of(cls, languages: Mapping[str, Mapping[str, Sequence[str]]]) -> Remainder:
        """Compile the lists of all languages; a list that a language lacks is empty."""
        some = {part: [word for words in languages.values() for word in words.get(part, ())] for part in PARTS}
        # a folder of rules may have no wish at all: "(?!)" fits nowhere
        any_of = {part: "|".join(patterns) or "(?!)" for part, patterns in some.items()}
        return cls(
            asks=re.compile(rf"(?<!\S)(?:{any_of['asks']})(?!\S)"),
            follows=tuple(re.compile(rf"(?:{word})(?: |$)") for word in some["follows"]),
            opens=re.compile(rf"(?:{any_of['opens']})(?: |$)"),
            lessens=re.compile(rf"(?<!\S)(?:{any_of['lessens']})(?!\S)"),
            narrows=re.compile(rf"(?:{any_of['narrows']})(?:(?<= )| |$)"),
            family=re.compile(any_of["family"]),
        )

    def qualified(
        self, clauses: Sequence[str], is_word: Callable[[str], bool], is_said: Callable[[str], bool]
    ) -> set[int]:
        """Return the numbers of the clauses of one sentence that ask for something else than to stop all messages.

        Args:
            clauses: of the sentence.
            is_word: tells whether a clause has a single word of opting out: "STOP".
            is_said: tells whether words are a claim, a reason, a wish or a name, which leave a wish as it is.
        """
        numbers = set[int]()
        phrases = [number for number, clause in enumerate(clauses) if self.asks.search(clause)]
        for number, clause in enumerate(clauses):
            before = [phrase for phrase in phrases if phrase < number]
            if number in phrases:
                if not self._is_whole(clause, is_said):
                    numbers.add(number)
            elif before:
                if not self.completes(clause, is_said):
                    numbers.update((*before, number))
            elif self.narrows.match(clause):
                numbers.update(phrase for phrase in phrases[:1] if phrase > number)
                words = [index for index in range(number) if is_word(clauses[index])]
                numbers.update((*words, number) if words or phrases else ())
        return numbers

    def _is_whole(self, clause: str, is_said: Callable[[str], bool]) -> bool:
        asks = list(self.asks.finditer(clause))
        if self.narrows.match(clause[: asks[0].start()].strip()):
            return False
        return all(self.completes(clause[ask.end() :].strip(), is_said) for ask in asks)

    def completes(self, words: str, is_said: Callable[[str], bool]) -> bool:
        """Tell whether words behind a wish complete it, or say something else beside it; a question mark ends them.

        Args:
            words: up to the end of the clause.
            is_said: tells whether words are a claim, a reason, a wish or a name, which leave a wish as it is.
        """
        rests = list(self._rests(words.partition("?")[0].strip()))
        if rests[-1] == "":
            return True
        if any(self.asks.match(rest) or is_said(rest) for rest in rests):
            return True
        return any(self.opens.match(rest) for rest in rests) and not self.lessens.search(words)

    def _rests(self, words: str) -> Iterator[str]:
        """Yield the words, and the rest of them behind each phrase that follows a wish."""
        for _ in range(MAX_PARTS):
            yield words
            end = max((match.end() for pattern in self.follows if (match := pattern.match(words))), default=0)
            if not words or not end:
                return
            words = words[end:]


def sentences(text: str) -> list[str]:
    """Return the sentences of a text.

    A line that begins with a small letter continues the sentence above; links are left out.
    """
    return [sentence for sentence in _SENTENCE_END.split(_LINK.sub(" ", text)) if sentence.strip()]
