"""Render a sent message again from its stored parts, to tell its words from the words of an answer.

Its own links are replaced by a placeholder: they were made for that message only, so no answer has them among its own
words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from html import unescape
from typing import Any, Final, Literal

import orjson

from core.errors import TemplateError
from messaging.content.render import Renderer
from messaging.content.templates import Template
from messaging.content.vocabulary import LINKS

MAX_STEPS: Final = 64
"""Number of steps whose compiled templates are cached."""
_LINK: Final = "https://link.invalid/"

_UNSEEN: Final = re.compile(r"<(style|script|head)\b.*?</\1>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_TAG: Final = re.compile(r"<[^>]*>")


def render_again(
    content: str, constants: str, channel: Literal["sms", "email"], variables: Mapping[str, Any]
) -> tuple[str, ...]:
    """Render a sent message again.

    Args:
        content: the step's template, as JSON.
        constants: the step's constants, as JSON.
        channel: the channel it was sent by.
        variables: the message's variables; those no longer kept are empty.

    Returns:
        The text of an SMS. For an email, its subject with its text, and its subject with the words of its HTML. An
        empty tuple if the template cannot be rendered.
    """
    try:
        renderer = _renderer(content, constants)
        names = renderer.template.variables
        given = dict.fromkeys(names, "") | dict(variables) | dict.fromkeys(LINKS, _LINK)
        if channel == "sms":
            return (renderer.sms(given).text,)
        email = renderer.email(given)
    except (TemplateError, TypeError, ValueError):  # written by hand, or by a version that knew other fields
        return ()
    return f"{email.subject}\n{email.text}", f"{email.subject}\n{words_of_html(email.html)}"


def words_of_html(html: str) -> str:
    """Return the words of HTML that Muster made, separated by spaces."""
    return " ".join(unescape(_TAG.sub(" ", _UNSEEN.sub(" ", html))).split())


@lru_cache(maxsize=MAX_STEPS)
def _renderer(content: str, constants: str) -> Renderer:
    return Renderer(Template.from_json(orjson.loads(content)), orjson.loads(constants))
