"""Styles of a mail's HTML: which hide a text, strike it through, or make it too pale to see."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Mapping
from typing import Final

MAX_SHEET_LENGTH: Final = 40_000
"""Characters of style sheets that are read."""
MIN_PALE_VALUE: Final = 245
"""Least value of each of red, green and blue, 0 to 255, of a colour that cannot be read on white."""
MAX_UNSEEN_DIFFERENCE: Final = 10
"""Most difference of each from the background's for a text that cannot be seen on it."""

Colour = tuple[float, float, float]
"""Red, green and blue, 0 to 255."""

_HIDDEN: Final = re.compile(
    r"(?:^|;)(?:display:none|visibility:(?:hidden|collapse)|mso-hide:all"
    r"|(?:opacity|max-height):0?(?:\.0\d*)?[a-z%]{0,3}(?:!important)?(?=;|$)"
    r"|(?:text-indent|left|top):-\d{3,}|margin-left:-(?:[5-9]\d\d|\d{4,})"
    r"|clip:rect\((?:0(?:px|pt|em)?[, ]?){4}\)|clip-path:(?:inset\((?:50|100)%|circle\(0)"
    r"|color:transparent\b"
    r"|text-decoration(?:-line)?:[a-z-]{0,20}line-through)",
    re.IGNORECASE,
)
"""Styles, without spaces, that hide a text or strike it through."""
_SIZE: Final = re.compile(r"(?:^|;)font-size:([^;!]{1,30})", re.IGNORECASE)
_TINY: Final = re.compile(
    r"0?(?:\.0\d*)?[a-z%]{0,3}|[12](?:\.\d*)?(?:px|pt|%)|0?\.[012]\d*(?:px|pt|r?em)", re.IGNORECASE
)
_FLAT: Final = re.compile(r"(?:^|;)(?:height|width):0(?:px|pt|em|%)?(?:!important)?(?=;|$)", re.IGNORECASE)
_CLIPPED: Final = re.compile(r"(?:^|;)overflow(?:-[xy])?:(?:hidden|clip)\b", re.IGNORECASE)
_COLOUR: Final = re.compile(r"(?:^|;)color:([^;!]{1,60})", re.IGNORECASE)
_GROUND: Final = re.compile(r"(?:^|;)background(?:-color)?:([^;!]{1,60})", re.IGNORECASE)
_COMMENT: Final = re.compile(r"/\*.{0,2000}?\*/", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\([0-9a-fA-F]{1,6})\s?")
_SPACES: Final = re.compile(r"\s+")
_BETWEEN_NUMBERS: Final = re.compile(r"(?<=[\d.%)])\s+(?=[\d./])")
_FUNCTION: Final = re.compile(r"(rgb|hsl)a?\(([^()]{1,40})\)", re.IGNORECASE)
_HEX: Final = re.compile(r"#([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})(?![0-9a-f])", re.IGNORECASE)
_NAMED: Final[Mapping[str, Colour]] = {
    "white": (255, 255, 255), "snow": (255, 250, 250), "ghostwhite": (248, 248, 255), "ivory": (255, 255, 240),
    "whitesmoke": (245, 245, 245), "floralwhite": (255, 250, 240), "azure": (240, 255, 255),
    "black": (0, 0, 0), "navy": (0, 0, 128), "red": (255, 0, 0), "blue": (0, 0, 255), "green": (0, 128, 0),
    "gray": (128, 128, 128), "grey": (128, 128, 128), "silver": (192, 192, 192), "yellow": (255, 255, 0),
}  # fmt: skip
_SHEET: Final = re.compile(r"<style\b[^>]{0,200}>(.{0,40000}?)</style", re.IGNORECASE | re.DOTALL)
_MEDIA: Final = re.compile(r"@[\w-]{1,30}[^{}]{0,300}\{(?:[^{}]{0,2000}\{[^{}]{0,2000}\}){0,100}[^{}]{0,2000}\}")
_RULE: Final = re.compile(r"([^{}]{1,300})\{([^{}]{1,2000})\}")
_CLASS: Final = re.compile(r"(?:[a-z][a-z0-9]{0,15})?\.([\w-]{1,80})", re.IGNORECASE)


def make_plain_style(style: str) -> str:
    """Return a style without comments, escapes and spaces; numbers separated by spaces are separated by commas."""
    bare = _ESCAPED.sub(_unescaped, _COMMENT.sub("", style))
    return _SPACES.sub("", _BETWEEN_NUMBERS.sub(",", bare))


def styles_of_classes(html: str) -> dict[str, str]:
    """Read the style sheets inside a mail's HTML.

    Args:
        html: as it came.

    Returns:
        The style of each class that a rule is about, by itself or with a tag. Rules for some screens only are left out.
    """
    styles: dict[str, str] = {}
    for sheet in _SHEET.findall(html)[:10]:
        for selectors, style in _RULE.findall(_MEDIA.sub(" ", _COMMENT.sub("", sheet[:MAX_SHEET_LENGTH]))):
            for selector in selectors.split(","):
                name = _CLASS.fullmatch(selector.strip())
                if name is not None:
                    styles[name[1]] = f"{styles.get(name[1], '')};{make_plain_style(style)}"
    return styles


def hides(style: str) -> bool:
    """Tell whether a plain style hides a text, or strikes it through."""
    if _HIDDEN.search(style) or (_FLAT.search(style) and _CLIPPED.search(style)):
        return True
    colour = _COLOUR.search(style)
    return colour is not None and _is_clear(colour[1])


def is_tiny(style: str) -> bool | None:
    """Tell whether a plain style makes letters too small to see; None if it says nothing of their size."""
    sizes = _SIZE.findall(style)
    return _TINY.fullmatch(sizes[-1]) is not None if sizes else None


def colour_of(style: str) -> Colour | None:
    """Return the text colour of a plain style; None if it names no known one."""
    return _colour(_COLOUR, style)


def ground_of(style: str) -> Colour | None:
    """Return the background colour of a plain style; None if it names no known one."""
    return _colour(_GROUND, style)


def is_pale(colour: Colour | None) -> bool:
    """Tell whether a text of a colour cannot be read on white."""
    return colour is not None and min(colour) >= MIN_PALE_VALUE


def is_unseen(colour: Colour | None, ground: Colour | None) -> bool:
    """Tell whether a text of a colour cannot be seen on a background; False if either is not known."""
    if colour is None or ground is None:
        return False
    return all(abs(part - other) <= MAX_UNSEEN_DIFFERENCE for part, other in zip(colour, ground, strict=True))


def _colour(pattern: re.Pattern[str], style: str) -> Colour | None:
    colours = [_parsed(value) for value in pattern.findall(style)]
    return next((colour for colour in reversed(colours) if colour is not None), None)


def _parsed(value: str) -> Colour | None:
    """Parse a colour, also one among other words of `background`."""
    if (digits := _HEX.search(value)) is not None:
        wide = digits[1] if len(digits[1]) > 4 else "".join(2 * digit for digit in digits[1])
        return (int(wide[:2], 16), int(wide[2:4], 16), int(wide[4:6], 16))
    if (function := _FUNCTION.search(value)) is not None:
        values = _numbers(function[2])
        if len(values) < 3:
            return None
        if function[1].lower() == "rgb":
            red, green, blue = (value * 255 if is_share else value for value, is_share in values[:3])
            return (red, green, blue)
        red, green, blue = colorsys.hls_to_rgb(values[0][0] % 360 / 360, values[2][0], values[1][0])
        return (red * 255, green * 255, blue * 255)
    return next((_NAMED[word] for word in re.findall(r"[a-z]+", value.lower()) if word in _NAMED), None)


def _is_clear(value: str) -> bool:
    """Tell whether a colour is fully transparent."""
    if (digits := _HEX.fullmatch(value)) is not None and len(digits[1]) in {4, 8}:
        return int(digits[1][-1 if len(digits[1]) == 4 else -2 :], 16) == 0
    function = _FUNCTION.fullmatch(value)
    values = _numbers(function[2]) if function is not None else []
    return len(values) == 4 and values[3][0] == 0


def _numbers(arguments: str) -> list[tuple[float, bool]]:
    """Return the numbers of a colour function, and whether each is a percentage, which becomes 0 to 1."""
    numbers = re.findall(r"(\d{1,4}(?:\.\d{1,6})?|\.\d{1,6})(%?)", arguments)
    return [(float(number) / 100 if share else float(number), bool(share)) for number, share in numbers]


def _unescaped(escape: re.Match[str]) -> str:
    code = int(escape[1], 16)
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else ""
