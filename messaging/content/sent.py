"""A message said again from what is kept with it, so that its words can be told from those of an answer.

Links are left out. They were made for the message alone, and nobody's words hold them.
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
from messaging.content.templates import LINKS, Template

MOST_STEPS: Final = 64
"""Steps whose templates are kept compiled."""
_LINK: Final = "https://link.invalid/"

_UNSEEN: Final = re.compile(r"<(style|script|head)\b.*?</\1>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_TAG: Final = re.compile(r"<[^>]*>")


def say_again(
    content: str, constants: str, channel: Literal["sms", "email"], variables: Mapping[str, Any]
) -> tuple[str, ...]:
    """Say a message once more.

    Args:
        content: of its step, the JSON of a template.
        constants: of its step, as JSON.
        channel: by which it went.
        variables: of the message; what is no longer kept is left out of it.

    Returns:
        The text, or for an email its subject and text, and its subject and the words of its HTML; none where the
        template cannot be said.
    """
    try:
        renderer = _renderer(content, constants)
        asked = renderer.template.variables
        given = dict.fromkeys(asked, "") | dict(variables) | dict.fromkeys(LINKS, _LINK)
        if channel == "sms":
            return (renderer.sms(given).text,)
        email = renderer.email(given)
    except (TemplateError, TypeError, ValueError):  # written by hand, or by a version that knew other fields
        return ()
    return f"{email.subject}\n{email.text}", f"{email.subject}\n{words_of_html(email.html)}"


def words_of_html(html: str) -> str:
    """The words of HTML of our own, one after the other."""
    return " ".join(unescape(_TAG.sub(" ", _UNSEEN.sub(" ", html))).split())


@lru_cache(maxsize=MOST_STEPS)
def _renderer(content: str, constants: str) -> Renderer:
    return Renderer(Template.from_json(orjson.loads(content)), orjson.loads(constants))
