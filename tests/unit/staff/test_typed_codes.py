"""Codes are read however a keyboard or a document writes them."""

from __future__ import annotations

import pytest

from staff.accounts import staff_mailbox, staff_name
from staff.totp import otpauth_uri
from staff.typed_codes import read_typed_code


@pytest.mark.parametrize(
    "typed",
    [
        "123 456",
        "123-456",
        " 123456\n",
        "123\N{EN DASH}456",
        "123\N{NON-BREAKING HYPHEN}456",
        "123\N{MINUS SIGN}456",
        "123\N{SOFT HYPHEN}456",
        "123\N{NO-BREAK SPACE}456",
        "\N{ZERO WIDTH SPACE}123456",
        "\ufeff123456",
        "123_456",
        "\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT TWO}3456",
        "\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT TWO}3456",
        "\N{EXTENDED ARABIC-INDIC DIGIT ONE}23456",
    ],
)
def test_a_code_is_read_however_it_was_typed(typed: str) -> None:
    assert read_typed_code(typed) == "123456"


def test_what_is_no_digit_stays() -> None:
    assert read_typed_code("ABCD-Efgh") == "abcdefgh"
    assert read_typed_code("12345½") == "123451\N{FRACTION SLASH}2", "and is refused"


@pytest.mark.parametrize(
    "typed",
    [
        "Anna@B\u00fccher.example",
        "anna@xn--bcher-kva.example",
        " Anna M. <anna@b\u00fccher.example>",
        "mailto:anna@b\u00fccher.example",
    ],
)
def test_a_mailbox_is_one_account_however_it_is_written(typed: str) -> None:
    assert staff_mailbox(typed) == "anna@xn--bcher-kva.example"


def test_the_account_for_trying_muster_out_is_found() -> None:
    assert staff_mailbox(" Staff@localhost ") == "staff@localhost"


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("  Ada \t Price ", "Ada Price"),
        ("Nell\r\nBcc: x@example.org", "Nell Bcc: x@example.org"),
        ("Ada\N{RIGHT-TO-LEFT OVERRIDE}ecirP", "AdaecirP"),
        ("x" * 3000, "x" * 100),
    ],
)
def test_a_name_is_one_line_of_a_bearable_length(typed: str, name: str) -> None:
    assert staff_name(typed) == name


def test_the_address_of_an_app_has_one_colon_between_issuer_and_name() -> None:
    uri = otpauth_uri("JBSWY3DPEHPK3PXP" * 2, email="ada@union.test", issuer="Überbund: Nord / Süd & Söhne")
    assert uri.startswith("otpauth://totp/%C3%9Cberbund%20Nord%20S%C3%BCd%20%26%20S%C3%B6hne:ada%40union.test?")
