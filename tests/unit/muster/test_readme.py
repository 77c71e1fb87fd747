"""The README and the docs are true: what they name exists."""

import re
from itertools import pairwise
from pathlib import Path

import click
import pytest

from messaging.settings import AllSettings
from muster.cli import root

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)
ANY_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
WORD = re.compile(r"(?:`[^`\n]*`|\[[^\]\n]*\]\([^)\n]*\)|\S)+")  # a code span or a link is not broken
NO_PARAGRAPH = re.compile(r"\s*$|\s*\||#|<!--|\s*(?:[-*]|\d+\.)\s")


def commands_in(page: Path) -> list[list[str]]:
    """The words of every `muster …` line in a page's shell blocks."""
    found = []
    for block in FENCE.finditer(page.read_text(encoding="utf-8")):
        if block["language"] in {"sh", "bash", "console", "shell"}:
            for line in block["body"].splitlines():
                words = line.partition(" #")[0].removeprefix("$ ").split()
                if words[:1] == ["muster"]:
                    found.append(words[1:])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_the_docs_exists(page: Path) -> None:
    for words in commands_in(page):
        context = click.Context(root)
        group: click.Command = root
        for word in words:
            if not isinstance(group, click.Group) or word.startswith("-"):
                break
            found = group.get_command(context, word)
            assert found is not None, f"{page.name}: there is no `muster {' '.join(words)}`"
            group = found
        known = {option for parameter in group.params for option in parameter.opts + parameter.secondary_opts}
        for word in words:
            if word.startswith("--"):
                name = word.partition("=")[0]
                assert name in known | {"--help", "--version"}, f"{page.name}: `muster {' '.join(words)}` has no {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "{" not in target and "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_named_exists(page: Path) -> None:
    known = {f"MUSTER_{name.upper()}" for name in AllSettings.model_fields}
    named = set(re.findall(r"\bMUSTER_[A-Z_]+[A-Z]\b", page.read_text(encoding="utf-8")))
    assert named - known - {"MUSTER_PICTURES", "MUSTER_DEMO"} == set()


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for named in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE):
            assert named in targets, f"{page.name}: make {named}"


def broken_early(text: str) -> list[str]:
    """Find the lines of paragraphs that end although the next word had room before column 100."""
    lines = ANY_FENCE.sub("", text).splitlines()
    return [
        line
        for line, following in pairwise(lines)
        if line.strip()
        and not re.match(r"\s*\||#|<!--", line)
        and not NO_PARAGRAPH.match(following)
        and (word := WORD.search(following)) is not None
        and len(f"{line} {word[0]}") <= 100
    ]


def test_a_line_broken_early_is_found() -> None:
    assert broken_early("A line that ends\nearly, and goes on\n") == ["A line that ends"]
    assert broken_early("A heading or a list\n- goes on\n\nas it likes\n") == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_paragraph_is_broken_early(page: Path) -> None:
    assert broken_early(page.read_text(encoding="utf-8")) == []
