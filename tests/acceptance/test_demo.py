"""The demo as a newcomer runs it: small, whole, and compared with the sandbox's own record."""

import json
import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from sandbox.demo.display import print_summary
from sandbox.demo.question import QuestionScenario
from sandbox.demo.union import write_union
from tests.support.council_commands import of_a_ballot

README = Path(__file__).parents[2] / "README.md"


def demo(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    return subprocess.run(
        [sys.executable, "-m", "muster", "demo", *words],
        env={**environment, "MUSTER_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_demo_ends_with_every_count_reconciled(tmp_path: Path) -> None:
    done = demo(tmp_path / "home", "--members", "400", "--json", "--headless")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["reconciled"]
    assert all(check["agrees"] for check in told["checks"])
    assert told["turnout"]["electorate"] == 400
    assert (
        told["confirmed"]["total"]
        == told["turnout"]["confirmed"]
        == sum(branch["confirmed"] for branch in told["turnout"]["branches"])
    )
    assert told["confirmed"]["link"] > 0
    assert told["confirmed"]["sms_reply"] > 0
    assert told["opted_out"]["total"] > 0
    assert told["scanners"]["hits"] > 0
    assert told["scanners"]["counted"] == 0
    emails, texts = told["steps"]
    assert emails["audience"] == 400
    assert sum(emails["sent"].values()) + sum(emails["not_sent"].values()) == 400
    assert texts["audience"] < 400, "the second step asks only those who have not answered"


def test_the_demo_takes_a_member_file_and_tells_it_in_tables(tmp_path: Path) -> None:
    write_union(tmp_path / "members.csv", members=120, branches=4)

    done = demo(tmp_path / "home", "--file", str(tmp_path / "members.csv"))

    assert done.returncode == 0, done.stderr
    left = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert left
    assert [path for path in left if path.stat().st_mode & 0o077] == [], "the file may be of real people"
    for words in (
        "What was sent",
        "What members said",
        "Turnout",
        "of 120 have said that they voted",
        "Every count agrees",
    ):
        assert words in done.stdout
    transcript = README.read_text(encoding="utf-8").partition("<!-- transcript -->")[2].partition("<!-- /trans")[0]
    shown = re.findall(r"^(\S.*?)  +[\d,]+ +[\d,]+ +agrees$", transcript, re.MULTILINE)
    assert len(shown) > 8
    for label in shown:
        assert label in done.stdout, "the README shows what the demo no longer says"


def test_a_councils_question_ends_with_every_count_reconciled(tmp_path: Path) -> None:
    done = demo(tmp_path / "home", "question", "--members", "240", "--json", "--headless")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["reconciled"]
    assert all(check["agrees"] for check in told["checks"])
    visit, appointments = told["questions"]
    checked = {check["name"]: check["muster"] for check in told["checks"]}
    for question in (visit, appointments):
        assert min(question["answers"].values()) > 0
        assert min(question["routes"][route] for route in ("link", "sms_reply")) > 0
        assert checked[f"{question['name']}: each answer in each ward"] == sum(question["answers"].values())
    assert visit["comments"] > 0
    assert told["asked_back"] > 0
    assert told["answered_by_staff"] == 2
    assert checked["low answers: staff see those who gave one"] > 0
    assert told["opted_out"]["total"] > 0
    asked, again, reminded = told["steps"]
    assert asked["audience"] == 240
    assert again["audience"] < 240, "the second step asks only those who have not answered"
    assert reminded["not_sent"]["not_due_yet"] > 0, "some appointments are later"
    assert sum(reminded["sent"].values()) > 0
    printed = Console(record=True, width=120, file=StringIO())
    print_summary(QuestionScenario(), told, printed)
    tables = printed.export_text()
    assert of_a_ballot(tables + done.stderr) == []
    for words in ("What residents said", "By ward: your visit to us", "Every count agrees"):
        assert words in tables


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "There is no file"), (b"", "empty"), (b"Name,Phone\nAnn,07700900123\n", "No column holds the number")],
    ids=["missing", "empty", "without a membership number"],
)
def test_a_bad_member_file_is_refused_in_words(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "members.csv"
    if content is not None:
        path.write_bytes(content)

    done = demo(tmp_path / "home", "--file", str(path), "--json")

    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
