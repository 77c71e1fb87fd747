"""Languages by their codes: `cy`, `cy-gb`. A person has one, and a template has files in some."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

DEFAULT: Final = "en"
"""The language of a template file that names none."""

NAMES: Final[Mapping[str, str]] = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "cs": "Czech", "cy": "Welsh", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "fa": "Persian", "fr": "French", "ga": "Irish", "gd": "Scottish Gaelic",
    "gu": "Gujarati", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "it": "Italian", "ja": "Japanese",
    "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "ml": "Malayalam", "ne": "Nepali", "nl": "Dutch",
    "pa": "Punjabi", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak",
    "so": "Somali", "sq": "Albanian", "sr": "Serbian", "sw": "Swahili", "ta": "Tamil", "tl": "Filipino",
    "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "yo": "Yoruba", "zh": "Chinese",
}  # fmt: skip
"""What people call languages, by their codes."""

_CODE: Final = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})*")
_RIGHT_TO_LEFT: Final = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"})


def code(text: str) -> str | None:
    """A language's code in the one form it has here, `cy-gb`; None where it is none."""
    plain = text.strip().lower().replace("_", "-")
    return plain if _CODE.fullmatch(plain) else None


def spoken(wanted: str, known: Collection[str]) -> str | None:
    """The one of some languages that somebody understands who wants this one: the same, or the one it is a kind of.

    Args:
        wanted: a person's, such as `cy` or `cy-GB`.
        known: codes.
    """
    if wanted in known:
        return wanted
    parts = wanted.lower().replace("_", "-").split("-")
    return next((kind for end in range(len(parts), 0, -1) if (kind := "-".join(parts[:end])) in known), None)


def named(language: str) -> str:
    """A language as people say it, with the code that files have: `Welsh (cy)`; the code alone where it has no name."""
    name = NAMES.get(language.lower().replace("_", "-").partition("-")[0])
    return f"{name} ({language})" if name else language


def direction(language: str) -> str:
    """How a language is written, as HTML says it: `ltr` or `rtl`."""
    return "rtl" if language.partition("-")[0] in _RIGHT_TO_LEFT else "ltr"
