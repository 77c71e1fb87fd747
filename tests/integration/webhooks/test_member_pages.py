"""Every page a member can meet: small, whole, in their language, and asking nobody else for anything."""

from __future__ import annotations

import re
from html import unescape

import pytest

from core.runtime import Runtime
from messaging.content.translations import languages, wording
from tests.support.inbound_rows import Forms
from tests.support.member_states import every_page
from webhooks.members.page_languages import accepted

SMALL = 20_000
"""Bytes a page may have, its style sheet included."""
OURS = re.compile(r"<(?:h1|h2|p|button|a|legend|label|dt|dd|li)\b[^>]*>(.*?)</", re.DOTALL)


@pytest.mark.parametrize("language", languages())
async def test_every_page_is_small_whole_and_in_the_members_language(runtime: Runtime, language: str) -> None:
    pages = await every_page(runtime, language)
    assert len(pages) > 25
    (other,) = set(languages()) - {language}
    for name, html in pages.items():
        assert len(html.encode()) < SMALL, name
        page = Forms(html)
        assert page.language == language, name
        assert f'href="?lang={other}"' in html, name
        assert wording(other)["language_name"] in page.words, name
        assert html.count("<h1>") == html.count("<main>") == 1, name
        assert not re.search(r"<script|\son\w+=|\sstyle=|(?:src|href)=\"(?:https?:)?//|\{\w*\}", html), name
        theirs = {unescape(line).strip() for line in OURS.findall(html)}
        foreign = {line for line in wording(other).values() if isinstance(line, str)}
        assert not theirs & (foreign - {wording(other)["language_name"]}), name


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("cy", ["cy"]),
        ("en-GB,en;q=0.8,cy;q=0.9", ["en-GB", "cy", "en"]),
        ("cy;q=0, en", ["en"]),
        ("", [""]),
        ("x" * 9000, ["x" * 500]),
    ],
)
def test_a_browsers_languages_are_read_in_its_order(header: str, wanted: list[str]) -> None:
    assert accepted(header) == wanted
