"""Forms are parsed as the standard library parses them, strictly; what is none is said to be none."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.http.request_bodies import MOST_FIELDS, parse_form


@given(st.lists(st.tuples(st.text(max_size=10), st.text(max_size=20)), max_size=10))
def test_what_a_browser_writes_is_read_back(pairs: list[tuple[str, str]]) -> None:
    assert list(parse_form(urlencode(pairs).encode()).items()) == pairs


@given(st.binary(max_size=60) | st.text("a=&+%4 é1", max_size=30).map(str.encode))
def test_it_is_read_as_the_standard_library_reads_it_or_not_at_all(body: bytes) -> None:
    def theirs() -> list[tuple[str, str]] | None:
        try:
            return parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), errors="strict")
        except ValueError:
            return None

    try:
        ours = list(parse_form(body).items())
    except ValueError:
        ours = None
    assert ours == theirs()


@pytest.mark.parametrize("body", [b"a", b"a=1&b", b"\xff=1", b"a=%ff", b"&".join([b"a=1"] * (MOST_FIELDS + 1))])
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_form(body)
