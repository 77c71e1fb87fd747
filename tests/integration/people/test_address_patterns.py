"""Addresses are found in any text, by PostgreSQL and Python alike; others that look like them are not."""

from __future__ import annotations

import re

import phonenumbers
import pytest

from core.db import Connection
from people.address_patterns import find_patterns

PHONE, MAILBOX = "+447700900471", "anna.b+x@example.org"

FOUND = [
    (PHONE, text)
    for text in (
        "+447700900471", "07700900471", "call 07700 900471 now", "+44 (0)7700 900 471", "0044 7700-900-471",
        "7700900471", "447700900471", "From=%2B447700900471&To", "x%207700900471", "is%2B44%207700%20900471",
        "07700+900471", "+44\xa07700\xa0900471", "07700\u2013900471", "07700\u2011900\u2011471", "07700\u202f900471",
        "07700\u2009900 471", "07700\u200b900471", "07700\t900471", "07700\n900471", "07700\r\n 900471",
        "07700  -  900471", "07700,900,471", "07700_900471", "07700:900471", "07700*900471", "07700...900471",
        "0 7 7 0 0 9 0 0 4 7 1", "07700&nbsp;900471", "07700&#160;900471", "07700&#x2011;900471",
        "07700&ndash;900471", "07700<br>900471", "07700<br />900471", "07700=\n900471", "07700=\r\n900471",
        "07700%0D%0A900471", "07700%2520900471", "\uff10\uff17\uff17\uff10\uff10\uff19\uff10\uff10\uff14\uff17\uff11",
        "\uff0b\uff14\uff14 \uff17700900471", "\u0660\u0667\u0667\u0660\u0660\u0669\u0660\u0660\u0664\u0667\u0661",
        "07700\u2212900471", "(+44) 7700-900-471", "44 (0)7700 900 471", "tel:+44-7700-900471",
        "&#48;7700&#032;9&#x30;0471", "07700\\342\\200\\221900471", "\U0001d7ce\U0001d7d5\U0001d7d5\U0001d7ce0900471",
        "07700\u3000900471", "07700\ufeff900471", "07700\xad900471",
    )
] + [
    (MAILBOX, text)
    for text in (
        "anna.b+x@example.org", "<Anna.B+X@Example.org>", "to anna.b+x@example.org.",
        "%3Canna.b%2Bx%40example.org%3E", "anna.b+x%40example.org", "anna%2eb+x@example.org",
        "line\nanna.b+x@example.org", "anna.b+x @ example.org", "anna.b+x@ example.org", "anna.b+x@\n example.org",
        "anna.b+x\uff20example.org", "anna.b+x\ufe6bexample.org", "anna.b+x@example\u2024org",
        "anna.b+x@example\u3002org", "anna.\u200bb+x@example.org", "anna.b+x&#64;example.org",
        "anna.b+x&#x40;example.org", "anna.b+x&commat;example&period;org", "anna.b+x%2540example.org",
        "anna.b+x\\u0040example.org", "anna.b+x=example.org@bounces.example",
        "b+anna.b+x=example.org@bounces.example", "SRS0=ab=xy=example.org=anna.b+x@forwarder.example",
        "&#97;nna.b&#43;x&#064;&#69;xample.org", "\uff21\uff4e\uff4e\uff41.b+x@example.org",
        "anna.b+x@exam=\r\nple.org", "anna.b&plus;x@example.org", "anna.b\uff0bx@example.org",
        "anna.b+x (at) example.org", "anna.b+x[at]example.org",
    )
]  # fmt: skip
OTHERS = [
    (PHONE, text)
    for text in (
        "+447711111471", "+4477009004711", "+3447700900471", "107700900471x1", "47700900471", "SM17700900471",
        "07700 900 472", "0770\u20130900\u20134711", "7,700 and 900,471", "07700 x 900471", "07700 <b>or</b> 900471",
    )
] + [
    (MAILBOX, text)
    for text in (
        "joanna.b+x@example.org", "anna.b+x@example.org.uk", "anna.b+x@example.organic", "anna.b@example.org",
        "annaxb+x@example.org", "a-anna.b+x@example.org", "anna.b+x at example.org",
        "joanna.b+x=example.org@bounces.example", "anna.b+x=example.org.uk@bounces.example",
        "anna.b+x&#65;example.org", "anna.b+x = example.org",
    )
]  # fmt: skip


async def both(db: Connection, address: str, text: str) -> tuple[bool, bool]:
    """Whether the expression finds the address, and whether the quicker pattern does."""
    made = await find_patterns(db, [address])
    found = await db.fetchrow(
        "select $1 ~* $2 as there, squeezed($1) like any ($3) as likely,"
        " squeezed(to_jsonb($1)::text) like any ($3) as likely_in_json",
        text, made.pattern, list(made.likes),
    )  # fmt: skip
    assert found is not None
    assert found["there"] == bool(re.search(made.pattern, text, re.IGNORECASE))
    assert found["likely"] == found["likely_in_json"]
    return found["there"], found["likely"]


async def test_an_address_is_found_however_it_is_written(db: Connection) -> None:
    assert [text for address, text in FOUND if await both(db, address, text) != (True, True)] == []


async def test_an_address_of_somebody_else_is_not(db: Connection) -> None:
    assert [text for address, text in OTHERS if (await both(db, address, text))[0]] == []


async def test_a_long_text_takes_time_as_it_is_long(db: Connection) -> None:
    """Signs between digits may be many, and none of them is looked at in two ways."""
    for address, piece in (
        (PHONE, "0"), (PHONE, "07700" + " " * 900), (PHONE, "%20"), (MAILBOX, "anna.b+x "), (MAILBOX, "anna.b+x@"),
    ):  # fmt: skip
        assert not (await both(db, address, piece * (50_000 // len(piece))))[0]


async def test_what_is_no_phone_number_of_any_country_is_found_as_it_is(db: Connection) -> None:
    assert await both(db, "60800", "text 60800 now") == (True, True)
    assert not (await both(db, "60800", "1608001"))[0]


async def test_every_country_code_is_told_apart(db: Connection) -> None:
    codes = [str(code) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE]
    parts = await db.fetch(
        "select (address_parts('+' || code || '612345678')).* from unnest($1::text[]) as given (code)", codes
    )
    assert [tuple(one) for one in parts] == [(code, "612345678") for code in codes]
    assert await both(db, "+353612345678", "tel. 0612345678") == (True, True)
    assert await both(db, "+353612345678", "00353 612-345-678") == (True, True)


@pytest.mark.parametrize("mailbox", ["o'brien@x.example", "a_b!#$%&*/=?^`{|}~-@x.example", "zoë@bücher.example"])
async def test_every_character_of_a_mailbox_stands_for_itself(db: Connection, mailbox: str) -> None:
    assert await both(db, mailbox, f"<{mailbox}>") == (True, True)
    assert not (await both(db, mailbox, f"<{mailbox.replace('x', 'y').replace('b', 'c')}>"))[0]


async def test_it_is_taken_out_of_every_text_of_a_document_and_leaves_a_document(db: Connection) -> None:
    given = {
        "said": "line\n" + MAILBOX, "tab\t" + MAILBOX: [MAILBOX, 1, None, True, {}, []], "n": 447700900471, "m": 44.5,
        "form": {"to": "a%20anna.b%2Bx%40example.org", "o": "joanna.b+x@example.org"},
    }  # fmt: skip
    pattern = (await find_patterns(db, [MAILBOX, PHONE])).pattern
    assert await db.fetchval("select jsonb_without($1, $2)", given, pattern) == {
        "said": "line\nerased", "tab\terased": ["erased", 1, None, True, {}, []], "n": "erased", "m": 44.5,
        "form": {"to": "a%20erased", "o": "joanna.b+x@example.org"},
    }  # fmt: skip
    assert await db.fetchval("select jsonb_words('{}')") == ""
    words = await db.fetchval("select jsonb_words($1)", given)
    assert sorted(words.split("\x1f")) == sorted(
        ["line\n" + MAILBOX, "tab\t" + MAILBOX, MAILBOX, "1", "447700900471", "44.5", "said", "n", "m", "form", "to",
         "o", "a%20anna.b%2Bx%40example.org", "joanna.b+x@example.org"]
    )  # fmt: skip
