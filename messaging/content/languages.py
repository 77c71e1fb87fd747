"""Languages by their codes, such as `cy` or `cy-gb`, of people and of template files."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

DEFAULT: Final = "en"
"""Language of a template file that names none."""

NAMES: Final[Mapping[str, str]] = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "cs": "Czech", "cy": "Welsh", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "fa": "Persian", "fr": "French", "ga": "Irish", "gd": "Scottish Gaelic",
    "gu": "Gujarati", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "it": "Italian", "ja": "Japanese",
    "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "ml": "Malayalam", "ne": "Nepali", "nl": "Dutch",
    "pa": "Punjabi", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak",
    "so": "Somali", "sq": "Albanian", "sr": "Serbian", "sw": "Swahili", "ta": "Tamil", "tl": "Filipino",
    "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "yo": "Yoruba", "zh": "Chinese",
}  # fmt: skip
"""English names of languages, by their codes."""

_CODE: Final = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})*")
_RIGHT_TO_LEFT: Final = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"})


def code(text: str) -> str | None:
    """Normalise the code of a language, as `cy-gb`; None if it is not valid."""
    plain = text.strip().lower().replace("_", "-")
    return plain if _CODE.fullmatch(plain) else None


def closest_language(wanted: str, known: Collection[str]) -> str | None:
    """Choose the wanted language, or else the language that it is a variety of; None if neither is known.

    Args:
        wanted: a person's language, such as `cy` or `cy-GB`.
        known: codes.
    """
    if wanted in known:
        return wanted
    parts = wanted.lower().replace("_", "-").split("-")
    return next((kind for end in range(len(parts), 0, -1) if (kind := "-".join(parts[:end])) in known), None)


def language_name(language: str) -> str:
    """Return a language's name with its code, `Welsh (cy)`, or only the code if its name is not known."""
    name = NAMES.get(language.lower().replace("_", "-").partition("-")[0])
    return f"{name} ({language})" if name else language


def direction(language: str) -> str:
    """Return the direction of a language, as in HTML: `ltr` or `rtl`."""
    return "rtl" if language.partition("-")[0] in _RIGHT_TO_LEFT else "ltr"
