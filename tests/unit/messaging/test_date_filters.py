"""Dates in messages: in the language of the text and on the reader's clock, and the reminder that says them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from core.errors import TemplateError
from core.settings import TEMPLATES
from messaging.content.dates import CAMPAIGN_ZONE
from messaging.content.render import Renderer
from messaging.content.template_files import load_template
from messaging.content.templates import Template

AT_HALF_PAST_TWO = "2026-12-02T14:30:00Z"
LINKS = {
    "confirm_link": f"https://muster.example.org/{'0' * 22}", "unsubscribe_link": "https://muster.example.org/u/0",
    "preferences_link": "https://muster.example.org/p/0",
}  # fmt: skip
CONSTANTS = {"organisation": "Riverside Council", "contact": "01632 960000"}


def said(source: str, language: str = "en", campaign: str = "", **variables: str) -> str:
    welsh = Template("nudge", "service", sms=source, language="cy", suffix=".cy")
    template = Template("nudge", "service", sms=source, translations={"cy": welsh})
    given = {"time_zone": "Europe/London", "language": language} | variables
    return Renderer(template, {CAMPAIGN_ZONE: campaign}).sms(given).text


@pytest.mark.parametrize(
    ("text", "zone", "date", "time", "both"),
    [
        (AT_HALF_PAST_TWO, "Europe/London", "Wednesday 2 December", "14:30", "Wednesday 2 December, 14:30"),
        (AT_HALF_PAST_TWO, "Asia/Kolkata", "Wednesday 2 December", "20:00", "Wednesday 2 December, 20:00"),
        ("2026-12-02T23:30Z", "Asia/Kolkata", "Thursday 3 December", "05:00", "Thursday 3 December, 05:00"),
        ("02/12/2026 9.05am", "Asia/Kolkata", "Wednesday 2 December", "09:05", "Wednesday 2 December, 09:05"),
        ("02/12/2026", "Europe/London", "Wednesday 2 December", "", "Wednesday 2 December"),
        ("after Easter", "Europe/London", "after Easter", "", "after Easter"),
        ("", "Europe/London", "", "", ""),
        (AT_HALF_PAST_TWO, "no/zone", "Wednesday 2 December", "14:30", "Wednesday 2 December, 14:30"),
    ],
)
def test_a_date_is_said_on_the_reader_s_clock(text: str, zone: str, date: str, time: str, both: str) -> None:
    source = "[{{ at|date }}] [{{ at|time }}] [{{ at | datetime }}]"
    assert said(source, at=text, time_zone=zone) == f"[{date}] [{time}] [{both}]"


@pytest.mark.parametrize(
    ("zone", "language", "time"),
    [
        ("America/New_York", "en", "09:30 (New York time)"),
        ("America/New_York", "cy", "09:30 (amser New York)"),
        ("America/Argentina/Buenos_Aires", "en", "11:30 (Buenos Aires time)"),
        ("Etc/GMT+5", "en", "09:30 (UTC-0500)"),
        ("Europe/Dublin", "en", "14:30"),
        ("UTC", "en", "14:30"),
    ],
)
def test_a_time_names_its_zone_where_the_campaign_s_clock_shows_another(zone: str, language: str, time: str) -> None:
    given = {"at": AT_HALF_PAST_TWO, "time_zone": zone, "campaign": "Europe/London"}
    assert said("{{ at|time }}", language, **given) == time
    assert said("{{ at|datetime }}", language, **given).endswith(f" {time}")
    assert "(" not in said("{{ at|date }}", language, **given)
    assert "(" not in said("{{ at|datetime }}", language, **{**given, "at": "2/12/2026"})


def test_the_campaign_s_zone_is_no_variable() -> None:
    assert said("{{ zone }}", campaign="Europe/London", zone="Zone 3") == "Zone 3"


@pytest.mark.parametrize("at", [AT_HALF_PAST_TWO, "after Easter"])
def test_in_welsh_no_date_or_place_stands_where_its_first_letter_would_change(at: str) -> None:
    template = load_template([TEMPLATES], "appointment-reminder")
    variables = LINKS | {
        "first_name": "Ann", "language": "cy", "time_zone": "Europe/London", "appointment_at": at, "place": "Caerdydd",
        "letter": "",
    }  # fmt: skip
    mail = Renderer(template, CONSTANTS).email(variables)
    for text in (Renderer(template, CONSTANTS).sms(variables).text, mail.subject, mail.text):
        assert not re.search(r"\b(ar|o|i|yn|am|at) (dydd |after|Caerdydd)", text)
        assert text.count("dydd Mercher" if at == AT_HALF_PAST_TWO else at) <= 1
    assert ": dydd Mercher 2 Rhagfyr am 14:30" in mail.subject or at != AT_HALF_PAST_TWO


def test_a_date_is_said_in_the_language_of_the_text() -> None:
    assert said("{{ at|datetime }}", "cy", at=AT_HALF_PAST_TWO) == "dydd Mercher 2 Rhagfyr am 14:30"
    assert said("{% for x in [at, at] %}{{ x|date }} {% endfor %}", "cy", at="1/3/2027") == " ".join(
        ["dydd Llun 1 Mawrth"] * 2
    )


def test_a_template_with_dates_needs_the_time_zone_and_one_without_does_not() -> None:
    assert Template("nudge", "service", sms="{{ at|date }}").variables == {"at", "time_zone"}
    assert Template("nudge", "service", sms="{{ at }}").variables == {"at"}


def test_a_filter_for_dates_takes_nothing_else() -> None:
    with pytest.raises(TemplateError, match=r"in brackets after \|date"):
        Template("nudge", "service", sms="{{ at|date('short') }}").check({"at"})


@pytest.mark.parametrize("language", ["en", "cy"])
@pytest.mark.parametrize("at", [AT_HALF_PAST_TWO, "02/12/2026", ""])
@pytest.mark.parametrize("place", ["Riverside Health Centre, 2 High Street", ""])
def test_the_reminder_says_date_time_and_place_in_two_segments(language: str, at: str, place: str) -> None:
    template = load_template([TEMPLATES], "appointment-reminder")
    variables: dict[str, Any] = LINKS | {
        "first_name": "Christopher", "language": language, "time_zone": "Europe/London", "appointment_at": at,
        "place": place, "letter": "",
    }  # fmt: skip
    text = Renderer(template, CONSTANTS).sms(variables)
    assert (text.segments.encoding, text.segments.segments) == ("gsm7", 2)
    mail = Renderer(template, CONSTANTS).email(variables)
    day, time = {"en": "Wednesday 2 December", "cy": "dydd Mercher 2 Rhagfyr"}[language], "14:30"
    for whole in (text.text, mail.text):
        assert (day in whole, time in whole) == (bool(at), at == AT_HALF_PAST_TWO)
        assert place in whole
        assert "None" not in whole
    assert (day in mail.subject) == bool(at)
