"""Warnings to a template's author: words networks act on, links with something glued on, menus nobody reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from ballots.template_fields import BALLOT
from campaigns.replies.classification import READINGS
from core.errors import TemplateError
from core.settings import TEMPLATES
from messaging.content.advice import network_words, offered_network_words
from messaging.content.template_files import load_template
from messaging.content.templates import Template

BROUGHT = (TEMPLATES,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Reply YES if you have voted", ["YES"]),
        ("reply yes or no", ["YES"]),
        ("Reply no or yes", ["YES"]),
        ("Reply 1 or yes", ["YES"]),
        ("Text back 'Yes' when done", ["YES"]),
        ("Hi, answer Yes for 1, quit for 2. STOP to opt out", ["YES", "QUIT"]),
        ("1 or 2, that is quit for 2 STOP to opt out", ["QUIT"]),
        ("“cancel” = 2, “come” = 1", ["CANCEL"]),
        ("The strike will end for 2 days, and help is 2 streets away", []),
        ("Reply Y\u200bES if you have voted", ["YES"]),
        ("Reply ＹＥＳ if you have voted", ["YES"]),
        ("Reply c\u00adan\u2060cel to change it", ["CANCEL"]),
        ("Just text “start” to us", ["START"]),
        ("Please answer with yes", ["YES"]),
        ("YES = posted, NO = not yet", ["YES"]),
        ("Reply CANCEL to cancel your appointment", ["CANCEL"]),
        ("Reply cancel to change it", ["CANCEL"]),
        ("Send END when the meeting is over", ["END"]),
        ("Reply STOP if you have posted it", ["STOP"]),
        ("Text HELP if no ballot paper came", ["HELP"]),
        ("Reply INFO for the dates", ["INFO"]),
        ("Atebwch YES os ydych wedi pleidleisio", ["YES"]),
        ("Reply QUIT once you have voted", ["QUIT"]),
        # the way out is no answer
        ("STOP to opt out", []),
        ("Reply STOP to unsubscribe", []),
        ("Text stop to opt out", []),
        ("Opt out: reply END", []),
        ("To stop these texts send QUIT", []),
        ("STOP i optio allan", []),
        ("Text HELP for help", []),
        # nothing is offered
        ("Reply 1 yes, 2 no", []),
        ("1 = YES, 2 = NO", []),
        ("Vote YES to the offer", []),
        ("Voting ends on Friday; it is the end of a long year", []),
        ("Yes, it is that time again. Help us get there", []),
        ("We will stop the cuts and start again", []),
        ("Reply to this message to get help from your rep", []),
        ("More information: text us", []),
    ],
)
def test_words_that_networks_act_on_are_no_answers(text: str, words: list[str]) -> None:
    assert network_words(text) == words


def sms(text: str, **more: object) -> Template:
    return Template("nudge", "service", sms=text, **more)  # type: ignore[arg-type]


def email(text: str) -> Template:
    return Template("nudge", "service", subject="x", email=text)


@pytest.mark.parametrize(
    ("template", "glued"),
    [
        (sms("Tap {{ confirm_link }}. STOP"), "."),
        (sms("Tap {{ confirm_link }}, or reply STOP"), ","),
        (sms("(see {{ unsubscribe_link }}) STOP"), ")"),
        (sms("“{{ preferences_link }}” STOP"), "”"),
        (sms("{{ confirm_link }}{% if unit %}!{% endif %} STOP"), "!"),
        (sms("{{ confirm_link }}{{ first_name }} STOP"), "{{ first_name }}"),
        (sms("{{confirm_link|trim}}STOP"), "STOP"),
        (email("See {{ confirm_link }}."), "."),
        (email("**{{ confirm_link }}**!"), "!"),
        (email("[Tell us]({{ confirm_link }}) or {{ unsubscribe_link }}?"), "?"),
        (sms("Tap {{ confirm_link }} STOP"), ""),
        (sms("Tap {{ confirm_link }}\nSTOP"), ""),
        (sms("STOP {{ confirm_link }}"), ""),
        (sms("STOP {{ first_name }}."), ""),
        (email("[Tell us]({{ confirm_link }})."), ""),
        (email("<{{ confirm_link }}>."), ""),
        (email("**{{ confirm_link }}** now"), ""),
    ],
)
def test_text_glued_to_a_link_is_named(template: Template, glued: str) -> None:
    warnings = [warning for warning in template.warnings() if "glued" in warning]
    assert ([f"“{glued}” is glued to" in result for result in warnings] == [True]) if glued else (warnings == [])
    assert not warnings or warnings[0].startswith("nudge/")


@pytest.mark.parametrize("name", ["appointment-reminder", "feedback-request"])
def test_a_menu_that_nobody_understands_is_not_all_right(name: str) -> None:
    template = load_template(BROUGHT, name)
    warnings = template.warnings(subjects=(BALLOT,), sms_from="+447700900000", meanings=READINGS)
    assert len(warnings) == len(template.languages)
    assert all("Nothing understands the answer 1 (" in warning and "voted" in warning for warning in warnings)


@pytest.mark.parametrize("name", ["ballot-reminder", "ballot-last-days"])
def test_the_ballots_menus_are_understood(name: str) -> None:
    assert load_template(BROUGHT, name).warnings(subjects=(BALLOT,), sms_from="+447700900000", meanings=READINGS) == ()


def test_unsent_channels_get_no_warning() -> None:
    template = load_template(BROUGHT, "appointment-reminder")
    assert template.warnings(meanings=READINGS, channels=("email",)) == ()
    assert len(template.warnings(meanings=READINGS, channels=("email", "sms"), language="en")) == 1


def test_only_the_digits_that_nobody_understands_are_named() -> None:
    [warning] = [
        warning
        for warning in sms("1 or 2. STOP", menu={"1": "voted", "2": "good"}).warnings(meanings=READINGS)
        if "understands" in warning
    ]
    assert "answer 2 (good):" in warning


@pytest.mark.parametrize(
    ("menu", "words"),
    [
        ("{1: score_1}", "“1: score_1” in the menu is not a digit and a meaning: a meaning has no digits in it"),
        ("{1: Voted}", "a meaning is lower-case letters with underscores"),
        ("{1: has voted}", "a meaning is lower-case letters with underscores"),
        ("{12: voted}", "only one digit, 0 to 9, can be offered"),
        ("{yes: voted}", "“yes: voted” in the menu is not a digit and a meaning: only digits can be offered"),
        ("{STOP: voted}", "“STOP” is a word"),
        ("{1: }", "a meaning is lower-case letters"),
    ],
)
def test_a_menu_is_refused_with_what_is_wrong_in_it(tmp_path: Path, menu: str, words: str) -> None:
    (tmp_path / "messages" / "nudge").mkdir(parents=True)
    text = f"---\npurpose: service\nmenu: {menu}\n---\nReply 1, 12, yes or STOP"
    (tmp_path / "messages" / "nudge" / "sms.txt").write_text(text)
    with pytest.raises(TemplateError) as refused:
        load_template((tmp_path,), "nudge")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{% set w = "YES" %}Reply {{ w }} to come', ["YES"]),
        ("{%- set w = 'y' ~ 'es' -%}Reply {{ w }} to come", ["YES"]),
        ('{% set a = "quit" %}{% set b = a %}Reply {{ b | upper }} to come', ["QUIT"]),
        ('Reply {{ "1" if first_name else "cancel" }} to come', ["CANCEL"]),
        ('{% set w = "1" %}{% if first_name %}{% set w = "END" %}{% endif %}Reply {{ w }} to come', ["END"]),
        ('Reply {{ "\\x59ES" }} to come', ["YES"]),
        ('{% set w = "Y\u200bES" %}Reply {{ w }} to come', ["YES"]),
        ('{% set w = "1" %}Reply {{ w }} to come, STOP to opt out', []),
    ],
)
def test_words_that_an_expression_writes_count(text: str, words: list[str]) -> None:
    assert offered_network_words(Template("own", "service", sms=text)) == words
