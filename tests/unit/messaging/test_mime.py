"""Emails from a skeleton: read back by the standard library, they mean what an EmailMessage would have meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, default
from typing import cast
from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import AddressError, SettingsError
from messaging.content.mime import Skeleton, seven_bit
from messaging.content.render import RenderedEmail
from tests.support.effort import effort_of

AT = datetime(2026, 11, 22, 5, 32, 7, 123456, tzinfo=UTC)
FROM = "Muster Union <ballot@union.test>"
HTML = "<!DOCTYPE html>\n<html><body><p>Hello Si&#226;n</p></body></html>"

subjects = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=300).map(
    lambda text: " ".join(text.split())
)
bodies = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\n\n .=-\r\t")), max_size=500)
pages = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]) | st.just("\n"), max_size=3000)


def build(
    subject: str = "Hello", text: str = "Hi", html: str = HTML, *, to: str = "ann@example.org", from_: str = FROM
) -> bytes:
    return Skeleton(from_, "pay-2026.union.test", feedback_id="1:2:pay-2026:muster").build(
        to, RenderedEmail(subject, text, html), "<m1.abc@union.test>", "https://m.test/u/0123456789abc", AT
    )


def read(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert not message.defects
    assert isinstance(message, EmailMessage)
    return message


def normal(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parts(message: EmailMessage) -> tuple[str, str]:
    assert message.get_content_type() == "multipart/alternative"
    text, html = cast("list[EmailMessage]", list(message.iter_parts()))
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert not text.defects
    assert not html.defects
    return normal(text.get_content()), normal(html.get_content())


def check_wire(raw: bytes) -> None:
    assert raw.partition(b"\r\n\r\n")[0].isascii()
    assert b"\0" not in raw
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@given(subjects, bodies, pages)
@example("", "", "")
@example("=?utf-8?q?x?=", "=_muster", "<p>=3D</p>")
@example("a" * 2000, "b" * 5000, "c" * 5000)
@example("ŵ" * 500, "ŵ" * 5000, "x")
@example("x  y", ".\n..\n.", ".\n")
@example("word " * 40 + "end", "From here\nFrom there", "x")
@example("Hi", "trailing \nspace\t\n", "x \n")
def test_a_mail_reads_back_as_it_was_written(subject: str, text: str, html: str) -> None:
    raw = build(subject, text, html)
    check_wire(raw)
    for form in (raw, seven_bit(raw)):  # whether the relay takes 8bit or not
        message = read(form)
        assert message["Subject"] == subject
        assert message["Message-ID"] == "<m1.abc@union.test>"
        assert parts(message) == (normal(text), html)
    check_wire(seven_bit(raw))
    assert seven_bit(raw).isascii()
    assert raw.isascii() == (seven_bit(raw) == raw)


@given(subjects, bodies)
def test_a_mail_means_the_same_as_the_standard_librarys(subject: str, text: str) -> None:
    theirs = EmailMessage(policy=SMTP)
    theirs["From"] = FROM
    theirs["To"] = "ann@example.org"
    theirs["Subject"] = subject
    theirs["Date"] = AT
    theirs.set_content(text.replace("\0", ""))
    theirs.add_alternative(HTML, subtype="html")
    ours = read(build(subject, text.replace("\0", "")))
    again = message_from_bytes(theirs.as_bytes(), policy=default)
    for header in ("From", "To", "Date"):
        assert ours[header] == again[header]
    assert ours["Subject"] == subject
    assert ours["Date"].datetime == AT.replace(microsecond=0)
    their_text, their_html = parts(again)
    assert parts(ours)[1] == their_html.rstrip("\n")
    # set_content ends every line, the last too, and reads U+2028 and its like as ends of lines
    if not re.search("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029\r]", text):
        assert parts(ours)[0].rstrip("\n") == their_text.rstrip("\n")


NAMES = ["Siân Llŷr", "Łukasz Żółć", "王小明", "محمد عبد الله", "דוד כהן", "👩‍👩‍👧‍👦 family", "ŵ" * 70, "e\u0301" * 40]


@pytest.mark.parametrize("name", NAMES)
def test_every_script_arrives_in_every_place(name: str) -> None:
    raw = build(f"{name}, have you voted? {name}", f"Annwyl {name},\n\n{name}\n", from_=f'"{name}" <ballot@union.test>')
    for form in (raw, seven_bit(raw)):
        check_wire(form)
        message = read(form)
        assert message["Subject"] == f"{name}, have you voted? {name}"
        assert "".join(message["From"].addresses[0].display_name.split()) == "".join(name.split())
        assert parts(message)[0] == f"Annwyl {name},\n\n{name}\n"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
@example("Si\x00ân\x1b[31m \x7f\x9f")
def test_control_characters_never_reach_a_header(subject: str) -> None:
    message = read(build(" ".join(subject.split())))
    kept = "".join(char for char in " ".join(subject.split()) if category(char) != "Cc")
    assert message["Subject"] == kept


@given(subjects, st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=100))
@example("ŵ" * 300, "ŵ" * 100)
@example("x" * 500, "x" * 100)
@example("word " * 100, "")
def test_lines_of_a_header_are_as_short_as_encoded_words_must_be(subject: str, name: str) -> None:
    quoted = name.replace("\\", "").replace('"', "").strip()
    head, _, _ = build(subject, from_=f'"{quoted}" <ballot@union.test>').partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert max(len(line) for line in lines if b"=?utf-8?" in line) <= 76 if b"=?utf-8?" in head else True
    assert max(map(len, lines)) <= 84  # a quoted name of ours with its address
    assert all(line.strip() for line in lines)


def test_a_sender_may_have_an_international_domain() -> None:
    assert read(build(from_="Bücher <post@bücher.test>"))["From"].addresses[0].addr_spec == "post@xn--bcher-kva.test"


@pytest.mark.parametrize(("text", "encoding"), [
    ("Dear Ann", "7bit"), ("Annwyl Siân", "8bit"), ("ŵ" * 600, "quoted-printable"), ("a\0b", "quoted-printable"),
])  # fmt: skip
def test_a_part_has_the_smallest_form_that_is_right(text: str, encoding: str) -> None:
    message = read(build(text=text))
    assert next(iter(message.iter_parts()))["Content-Transfer-Encoding"] == encoding


def test_the_headers_bulk_mail_needs_are_there() -> None:
    message = read(build())
    assert message["From"].addresses == (Address("Muster Union", addr_spec="ballot@union.test"),)
    assert message["To"].addresses[0].addr_spec == "ann@example.org"
    assert message["Message-ID"] == "<m1.abc@union.test>"
    assert message["Date"] == "Sun, 22 Nov 2026 05:32:07 +0000"
    assert message["MIME-Version"] == "1.0"
    assert message["List-Unsubscribe"] == "<https://m.test/u/0123456789abc>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-ID"] == "<pay-2026.union.test>"
    assert message["Feedback-ID"] == "1:2:pay-2026:muster"
    assert "Auto-Submitted" not in message  # it is for genuine auto-replies only
    assert len(message.keys()) == len(set(message.keys()))


def test_an_absent_value_leaves_no_header() -> None:
    raw = Skeleton(FROM, "x", reply_to="Office <office@union.test>").build(
        "ann@example.org", RenderedEmail("x", "y", "z"), "m1@union.test", "", AT
    )
    message = read(raw)
    assert message["Reply-To"].addresses[0].addr_spec == "office@union.test"
    assert not {"List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID"} & set(message.keys())


def test_the_same_message_is_the_same_bytes_on_every_try() -> None:
    assert build("Siân", "ŵ") == build("Siân", "ŵ")


def test_a_date_is_written_in_utc() -> None:
    at = AT.astimezone(timezone(timedelta(hours=1)))
    raw = Skeleton(FROM, "x").build("a@b.test", RenderedEmail("x", "y", "z"), "m@u", "", at)
    assert read(raw)["Date"] == "Sun, 22 Nov 2026 05:32:07 +0000"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40))
@example("Müller & Söhne")
@example('The "Union", Ltd.')
def test_a_sender_may_have_any_name(name: str) -> None:
    quoted = name.replace("\\", "").replace('"', "").strip()
    message = read(build(from_=f'"{quoted}" <ballot@union.test>'))
    assert message["From"].addresses[0].addr_spec == "ballot@union.test"
    # the standard library puts a space between two encoded words of a phrase, where RFC 2047 has none
    assert "".join(message["From"].addresses[0].display_name.split()) == "".join(quoted.split())


@pytest.mark.parametrize(
    "text", ["", "nobody", "a@b.test, c@d.test", "x <a b@c.test>", "x <a@b.test>\r\nBcc: c@d.test"]
)
def test_a_text_that_is_no_sender_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        build(from_=text)


@given(st.text(max_size=30), st.sampled_from(["\r\n", "\n", "\r", "\u2028", "\x85", "\0", "\x0b"]))
def test_nobody_gets_a_header_in_through_a_subject_or_a_body(name: str, end: str) -> None:
    # the renderer makes subjects one line; even where it did not, they stay inside their header
    message = read(build(f"{name}{end}Bcc: all@evil.test", f"{end}--=_x{end}Bcc: all@evil.test"))
    assert message["Bcc"] is None
    assert len(list(message.iter_parts())) == 2


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ann",
        "ann@",
        "a b@c.test",
        "a@b.test\r\nBcc: c@d.test",
        "a@b.test,c@d.test",
        "<a@b.test>",
        "a@b@c",
        "a@b.test\n",
        "a@ü..test",
        "a@b\x9f.test",
    ],
)
def test_a_text_that_is_no_address_is_refused(to: str) -> None:
    with pytest.raises(AddressError):
        build(to=to)


@pytest.mark.parametrize(
    ("to", "read_as"),
    [
        ("o'brien+x@example.org", "o'brien+x@example.org"),
        ('"a b"@example.org', '"a b"@example.org'),
        ("a@bücher.test", "a@xn--bcher-kva.test"),
        ("a@straße.test", "a@xn--strae-oqa.test"),  # IDNA 2003 would have made it another domain: strasse
    ],
)
def test_unusual_addresses_are_kept(to: str, read_as: str) -> None:
    assert read(build(to=to))["To"].addresses[0].addr_spec == read_as


def test_a_mailbox_beyond_ascii_is_written_as_it_is() -> None:
    raw = build(to="jörg@bücher.test")
    assert "To: jörg@xn--bcher-kva.test\r\n".encode() in raw  # RFC 6532: sent with SMTPUTF8 or not at all
    assert raw.partition(b"\r\n")[0].isascii()


@pytest.mark.parametrize("bad", ["a\r\nBcc: x@y.test", "a b", "a>b", "ü", "\0"])
def test_our_own_identifiers_are_checked_too(bad: str) -> None:
    rendered = RenderedEmail("x", "y", "z")
    skeleton = Skeleton(FROM, "x")
    for message_id, url in ((bad, ""), ("m@u", bad)):
        with pytest.raises(ValueError, match="cannot stand in a header"):
            skeleton.build("a@b.test", rendered, message_id, url, AT)
    with pytest.raises(ValueError, match="cannot stand in a header"):
        Skeleton(FROM, bad)
    with pytest.raises(ValueError, match="cannot stand in a header"):
        Skeleton(FROM, "x", feedback_id=bad)


def test_a_feedback_id_has_at_most_four_fields() -> None:
    with pytest.raises(ValueError, match="four fields"):
        Skeleton(FROM, "x", feedback_id="1:2:3:4:5")


def test_a_body_that_knows_the_boundary_does_not_end_its_part() -> None:
    boundary = read(build()).get_boundary()
    text = f"x\n--{boundary}--\n\nBcc: x\n--{boundary}\n"
    assert parts(read(build(text=text, html=f"<p>\n--{boundary}\n</p>"))) == (text, f"<p>\n--{boundary}\n</p>")


def test_building_is_ten_times_as_fast_as_an_email_message() -> None:
    html = (HTML + "\n") * 50
    skeleton, rendered = Skeleton(FROM, "x"), RenderedEmail("Siân, have you voted?", "Hello Siân\n" * 20, html)

    def ours() -> None:
        skeleton.build("ann@example.org", rendered, "m1@union.test", "https://m.test/u/x", AT)

    def theirs() -> None:
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"], message["Subject"] = FROM, "ann@example.org", rendered.subject
        message["Date"], message["Message-ID"] = AT, "<m1@union.test>"
        message.set_content(rendered.text)
        message.add_alternative(rendered.html, subtype="html")
        message.as_bytes()

    def effort(build_one: Callable[[], None], times: int) -> float:
        def build() -> None:
            for _ in range(times):
                build_one()

        return effort_of(build) / times

    assert 10 * min(effort(ours, 1000) for _ in range(3)) < min(effort(theirs, 50) for _ in range(3))
