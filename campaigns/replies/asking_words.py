"""How Muster asks for an answer, and its earlier texts rendered again, so that their words are recognised in replies.

What is left of a reply or a reaction that repeats them are the member's own words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from campaigns.replies.answered_messages import AnsweredMessage
from campaigns.subjects.subject import Subject
from messaging.content.translations import languages, wording

MIN_SHARED_WORDS: Final = 5
"""Fewest different words that a reply must share with one of our texts for us to look for that text in it."""
MIN_LENGTH: Final = 40
"""Fewest characters of such a reply."""


def asking_words(subject: Subject, message: AnsweredMessage, language: str) -> str | None:
    """Return the words in which we ask somebody back; None if they cannot say how to answer.

    Args:
        subject: what the message asked about.
        message: the message that was answered.
        language: in which to ask.
    """
    how = how_to_answer(subject, message, language)
    return None if how is None else str(wording(language, subject.kind)["ask_back"].format(asks=how))


def how_to_answer(subject: Subject, message: AnsweredMessage, language: str) -> str | None:
    """Return the question again and how to answer it; None if that cannot be said in a few words.

    Args:
        subject: what is asked about.
        message: the message that asked.
        language: the language.
    """
    menu = menu_words(subject, message, language, lettered=False)
    if menu is None:
        return None
    how = wording(language, subject.kind)["ask_digits" if offered(message) else "ask_labels"].format(menu=menu)
    return f"{subject.words(language)['asks']} {how}"


def menu_words(subject: Subject, message: AnsweredMessage, language: str, *, lettered: bool) -> str | None:
    """Return the answers that a message offered, in words; None if it offered none that can be put into words.

    Args:
        subject: what it asked about.
        message: the message.
        language: of the words.
        lettered: whether each digit has the subject's letter, even if the message's digits had none.
    """
    letter = subject.letter if lettered else str(message.variables.get("letter", ""))
    return subject.menu_words(language, offered(message), letter)


def possible_texts(text: str, subject: Subject, message: AnsweredMessage) -> Iterator[str]:
    """Yield the auto replies that we may have texted about a message, in every language, if a reply is long enough.

    Args:
        text: the reply.
        subject: what the message asked about.
        message: the message.
    """
    if len(text) < MIN_LENGTH or message.channel != "sms":
        return
    own = set(text.split())
    for language in languages():
        asking = asking_words(subject, message, language) or ""
        stopped = str(wording(language)["sms_stopped"]).format(organisation=subject.organisation).lstrip(": ")
        for ours in (begun_by_sender(subject.organisation, asking), stopped):
            if len(own.intersection(ours.split())) >= MIN_SHARED_WORDS:
                yield ours


def begun_by_sender(organisation: str, words: str) -> str:
    """Return a text that begins with the name of its sender."""
    return f"{organisation}: {words}" if organisation else words


def offered(message: AnsweredMessage) -> Mapping[str, str]:
    """Return the digits that a message offered: only texts do."""
    return message.menu if message.channel == "sms" else {}
