"""Forms are parsed strictly, in both encodings; what is none is refused, and costs next to nothing."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.http.request_bodies import MAX_FIELDS, MAX_HEADER_LENGTH, parse_form, parse_multipart
from tests.support.effort import effort_of


@given(st.lists(st.tuples(st.text(max_size=10), st.text(max_size=20)), max_size=10))
def test_a_form_written_by_a_browser_is_read_back(pairs: list[tuple[str, str]]) -> None:
    assert list(parse_form(urlencode(pairs).encode()).items()) == pairs


@given(st.binary(max_size=60) | st.text("a=&+%4 é1", max_size=30).map(str.encode))
def test_a_form_is_read_as_the_standard_library_reads_it_or_refused(body: bytes) -> None:
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


@pytest.mark.parametrize("body", [b"a", b"a=1&b", b"\xff=1", b"a=%ff", b"&".join([b"a=1"] * (MAX_FIELDS + 1))])
def test_a_body_that_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_form(body)


# ---- multipart/form-data

TYPE = "multipart/form-data; boundary=xYzZY"


def part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'--xYzZY\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode("latin-1") + value + b"\r\n"


@given(st.lists(st.tuples(st.from_regex(r"[a-z-]{1,20}", fullmatch=True), st.binary(max_size=80)), max_size=6))
def test_the_parts_of_a_form_come_out_as_they_went_in(fields: list[tuple[str, bytes]]) -> None:
    fields = [(name, value) for name, value in fields if b"--xYzZY" not in value]
    body = b"".join(part(name, value) for name, value in fields) + b"--xYzZY--\r\n"
    assert list(parse_multipart(TYPE, body).items()) == fields


END = b"--xYzZY--\r\n"
RIGHT = part("email", b"v") + END


@pytest.mark.parametrize(
    ("content_type", "body", "fields"),
    [
        (TYPE, b"a preamble\r\n" + RIGHT, {"email": b"v"}),
        (TYPE, RIGHT + part("more", b"w") + END, {"email": b"v"}),  # after the end there is nothing
        (TYPE, part("email", b"") + END, {"email": b""}),
        (TYPE, part("email", b"v", '; filename="; name=other"') + END, {"email": b"v"}),
        (TYPE, part("email", b"v", '; filename="caf\xe9.pdf"') + END, {"email": b"v"}),
        (TYPE, part("email", b"v", f'; filename="{"a" * 3000}"') + END, {"email": b"v"}),
        (TYPE, RIGHT.replace(b'"email"', b"email"), {"email": b"v"}),
        (TYPE, RIGHT.replace(b"Content-Disposition: form", b"content-disposition:form"), {"email": b"v"}),
        (TYPE, RIGHT.replace(b"Content", b'X-Note: content-disposition: a; name="no"\r\nContent'), {"email": b"v"}),
        ('multipart/form-data; boundary="a b"', RIGHT.replace(b"xYzZY", b"a b"), {"email": b"v"}),
        ("multipart/form-data; xboundary=no; boundary=xYzZY", RIGHT, {"email": b"v"}),
        ('multipart/form-data; note="boundary=no"; BOUNDARY=xYzZY', RIGHT, {"email": b"v"}),
    ],
)
def test_unusual_forms_are_read_as_they_are_meant(content_type: str, body: bytes, fields: dict[str, bytes]) -> None:
    assert dict(parse_multipart(content_type, body)) == fields


NO_FORMS = {
    "nothing": (TYPE, b""),
    "no boundary": ("multipart/form-data", RIGHT),
    "an empty boundary": ("multipart/form-data; boundary=", RIGHT),
    "a boundary of other letters": ("multipart/form-data; boundary=\udce9", RIGHT),
    "another boundary": ("multipart/form-data; boundary=abc", RIGHT),
    "no end": (TYPE, RIGHT[: -len(END)]),
    "half an end": (TYPE, RIGHT[:-4]),
    "lines that end in LF": (TYPE, RIGHT.replace(b"\r\n", b"\n")),
    "a boundary that begins another": (TYPE, RIGHT.replace(b"v\r\n", b"v\r\n--xYzZYa\r\n")),
    "no name": (TYPE, RIGHT.replace(b'; name="email"', b"")),
    "a name in a file name without an end": (TYPE, RIGHT.replace(b"name=", b'filename="a; name=')),
    "no disposition": (TYPE, RIGHT.replace(b"Content-Disposition", b"X-Other")),
    "no form's disposition": (TYPE, RIGHT.replace(b"form-data", b"attachment")),
    "a folded header": (TYPE, RIGHT.replace(b"; name", b";\r\n name")),
    "a header too long": (TYPE, part("email", b"v", f'; filename="{"a" * MAX_HEADER_LENGTH}"') + END),
    "too many headers": (TYPE, RIGHT.replace(b"Content", b"A: b\r\n" * 20 + b"Content")),
    "too many fields": (TYPE, part("email", b"v") * (MAX_FIELDS + 1) + END),
    "a length that is wrong": (TYPE, RIGHT.replace(b"Content", b"Content-Length: 1000\r\nContent")),
}


@pytest.mark.parametrize("name", NO_FORMS)
def test_a_body_that_is_no_multipart_form_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_multipart(*NO_FORMS[name])


@given(st.binary(max_size=200) | st.text('xYzZY--\r\n:;="a Content-Disposition', max_size=200).map(str.encode))
def test_any_bytes_are_read_as_a_form_or_refused(junk: bytes) -> None:
    for body in (junk, b"--xYzZY" + junk, part("a", junk) + END, RIGHT.replace(b"email", junk)):
        try:
            fields = parse_multipart(TYPE, body)
        except ValueError:
            continue
        assert all(isinstance(value, bytes) for value in fields.values())


HOSTILE = {
    "boundaries": b"--xYzZY\r\n" * 100_000,
    "boundaries that are none": part("a", b"\r\n--xYzZ" * 200_000) + END,
    "line ends": part("a", b"\r" * 2_000_000),
    "headers": b"--xYzZY\r\n" + b"A: b\r\n" * 300_000,
    "quotes": part("a", b"v", '; a="\\' * 650) * MAX_FIELDS + END,
    "options": part("a", b"v", "; a=b" * 800) * (MAX_FIELDS - 1) + END,
    "a long line": b"--xYzZY\r\nContent-Disposition: form-data" + b"; a" * 700_000,
    "no boundary": b"a" * 2_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_hostile_form_takes_long(name: str) -> None:
    def read() -> None:
        with suppress(ValueError):
            parse_multipart(TYPE, HOSTILE[name])

    assert effort_of(read) < 12
