"""The console's colours can be told apart: WCAG 2.2 AA, computed from the tokens in the style sheet."""

import re

import pytest

from console.assets import FOLDER

CSS = (FOLDER / "console.css").read_text(encoding="utf-8")
BLOCKS = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
LIGHT = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", BLOCKS[0]))
DARK = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", BLOCKS[1]))

TEXT = [
    *((ink, back) for ink in ("ink", "muted", "link") for back in ("surface", "page", "sunken")),
    ("delivered", "surface"),
    ("ok-ink", "surface"),
    ("bad-ink", "surface"),
    ("mast-ink", "mast"),
    ("mast-muted", "mast"),
    ("surface", "ink"),
    *((f"{tone}-ink", f"{tone}-back") for tone in ("ok", "info", "warn", "bad", "quiet")),
]
SHAPES = [
    *(
        (fill, "surface")
        for fill in ("delivered", "sent", "unknown", "failed", "waiting", "left_out", "control", "ink")
    ),
    ("control", "page"),
    ("delivered", "sunken"),
    ("ink", "sunken"),
    ("focus", "focus-edge"),
]


def luminance(colour: str) -> float:
    """Relative luminance, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_by_the_formula_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_both_schemes_have_every_token() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert set(re.findall(r"var\(--([\w-]+)\)", CSS)) <= LIGHT.keys()


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "back"), TEXT)
def test_every_text_has_enough_contrast(scheme: dict[str, str], ink: str, back: str) -> None:
    assert contrast(scheme[ink], scheme[back]) >= 4.5


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("shape", "back"), SHAPES)
def test_every_shape_has_enough_contrast(scheme: dict[str, str], shape: str, back: str) -> None:
    assert contrast(scheme[shape], scheme[back]) >= 3


def test_every_colour_is_a_token() -> None:
    rules = re.sub(r":root \{.*?\}", "", CSS, flags=re.DOTALL).partition("@media print")[0]
    assert set(re.findall(r"#[0-9a-f]{3,8}\b", rules)) <= {"#0f6b51", "#0b523e"}  # the green button, white on it
    assert contrast("#0f6b51", "#ffffff") >= 4.5
