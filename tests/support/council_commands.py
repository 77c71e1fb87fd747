"""Commands of a council, whose words must not speak of a ballot."""

from __future__ import annotations

import re
import shlex
import subprocess
from html.parser import HTMLParser
from pathlib import Path

from core.settings import Settings
from sandbox import Sandbox
from tests.support.command import muster
from tests.support.outbox_rows import SMS_FROM

OF_A_BALLOT = re.compile(
    r"(?<![\w.-])(?:ballots?|vot(?:e|es|ed|er|ers|ing)|turnout|members?|membership|unions?|branch(?:es)?|electorate"
    r"|electors?|\w*pleidlais\w*|\w*pleidleis\w*|aelod\w*)(?![\w.-])",
    re.IGNORECASE,
)
"""Words that nobody uses to whom a council writes."""


class Words(HTMLParser):
    """The words of a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.words = ""
        self._hidden = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in {"style", "script"}

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"style", "script"}

    def handle_data(self, data: str) -> None:
        self.words += "" if self._hidden else f"{data} "


def of_a_ballot(text: str) -> list[str]:
    return OF_A_BALLOT.findall(Words(text).words if "</html>" in text else text)


def run_for_council(settings: Settings, sandbox: Sandbox, folder: Path, words: str) -> subprocess.CompletedProcess[str]:
    more = {
        **sandbox.environment,
        "MUSTER_SMS_FROM": SMS_FROM,
        "MUSTER_EMAIL_FROM": "Northtown Council <hello@council.test>",
        "MUSTER_ORGANISATION": "Northtown Council",
        "MUSTER_CONTACT": "0800 000 000",
        "MUSTER_TEMPLATES": str(folder),
        "COLUMNS": "120",
    }
    return muster(settings, *shlex.split(words), more=more)
