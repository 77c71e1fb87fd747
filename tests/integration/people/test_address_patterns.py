"""Addresses are found in any text, by PostgreSQL and Python alike; others that look like them are not."""

from __future__ import annotations

import re

import phonenumbers
import pytest

from core.db import Connection
from people.address_patterns import find_pattern, likes_of

PHONE, MAILBOX = "+447700900471", "anna.b+x@example.org"

FOUND = [
    (PHONE, text)
    for text in (
        "+447700900471", "07700900471", "call 07700 900471 now", "+44 (0)7700 900 471", "0044 7700-900-471",
        "7700900471", "447700900471", "From=%2B447700900471&To", "x%207700900471", "is%2B44%207700%20900471",
        "07700+900471", "+44\u00a07700\u00a0900471",
    )
] + [
    (MAILBOX, text)
    for text in (
        "anna.b+x@example.org", "<Anna.B+X@Example.org>", "to anna.b+x@example.org.", "%3Canna.b%2Bx%40example.org%3E",
        "anna.b+x%40example.org", "anna%2eb+x@example.org", "line\nanna.b+x@example.org",
    )
]  # fmt: skip
OTHERS = [
    (PHONE, text)
    for text in ("+447711111471", "+4477009004711", "+3447700900471", "107700900471x1", "47700900471", "SM17700900471")
] + [
    (MAILBOX, text)
    for text in (
        "joanna.b+x@example.org", "anna.b+x@example.org.uk", "anna.b+x@example.organic", "anna.b@example.org",
        "annaxb+x@example.org", "a-anna.b+x@example.org",
    )
]  # fmt: skip


async def both(db: Connection, address: str, text: str) -> tuple[bool, bool]:
    """Whether the expression finds the address, and whether the quicker pattern does."""
    pattern = await find_pattern(db, [address])
    found = await db.fetchrow(
        "select $1 ~* $2 as there, squeezed($1) like any ($3) as likely", text, pattern, likes_of(address)
    )
    assert found is not None
    assert found["there"] == bool(re.search(pattern, text, re.IGNORECASE))
    return found["there"], found["likely"]


@pytest.mark.parametrize(("address", "text"), FOUND)
async def test_an_address_is_found_however_it_is_written(db: Connection, address: str, text: str) -> None:
    assert await both(db, address, text) == (True, True)


@pytest.mark.parametrize(("address", "text"), OTHERS)
async def test_an_address_of_somebody_else_is_not(db: Connection, address: str, text: str) -> None:
    assert not (await both(db, address, text))[0]


async def test_what_is_no_phone_number_of_any_country_is_found_as_it_is(db: Connection) -> None:
    assert await both(db, "60800", "text 60800 now") == (True, True)
    assert not (await both(db, "60800", "1608001"))[0]


async def test_every_country_code_is_told_apart(db: Connection) -> None:
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        assert await both(db, f"+{code}612345678", "tel. 0612345678") == (True, True), code
        assert await both(db, f"+{code}612345678", f"00{code} 612-345-678") == (True, True), code


@pytest.mark.parametrize("mailbox", ["o'brien@x.example", "a_b!#$%&*/=?^`{|}~-@x.example", "zoë@bücher.example"])
async def test_every_character_of_a_mailbox_stands_for_itself(db: Connection, mailbox: str) -> None:
    assert await both(db, mailbox, f"<{mailbox}>") == (True, True)
    assert not (await both(db, mailbox, f"<{mailbox.replace('x', 'y').replace('b', 'c')}>"))[0]


async def test_it_is_taken_out_of_every_text_of_a_document_and_leaves_a_document(db: Connection) -> None:
    given = {
        "said": "line\n" + MAILBOX, "tab\t" + MAILBOX: [MAILBOX, 1, None, True, {}, []], "n": 447700900471, "m": 44.5,
        "form": {"to": "a%20anna.b%2Bx%40example.org", "o": "joanna.b+x@example.org"},
    }  # fmt: skip
    pattern = await find_pattern(db, [MAILBOX, PHONE])
    assert await db.fetchval("select jsonb_without($1, $2)", given, pattern) == {
        "said": "line\nerased", "tab\terased": ["erased", 1, None, True, {}, []], "n": "erased", "m": 44.5,
        "form": {"to": "a%20erased", "o": "joanna.b+x@example.org"},
    }  # fmt: skip
    assert await db.fetchval("select jsonb_words('{}')") == ""
    words = await db.fetchval("select jsonb_words($1)", given)
    assert sorted(words.split("\n")) == sorted(
        ["line", MAILBOX, "tab\t" + MAILBOX, MAILBOX, "1", "447700900471", "44.5", "said", "n", "m", "form", "to", "o",
         "a%20anna.b%2Bx%40example.org", "joanna.b+x@example.org"]
    )  # fmt: skip
