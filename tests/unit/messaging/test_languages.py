"""Templates in several languages: each person's version, and errors and warnings about them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from ballots.template_fields import BALLOT
from core.errors import NotFound, TemplateError
from core.settings import TEMPLATES
from messaging.content.languages import closest_language, code, direction
from messaging.content.render import Renderer
from messaging.content.template_files import load_template
from messaging.content.templates import Template
from messaging.content.translations import day_and_time
from messaging.content.vocabulary import PERSONAL

BROUGHT = (TEMPLATES,)
LINKS = {f"{name}_link": f"https://m.test/{name}" for name in ("confirm", "unsubscribe", "preferences")}
CONSTANTS = {
    "organisation": "The Union",
    "contact": "0800 000 000",
    "ballot": {"title": "Pay", "closes": "Monday 7 December", "last_posting": "Thursday 3 December"},
    "languages": {"cy": {"ballot": {"title": "Pay", "closes": "dydd Llun 7 Rhagfyr", "last_posting": "dydd Iau"}}},
}
SMS = (
    "---\npurpose: service\nmenu: {1: voted, 2: not_voted}\n---\nHi {{ first_name }}: 1 posted, 2 not. STOP to opt out"
)
SMS_CY = "Helo {{ first_name }}: 1 wedi postio, 2 heb. STOP i optio allan"
EMAIL = (
    "---\npurpose: service\nsubject: Hello\npreheader: Soon\n---\n"
    "It closes on {{ ballot.closes }}: [tell us]({{ confirm_link }})"
)
EMAIL_CY = "---\nsubject: Helo\npreheader: Cyn hir\n---\nMae'n cau {{ ballot.closes }}: [dywedwch]({{ confirm_link }})"


def write(root: Path, **files: str) -> tuple[Path, ...]:
    folder = root / "messages" / "nudge"
    folder.mkdir(parents=True)
    for name, text in files.items():
        channel, _, language = name.partition("_")
        suffix = f".{language.replace('_', '-')}" if language else ""
        (folder / f"{channel}{suffix}.{'txt' if channel == 'sms' else 'md'}").write_text(text, encoding="utf-8")
    return (root,)


def person(language: str) -> dict[str, str]:
    return dict.fromkeys(PERSONAL, "") | LINKS | {"first_name": "Ann", "language": language}


@pytest.mark.parametrize(
    ("wanted", "known", "found"),
    [
        ("cy", ("en", "cy"), "cy"),
        ("cy-GB", ("en", "cy"), "cy"),
        ("cy_gb", ("cy-gb", "cy"), "cy-gb"),
        ("zh-hant-tw", ("zh", "zh-hant"), "zh-hant"),
        ("cy", ("en", "cy-gb"), None),
        ("pl", ("en", "cy"), None),
        ("", ("en",), None),
    ],
)
def test_a_language_serves_speakers_of_its_variants(wanted: str, known: tuple[str, ...], found: str) -> None:
    assert closest_language(wanted, known) == found


def test_codes_have_one_form() -> None:
    assert [code(text) for text in ("CY", " cy_GB ", "welsh!", "english", "")] == ["cy", "cy-gb", None, None, None]
    assert [direction(language) for language in ("cy", "ur", "ar-eg")] == ["ltr", "rtl", "rtl"]


def test_each_person_gets_their_language_or_the_templates_own(tmp_path: Path) -> None:
    template = load_template(write(tmp_path, sms=SMS, email=EMAIL, sms_cy=SMS_CY, email_cy=EMAIL_CY), "nudge")
    template.check(PERSONAL, subjects=(BALLOT,))
    assert template.languages == ("en", "cy")
    assert "language" in template.variables, "a launch keeps it with each message"
    renderer = Renderer(template, CONSTANTS)
    for language, greeting, closes in (
        ("en", "Hi Ann", "Monday 7 December"), ("cy", "Helo Ann", "dydd Llun 7 Rhagfyr"),
        ("cy-gb", "Helo Ann", "dydd Llun 7 Rhagfyr"), ("pl", "Hi Ann", "Monday 7 December"), ("", "Hi Ann", "Monday"),
    ):  # fmt: skip
        assert renderer.sms(person(language)).text.startswith(greeting)
        email = renderer.email(person(language))
        assert closes in email.text
        assert closes in email.html


def test_a_welsh_email_is_welsh_to_its_foot(tmp_path: Path) -> None:
    renderer = Renderer(load_template(write(tmp_path, email=EMAIL, email_cy=EMAIL_CY), "nudge"), CONSTANTS)
    welsh, english = renderer.email(person("cy")), renderer.email(person("en"))
    assert (welsh.subject, english.subject) == ("Helo", "Hello")
    assert '<html lang="cy" dir="ltr">' in welsh.html
    assert '<html lang="en" dir="ltr">' in english.html
    for words in ("Cyn hir", "Dad-danysgrifio", "Dewiswch beth rydym yn ei anfon atoch"):
        assert words in welsh.html
    for words in ("Cysylltwch â ni: 0800 000 000", "Dad-danysgrifio: https://m.test/unsubscribe", "Rydych yn cael"):
        assert words in welsh.text
    for words in ("Contact", "Unsubscribe", "Choose", "You get this", "Soon", "closes"):
        assert words not in welsh.text + welsh.html
    assert "Unsubscribe: https://m.test/unsubscribe" in english.text


def test_the_foot_has_no_words_or_colours_that_filters_hold_against_a_mail() -> None:
    email = Renderer(load_template(BROUGHT, "ballot-reminder"), CONSTANTS).email(person("en"))
    assert "Stop these emails" not in email.text + email.html
    preheader = email.html.partition('<div class="preheader"')[2].partition(">")[0]
    assert "display: none" in preheader
    assert "color" not in preheader


def test_a_channel_missing_in_a_language_uses_the_templates_own(tmp_path: Path) -> None:
    template = load_template(write(tmp_path, sms=SMS, email=EMAIL, sms_cy=SMS_CY), "nudge")
    renderer = Renderer(template, CONSTANTS)
    assert renderer.sms(person("cy")).text.startswith("Helo")
    assert renderer.email(person("cy")).subject == "Hello"
    assert '<html lang="en"' in renderer.email(person("cy")).html
    assert (renderer.language("sms", person("cy")), renderer.language("email", person("cy"))) == ("cy", "en")
    warning = "There is no email in Welsh (cy): people who speak it get the email in English (en)."
    assert f"In Welsh (cy): {warning}" in template.warnings()


def test_a_stored_template_renders_the_same_bytes(tmp_path: Path) -> None:
    template = load_template(write(tmp_path, sms=SMS, email=EMAIL, sms_cy=SMS_CY, email_cy=EMAIL_CY), "nudge")
    kept = Template.from_json(orjson.loads(orjson.dumps(template.to_json())))
    assert kept == template
    for language in ("en", "cy"):
        first, again = Renderer(template, CONSTANTS), Renderer(kept, CONSTANTS)
        assert first.email(person(language)) == again.email(person(language))
        assert first.sms(person(language)) == again.sms(person(language))


def test_a_template_stored_without_languages_still_renders() -> None:
    kept = load_template(BROUGHT, "ballot-reminder").to_json()
    for later in ("language", "translations", "suffix"):
        del kept[later]
    old = Template.from_json(kept)
    assert old.languages == ("en",)
    assert "language" not in old.variables
    assert Renderer(old, CONSTANTS).sms({**LINKS, "first_name": "Ann"}).text.startswith("Hi Ann")


def test_the_unmarked_files_may_be_in_another_language(tmp_path: Path) -> None:
    template = load_template(
        write(tmp_path, sms="---\npurpose: service\nlanguage: cy\n---\nHelo. STOP", sms_en="Hello. STOP"), "nudge"
    )
    assert template.languages == ("cy", "en")
    renderer = Renderer(template, {})
    assert [renderer.sms(person(language)).text[:4] for language in ("cy", "en", "pl")] == ["Helo", "Hell", "Helo"]


def test_each_language_may_have_its_own_menu(tmp_path: Path) -> None:
    other = f"---\nmenu: {{2: voted, 1: not_voted}}\n---\n{SMS_CY}"
    template = load_template(write(tmp_path, sms=SMS, sms_cy=other), "nudge")
    assert template.version("sms", "cy").menu == {"2": "voted", "1": "not_voted"}
    assert template.version("sms", "en").menu == template.version("sms", "pl").menu == {"1": "voted", "2": "not_voted"}
    assert any(
        "offers 2 voted, 1 not_voted, and the one in English (en) 1 voted" in warning for warning in template.warnings()
    )


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"email_cy": EMAIL_CY, "sms": SMS}, "There is nudge/email.cy.md, but no nudge/email.md."),
        ({"sms_cy": SMS_CY}, "There is nudge/sms.cy.txt, but no nudge/sms.txt."),
        ({"sms": SMS, "sms_welsh": SMS_CY}, "nudge/sms.welsh.txt: “welsh” is not a language's code."),
        ({"sms": SMS, "sms_en": SMS_CY}, "is in English (en) twice"),
        ({"sms": SMS, "sms_cy": SMS_CY, "sms_CY": SMS_CY}, "are the same language twice"),
        ({"sms": SMS, "sms_cy": "Helo. 1 wedi postio. STOP"}, "nudge/sms.cy.txt: the menu offers 2 (not_voted)"),
        ({"sms": SMS, "sms_cy": "Helo {{ frist_name }} 1 2 STOP"}, "nudge/sms.cy.txt line 1: there is no variable"),
        ({"sms": SMS, "sms_cy": "---\npurpose: marketing\n---\n1 2 STOP"}, "service by one channel and marketing"),
        ({"sms": SMS, "sms_cy": "---\nlanguage: pl\n---\n1 2 STOP"}, "says that it is in pl, and its name cy"),
        ({"email": EMAIL, "email_cy": "Helo"}, "nudge/email.cy.md has no subject."),
        ({"email": EMAIL, "email_cy": "---\nsubject: Helo\n---\n{% if x"}, "nudge/email.cy.md line 4"),
        ({"sms": "---\npurpose: service\nlanguage: welsh!\n---\nHelo"}, "“welsh!” is not a language's code"),
    ],
)
def test_files_that_do_not_fit_each_other_are_refused(tmp_path: Path, files: dict[str, str], words: str) -> None:
    with pytest.raises(TemplateError) as refused:
        load_template(write(tmp_path, **files), "nudge").check(PERSONAL)
    assert words in str(refused.value)


def test_a_language_without_own_words_of_muster_is_reported(tmp_path: Path) -> None:
    template = load_template(write(tmp_path, email=EMAIL, email_pl=EMAIL_CY.replace("Helo", "Dzień dobry")), "nudge")
    assert any(
        "The foot of the email and its dates are in English (en)" in warning
        for warning in template.warnings(language="pl")
    )
    assert not any("In Polish" in warning for warning in template.warnings(language="en"))


def test_a_folder_with_nothing_but_a_translation_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_template((tmp_path,), "nudge")
    with pytest.raises(TemplateError, match=r"no nudge/sms\.txt"):
        load_template(write(tmp_path, sms_cy=SMS_CY), "nudge")


@pytest.mark.parametrize("name", ["ballot-reminder", "ballot-last-days"])
def test_the_ballots_templates_speak_welsh_in_as_few_segments(name: str) -> None:
    renderer = Renderer(load_template(BROUGHT, name), CONSTANTS)
    welsh, english = renderer.sms(person("cy")), renderer.sms(person("en"))
    assert welsh.text != english.text
    assert (welsh.segments.encoding, welsh.segments.segments) == ("gsm7", english.segments.segments)
    assert renderer.email(person("cy")).subject != renderer.email(person("en")).subject


def test_dates_are_written_in_the_language() -> None:
    at = datetime(2026, 12, 7, 12, tzinfo=UTC)
    assert day_and_time(at, "Europe/London") == "Monday 7 December, 12:00"
    assert day_and_time(at, "Europe/London", "cy") == "dydd Llun 7 Rhagfyr am 12:00"
    assert day_and_time(datetime(2026, 12, 3, tzinfo=UTC), "Europe/London", "cy-gb") == "dydd Iau 3 Rhagfyr"
