"""Templates that run away are stopped by what they do, the same on every machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import TemplateError
from messaging.content.budget import MAX_OUTPUT_LENGTH, MAX_SOURCE_LENGTH, MAX_STEPS, MAX_VALUE_LENGTH, RunawayError
from messaging.content.expressions import TemplateSource, compiled
from messaging.content.render import Renderer
from messaging.content.template_files import load_template
from messaging.content.templates import Template
from messaging.content.vocabulary import PERSONAL

LETTERS = "abcdefghijklmnopqrstuvwxyz1234"
LONG = "Sample words " * 80


def loops(n: int, of: str, inside: str) -> str:
    return "".join(f"{{% for x{number} in {of} %}}" for number in range(n)) + inside + "{% endfor %}" * n


ATTACKS = {
    "loops in loops": loops(6, f"'{LETTERS}'", "x"),
    "loops in loops that say nothing": loops(6, f"'{LETTERS}'", ""),
    "loops over a name": loops(3, "first_name", "x"),
    "a text that doubles": "{% set x = 'aaaaaaaa' %}" + "{% set x = x ~ x %}" * 40 + "{{ x }}",
    "a name that doubles": "{% set x = first_name ~ '!' %}" + "{% set x = x ~ x %}" * 40,
    "a list that doubles": "{% set x = [first_name] %}" + "{% set x = [x, x] %}" * 40 + "{{ x }}",
    "a tuple that doubles": "{% set x = (1, 2) %}" + "{% set x = (x, x) %}" * 40 + "{{ x|length }}",
    "replacements in a row": "{{ 'a'" + "|replace('a', 'aaaaaaaaaa')" * 12 + " }}",
    "replacements of nothing": "{{ first_name" + "|replace('', 'aaaaaaaaaa')" * 12 + " }}",
    "joined by itself": "{% set x = first_name|join(first_name) %}" + "{% set x = x|join(x) %}" * 4 + "{{ x }}",
    "much said often": "{% set x = 'y'|replace('y', '" + "z" * 9000 + "') %}" + loops(1, f"'{LETTERS * 2}'", "{{ x }}"),
    "comparisons in a loop": loops(1, f"'{LETTERS * 100}'", "{% if 'q' in first_name %}{% endif %}" * 40),
    "comparisons with a long text": "{% set a = '"
    + "a" * 60_000
    + "' %}"
    + "{% if first_name in a %}{% endif %}" * 1000,
    "equalities with a long text": "{% set a = '"
    + "a" * 60_000
    + "' %}"
    + "{% if a == first_name %}{% endif %}" * 1000,
    "tests in a loop": loops(1, f"'{LETTERS * 100}'", "{% if first_name is in first_name %}{% endif %}" * 40),
    "filters in loops": loops(2, f"'{LETTERS * 3}'", "{% if first_name|upper|lower|title|trim == 'x' %}x{% endif %}"),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))
@pytest.mark.parametrize("html", [False, True])
def test_a_runaway_template_is_stopped(attack: str, html: bool) -> None:
    with pytest.raises(RunawayError) as stopped:
        compiled(TemplateSource("nudge/sms.txt", attack), {}, html=html)({"first_name": LONG})
    assert stopped.value.message.startswith("nudge/sms.txt: ")
    assert stopped.value.remedy


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))
@pytest.mark.parametrize("file", ["sms.txt", "email.md"])
def test_the_check_finds_a_runaway_template_before_any_message_is_sent(tmp_path: Path, attack: str, file: str) -> None:
    folder = tmp_path / "messages" / "nudge"
    folder.mkdir(parents=True)
    (folder / file).write_text(f"---\npurpose: service\n{'subject: x' if file == 'email.md' else ''}\n---\n{attack}")
    with pytest.raises(TemplateError) as refused:
        load_template((tmp_path,), "nudge").check(PERSONAL)
    assert "nudge/" in str(refused.value)


@pytest.mark.parametrize("nested", ["(" * 5000 + "'x'" + ")" * 5000, "[" * 400 + "]" * 400])
def test_a_template_nested_too_deep_is_reported(nested: str) -> None:
    with pytest.raises(TemplateError):
        compiled(TemplateSource("nudge/sms.txt", f"{{{{ {nested} }}}}"), {})({})
    with pytest.raises(TemplateError, match="nested"):
        compiled(TemplateSource("nudge/sms.txt", loops(30, "'ab'", "x")), {})


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "messages" / "nudge" / "sms.txt"
    file.parent.mkdir(parents=True)
    file.write_text("---\npurpose: service\n---\n" + "a" * MAX_SOURCE_LENGTH)
    with pytest.raises(TemplateError, match=r"nudge/sms\.txt has more than 100,000 bytes"):
        load_template((tmp_path,), "nudge")


def test_comparisons_of_an_ordinary_text_change_nothing() -> None:
    asked = (
        "{% for x in ['a', 'b'] %}{% if x == 'a' and unit is defined and x in ['a'] %}{{ x }}!{% endif %}{% endfor %}"
    )
    assert compiled(TemplateSource("nudge/sms.txt", asked), {})({"unit": "N"}) == "a!"
    many = "{% if unit == 'N' %}.{% endif %}" * 60
    assert compiled(TemplateSource("nudge/sms.txt", many), {})({"unit": "N"}) == "." * 60


def test_a_long_attribute_stops_the_template_for_that_person_alone() -> None:
    renderer = Renderer(Template("nudge", "service", sms="{% for letter in note %}{{ letter }}.{% endfor %}"), {})
    assert renderer.sms({"note": "ab"}).text == "a.b."
    with pytest.raises(RunawayError, match=f"more than {MAX_STEPS:,} steps"):
        renderer.sms({"note": "x" * (MAX_STEPS + 1)})
    assert renderer.sms({"note": "cd"}).text == "c.d.", "each rendering has a budget of its own"


def test_a_text_without_loops_is_bounded_as_well() -> None:
    renderer = compiled(TemplateSource("nudge/sms.txt", "{{ note }}" * 3), {})
    assert renderer({"note": "x" * 1000}) == "x" * 3000
    with pytest.raises(RunawayError, match=f"more than {MAX_OUTPUT_LENGTH:,} characters"):
        renderer({"note": "x" * MAX_OUTPUT_LENGTH})


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize(
    ("template", "said"),
    [
        (
            "{% for x in [first_name, 'b'] %}{{ loop.index }}/{{ loop.length }} {{ x ~ '!' }} {% endfor %}",
            "1/2 A&! 2/2 b! ",
        ),
        ("{{ [first_name, 'c']|join(', ') }}", "A&, c"),
        ("{{ first_name|join('-') }}", "A-&"),
        ("{{ first_name|replace('A', 'BB')|lower }}", "bb&"),
        ("{{ 'aaa'|replace('a', 'b', 2) }}", "bba"),
        ("{% for a, b in [(first_name, '1'), ('c', '2')] %}{{ a }}{{ b }}{% endfor %}", "A&1c2"),
        ("{% if first_name in ['A&', 'B'] %}in{% else %}out{% endif %}", "in"),
        ("{{ (first_name ~ 'x')|default('y', true)|first }}", "A"),
        ("{{ (first_name ~ ' and more')|truncate(6, true, '…', 0) }}", "A& an…"),
        ("{% for x in 'abc' if x != 'b' %}{{ x }}{{ ',' if not loop.last }}{% endfor %}", "a,c"),
        ("{% for x in '' %}{{ x }}{% else %}nobody{% endfor %}", "nobody"),
    ],
)
def test_a_template_within_its_budget_renders_the_same(template: str, said: str, html: bool) -> None:
    evaluate = compiled(TemplateSource("nudge/sms.txt", template), {}, html=html)
    assert evaluate({"first_name": "A&"}).rstrip("\n") == (said.replace("&", "&amp;") if html else said)


def test_a_value_may_be_as_long_as_the_limit() -> None:
    evaluate = compiled(TemplateSource("nudge/sms.txt", "{{ note ~ '' }}"), {})
    assert len(evaluate({"note": "x" * MAX_VALUE_LENGTH})) == MAX_VALUE_LENGTH
    with pytest.raises(RunawayError, match=f"more than {MAX_VALUE_LENGTH:,} characters"):
        evaluate({"note": "x" * (MAX_VALUE_LENGTH + 1)})


def test_a_failing_filter_is_an_error_like_any_other() -> None:
    with pytest.raises(TemplateError, match=r"nudge/sms\.txt"):
        compiled(TemplateSource("nudge/sms.txt", "{{ first_name|truncate(1) }}"), {})({"first_name": LONG})
