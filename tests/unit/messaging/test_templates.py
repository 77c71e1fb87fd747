"""Templates: read from folders, and every mistake in them found before anything is sent."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from ballots.template_fields import BALLOT
from core.errors import MusterError, NotFound, TemplateError
from core.settings import ROOT, TEMPLATES
from messaging.content.expressions import FILTERS
from messaging.content.template_files import list_templates, load_template
from messaging.content.templates import Template
from messaging.content.vocabulary import LETTER, PERSONAL, STANDARD_VARIABLES
from services.questions.template_fields import QUESTION

BROUGHT = (TEMPLATES,)


def write(root: Path, name: str = "nudge", **files: str) -> tuple[Path, ...]:
    folder = root / "messages" / name
    folder.mkdir(parents=True, exist_ok=True)
    for part, text in files.items():
        path = folder / {"sms": "sms.txt", "email": "email.md", "layout": "layout.html"}[part]
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return (root,)


def refusal(root: Path, **files: str) -> str:
    with pytest.raises(TemplateError) as refused:
        load_template(write(root, **files), "nudge").check(PERSONAL, subjects=(BALLOT,))
    return str(refused.value)


SMS = """
    ---
    purpose: service
    menu: {1: voted, 2: not_voted}
    ---
    Hi {{ first_name }}, reply 1 if you voted, 2 if not. STOP to opt out
"""
EMAIL = """
    ---
    purpose: service
    subject: "{{ first_name }}, have you voted?"
    ---
    Dear {{ first_name }} of {{ branch }},

    [I have voted]({{ confirm_link }})
"""


def test_a_template_says_what_it_is(tmp_path: Path) -> None:
    template = load_template(write(tmp_path, sms=SMS, email=EMAIL), "nudge")
    assert (template.name, template.purpose, template.channels) == ("nudge", "service", ("sms", "email"))
    assert template.menu == {"1": "voted", "2": "not_voted"}
    assert template.subject == "{{ first_name }}, have you voted?"
    assert template.variables == {"first_name", "branch", "confirm_link", "organisation"}
    template.check(PERSONAL, subjects=(BALLOT,))


def test_a_stored_template_reads_back_the_same(tmp_path: Path) -> None:
    template = load_template(write(tmp_path, sms=SMS, email=EMAIL), "nudge")
    kept = template.to_json()
    assert Template.from_json(kept) == template
    assert kept["menu"] == {"1": "voted", "2": "not_voted"}
    assert kept["layout"]  # a new version of Muster's layout does not change what was approved


ATTRIBUTES = ("appointment_at", "place")
"""Columns of a member file that the reminder of an appointment needs."""


@pytest.mark.parametrize("name", list_templates(BROUGHT))
def test_the_templates_muster_brings_are_in_order(name: str) -> None:
    template = load_template(BROUGHT, name)
    template.check(PERSONAL | {LETTER, *ATTRIBUTES}, subjects=(BALLOT, QUESTION), sms_from="+447700900000")
    assert template.warnings(subjects=(BALLOT, QUESTION), sms_from="+447700900000") == ()
    assert template.channels == ("sms", "email")
    assert template.menu


def test_muster_brings_what_the_demo_needs() -> None:
    assert {"ballot-reminder", "ballot-last-days", "appointment-reminder", "feedback-request"} <= set(
        list_templates(BROUGHT)
    )
    assert load_template(BROUGHT, "ballot-reminder").menu == {"1": "voted", "2": "not_voted", "3": "no_ballot_paper"}


def test_a_folder_of_ones_own_comes_first(tmp_path: Path) -> None:
    own = write(tmp_path, "ballot-reminder", sms="---\npurpose: service\n---\nOurs")
    assert load_template((*own, *BROUGHT), "ballot-reminder").sms == "Ours"
    assert "feedback-request" in list_templates((*own, *BROUGHT))


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(NotFound, match="Did you mean “ballot-reminder”"):
        load_template(BROUGHT, "ballot-remindr")


@pytest.mark.parametrize("name", ["../../etc", "_layout", "", ".", "ballot-reminder/../ballot-reminder"])
def test_a_name_is_never_a_path(name: str) -> None:
    with pytest.raises(NotFound):
        load_template(BROUGHT, name)


def test_a_misspelt_variable_is_named_with_its_line_and_the_nearest(tmp_path: Path) -> None:
    problem = refusal(
        tmp_path, sms="---\npurpose: service\n---\n\nHi\nDear {{ frist_name }}\n{% if brnach %}x{% endif %}"
    )
    assert "nudge/sms.txt line 6: there is no variable “frist_name”. Did you mean “first_name”?" in problem
    assert "nudge/sms.txt line 7: there is no variable “brnach”. Did you mean “branch”?" in problem


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("purpose: service\nsubject: 'Hi {{ frist_name }}'", 3),
        ("subject: Hi\n# why\n\nwhy: 'For {{ frist_name }}'\npurpose: service", 5),
        ("purpose: service\npreheader: |\n  Hi\n  {{ frist_name }}\nsubject: x", 5),
    ],
)
def test_a_variable_in_the_head_is_named_with_its_own_line(tmp_path: Path, head: str, line: int) -> None:
    problem = refusal(tmp_path, email=f"---\n{head}\n---\nHi")
    assert f"nudge/email.md line {line}: there is no variable “frist_name”." in problem


def test_every_part_is_checked(tmp_path: Path) -> None:
    problem = refusal(
        tmp_path,
        email="---\npurpose: service\nsubject: '{{ subj }}'\npreheader: '{{ pre }}'\nwhy: '{{ becaus }}'\n---\n{{ x }}",
    )
    for name in ("subj", "pre", "becaus", "x"):
        assert f"“{name}”" in problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Closes {{ ballot.closes_at }}", "no “ballot.closes_at”. Did you mean “closes”?"),
        ("{{ ballot }}", "“ballot” needs a field"),
        ("Hello {{ first_name }", "line 4"),
        ("one\ntwo {% if branch %}x", "endif"),
        ("{{ first_name.upper() }}", "cannot be used"),
        ("{{ first_name.upper }}", "only ballot has fields"),
        ("{{ first_name.__class__ }}", "only ballot has fields"),
        ("{% set own = first_name %}{{ own.upper }}", "only ballot has fields"),
        ("{{ balot.title }}", "no variable “balot”. Did you mean “ballot”?"),
        ("{{ ballot.title.__class__ }}", "“.__class__” cannot be used here"),
        ("{{ first_name['x'] }}", "cannot be used"),
        ("{{ 'a' * 999999999 }}", "cannot be used"),
        ("{% include 'x' %}", "cannot be used"),
        ("{% raw %}x{% endraw %}", "cannot be used"),
        ("{{ first_name|uper }}", "no filter “uper”. Did you mean “upper”?"),
        ("{{ first_name|safe }}", "no filter “safe”"),
        ("{% if first_name is strnig %}x{% endif %}", "no test"),
        ("{% if first_name > 18 %}x{% endif %}", "compare them with texts"),
        ("{{ range(9) }}", "cannot be used"),
        ("{{ self }}", "“self” cannot be used"),
        ("{% for x in unit %}{% endfor %}{{ x }}", "no variable “x”"),
    ],
)
@pytest.mark.parametrize("part", ["sms", "email"])
def test_an_impossible_template_is_refused(tmp_path: Path, part: str, text: str, words: str) -> None:
    head = "---\npurpose: service\n---\n" if part == "sms" else "---\npurpose: service\nsubject: x\n---\n"
    assert words.replace("line 4", "line 4" if part == "sms" else "line 5") in refusal(tmp_path, **{part: head + text})


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"sms": "Hi"}, "does not say what it is for"),
        ({"sms": "---\npurpose: fun\n---\nHi"}, "service or marketing, not “fun”"),
        (
            {"sms": "---\npurpose: service\n---\nHi", "email": "---\npurpose: marketing\nsubject: x\n---\nHi"},
            "service by one channel and marketing by the other",
        ),
        ({"sms": "---\npurpose: service\n---\n\n"}, "sms.txt has no text"),
        ({"email": "---\npurpose: service\nsubject: x\n---\n"}, "email.md has no text"),
        ({"email": "---\npurpose: service\n---\nHi"}, "no subject"),
        ({"email": "---\npurpose: service\nsubject: [a]\n---\nHi"}, "must be one text"),
        ({"email": "---\npurpose: service\nsubject: {{ first_name }}, hi\n---\nHi"}, "line 3: the front matter cannot"),
        ({"email": "---\npurpose: service\nsubjct: x\n---\nHi"}, "Did you mean “subject”?"),
        ({"sms": "---\npurpose: service\nHi"}, "no second ---"),
        ({"sms": "---\n- a\n---\nHi"}, "lines of “key: value”"),
        ({"sms": "---\npurpose: service\nmenu: {1: voted, 2: not_voted}\n---\nReply 1"}, "offers 2 (not_voted)"),
        ({"sms": "---\npurpose: service\nmenu: {1: voted}\n---\nReply 21"}, "offers 1 (voted)"),
        ({"sms": "---\npurpose: service\nmenu: {yes: voted}\n---\nyes"}, "not a digit and a meaning"),
        ({"sms": "---\npurpose: service\nmenu: [voted]\n---\nyes"}, "the menu must be like"),
        ({"sms": SMS, "email": EMAIL, "layout": "<p>{{ content }}</p>"}, "must place {{ unsubscribe_link }}"),
        (
            {"sms": SMS, "email": EMAIL, "layout": "{{ content }}{{ unsubscribe_link }}\n{{ first_name }}"},
            "nudge/layout.html line 2: a layout cannot use “first_name”",
        ),
        (
            {"sms": SMS, "email": EMAIL, "layout": "{{ content }}{{ unsubscribe_link.upper }}"},
            "nudge/layout.html line 1: “.upper” cannot be used here",
        ),
    ],
)
def test_files_that_make_no_template_are_refused(tmp_path: Path, files: dict[str, str], words: str) -> None:
    assert words in refusal(tmp_path, **files)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    write(tmp_path, sms="x")
    (tmp_path / "messages/nudge/sms.txt").write_bytes("---\npurpose: service\n---\nSiân".encode("latin-1"))
    with pytest.raises(TemplateError, match="not UTF-8"):
        load_template((tmp_path,), "nudge")


def test_windows_files_read_the_same(tmp_path: Path) -> None:
    write(tmp_path, sms="x")
    text = "---\r\npurpose: service\r\n---\r\nHi\r\nAnn"
    (tmp_path / "messages/nudge/sms.txt").write_bytes(text.encode("utf-8-sig"))
    assert load_template((tmp_path,), "nudge").sms == "Hi\nAnn"


@pytest.mark.parametrize(
    ("markdown", "where"),
    [
        ("a {% if branch %}b\n\nc{% endif %}", "line 5"),
        ("**a{% if branch %}b**{% endif %}", "line 5"),
        ("- a {% if branch %}\n- b{% endif %}", "line 5"),
        ("x\n\n{% if branch %}\n\na\n\n{% else %} b {% endif %}", "line 11"),
        ("[x](http://{% if branch %}a{% endif %})", "line 5"),
        ("![{% if branch %}a{% endif %}](http://x)", "line 5"),
    ],
)
def test_a_statement_never_leaves_half_an_element(tmp_path: Path, markdown: str, where: str) -> None:
    problem = refusal(tmp_path, email=f"---\npurpose: service\nsubject: x\n---\n{markdown}")
    assert f"nudge/email.md {where}" in problem


def sms_of(text: str, menu: str = "{}") -> dict[str, str]:
    return {"sms": f"---\npurpose: service\nmenu: {menu}\n---\n{text}"}


@pytest.mark.parametrize("text", ["Vote now", "Vote now, STOP to opt out"])
def test_a_name_as_sender_needs_another_way_to_opt_out(tmp_path: Path, text: str) -> None:
    template = load_template(write(tmp_path, **sms_of(text)), "nudge")
    with pytest.raises(TemplateError, match="no other way to opt out"):
        template.check(PERSONAL, subjects=(BALLOT,), sms_from="TheUnion")
    for sender in ("+447700900123", "60777", "MG" + "0" * 32, None):
        template.check(PERSONAL, subjects=(BALLOT,), sms_from=sender)


@pytest.mark.parametrize("text", ["Stop: {{ unsubscribe_link }}", "{{ confirm_link }}", "Ring 0800 000 000"])
def test_a_link_or_number_is_such_a_way(tmp_path: Path, text: str) -> None:
    load_template(write(tmp_path, **sms_of(text)), "nudge").check(PERSONAL, subjects=(BALLOT,), sms_from="TheUnion")


def test_a_name_as_sender_cannot_offer_digits(tmp_path: Path) -> None:
    template = load_template(write(tmp_path, **sms_of("Reply 1. {{ confirm_link }}", "{1: voted}")), "nudge")
    with pytest.raises(TemplateError, match="cannot be answered"):
        template.check(PERSONAL, subjects=(BALLOT,), sms_from="TheUnion")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Closes {{ ballot.closes }}. STOP to opt out", "nobody can answer it"),
        ("Reply YES if you voted. STOP to opt out", "acts on the reply “YES”"),
        ("Hello", "does not say that STOP"),
        ("It’s time. STOP to opt out", "right single quotation mark (1)"),
        ("Mae’n bryd, ŵyr. STOP to opt out", "70 characters"),
        ("long " * 100 + "STOP to opt out", "costs 4 segments"),
    ],
)
def test_unusual_templates_get_a_warning(tmp_path: Path, text: str, words: str) -> None:
    template = load_template(write(tmp_path, **sms_of(text)), "nudge")
    template.check(PERSONAL, subjects=(BALLOT,))
    assert any(words in warning for warning in template.warnings(subjects=(BALLOT,))), template.warnings(
        subjects=(BALLOT,)
    )


def test_every_refusal_is_for_a_person(tmp_path: Path) -> None:
    with pytest.raises(MusterError) as refused:
        load_template(write(tmp_path, sms="---\npurpose: service\n---\n{% if %}"), "nudge")
    assert refused.value.remedy


def test_the_documentation_names_everything_there_is() -> None:
    documented = (ROOT / "docs" / "templates.md").read_text("utf-8")
    for name in STANDARD_VARIABLES | FILTERS | {f"ballot.{field}" for field in BALLOT.fields}:
        assert f"`{name}`" in documented, name
    for name in list_templates(BROUGHT):
        assert f"`{name}`" in documented, name


def test_the_examples_in_the_documentation_are_templates(tmp_path: Path) -> None:
    documented = (ROOT / "docs" / "templates.md").read_text("utf-8")
    sms, email = (block for block in re.findall(r"```\n(.*?)```", documented, re.DOTALL) if block.startswith("---\n"))
    load_template(write(tmp_path, sms=sms, email=email), "nudge").check(
        PERSONAL, subjects=(BALLOT,), sms_from="+447700900000"
    )


@pytest.mark.parametrize(
    ("sign", "name"),
    [
        ("\u202e", "U+202E (right-to-left override)"), ("\u2067", "U+2067 (right-to-left isolate)"),
        ("\u200b", "U+200B (zero width space)"), ("\u2060", "U+2060 (word joiner)"),
    ],
)  # fmt: skip
def test_a_control_character_is_refused_by_file_line_and_name(tmp_path: Path, sign: str, name: str) -> None:
    told = refusal(tmp_path, sms=SMS.replace("reply 1", f"reply {sign}1"))
    assert f"nudge/sms.txt line 5: there is a control character that nobody sees, {name}; delete it." in told
    told = refusal(tmp_path, sms=SMS, email=EMAIL.replace("Dear", f"Dear{sign}"))
    assert f"nudge/email.md line 5: there is a control character that nobody sees, {name}" in told
    told = refusal(tmp_path, sms=SMS, email=EMAIL.replace("have you", f"have{sign} you"))
    assert "nudge/email.md line" in told
    assert name in told
    written = f'{{{{ "\\u{ord(sign):04x}" }}}}'
    told = refusal(tmp_path, sms=SMS.replace("Hi", f"Hi {written}"), email=EMAIL)
    assert f"nudge/sms.txt line 5: an expression writes a control character, {name}; delete it." in told
