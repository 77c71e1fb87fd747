"""Rendering: what a variable says is inert in both parts, and the page survives whatever it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.errors import TemplateError
from core.settings import TEMPLATES
from messaging.content.expressions import TemplateSource
from messaging.content.layout import brought_layout, lay_out
from messaging.content.render import Branding, Renderer
from messaging.content.segments import Segments
from messaging.content.template_files import list_templates, load_template
from messaging.content.templates import Template
from messaging.content.vocabulary import LETTER, PERSONAL, WELL_KNOWN
from tests.support.effort import effort_of

CONSTANTS = {
    "organisation": "Muster & Sons' Union",
    "contact": "0800 000 000",
    "ballot": {"title": "Pay <2026>", "opens": "1 June", "closes": "Friday 5 June, noon", "last_posting": "2 June"},
    "question": {"title": "your visit", "asks": "How did we do?", "closes": "Friday 5 June, noon"},
}
LINKS = {
    "confirm_link": "https://m.test/0123456789abc",
    "unsubscribe_link": "https://m.test/u/0123456789abc",
    "preferences_link": "https://m.test/p/0123456789abc",
}
ANN = dict.fromkeys(PERSONAL | WELL_KNOWN | {LETTER}, "") | LINKS | {"first_name": "Ann", "branch": "Leeds"}


def email_of(markdown: str, **more: Any) -> Template:
    return Template("nudge", "service", subject=more.pop("subject", "Hello"), email=markdown, **more)


def rendered(markdown: str, variables: dict[str, str] | None = None, **more: Any) -> tuple[str, str]:
    """The text part without its foot, and the letter of the HTML part without styles."""
    done = Renderer(email_of(markdown, **more), CONSTANTS).email(ANN | (variables or {}))
    letter = done.html.partition('role="article"')[2].partition(">")[2].partition('<td class="foot"')[0]
    letter = re.sub(r' style="[^"]*"', "", letter).rpartition("</td>")[0].strip()
    return done.text.partition("\n-- \n")[0].strip(), letter.replace("\n\n", "\n")


class Page(HTMLParser):
    """Collects a page's words, links and open elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words = ""
        self.links: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"href", "src"} and value is not None]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in {"meta", "br", "hr", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_markdown_becomes_a_text_and_an_html_part() -> None:
    text, html = rendered(
        "# News\n\nDear {{ first_name }},\n\n**{{ ballot.title }}** closes *soon*: [read on](https://x.test/?a=1&b=2).\n\n"
        "- one\n- two\n\n1. first\n2. second\n\n> quoted\n\n---\n\nline\\\nbreak `code`"
    )
    assert text == (
        "News\n----------------------------------------\n\nDear Ann,\n\n"
        "Pay <2026> closes soon: read on <https://x.test/?a=1&b=2>.\n\n- one\n- two\n\n1. first\n2. second\n\n"
        "> quoted\n\n----------------------------------------\n\nline\nbreak code"
    )
    assert html == (
        "<h1>News</h1>\n<p>Dear Ann,</p>\n"
        "<p><strong>Pay &lt;2026&gt;</strong> closes <em>soon</em>: "
        '<a href="https://x.test/?a=1&amp;b=2">read on</a>.</p>\n'
        "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n<ol>\n<li>first</li>\n<li>second</li>\n</ol>\n"
        "<blockquote>\n<p>quoted</p>\n</blockquote>\n<hr>\n<p>line<br>\nbreak <code>code</code></p>"
    )


@pytest.mark.parametrize(
    "name",
    [
        "<b>Ann</b>",
        "*Ann*",
        "**Ann** _Ann_ `Ann`",
        "[x](http://evil.test)",
        "![x](http://evil.test/x.png)",
        "<http://evil.test>",
        "# Ann",
        "- Ann",
        "1. Ann",
        "> Ann",
        "{{ unsubscribe_link }}",
        "{% if x %}",
        "{# x #}",
        "held0z",
        "heldx0z",
        "Ann&amp;Ann &copy; &#65;",
        '"><script>alert(1)</script>',
        "' onload='x",
        "]]> --> </title></style>",
        "Siân Wŷn ŵ 😀 ’",
        "\\*Ann\\*",
    ],
)
@pytest.mark.parametrize(
    "place", ["Dear {{ first_name }}!", "{{ first_name }}", "**{{ first_name }}**", "- {{ first_name }}"]
)
def test_a_name_reads_just_as_it_is_in_both_parts(name: str, place: str) -> None:
    around = place.strip("*-! ").replace("Dear ", "").replace("{{ first_name }}", "")
    assert not around
    text, html = rendered(place, {"first_name": name})
    page = Page(html)
    assert name in text
    assert name in page.words
    assert page.links == []
    assert set(page.tags) <= {"p", "strong", "ul", "li"}


# no noncharacters (U+FFFE) and the like: the standard library's reader of HTML drops them, where browsers do not
_WRITTEN = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]))


@given(_WRITTEN, _WRITTEN)
def test_no_value_changes_the_page(first_name: str, branch: str) -> None:
    template = load_template((TEMPLATES,), "ballot-reminder")
    done = _REMINDER.email(ANN | {"first_name": first_name or "x", "branch": branch})
    plain = _REMINDER.email(ANN)
    page = Page(done.html)
    assert (page.tags, page.links, page.open) == (Page(plain.html).tags, Page(plain.html).links, [])
    assert f"Hello {first_name or 'x'}," in page.words
    assert f"Hello {first_name or 'x'}," in done.text
    assert done.html.isascii()
    assert template.email


_REMINDER = Renderer(load_template((TEMPLATES,), "ballot-reminder"), CONSTANTS)


@pytest.mark.parametrize(
    ("address", "href"),
    [
        ("https://a.test/?x=1&y=\"'<", "https://a.test/?x=1&y=\"'<"),
        ("javascript:alert(1)", ""),
        ("JaVaScRiPt:alert(1)", ""),
        (" data:text/html,x", ""),
        ("//evil.test", ""),
        ("http://[", ""),
    ],
)
def test_a_variable_as_a_whole_address_is_a_web_address_or_nothing(address: str, href: str) -> None:
    _, html = rendered("go [there]({{ branch }}) now", {"branch": address})
    assert Page(html).links == [href]


def test_a_variable_inside_an_address_stays_inside() -> None:
    text, html = rendered("[x](https://a.test/?m={{ member_id }}&z=1)!", {"member_id": "a&b=/?#\"'>é"})
    assert Page(html).links == ["https://a.test/?m=a%26b%3D/%3F%23%22%27%3E%C3%A9&z=1"]
    assert "<https://a.test/?m=a%26b%3D/%3F%23%22%27%3E%C3%A9&z=1>" in text


def test_a_link_on_its_own_is_a_button_and_a_bare_one_shows_its_address() -> None:
    text, html = rendered("[I have voted]({{ confirm_link }})\n\nOr open {{ confirm_link }}.")
    link = LINKS["confirm_link"]
    assert (
        html == f'<p><a class="button" href="{link}">I have voted</a></p>\n<p>Or open <a href="{link}">{link}</a>.</p>'
    )
    assert text == f"I have voted:\n{link}\n\nOr open {link}."


def test_html_in_a_template_is_text_and_unsafe_links_are_not_links() -> None:
    _, html = rendered("<script>x</script>\n\n<b>x</b> [x](javascript:alert(1)) [y](data:text/html,x)")
    assert not {"script", "b", "a"} & set(Page(html).tags)


@pytest.mark.parametrize(
    "markdown",
    [
        "{% if branch %}\nIn {{ branch }}.\n{% else %}\nNowhere.\n{% endif %}\nEnd.",
        "{% if branch %}\n\n    In {{ branch }}.\n\n{% else %}\n\nNowhere.\n\n{% endif %}\n\nEnd.",
        "{% if branch -%}\nIn {{ branch }}.\n{%- else -%}\nNowhere.\n{%- endif %}\n\nEnd.",
        "{# a note #}\n{% if branch %}In {{ branch }}.{% else %}Nowhere.{% endif %}\n\nEnd.",
        "{% set here = branch %}\n{% if here %}In {{ here }}.{% else %}Nowhere.{% endif %}\n\nEnd.",
    ],
)
def test_statements_work_in_block_and_inline_position(markdown: str) -> None:
    for branch, said in (("Leeds", "In Leeds."), ("", "Nowhere.")):
        text, html = rendered(markdown, {"branch": branch})
        assert text == f"{said}\n\nEnd."
        assert html.replace("\n", "") == f"<p>{said}</p><p>End.</p>"


snippets = st.sampled_from(
    [
        "{{ unit }}", "{{ confirm_link }}", "{# note #}", "{% set y = '1' %}", "\n", "\n\n", "\n- ", "\n  ", "\n1. ",
        "\n> ", "\n# ", "**", "*", "`", "\n```\n", "[a](", "[b][c]", "\n[c]: ", "![", "]", "(", ")", "<", ">", "|",
        "\n|--|--|\n", '"', "\\", "\n---\n", "word", " ", "&#123;", "{", "%}", "https://a.test/", "\n\n    ", "\t", "é",
    ]
)  # fmt: skip
written = st.recursive(
    st.lists(snippets, max_size=5).map("".join),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"{{% if branch %}}{two[0]}{{% else %}}{two[1]}{{% endif %}}"),
        inner.map(lambda inside: f"{{% for x in ['a', 'b'] %}}{inside}{{{{ x }}}}{{% endfor %}}"),
        inner.map(lambda inside: f"\n{{% if unit %}}\n{inside}\n{{% endif %}}\n"),
    ),
    max_leaves=6,
)


@settings(max_examples=200)
@given(written)
@example('{{ confirm_link }}\t{# note #}&#123;{{ confirm_link }}"')
@example("{ {%- if branch %}{% endif %}")
@example("{% for x in ['a', 'b'] %}\n```\n{{ x }}{% endfor %}")
@example("```{% if unit %}\nx\n```\n{% endif %}")
@example('[c]: http://a "{% if unit %}"\n\n{% endif %}')
@example("| {{ unit|default('a') }} | b |\n|--|--|\n| {% if unit %}1{% endif %} | 2 |")
def test_whatever_is_written_is_refused_or_makes_a_whole_page(markdown: str) -> None:
    try:
        renderer = Renderer(email_of(markdown), CONSTANTS)
        pages = [renderer.email(ANN | {"branch": branch, "unit": unit}) for branch in ("", "B") for unit in ("", "<u>")]
    except TemplateError:
        return
    for page in pages:
        read = Page(page.html)
        assert read.open == []
        assert "</p>" not in read.words
        assert "<u>" not in page.html
        assert not re.search(r"held\d+z", page.html + page.text)


def test_loops_and_lists_are_rendered() -> None:
    text, html = rendered("{% for day in ['Mon', 'Tue'] %}\n- {{ day }} {{ loop.index }}\n{% endfor %}\n- end")
    assert text.split() == ["-", "Mon", "1", "-", "Tue", "2", "-", "end"]
    assert html.count("<li>") == 3
    assert Page(html).open == []


def test_the_foot_says_who_and_why_and_how_to_stop() -> None:
    done = Renderer(email_of("Hi", why="You get this as a member of {{ organisation }}."), CONSTANTS).email(ANN)
    for words in ("You get this as a member of Muster & Sons' Union.", "Contact us: 0800 000 000"):
        assert words in done.text
        assert words in Page(done.html).words
    assert LINKS["unsubscribe_link"] in done.text
    assert {LINKS["unsubscribe_link"], LINKS["preferences_link"]} <= set(Page(done.html).links)


def test_without_a_contact_the_foot_does_not_speak_of_one() -> None:
    done = Renderer(email_of("Hi"), CONSTANTS | {"contact": ""}).email(ANN)
    assert "Contact" not in done.text
    assert "Contact" not in done.html


def test_branding_fills_what_the_constants_leave_out() -> None:
    done = Renderer(email_of("Hi"), {}, Branding("The Guild", "1 High Street", "#7f1d1d")).email(ANN)
    assert "The Guild" in done.html
    assert "1 High Street" in done.text
    assert "#7f1d1d" in done.html
    with pytest.raises(TemplateError, match="not a colour"):
        Renderer(email_of("Hi"), {}, Branding("x", "y", "red;}"))


def test_styles_are_inline_and_dark_mode_is_kept() -> None:
    done = Renderer(email_of("Hi"), CONSTANTS).email(ANN)
    assert re.search(r'<p style="margin: 14px 0;">', done.html)
    assert "prefers-color-scheme: dark" in done.html
    assert set(re.findall(r"http[^\"]+", done.html)) <= set(LINKS.values())


def test_long_paragraphs_are_broken_into_lines_smtp_lets_through() -> None:
    done = Renderer(email_of("word " * 2000), CONSTANTS).email(ANN)
    assert max(map(len, done.html.split("\n"))) < 900
    assert Page(done.html).words.split().count("word") == 2000


def test_a_layout_that_would_lose_an_expression_is_refused() -> None:
    layout = "<table>{% if contact %}<tr><td>{{ content }}</td></tr>{% endif %}</table>{{ unsubscribe_link }}"
    with pytest.raises(TemplateError, match="where HTML allows no text"):
        lay_out(TemplateSource("layout", layout), {"content": "x"}, "#000000")


def test_a_layout_keeps_its_css_in_ascii() -> None:
    layout = "<style>@media print { a::after { content: '→' } }</style>{{ content }}{{ unsubscribe_link }}"
    with pytest.raises(TemplateError, match="escapes"):
        lay_out(TemplateSource("layout", layout), {"content": "x"}, "#000000")
    assert brought_layout().isascii()


def test_braces_of_ones_own_stay_braces() -> None:
    text, html = rendered("{\\{ first_name }} and {\\% if %}")
    assert text == "{{ first_name }} and {% if %}"
    assert html == "<p>{{ first_name }} and {% if %}</p>"


def test_a_subject_is_one_line_whatever_the_name() -> None:
    done = Renderer(email_of("Hi", subject="For {{ first_name }}"), CONSTANTS).email(
        ANN | {"first_name": "Ann\r\nBcc: all@evil.test\u2028\x85x"}
    )
    assert done.subject == "For Ann Bcc: all@evil.test x"


def sms_of(text: str) -> Renderer:
    return Renderer(Template("nudge", "service", sms=text), CONSTANTS)


def test_a_text_is_cleaned_and_counted_after_the_name_is_in() -> None:
    done = sms_of("Hi {{ first_name }}, it’s {{ organisation }}{% if branch %} ({{ branch }}){% endif %}\nBye").sms(
        ANN | {"first_name": "Siân"}
    )
    assert done.text == "Hi Siân, it's Muster & Sons' Union (Leeds)\nBye"
    assert done.segments == Segments("ucs2", 1, 46)
    assert [replacement.put for replacement in done.replaced] == ["'"]


def test_lines_of_statements_leave_no_line_behind() -> None:
    rendered = sms_of(
        "Hi\n{% if branch %}\nYour branch: {{ branch }}\n{% endif %}\n{# note #}\nBye{% if unit %}!{% endif %}\nEnd"
    )
    assert rendered.sms(ANN).text == "Hi\nYour branch: Leeds\nBye\nEnd"
    assert rendered.sms(ANN | {"branch": "", "unit": "x"}).text == "Hi\nBye!\nEnd"


def test_a_missing_variable_is_named_not_left_empty() -> None:
    with pytest.raises(TemplateError, match="first_name"):
        sms_of("Hi {{ first_name }}").sms({})
    with pytest.raises(TemplateError, match="preferences_link"):
        Renderer(email_of("Hi"), CONSTANTS).email({})


def test_a_channel_the_template_has_not_is_refused() -> None:
    with pytest.raises(TemplateError, match=r"no sms\.txt"):
        Renderer(email_of("Hi"), {}).sms(ANN)
    with pytest.raises(TemplateError, match=r"no email\.md"):
        sms_of("Hi").email(ANN)


def test_a_variable_assigned_in_the_template_is_not_mistaken_for_the_constant() -> None:
    rendered = sms_of("{% set contact = 'us' %}{{ contact }} {{ organisation }}")
    assert rendered.sms(ANN).text == "us Muster & Sons' Union"


@pytest.mark.parametrize("name", list_templates((TEMPLATES,)))
def test_a_retry_from_the_snapshot_renders_the_same_bytes(name: str) -> None:
    template = load_template((TEMPLATES,), name)
    first, again = Renderer(template, CONSTANTS), Renderer(Template.from_json(template.to_json()), CONSTANTS)
    assert first.sms(ANN) == again.sms(ANN)
    assert first.email(ANN) == again.email(ANN)
    assert first.sms(ANN).segments.segments <= 2
    assert first.sms(ANN).segments.encoding == "gsm7"
    assert "None" not in first.email(ANN).text
    assert unescape(first.email(ANN).html).count("{{") == 0


@pytest.mark.parametrize(("render", "most"), [(_REMINDER.email, 5), (_REMINDER.sms, 3)], ids=["email", "text"])
def test_rendering_keeps_up_with_any_provider(render: Callable[[Mapping[str, str]], object], most: float) -> None:
    def thousand() -> None:
        for _ in range(1000):
            render(ANN)

    # four times what it takes; Markdown or CSS done for each message would take far more
    assert min(effort_of(thousand) for _ in range(3)) < most
