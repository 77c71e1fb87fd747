"""Addresses are found in any text, in whatever notation, and taken out of it; others that look like them stay."""

from __future__ import annotations

import json
import random
import unicodedata
from pathlib import Path

import phonenumbers
import pytest

from core.db import Connection

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
        "07700\u3000900471", "07700\ufeff900471", "07700\xad900471", "07700\u200d900471", "07700\ufe0f900471",
        "".join(f"{digit}\ufe0f\u20e3" for digit in "07700900471"), "\u0336".join("07700900471"),
        "07700\u061c900471", "07700\u202a900471", "07700\U000e0020900471", "07700\u2043900471", "07700\u2219900471",
        "07700\u30fb900471", "07700\u06d4900471", "07700\ufe63900471", "07700\u2018900\u2019471", "07700'900\"471",
        "07700{900}471", "07700`900`471", "07700#900#471", "07700!900?471", "07700\\900\\471",
        "07700=E2=80=91900471", "07700=E2=80=\n=91900471", "07700=20900=20471", "07700=C2=A0900471", "077=  \n00900471",
        "tel=3D07700900471", "tel=2B447700900471", "phone=447700900471", "07700%E2%80%91900471",
        "%EF%BC%90%EF%BC%97700900471", "07700<wbr>900471", "07700<WBR/>900471", "07700&shy;900471",
        "07700&zwj;900471", "07700&ensp;900471", "07700&#8209;900471", "07700&amp;nbsp;900471",
        "07700<span class=a>900</span>471", "07700</td><td>900471", "07700<b>900</b>471",
        '<a href=3D"tel:+44=20=\n7700900471">', "07700\\u2011900471", "tel07700900471", "ffon:07700900471",
        "07700900471thanks", "dave07700900471", "+447700900471or 0113", "Tom07700 900471.",
        "07700900471x", "+447700900471x", "07700 900 471x", "07700900471p.s call", "07700900471b4 6pm", "07700900471x3",
        "Ph07700900471", "ff\xf4n07700900471", "M07700900471", "nr07700900471", "on07700900471", "is+447700900471",
        "dad07700900471", "07700900471dad", "x07700900471", "07700900471ab", "o7700 900471",
        "+07700900471", "O7700900471", "07700 9OO471", "07700\r\n> 900471", "07700\n>> 900471",
        "[0, 7, 7, 0, 0, 9, 0, 0, 4, 7, 1]",
        "07700900472,07700900471 07700900473", "on 2026-11-29 07700 900471, 10:30", "447700900472 447700900471",
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
        "anna.b+x (at) example.org", "anna.b+x[at]example.org", "anna.b+x {at} example.org", "anna.b+x<at>example.org",
        "anna.b+x=40example.org", "anna=2Eb=2Bx=40example=2Eorg", "=?utf-8?q?anna=2Eb+x=40example=2Eorg?=",
        "anna.b+x@exam\xadple.org", "anna.b+x@exam&shy;ple.org", "anna.b+x@<wbr>example.org",
        "an<wbr>na.b+x@example.org",
        "anna.b+x@exa=\nmple.org", "an\ufe0fna.b+x\u2060@example.org", "anna.b+x&zwnj;@example.org",
        "<b>anna.b+x</b>@example.org", "<anna.b+x=40example.org>", "anna . b+x@example . org",
        *(f"{sign}anna.b+x@example.org" for sign in "\u2022\xb7\u2219\u2013\u2014\u2026\u200b_-+"),
        *(f"anna.b+x@example.org{sign}thanks" for sign in "\u2022\xb7\u2013\u2014\u2026\u200b_"),
        "Email\u2014anna.b+x@example.org", "email:\u2026anna.b+x@example.org", "email...anna.b+x@example.org",
        "x\u200banna.b+x@example.org", "a\xadanna.b+x@example.org", "Amy%2Banna.b+x@example.org",
        "_anna.b+x@example.org_", "1.anna.b+x@example.org", "anna.b+x@example.org- thanks",
        "anna.b+x@example.org.Thanks", "anna.b+x@example.orgThanks", "anna.b+x@example.org.I am",
        '"anna.b+x"@example.org', "anna.b+x[@]example.org", "anna.b+x (@) example.org",
        '<a href=3D"mailto:anna.b+x=40example.org">', '<a href="mailto:anna.b+x@example.org">',
    )
]  # fmt: skip
FOUND += [
    (PHONE, text)
    for text in (
        # letters on both sides are words, unless all of it is hexadecimal
        *(f"{head}07700900471{tail}" for head in ("z", "M", "is", "Zoe", "ring", "ffon") for tail in ("z", "x3", "or")),
        *(f"{head}+447700900471{tail}" for head in ("z", "on") for tail in ("z", "thanks")),
        # words between numbers, in whichever order
        *(
            joint.join(numbers)
            for joint in ("or", "and", "neu", "a", "nOT", "then", " or ", "/", "&")
            for numbers in (
                ("07700900471", "07700900472"), ("07700900472", "07700900471"), ("447700900471", "447700900472"),
                ("07700900472", "07700900471", "07700900473"), ("+447700900472", "+447700900471"),
            )
        ),
        # line breaks of a quotation, also where a client has made spaces of them
        "07700 > 900471", "07700 >900471", "07700\n>\n> 900471", "07700 > > 900471", "07700\r\n\t> 900 >\n>471",
        "07700 &gt; 900471",
    )
] + [
    (MAILBOX, text)
    for text in (
        *(f"anna.b+x@{gap}example.org" for gap in ("\r\n> ", "\n>> ", " > ", "\n>\n> ", "\n\t> > ")),
        *(f"anna.{gap}b+x@example.org" for gap in ("\r\n> ", "\n>> ", " > ")),
        "anna.b+x\r\n> @example.org", "anna.b+x@example\r\n> .org", "anna.b+x@example.\r\n> org",
        *(
            f"anna.b+x@example.org{dot}{word}"
            for dot in ("", ".") for word in ("thanks", "cheers", "or", "please.", "is mine", "ring me", "xxx, bye")
            if dot + word[:2] not in {".or", ".is"}
        ),
        *(f"{name}-anna.b+x@example.org" for name in ("Amy", "Zo\xeb", "Contact", "email", "e-mail", "Ebost", "mail")),
        "Amy--anna.b+x@example.org", "(Amy-anna.b+x@example.org)", "anna.b+x@example.orgthanks anna@example.com",
    )
]  # fmt: skip
OTHERS = [
    (PHONE, text)
    for text in (
        "+447711111471", "+4477009004711", "+3447700900471", "107700900471x1", "47700900471", "SM17700900471",
        "07700 900 472", "0770\u20130900\u20134711", "7,700 and 900,471", "07700 x 900471", "07700 <b>or</b> 900471",
        "SM07700900471", "ab07700900471cd",
        "0e8f07700900471", "0.7700900471", "0.07700900471", "07700900471abcde", "order 7700900471",
        "SMqwertyui07700900471", "07700900471qwertyuio", "id=7700900471",
        "7700900471.5", "[7, 7, 0, 0, 9, 0, 0, 4, 7, 1]",
        "00007700-0900-4710-0000-077009004710", "7700-900-471-12", "+7700900471",
        "a07700900471b", "ref07700900471x", "12ab07700900471z", "07700900472or07700900473", "7700 > 900471",
        "7700900472or107700900471", "0770 < 0900471",
    )
] + [
    (MAILBOX, text)
    for text in (
        "joanna.b+x@example.org", "anna.b+x@example.org.uk", "anna.b+x@example.organic", "anna.b@example.org",
        "annaxb+x@example.org", "a-anna.b+x@example.org", "anna.b+x at example.org",
        "joanna.b+x=example.org@bounces.example", "anna.b+x=example.org.uk@bounces.example",
        "anna.b+x&#65;example.org", "anna.b+x = example.org", "anna.b+x@example.org.UK", "anna.b+x@example.org.Com",
        "ANNA.B+X@EXAMPLE.ORG.UK", "anna.b+x@example.org-home.net", "jo\u2011anna.b+x@example.org",
        "jo_anna.b+x@example.org", "12.anna.anna.b+x@example.org", "joe-anna.b+x@example.org",
        "JOE-ANNA.B+X@EXAMPLE.ORG", "Jo-Anna.b+x@example.org", "A1-anna.b+x@example.org", "anna.b+x@example.orgx.net",
        "anna.b+x@example.orgthanks.uk", "anna.b+x@example.org.wales", "anna.b+x@example.organic.",
        "anna.b+x>@example.org", "anna.b+x@> example.org", "anna.b+x@example.org.thanks.uk",
    )
]  # fmt: skip


async def finds(db: Connection, address: str, text: str) -> bool:
    """Tell whether the address is found. Wherever it is, the quicker look finds it as well, in JSON too."""
    row = await db.fetchrow(
        "select names_address($1, array[$3]) as there, without_addresses($1, array[$3]) as left_over,"
        " squeezed($1) like any (address_likes(array[$3])) as likely,"
        " squeezed($2) like any (address_likes(array[$3])) as likely_in_json",
        text, json.dumps(text, ensure_ascii=False), address,
    )  # fmt: skip
    assert row is not None
    there: bool = row["there"]
    if there:
        assert row["likely"]
        assert row["likely_in_json"]
    assert there == ("erased" in row["left_over"])
    return there


async def test_an_address_is_found_however_it_is_written(db: Connection) -> None:
    assert [text for address, text in FOUND if not await finds(db, address, f"Call {text} please")] == []


async def test_another_persons_address_is_not_found(db: Connection) -> None:
    assert [text for address, text in OTHERS if await finds(db, address, f"See {text} there")] == []


async def test_a_long_text_takes_time_as_it_is_long(db: Connection) -> None:
    """Any sign may be repeated, also where JSON or `encode` doubles it: PostgreSQL gives up what costs too much."""
    await db.execute("set statement_timeout = '15s'")
    for address, piece in (
        (PHONE, "0"), (PHONE, "07700" + " " * 900), (PHONE, "%20"), (PHONE, "0 7 7 "), (PHONE, "\\="), (PHONE, "<a "),
        (PHONE, "&amp;"), (PHONE, "=E2"), (MAILBOX, "anna.b+x "), (MAILBOX, "anna.b+x@"), (MAILBOX, "@"),
    ):  # fmt: skip
        assert not await finds(db, address, piece * (20_000 // len(piece)))
    for sign in "\\%&=<([{":
        text = sign * 200_000
        assert await db.fetchval("select squeezed($1) <> '0'", text)
        assert await db.fetchval("select without_addresses($1, $2)", text, [PHONE, MAILBOX]) == text
    many = f"07700 900471 {MAILBOX}\n" * 600
    assert await db.fetchval("select without_addresses($1, $2)", many, [PHONE, MAILBOX]) == "erased erased\n" * 600


@pytest.mark.parametrize("piece", ["07700900471 ", f"{MAILBOX} ", "\u200b", '"', "07700900471or", "\u4e00\u200b\xe9"])
async def test_twice_as_long_a_text_takes_about_twice_the_time(db: Connection, piece: str) -> None:
    """Also where `encode` or JSON writes each sign as several. The server's own time is counted, not the clock's."""
    process = await db.fetchval("select pg_backend_pid()")

    def spent() -> int:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])  # in hundredths of a second

    async def effort(length: int) -> int:
        text = (piece * length)[:length]
        begun = spent()
        await db.fetchval("select length(without_addresses($1, $2))", text, [PHONE, MAILBOX])
        await db.fetchval("select length(squeezed(encode(convert_to($1, 'UTF8'), 'escape')))", text)
        await db.fetchval("select length(squeezed(to_jsonb($1::text)::text))", text)
        return spent() - begun

    await effort(1_000)
    short = await effort(25_000)
    assert await effort(100_000) < 7 * short + 20


async def test_a_text_that_is_no_phone_number_is_found_as_it_is(db: Connection) -> None:
    assert await finds(db, "60800", "text 60800 now")
    for text in ("1608001", "60 800", "60-800"):
        assert not await finds(db, "60800", text)


async def test_every_country_code_is_recognised(db: Connection) -> None:
    codes = [str(code) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE]
    parts = await db.fetch(
        "select (address_parts('+' || code || '612345678')).* from unnest($1::text[]) as given (code)", codes
    )
    assert [tuple(part) for part in parts] == [(code, "612345678") for code in codes]
    for text in ("tel. 0612345678", "00353 612-345-678", "+353 (0) 61 234 5678", "61 234 5678"):
        assert await finds(db, "+353612345678", text)


async def test_a_short_number_is_found_in_the_usual_notations(db: Connection) -> None:
    """Numbers can be made up so that their digits are a date, a count or an address of a host."""
    for number, text in (
        ("+20261129", "2026-11-29"), ("+20261129", "20261129"), ("+12345678", "12345678"), ("+4712345678", "12345678"),
        ("+20261201170000", "2026-12-01 17:00:00"), ("+20261201170000", "2026-12-01T17:00:00+00:00"),
        ("+202611291638", "2026-11-29 16:38:12.770090"), ("+4410212", "2026-01-02 12:00"),
        ("+10203041", "10.20.30.41 : 8080"), ("+102030418080", "10.20.30.41:8080"), ("+1234567", "1234567"),
        ("+1202611", "campaign 1202611"), ("+4729112026", "29.11.2026"), ("+4729112026", "29/11/2026"),
        ("+4720242026", "2024-2026"), ("+4712345678", "12,345,678"), ("+4712345678", "12 345 678"),
        ("+4712345678", "1234 5678"), ("+4712345678", "1234-5678"), ("+4720261129", "2026 1129"),
        ("+85209001700", "0900 1700"), ("+449001700", "09:00-17:00"), ("+449001700", "0900 1700"),
        ("+449001700", "0900-1700"), ("+449001700", "09:00 to 17:00"), ("+441112026", "01 11 2026"),
        ("+441112026", "01112026"), ("+44123456", "[0, 1, 2, 3, 4, 5, 6]"), ("+44123456", "0 1 2 3 4 5 6"),
        ("+441764421234", "ts=1764421234"), ("+202611291638", "202611291638"), ("+44668182099", "44.66.81.82"),
        ("+4716381200", "16:38:12.00"), ("+4722334455", "22 33 44 55 66"), ("+4722334455", "1.22 33 44 55"),
    ):  # fmt: skip
        assert not await finds(db, number, f"See {text} there"), text
    for number, text in (
        ("+4722334455", "22 33 44 55"), ("+4722334455", "+47 22334455"), ("+4722334455", "004722334455"),
        ("+4722334455", "4722334455"), ("+20261129", "+20 26 11 29"), ("+20261129", "0261129"),
        ("+4722334455", "223 34 455"), ("+41446681820", "+41 44.668.18.20"), ("+85291234567", "9123 4567"),
        ("+41446681820", "+41 44.66.81.820"), ("+441764421234", "01764 421234"), ("+441764421234", "+441764421234"),
    ):  # fmt: skip
        assert await finds(db, number, f"See {text} there"), text


async def test_only_the_address_is_removed(db: Connection) -> None:
    for text, left_over in (
        ("Rang Dan on 07700\u2011900\u2011471 \u2014 caf\xe9 at 10:30", "Rang Dan on erased \u2014 caf\xe9 at 10:30"),
        ("a=3Db <anna.b+x=40example.org>, =E2=82=AC5", "a=3Db <erased>, =E2=82=AC5"),
        ("1\ufe0f\u20e3. +44 7700&nbsp;900&shy;471. 2\ufe0f\u20e3.", "1\ufe0f\u20e3. erased. 2\ufe0f\u20e3."),
        ("077=\r\n00900471\r\nanna.b+x@exam=\r\nple.org\r\n", "erased\r\nerased\r\n"),
        ("\ufb01ve: \uff10\uff17700900471\ufb00", "\ufb01ve: erased\ufb00"),
        ("\ufb01ve: \uff10\uff17700900471.", "\ufb01ve: erased."),
    ):
        assert await db.fetchval("select without_addresses($1, $2)", text, [PHONE, MAILBOX]) == left_over


async def test_the_quick_search_finds_everything_the_slow_one_does(db: Connection) -> None:
    """Random notations: each digit and letter as itself or encoded, with signs between them."""
    chance = random.Random(11)
    between = ["", "", "", "\xad", "\u200b", "\ufe0f", "<wbr>", "&shy;", "=\n", "&#8203;", "%E2%80%8B", "=C2=AD"]
    apart = [*between, " ", "-", "\u2011", "&nbsp;", "\n", "<br>", "%20", "=20", "<td class=x>", ".", "\\n"]
    for _ in range(60):
        for address, written, signs in ((PHONE, "07700900471", apart), (MAILBOX, MAILBOX, between)):
            between_digits = chance.choice([signs, signs[:6]])
            code = chance.choice(["{}", "&#{};", "&#x{:x};", "%{:02X}", "={:02X}"])
            text = "".join(
                (code.format(sign if code == "{}" else ord(sign)) if chance.random() < 0.2 else sign)
                + (chance.choice(between_digits) if chance.random() < 0.3 and sign not in "@.+" else "")
                for sign in written
            )
            assert await finds(db, address, f"See {text} now") or len({*"&%="} & {*text}) > 1, text


@pytest.mark.parametrize("mailbox", ["o'brien@x.example", "a_b!#$%&*/=?^`{|}~-@x.example", "zoë@bücher.example"])
async def test_every_character_of_a_mailbox_is_matched_literally(db: Connection, mailbox: str) -> None:
    assert await finds(db, mailbox, f"<{mailbox}>")
    assert await finds(db, mailbox, f"<{unicodedata.normalize('NFD', mailbox)}>")
    assert not await finds(db, mailbox, f"<{mailbox.replace('x', 'y').replace('b', 'c')}>")


async def test_an_address_is_removed_from_every_text_of_a_json_document(db: Connection) -> None:
    given = {
        "said": "line\n" + MAILBOX, "tab\t" + MAILBOX: [MAILBOX, 1, None, True, {}, []], "n": 447700900471, "m": 44.5,
        "form": {"to": "a%20anna.b%2Bx%40example.org", "o": "joanna.b+x@example.org"},
    }  # fmt: skip
    assert await db.fetchval("select jsonb_without($1, $2)", given, [MAILBOX, PHONE]) == {
        "said": "line\nerased", "tab\terased": ["erased", 1, None, True, {}, []], "n": "erased", "m": 44.5,
        "form": {"to": "a%20erased", "o": "joanna.b+x@example.org"},
    }  # fmt: skip
    assert await db.fetchval("select jsonb_words('{}')") == ""
    words = await db.fetchval("select jsonb_words($1)", given)
    assert sorted(words.split("\x1f")) == sorted(
        ["line\n" + MAILBOX, "tab\t" + MAILBOX, MAILBOX, "1", "447700900471", "44.5", "said", "n", "m", "form", "to",
         "o", "a%20anna.b%2Bx%40example.org", "joanna.b+x@example.org"]
    )  # fmt: skip
