"""Question files: the `[question]` table that describes a question. docs/questions.md explains every key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, field_validator, model_validator

from core.errors import SpecError
from core.setting_types import Zone
from core.spec_errors import near_miss
from core.spec_file import Moment, Name, OneLine, SpecTable, Text, at_zone, read_document, read_many, read_table
from messaging.content.languages import DEFAULT, code
from messaging.network_words import NETWORK_WORDS
from services.questions.phrases import fold_phrase

MAX_ANSWERS: Final = 10
"""Most answers of a question: as many as there are digits."""
MAX_LABEL_LENGTH: Final = 60
"""Most characters of a label: it stands on a button of a phone."""
NOT_NAMES: Final = frozenset(
    {"opt_out", "opt_in", "help", "call_me", "wrong_number", "reaction", "unclear", "comment", "none"}
)
"""Names of other readings of a reply, which no answer may have."""
_NOT_ANSWERS: Final = frozenset(fold_phrase(word) for word in NETWORK_WORDS)
_ADDED: Final = frozenset([
    "a", "all", "it", "me", "now", "ok", "okay", "please", "pls", "plz", "sms", "text", "texts", "thank", "thanks",
    "thx", "this", "today", "us", "you",
])  # fmt: skip
"""Words that people leave out or put beside a word at will: “CANCEL please” comes as CANCEL, too."""


def _answer_name(value: str) -> str:
    if not value.isascii() or not value.replace("_", "").isalpha() or value != value.lower() or value[0] == "_":
        raise ValueError(f"“{value}” is not lower-case letters with underscores, such as very_good")
    if value in NOT_NAMES:
        raise ValueError(f"“{value}” already means something in replies; choose another name")
    return value


def _network_word_in(phrase: str) -> str | None:
    """Return the word of a folded phrase that networks act on, if nothing beside it has a meaning; else None."""
    if phrase in _NOT_ANSWERS:
        return phrase
    meant = " ".join(word for word in phrase.split() if word not in _ADDED)
    return meant if meant in _NOT_ANSWERS else None


def _digit(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str) or str(value) not in set("0123456789"):
        raise ValueError(f"“{value}” is not one digit, 0 to 9: nothing longer can be offered in a text")
    return str(value)


AnswerName = Annotated[str, Field(min_length=1, max_length=30), AfterValidator(_answer_name)]
Digit = Annotated[str, BeforeValidator(_digit)]
Label = Annotated[str, Field(min_length=1, max_length=MAX_LABEL_LENGTH), OneLine]
AnswerWords = Annotated[tuple[Text, ...], BeforeValidator(read_many)]


class AnswerSpec(SpecTable):
    """Contents of one of the `[[question.answers]]`, in the order in which people see them."""

    name: AnswerName
    label: Label
    digit: Digit | None = None
    words: AnswerWords = ()
    low: StrictBool = False


class AnswerTranslation(SpecTable):
    """Contents of a `[question.translations.cy.answers.good]` table: one answer in another language."""

    label: Label
    words: AnswerWords = ()


class QuestionTranslation(SpecTable):
    """Contents of a `[question.translations.cy]` table: the question in another language."""

    title: Annotated[Text, OneLine]
    asks: Text
    comment: Text | None = None
    answers: dict[str, AnswerTranslation]


class QuestionSpec(SpecTable):
    """Contents of a `[question]` table."""

    name: Name
    title: Annotated[Text, OneLine]
    organisation: str | None = None
    time_zone: Zone | None = None
    asks: Text
    opens: Moment | None = None
    closes: Moment
    comment: StrictBool | Text = True
    answers: Annotated[tuple[AnswerSpec, ...], Field(min_length=2, max_length=MAX_ANSWERS)]
    translations: dict[str, QuestionTranslation] = Field(default_factory=dict)

    @field_validator("translations")
    @classmethod
    def _known_languages(cls, value: dict[str, QuestionTranslation]) -> dict[str, QuestionTranslation]:
        for language in value:
            if code(language) != language or language == DEFAULT:
                raise ValueError(f"“{language}” is not the code of another language, such as cy for Welsh")
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        zone = ZoneInfo(self.time_zone or "UTC")
        if self.opens is not None and at_zone(self.closes, zone, end=True) <= at_zone(self.opens, zone):
            raise ValueError("closes: the question closes before it opens")
        return self

    @model_validator(mode="after")
    def _answers_differ(self) -> Self:
        digits, names = dict[str, str](), dict[str, str]()
        for position, answer in enumerate(self.answers, start=1):
            key = f"answers[{position}]"
            if answer.name in names:
                raise ValueError(f"{key}.name: there are two answers {answer.name}")
            names[answer.name] = key
            if answer.digit is not None and (other := digits.setdefault(answer.digit, answer.name)) != answer.name:
                raise ValueError(f"{key}.digit: {answer.digit} is the digit of {other}, too")
        self._phrases_differ()
        for language, translated in self.translations.items():
            key = f"translations.{language}.answers"
            for name in translated.answers:
                if name not in names:
                    raise ValueError(f"{key}: there is no answer {name}{near_miss(name, names)}")
            if lacking := [name for name in names if name not in translated.answers]:
                raise ValueError(f"{key}: {' and '.join(lacking)} must be translated, too")
        return self

    def _phrases_differ(self) -> None:
        """Check that no phrase of any language means two answers, and that networks act on none."""
        meant: dict[str, str] = {}
        for key, name, phrase in self._phrases():
            plain = fold_phrase(phrase)
            if not plain:
                raise ValueError(f"{key}: “{phrase}” has no letters or digits that somebody could text")
            if (word := _network_word_in(plain)) is not None:
                short = "" if word == plain else f"easily sent as “{word}”, "
                raise ValueError(
                    f"{key}: “{phrase}” is {short}a word that mobile networks act on themselves, so it never arrives as"
                    " an answer; choose another"
                )
            if plain.isdigit():
                raise ValueError(f"{key}: “{phrase}” is a number; give the answer a digit instead")
            if (other := meant.setdefault(plain, name)) != name:
                raise ValueError(f"{key}: “{phrase}” means the answer {other}, too")

    def _phrases(self) -> Iterator[tuple[str, str, str]]:
        """Yield every phrase that counts as an answer: its key in the file, the answer, the phrase."""
        for position, answer in enumerate(self.answers, start=1):
            key = f"answers[{position}]"
            yield f"{key}.name", answer.name, answer.name.replace("_", " ")
            yield f"{key}.label", answer.name, answer.label
            yield from ((f"{key}.words", answer.name, word) for word in answer.words)
        for language, translated in self.translations.items():
            for name, theirs in translated.answers.items():
                key = f"translations.{language}.answers.{name}"
                yield f"{key}.label", name, theirs.label
                yield from ((f"{key}.words", name, word) for word in theirs.words)

    def translations_json(self) -> dict[str, Any]:
        """Return the translations in the form stored in the database."""
        return {
            language: translation.model_dump(mode="json", exclude_none=True)
            for language, translation in self.translations.items()
        }


def load_question_spec(path: Path) -> QuestionSpec:
    """Read the `[question]` of a file.

    Raises:
        SpecError: the file cannot be read, has no such table, or something in it is wrong; each problem names its key.
    """
    table = read_document(path, {"question": QuestionSpec.model_fields}).get("question")
    if table is None:
        raise SpecError(f"{path} has no [question].", remedy="docs/questions.md shows a complete file.")
    return read_table(QuestionSpec, table, path, "question")
