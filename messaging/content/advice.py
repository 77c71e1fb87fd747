"""Warnings about a template before it is sent: things that are allowed but seldom intended."""

from __future__ import annotations

import re
import unicodedata
from ast import literal_eval
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from core.plurals import plural
from messaging.content import expressions
from messaging.content.expressions import Piece, TemplateSource
from messaging.content.languages import DEFAULT, closest_language, language_name
from messaging.content.segments import beyond_gsm7, count, sanitise
from messaging.content.translations import languages
from messaging.network_words import NETWORK_WORDS, WAYS_OUT

if TYPE_CHECKING:
    from messaging.content.templates import Template
    from messaging.content.vocabulary import SubjectVariable

_MAX_SEGMENTS: Final = 3
_LINK: Final = re.compile(r"\{\{-?\s*([a-z][a-z0-9_]*_link)\b[^}]*\}\}")
_WORD: Final = rf"(?P<word>{'|'.join(NETWORK_WORDS)})"
_INVITED: Final = re.compile(
    r"\b(?:reply|replying|text|txt|send|answer|respond|type|write|say|return|atebwch|ateb|tecstiwch|anfonwch)\b"
    r"(?:\W+(?:back|us|just|simply|either|with|by|to us|the word|the words|a|yn ôl|gyda|y gair))*"
    rf"\W+(?:(?!\d+\W)[\w']+\s*(?:,|/|\bor\b|\band\b|\bneu\b)\s*|\d+\s*(?:,|/|\bor\b|\bneu\b)\s*)*\W?{_WORD}\b",
    re.IGNORECASE,
)
"""Matches `Reply YES`, `text back "stop"`, `reply 1 or yes`, in upper or lower case, because phones may change it."""
_SHOUTED: Final = re.compile(rf"(?<![\w'\u2019-])(?P<word>{'|'.join(NETWORK_WORDS).upper()})(?![\w'\u2019-])")
"""Matches `YES if you have voted`: a word in capitals is meant to be sent."""
_GIVEN_FOR: Final = re.compile(
    rf"(?<![\w'\u2019-])(?P<word>{'|'.join(NETWORK_WORDS)})\W?\s*(?:for|means|=|is)\s*\d\b"
    r"(?!\s+(?!(?:or|and|stop|reply|text)\b)\w)",
    re.IGNORECASE,
)
"""Matches `quit for 2`, and not `end for 2 days`: a word that stands for a digit's answer is no way out."""
_TEXT_IN_EXPRESSION: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_SET: Final = re.compile(r"\{%[-+]?\s*set\s+(\w+)\s*=(.*)\Z", re.DOTALL)
_A_DIGITS_MEANING: Final = re.compile(r"\d\s*(?:[=:).-]|for|means|am|i|os)?\s*\W?\Z", re.IGNORECASE)
_TO_BE_SAID: Final = re.compile(r"\b(?:vote|votes|voted|voting|say|said|saying)\W+\Z", re.IGNORECASE)
_OPTS_OUT: Final = re.compile(
    r"\b(?:opt\W?(?:ing)?\W?out|optout|unsubscribe|stop (?:these|getting|receiving|our|all|texts|messages)"
    r"|to stop\b|to end\b|to leave|no more"
    r"|not want (?:any|these|to)|dad-?danysgrifio|optio allan|eithrio|i stopio|i beidio|beidio â)",
    re.IGNORECASE,
)
_MAX_NEARBY_LENGTH: Final = 34
_AS_AN_ANSWER: Final = re.compile(r"\W*(?:if|once|when|after|os|pan|ar ôl)\b", re.IGNORECASE)
_UNTIL_THE_END: Final = re.compile(r"[^.!?;\n]*")


def cannot_be_answered(sms_from: str) -> bool:
    """Tell whether nobody can reply to a sender: it is a name with letters, and no messaging service."""
    return bool(re.search(r"[A-Za-z]", sms_from)) and not re.fullmatch(r"MG[0-9a-fA-F]{32}", sms_from)


def advice(
    template: Template,
    *,
    subjects: Collection[SubjectVariable],
    sms_from: str | None,
    meanings: Collection[str] | None,
    language: str | None,
    channels: Collection[str],
) -> Iterator[str]:
    """Yield the warnings, one sentence each; a warning about a translation begins with its language."""
    if language in {None, template.language}:
        yield from _of_one(template, subjects, sms_from, meanings, channels)
    for code, translation in template.translations.items():
        if language in {None, code}:
            sentences = (
                *_of_one(translation, subjects, sms_from, meanings, channels),
                *_of_translation(template, translation, channels),
            )
            yield from (f"In {language_name(code)}: {sentence}" for sentence in sentences)


def _of_one(
    template: Template,
    subjects: Collection[SubjectVariable],
    sms_from: str | None,
    meanings: Collection[str] | None,
    channels: Collection[str],
) -> Iterator[str]:
    subject = next((subject for subject in subjects if subject.name in template.variables), None)
    if template.sms is not None and "sms" in channels:
        yield from _of_text(template, template.sms, sms_from, subject)
        yield from _of_menu(template, meanings)
    if template.email is not None and "email" in channels:
        if subject and "confirm_link" not in template.email:
            yield f"The email speaks of {subject.noun} but has no {{{{ confirm_link }}}}: nobody can answer it."
        yield from _of_links(template.email_source(), markdown=True)


def _of_translation(template: Template, translation: Template, channels: Collection[str]) -> Iterator[str]:
    own, theirs = language_name(template.language), language_name(translation.language)
    for channel, what in (("sms", "text"), ("email", "email")):
        if channel in channels and getattr(template, channel) is not None and getattr(translation, channel) is None:
            yield f"There is no {what} in {theirs}: people who speak it get the {what} in {own}."
    ours = closest_language(translation.language, languages())
    if translation.email is not None and "email" in channels and ours is None:
        yield f"The foot of the email and its dates are in {language_name(DEFAULT)}: Muster has no words in {theirs}."
    if translation.sms is not None and "sms" in channels and dict(translation.menu) != dict(template.menu):
        offered, own = (
            ", ".join(f"{digit} {meaning}" for digit, meaning in each.menu.items()) or "no digits"
            for each in (translation, template)
        )
        yield f"The text offers {offered}, and the one in {language_name(template.language)} {own}."


def _of_text(template: Template, sms: str, sms_from: str | None, subject: SubjectVariable | None) -> Iterator[str]:
    source = template.sms_source()
    plain = _plain(source)
    if subject and "confirm_link" not in sms and not template.menu:
        lacking = "has neither {{ confirm_link }} nor a menu"
        yield f"The text speaks of {subject.noun} but {lacking}: nobody can answer it."
    if words := offered_network_words(template):
        yield (
            f"The SMS provider itself acts on the reply {' or '.join(f'“{word}”' for word in words)}; "
            "offer digits instead."
        )
    if not (sms_from and cannot_be_answered(sms_from)) and not re.search(r"\bSTOP\b", plain):
        yield "The text does not say that STOP opts out."
    yield from _of_links(source, markdown=False)
    cleaned = sanitise(plain)
    if cleaned.replaced:
        yield (
            "Replaced in the text: "
            + ", ".join(f"{replacement.name} ({replacement.times})" for replacement in cleaned.replaced)
            + "."
        )
    if others := beyond_gsm7(cleaned.text):
        yield f"The text has {' '.join(others)}, which GSM-7 has not: a segment holds 70 characters instead of 160."
    if (counted := count(cleaned.text)).segments > _MAX_SEGMENTS:
        yield f"Before any name is filled in, the text already costs {plural(counted.segments, 'segment')}."


def _of_menu(template: Template, meanings: Collection[str] | None) -> Iterator[str]:
    unknown = {
        digit: meaning for digit, meaning in template.menu.items() if meanings is not None and meaning not in meanings
    }
    if unknown:
        offered = ", ".join(f"{digit} ({meaning})" for digit, meaning in unknown.items())
        yield (
            f"Nothing understands the answer {offered}: each such reply waits for a person to read it. "
            f"Understood are {', '.join(sorted(set(meanings or ()) - {'unclear'}))}."
        )


def offered_network_words(template: Template) -> list[str]:
    """Find words that a template's text, in its own language, offers as answers although networks act on them."""
    if template.sms is None:
        return []
    return list(dict.fromkeys(word for text in _as_sent(template.sms_source()) for word in network_words(text)))


def _as_sent(source: TemplateSource) -> Iterator[str]:
    """Yield a text's words as they may be sent: with the texts of its expressions, which `{% set %}` may name.

    Each of several texts that may stand in one place is in one of the results.
    """
    named, places = dict[str, list[str]](), list[list[str]]()
    for piece in expressions.pieces(source):
        if piece.kind == "text":
            places.append([piece.text])
        elif piece.kind == "value":
            places.append(_texts_of(piece.text, named) or [""])
        elif assigned := _SET.match(piece.text):
            named.setdefault(assigned[1], []).extend(_texts_of(assigned[2], named))
    for turn in range(max(map(len, places), default=0)):
        yield "".join(texts[turn % len(texts)] for texts in places)


def _texts_of(expression: str, named: dict[str, list[str]]) -> list[str]:
    """Return the texts that an expression may write: those in it, all of them joined, and those of the names in it."""
    texts = [str(literal_eval(text)) for text in _TEXT_IN_EXPRESSION.findall(expression)]
    joined = ["".join(texts)] if len(texts) > 1 else []
    names = re.findall(r"\w+", _TEXT_IN_EXPRESSION.sub("", expression))
    return [*texts, *joined, *(text for name in names for text in named.get(name, ()))]


def _plain(source: TemplateSource) -> str:
    """Return the words of a text without its expressions."""
    return "".join(piece.text for piece in expressions.pieces(source) if piece.kind == "text")


def network_words(text: str) -> list[str]:
    """Find words offered as answers in a text that networks and providers act on themselves.

    STOP and similar words do not count if they are offered for opting out.
    """
    words_found: dict[str, None] = {}
    text = "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")
    for pattern in (_INVITED, _SHOUTED, _GIVEN_FOR):
        for match in pattern.finditer(text):
            start, end = match.span("word")
            before, after = text[:start], text[end:]
            if pattern is _SHOUTED and (_A_DIGITS_MEANING.search(before) or _TO_BE_SAID.search(before)):
                continue
            if pattern is not _GIVEN_FOR and _is_way_out(match["word"], before, after):
                continue
            words_found[match["word"].upper()] = None
    return list(words_found)


def _is_way_out(word: str, before: str, after: str) -> bool:
    if word.lower() not in WAYS_OUT:
        # `for help text HELP` offers it as networks use it
        return word.upper() in {"HELP", "INFO"} and bool(
            re.match(r"\W*(?:for|to get|am)\W+(?:help|info)", after, re.IGNORECASE)
        )
    if _AS_AN_ANSWER.match(after):
        return False
    rest = _UNTIL_THE_END.match(after)
    beside = f"{before[-_MAX_NEARBY_LENGTH:]} | {rest[0] if rest else ''}"
    return bool(_OPTS_OUT.search(beside)) or word == "STOP"


def _of_links(source: TemplateSource, *, markdown: bool) -> Iterator[str]:
    """Warn of links with text directly after them, which phones and mail programs take for a part of the address."""
    parts = [piece for piece in expressions.pieces(source) if piece.kind != "statement"]
    for position, piece in enumerate(parts[:-1]):
        link = _LINK.fullmatch(piece.text) if piece.kind == "value" else None
        if link is None:
            continue
        before = parts[position - 1].text if position and parts[position - 1].kind == "text" else ""
        if markdown and before.endswith(("](", "<")):
            continue  # an address of its own, with a label or between brackets
        after = _glued(parts[position + 1], markdown=markdown)
        if after:
            yield (
                f"{source.at(piece.line)}: “{after}” is glued to {{{{ {link[1]} }}}}, and is taken for a part of the "
                "address; put a space or the end of the line after the link."
            )


def _glued(piece: Piece, *, markdown: bool) -> str:
    if piece.kind == "value":
        return piece.text
    text = piece.text.lstrip("*_") if markdown else piece.text
    match = re.match(r"\S+", text)
    return match[0][:12] if match else ""
