"""Parts encoded piece by piece are the same bytes as parts encoded whole, whatever people's values are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import TemplateError
from core.settings import TEMPLATES
from messaging.channels.smtp.smtp_session import dot_stuffed
from messaging.content.encoded_parts import PartEncoder, encoded_part
from messaging.content.expressions import TemplateSource, compiled
from messaging.content.mime import Skeleton
from messaging.content.render import Renderer
from messaging.content.template_files import load_template
from messaging.content.templates import Template

LINKS = {name: f"https://m.test/{name}" for name in ("confirm_link", "unsubscribe_link", "preferences_link")}
AT = datetime(2026, 11, 22, tzinfo=UTC)
TEXTS = (
    "Dear {{ a }},\n{{ b }}.\n{{ a }}{{ b }}\n.hidden\n",
    "{{ a }}{% if b %}\n{{ b }}{% endif %}\nŵyl\n",
    "{% for letter in [a, b] %}{{ letter }}\n.{% endfor %}",
    "{{ a|upper }}{{ b|default('.', true) }}\n\n",
    "no variables",
)
values = st.text(st.sampled_from("ab. \n\r\0ŵ\u2028\ud800😀<&\"'=_"), max_size=6) | st.text(max_size=5)


@given(st.sampled_from(TEXTS), values, values, st.booleans())
def test_pieces_come_to_the_same_as_the_whole(text: str, first: str, second: str, html: bool) -> None:
    template = compiled(TemplateSource("t", text), {}, html=html)
    variables = {"a": first, "b": second}
    part = PartEncoder(template, html=html).encode(variables)
    assert part == encoded_part(template(variables), html=html)
    assert part.has_no_dots == (b"\n." not in b"\n" + part.data)


@given(values, values, st.sampled_from(["", "<p>.</p>", "x" * 1100]))
def test_an_email_of_encoded_parts_is_the_email_of_the_rendered_ones(first: str, second: str, more: str) -> None:
    template = Template("nudge", "service", subject="{{ a }}", email=f"Dear {{{{ a }}}},\n\n{{{{ b }}}}\n\n{more}")
    renderer, skeleton = Renderer(template, {}), Skeleton("The Union <a@union.test>", "c1.union.test")
    variables: dict[str, Any] = {"a": first, "b": second, "contact": "", "organisation": "", **LINKS}
    built, needs_no_stuffing = skeleton.build_encoded(
        "ann@x.test", renderer.encoded_email(variables), "1-a@union.test", "https://m.test/u", AT
    )
    assert built == skeleton.build("ann@x.test", renderer.email(variables), "1-a@union.test", "https://m.test/u", AT)
    if needs_no_stuffing:
        assert dot_stuffed(built) == built + b".\r\n"


def test_an_email_in_our_own_layout_needs_no_stuffing() -> None:
    renderer = Renderer(load_template((TEMPLATES,), "ballot-reminder"), {"ballot": {"title": "Pay"}})
    variables = {"first_name": "Ann", "contact": "", "organisation": "", **LINKS}
    content, needs_no_stuffing = Skeleton("a@union.test").build_encoded(
        "ann@x.test", renderer.encoded_email(variables), "1-a@union.test", "", AT
    )
    assert needs_no_stuffing
    assert dot_stuffed(content) == content + b".\r\n"


def test_a_part_that_is_too_long_is_refused() -> None:
    template = compiled(TemplateSource("t", "{{ a }}"), {})
    with pytest.raises(TemplateError, match="more than 262,144 characters"):
        PartEncoder(template).encode({"a": "x" * 262_145})
    assert len(PartEncoder(template).encode({"a": "ŵ" * 200_000}).data) == 400_000
