"""Read the menu of an SMS template: the digits it offers as replies, and the meaning of each."""

from __future__ import annotations

import re
from collections.abc import Mapping

from core.errors import TemplateError
from messaging.content.front_matter import File


def read_menu(sms: File, otherwise: Mapping[str, str]) -> dict[str, str]:
    """Read the digits a template offers, with their meanings; its text must mention each.

    Args:
        sms: the file.
        otherwise: the menu if the file has none.

    Raises:
        TemplateError: the menu is not valid; says what is wrong with it.
    """
    offered = sms.head["menu"] or {} if "menu" in sms.head else otherwise
    if not isinstance(offered, Mapping):
        raise TemplateError(f"{sms.body.file}: the menu must be like “menu: {{1: voted, 2: not_voted}}”.")
    menu: dict[str, str] = {}
    for digit, meaning in ((_as_written(key), _as_written(value)) for key, value in offered.items()):
        if wrong := _not_offered(digit, meaning):
            raise TemplateError(
                f"{sms.body.file}: “{digit}: {meaning}” in the menu is not a digit and a meaning: {wrong}."
            )
        if not re.search(rf"(?<![0-9]){digit}(?![0-9])", sms.body.text):
            raise TemplateError(
                f"{sms.body.file}: the menu offers {digit} ({meaning}), but the text does not speak of it.",
                remedy=f"Say in the text what {digit} is for, or take it out of the menu.",
            )
        menu[digit] = meaning
    return menu


def _as_written(value: object) -> str:
    """Return a YAML value as it was written: YAML reads a bare yes or no as true or false."""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _not_offered(digit: str, meaning: str) -> str:
    """Describe what is wrong with a line of a menu; "" if nothing is."""
    if re.fullmatch(r"-?[0-9]{2,}|-[0-9]", digit):
        return f"only one digit, 0 to 9, can be offered, and {digit} is a number"
    if not re.fullmatch(r"[0-9]", digit):
        return f"only digits can be offered, and “{digit}” is a word"
    if re.search(r"[0-9]", meaning):
        return f"a meaning has no digits in it, and “{meaning}” has"
    if not re.fullmatch(r"[a-z][a-z_]*", meaning):
        return f"a meaning is lower-case letters with underscores, such as not_voted, and “{meaning}” is not"
    return ""
