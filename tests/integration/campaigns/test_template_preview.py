"""`muster template`: what one person would get, from an imported member to the HTML file."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ballots.ballots import create_ballot
from ballots.spec import load_ballot_spec
from core.db import open_pool
from core.settings import ROOT, Settings
from messaging.suppression import suppress
from muster.operator import operator
from tests.support.command import run_command
from tests.support.member_files import import_members

FEEDBACK = ROOT / "sandbox" / "demo" / "visit-2026.toml"

MEMBERS = """\
member_id,first_name,last_name,mobile,email,branch,shirt size
M1,Siân <b>,O'Brien,07700 900123,sian@example.org,Leeds,XL
M2,Bob,Nobody,,,Hull,
"""
WELSH = """\
member_id,first_name,preferred language
M3,Gwen,Welsh
M4,Ewa,Polish
"""

BALLOT = """\
[ballot]
name = "pay-2026"
title = "Pay 2026"
opens = 2026-11-02
closes = 2026-12-04T12:00:00
last_posting = 2026-12-01
threshold = 0.5
"""


@dataclass(frozen=True, slots=True)
class Done:
    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Muster = Callable[..., Done]


@pytest.fixture
def environment(settings: Settings, tmp_path: Path) -> dict[str, str]:
    """What the command is told by its environment; a test may change it."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    (tmp_path / "own" / "messages").mkdir(parents=True)
    told = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "SECRET_KEY": "a secret for tests only and long enough",
        "PUBLIC_URL": "http://muster.test",
        "EMAIL_FROM": "Muster Union <ballot@union.test>",
        "ORGANISATION": "The Union",
        "TEMPLATES": str(tmp_path / "own"),
        "SMS_FROM": "+447700900000",
    }
    return os.environ | {"PYTHONPATH": str(ROOT)} | {f"MUSTER_{name}": value for name, value in told.items()}


@pytest.fixture
def muster(environment: dict[str, str], tmp_path: Path) -> Muster:
    """The command, on the test's own servers, with two members, a ballot and a folder for templates."""
    (tmp_path / "members.csv").write_text(MEMBERS, encoding="utf-8")
    (tmp_path / "ballot.toml").write_text(BALLOT, encoding="utf-8")
    asyncio.run(_fill(environment["MUSTER_DATABASE_URL"], tmp_path))

    def call(*words: str) -> Done:
        done = run_command(words, environment, cwd=tmp_path)
        return Done(done.returncode, done.stdout, done.stderr)

    return call


async def _fill(url: str, folder: Path) -> None:
    pool = await open_pool(url, size=2)
    await import_members(pool, folder / "members.csv")
    async with pool.acquire() as db:
        await create_ballot(db, load_ballot_spec(folder / "ballot.toml"), actor=operator("staff"))
    await pool.close()


def own(folder: Path, name: str, text: str) -> None:
    (folder / "own" / "messages" / name).mkdir(parents=True)
    (folder / "own" / "messages" / name / "sms.txt").write_text(text, encoding="utf-8")


def test_a_test_says_what_the_preview_shows_and_goes_to_who_asked(muster: Muster, environment: dict[str, str]) -> None:
    words = ("ballot-reminder", "--person", "M1", "--about", "ballot:pay-2026")
    shown = muster("template", "preview", *words, "--json").json()
    for to in ("ada@union.example", "07700 900999"):
        sent = muster("template", "test", *words, "--to", to, "--actor", "ada")
        assert sent.out.startswith("The test goes out as message "), sent.err
    mail, text = asyncio.run(_queued(environment["MUSTER_DATABASE_URL"]))
    email_shown = shown["email"]
    assert mail[:4] == ("test", "ada", "email", "ada@union.example")
    assert mail[4] == {"subject": email_shown["subject"], "text": email_shown["text"], "html": email_shown["html"]}
    assert text[:4] == ("test", "ada", "sms", "+447700900999")
    assert text[4]["text"] == shown["sms"]["text"]


def test_a_test_to_an_address_that_opted_out_is_refused_and_not_queued(
    muster: Muster, environment: dict[str, str]
) -> None:
    asyncio.run(_opt_out(environment["MUSTER_DATABASE_URL"], "+447700900999"))
    words = ("ballot-reminder", "--person", "M1", "--about", "ballot:pay-2026", "--actor", "ada")
    refused = muster("template", "test", *words, "--to", "07700 900999")
    assert (refused.status, refused.out) == (1, "")
    assert "Nothing is sent to +447700900999, not even a test. They asked not to receive" in refused.err
    assert asyncio.run(_queued(environment["MUSTER_DATABASE_URL"])) == []
    assert muster("template", "test", *words, "--to", "07700 900998").status == 0


async def _opt_out(url: str, phone: str) -> None:
    pool = await open_pool(url, size=1)
    async with pool.acquire() as db:
        await suppress(db, channel="sms", address=phone, reason="opted_out", source="sms_reply")
    await pool.close()


async def _queued(url: str) -> list[tuple[Any, ...]]:
    pool = await open_pool(url, size=1)
    rows = await pool.fetch(
        "select t.kind, t.asked_by, m.channel, m.address, t.content from transactional t join message m"
        " using (message_id) where m.state = 'queued' and m.step_id is null and m.person_id is null order by message_id"
    )
    await pool.close()
    return [tuple(row) for row in rows]


def test_a_preview_is_what_that_person_would_get(muster: Muster) -> None:
    shown = muster(
        "template", "preview", "ballot-reminder", "--person", "M1", "--about", "ballot:pay-2026", "--json"
    ).json()
    sms, email = shown["sms"], shown["email"]
    assert sms["to"] == "+447700900123"
    assert sms["text"].startswith("Hi Siân <b>, The Union here.")
    assert "http://muster.test/0123456789abc" in sms["text"]
    assert (sms["encoding"], sms["segments"]) == ("ucs2", 3)
    assert sms["menu"] == {"1": "voted", "2": "not_voted", "3": "no_ballot_paper"}
    assert (email["from"], email["to"]) == ("Muster Union <ballot@union.test>", "sian@example.org")
    assert email["subject"] == "Siân <b>, have you posted your ballot paper?"
    assert "Pay 2026" in email["text"]
    assert "Friday 4 December, 12:00" in email["text"]
    assert "http://muster.test/u/0123456789abc" in email["text"]
    assert "Hello Si&#226;n &lt;b&gt;," in email["html"]


def test_a_preview_in_the_terminal_is_readable(muster: Muster, tmp_path: Path) -> None:
    own(tmp_path, "shirt", "---\npurpose: service\n---\n{{ first_name }}’s shirt: {{ shirt_size }}. STOP to opt out")
    done = muster("template", "preview", "shirt", "--person", "M1")
    assert done.status == 0
    assert "SMS to +447700900123" in done.out
    assert "1 segment: 37 characters of UCS-2 because of â" in done.out
    assert "Siân <b>'s shirt: XL." in done.out
    assert "Replaced: right single quotation mark by “'”, 1 time" in done.out
    assert "Email" not in done.out


def test_the_html_goes_to_a_file(muster: Muster, tmp_path: Path) -> None:
    done = muster("template", "preview", "ballot-reminder", "--person", "M1", "--html", "page.html")
    assert done.status == 0
    assert "The HTML part is in page.html." in done.out
    assert "[closes]" in done.out  # no ballot was named: an example that cannot be mistaken for one
    assert (tmp_path / "page.html").read_text(encoding="ascii").startswith("<!DOCTYPE html>")
    assert muster("template", "preview", "ballot-reminder", "--person", "M1", "--html", "/nowhere/x.html").status == 1


def test_somebody_without_addresses_is_said_to_get_nothing(muster: Muster) -> None:
    done = muster("template", "preview", "ballot-reminder", "--person", "M2")
    assert done.status == 0
    assert "SMS to nobody" in done.out
    assert "Email to nobody" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ballot-remindr", "--person", "M1"), "Did you mean “ballot-reminder”?"),
        (("ballot-reminder", "--person", "M9"), "Nobody has the number M9."),
        (("ballot-reminder", "--person", "M1", "--about", "ballot:pay"), "There is no ballot pay."),
    ],
)
def test_missing_channels_and_languages_are_reported(muster: Muster, words: tuple[str, ...], said: str) -> None:
    done = muster("template", "preview", *words)
    assert (done.status, done.out) == (1, "")
    assert said in done.err


def test_wrong_usage_exits_with_2(muster: Muster) -> None:
    assert muster("template", "preview", "ballot-reminder").status == 2


def test_check_names_an_unknown_variable_by_line_and_knows_the_attributes(muster: Muster, tmp_path: Path) -> None:
    own(tmp_path, "typo", "---\npurpose: service\n---\n{{ first_name }}\n{{ shirt_sise }}")
    done = muster("template", "check", "typo")
    assert done.status == 1
    assert "typo/sms.txt line 5: there is no variable “shirt_sise”. Did you mean “shirt_size”?" in done.err


def test_check_says_what_a_template_offers(muster: Muster) -> None:
    done = muster("template", "check", "ballot-reminder")
    assert done.status == 0
    assert "Reply 3: no_ballot_paper" in done.out
    assert "Nothing is wrong with it." in done.out
    shown = muster("template", "check", "ballot-reminder", "--json").json()
    assert shown["menu"]["1"] == "voted"
    assert shown["warnings"] == []
    assert "confirm_link" in shown["variables"]


def test_every_language_is_shown_and_one_can_be_asked_for(muster: Muster, tmp_path: Path) -> None:
    (tmp_path / "welsh.csv").write_text(WELSH, encoding="utf-8")
    assert muster("people", "import", "welsh.csv").status == 0
    preview = ("template", "preview", "ballot-reminder", "--about", "ballot:pay-2026", "--json", "--person")
    gwen = muster(*preview, "M3").json()
    assert (gwen["language"], gwen["sms"]["text"][:10]) == ("cy", "Helo Gwen,")
    assert "dydd Gwener 4 Rhagfyr am 12:00" in gwen["email"]["text"]
    assert [(preview["language"], preview["sms"]["text"][:8]) for preview in gwen["other_languages"]] == [
        ("en", "Hi Gwen,")
    ]
    sian = muster(*preview, "M1", "--language", "cy").json()
    assert (sian["sms"]["text"][:8], sian["other_languages"]) == ("Helo Siâ", [])
    words = muster("template", "preview", "ballot-reminder", "--person", "M1").out
    assert words.index("Hi Siân") < words.index("The same in Welsh (cy)") < words.index("Helo Siân")

    checked = muster("template", "check", "ballot-reminder")
    assert "Languages: English (en): sms and email; Welsh (cy): sms and email" in checked.out
    assert "Warning: One person has the language Polish (pl), which the template is not in: they get" in checked.out
    assert "It can be used; see the warnings." in checked.out
    shown = muster("template", "check", "ballot-reminder", "--language", "cy", "--json").json()
    assert (shown["languages"], shown["warnings"]) == ({"en": ["sms", "email"], "cy": ["sms", "email"]}, [])
    polish = muster("template", "check", "ballot-reminder", "--language", "pl")
    assert polish.status == 1
    assert "is not in Polish (pl); it is in English (en) and Welsh (cy)" in polish.err
    assert "Put sms.pl.txt and email.pl.md beside its files." in polish.err


def test_a_menu_nobody_understands_is_not_said_to_be_all_right(muster: Muster) -> None:
    done = muster("template", "check", "feedback-request")
    assert done.status == 0
    assert "Warning: Whether anything understands the answer 1 (good), 2 (fair), 3 (poor) depends on what" in done.out
    assert "Nothing is wrong with it." not in done.out
    of_a_ballot = muster("template", "check", "appointment-reminder", "--about", "ballot")
    assert of_a_ballot.status == 1
    assert "which is no answer to a ballot; it understands call_me, help, no_ballot" in of_a_ballot.err


def test_a_menu_of_a_ballot_is_refused_for_what_no_ballot_understands(muster: Muster, tmp_path: Path) -> None:
    text = "About {{ ballot.title }}: reply 1 done or 2 later. STOP to opt out. {{ confirm_link }}"
    own(tmp_path, "near", f"---\npurpose: service\nmenu: {{1: votd, 2: not_voted}}\n---\n{text}")
    near = muster("template", "check", "near")  # which can be about nothing else, so it need not be said
    assert near.status == 1
    assert "offers 1 for votd, which is no answer to a ballot; did you mean voted?" in near.err
    assert "offers 2" not in near.err


@pytest.mark.parametrize("kind", ["ballot", "notice", "question"])
def test_a_word_that_networks_act_on_is_no_answer_to_anything(muster: Muster, tmp_path: Path, kind: str) -> None:
    own(tmp_path, "quit", '---\npurpose: service\n---\n{% set w = "YES" %}Reply {{ w }}, quit for 2 STOP to opt out')
    done = muster("template", "check", "quit", "--about", kind)
    assert done.status == 1
    assert "offers YES as an answer" in done.err
    assert "offers QUIT as an answer" in done.err
    own(tmp_path, "yes", "---\npurpose: service\n---\nReply YES or END. STOP to opt out")
    done = muster("template", "check", "yes", "--about", kind)
    assert done.status == 1
    assert "offers YES as an answer, on which mobile networks act themselves; offer digits" in done.err
    assert "offers END" in done.err


def test_a_menu_is_held_against_the_question_that_is_named(muster: Muster, tmp_path: Path) -> None:
    made = muster("question", "create", str(FEEDBACK))
    assert made.status == 0, made.err
    fitting = muster("template", "check", "feedback-request", "--about", "question:visit-2026")
    assert (fitting.status, "understands" in fitting.out) == (0, False)
    own(tmp_path, "odd", "---\npurpose: service\nmenu: {1: good, 2: gone}\n---\nReply 1 or 2, or YES. STOP to opt out")
    odd = muster("template", "check", "odd", "--about", "question:visit-2026")
    assert odd.status == 1
    assert "offers 2 for gone, which is no answer to visit-2026; it has good, fair, poor" in odd.err
    assert "offers YES as an answer, on which mobile networks act themselves; offer digits" in odd.err
    unknown = muster("template", "check", "feedback-request", "--about", "question:visit")
    assert "Did you mean visit-2026?" in unknown.err


def test_check_preview_and_test_take_the_same_words_for_what_it_is_about(muster: Muster, tmp_path: Path) -> None:
    assert muster("question", "create", str(FEEDBACK)).status == 0
    own(tmp_path, "bin-days", "---\npurpose: service\n---\nYour bin goes on Monday. STOP to opt out")
    own(tmp_path, "bin-digits", "---\npurpose: service\nmenu: {1: good}\n---\nReply 1 for good. STOP to opt out")
    commands = {"check": (), "preview": ("--person", "M1"), "test": ("--person", "M1", "--to", "07700 900999")}
    for command, words in commands.items():
        about = {
            "notice": "bin-days", "question": "feedback-request", "question:visit-2026": "feedback-request",
            "ballot": "ballot-reminder", "ballot:pay-2026": "ballot-reminder",
        }  # fmt: skip
        for word, name in about.items():
            done = muster("template", command, name, *words, "--about", word)
            assert done.status == 0, (command, word, done.err)
        refused = muster("template", command, "bin-digits", *words, "--about", "notice")
        assert (refused.status, "a notice wants no answer" in refused.err) == (1, True), (command, refused.err)
        odd = muster("template", command, "bin-days", *words, "--about", "pay-2026")
        assert odd.status == 2
        assert "'pay-2026' is not among ballot, question, notice, and neither ballot:NAME or question:NAME" in odd.err
    shown = muster("template", "preview", "feedback-request", "--person", "M1", "--about", "question:visit-2026")
    assert "How did we do when you visited us? One press is enough" in " ".join(shown.out.split())


def test_the_reminder_of_an_appointment_can_be_checked_before_a_file_has_brought_its_columns(muster: Muster) -> None:
    done = muster("template", "check", "appointment-reminder")
    assert (done.status, "It can be used" in done.out) == (0, True), done.err


def test_check_warns_without_failing(muster: Muster, tmp_path: Path) -> None:
    own(tmp_path, "curt", "---\npurpose: service\n---\nHello")
    done = muster("template", "check", "curt")
    assert done.status == 0
    assert "Warning: The text does not say that STOP opts out." in done.out


def test_a_name_as_sender_refuses_the_digits(muster: Muster, environment: dict[str, str]) -> None:
    environment["MUSTER_SMS_FROM"] = "TheUnion"
    done = muster("template", "check", "ballot-reminder")
    assert done.status == 1
    assert "texts from “TheUnion” cannot be answered" in done.err


def test_list_shows_every_template_and_what_is_wrong_with_one(muster: Muster, tmp_path: Path) -> None:
    own(tmp_path, "broken", "no head")
    done = muster("template", "list")
    assert done.status == 0
    assert "ballot-reminder" in done.out
    assert "sms and email  service" in done.out
    assert "broken" in done.out
    rows = {row["name"]: row for row in muster("template", "list", "--json").json()}
    assert rows["ballot-reminder"] == {
        "name": "ballot-reminder",
        "purpose": "service",
        "channels": ["sms", "email"],
        "error": None,
    }
    assert "does not say what it is for" in rows["broken"]["error"]
