"""Members are found by whatever somebody has of them, and what they said stands beside what was sent to them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

import orjson
import pytest

from ballots.claims import record_claim, retract_claim
from campaigns.replies.answer_history import answers_by, answers_to
from core.access import ReadScope, Scope
from core.db import Connection
from core.runtime import Runtime
from core.settings import Settings
from messaging.suppression import lift, suppress
from people.search import search_people
from tests.support.command import muster, run_commands
from tests.support.electorate import NOW, add_ballot, add_person, add_unit
from tests.support.known_person import NUMBER, PHONE, fill
from tests.support.outbox_rows import add_messages, add_step
from tests.support.scoped import scoped_pools


async def members(db: Connection) -> None:
    unit = await add_unit(db, "Leeds")
    for number, first, last, sms, email in (
        ("0001", "Siân", "Ŵyn-Jones", "+447400123456", "sian@example.org"),
        ("0002", "Amy", "Jones", "+447400123457", "a_jones@example.org"),
        ("0003", "Ahmed", "O'Brien", "+447400999999", "ajones2@work.example"),
    ):
        person = await add_person(db, number, unit=unit, sms=sms, email=email, first_name=first)
        await db.execute("update person set last_name = $2 where person_id = $1", person, last)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("jones", ["0002", "0003", "0001"]), ("sian", ["0001"]), ("SIÂN wyn", ["0001"]), ("jones amy", ["0002"]),
        ("o'br", ["0003"]), ("0002", ["0002"]), ("003", ["0003"]), ("07400 123456", ["0001"]),
        ("+44 (0)7400-123457", ["0002"]), ("0044 7400 999 999", ["0003"]), ("123456", ["0001"]),
        ("07400123", ["0002", "0001"]), ("Sian@Example.org", ["0001"]), ("@work.example", ["0003"]),
        ("3456", ["0001"]), ("0123", ["0002", "0001"]), ("0012", ["0002", "0001"]),
        ("+44 (0)7400 123", ["0002", "0001"]), ("00447400999", ["0003"]), ("012", []),
        ("a_jones", ["0002"]), ("a%j", []), ("nobody", []), ("", []), ("amy jones of leeds", []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("indexed", [True, False])
async def test_a_person_is_found_by_any_part_of_their_data(
    db: Connection, owner: Connection, text: str, found: list[str], *, indexed: bool
) -> None:
    await members(db)
    if not indexed:
        await owner.execute("drop index person_search, address_search")
    assert sorted(hit.external_id for hit in await search_people(db, text, region="GB")) == sorted(found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("jnoes", ["0001", "0002"]), ("Ahmad", ["0003"]), ("o'brian", ["0003"]), ("wynn joness", ["0001"]),
        ("Amy Johnes", ["0002"]), ("xyzzy", []), ("07400 123450", []), ("amy@exmple.org", []),
    ],
)  # fmt: skip
async def test_letters_that_are_wrong_are_forgiven_in_names_alone(db: Connection, text: str, found: list[str]) -> None:
    await members(db)
    assert sorted(hit.external_id for hit in await search_people(db, text, region="GB")) == found
    threshold = "select coalesce(current_setting('pg_trgm.word_similarity_threshold', true), '0.6')"
    assert await db.fetchval(threshold) == "0.6"


async def test_staff_find_the_people_of_their_scope(runtime: Runtime, db: Connection) -> None:
    await members(db)
    leeds = await db.fetchval("select unit_id from unit where name = 'Leeds'")
    york = await add_unit(db, "York")
    await add_person(db, "Y001", unit=york, sms="+447400123458", email="sian@york.example", first_name="Siân")
    await add_person(db, "Z001", sms="+447400123459", first_name="Siân")

    search = "select * from find_people($1::text[], true, '', $2::text[], $3::text[], 50)"

    async def found(
        people: Scope, contacts: Scope, *words: str, whole: Sequence[str] = (), part: Sequence[str] = ()
    ) -> dict[str, int]:
        async with scoped_pools(runtime).within(ReadScope(people, contacts)) as scoped:
            rows = await scoped.fetch(search, words or ("no such name",), whole, part)
            return {row["external_id"]: len(row["addresses"]) for row in rows}

    everywhere, nowhere = Scope(is_everywhere=True), Scope()
    in_leeds, in_york = Scope(unit_ids=(leeds,)), Scope(unit_ids=(york,))
    assert await found(everywhere, everywhere, "sian") == {"0001": 2, "Y001": 2, "Z001": 1}
    assert await found(in_york, in_york, "sian") == {"Y001": 2}
    assert await found(in_leeds, in_leeds, "sain") == {"0001": 2}, "also where letters are wrong"
    assert await found(nowhere, nowhere, "sian") == {}
    assert await found(everywhere, in_york, "sian") == {"0001": 0, "Y001": 2, "Z001": 0}
    # an address finds nobody where addresses are not seen
    mailbox, number = ["sian@york.example"], ["+447400123458"]
    assert await found(in_york, nowhere, whole=mailbox) == {}
    assert await found(in_york, nowhere, whole=number) == await found(in_york, nowhere, part=["123458"]) == {}
    assert await found(in_leeds, in_york, whole=number) == {}
    assert await found(in_york, in_york, whole=number) == await found(in_york, in_york, part=["123458"]) == {"Y001": 2}
    async with runtime.staff_all_pool.acquire() as raw:
        assert await raw.fetch(search, ["sian"], [], []) == [], "nobody said who looks"


@pytest.mark.parametrize(
    ("search", "index"),
    [
        ("select count(*) from people_matching(true, '{}', true, '{}', '{jones}', false, '', '{}', '{}', 9)",
         "person_search"),
        ("select count(*) from people_matching(true, '{}', true, '{}', '{nobody}', false, '', '{}', '{3456}', 9)",
         "address_search"),
        ("select cardinality(people_alike(true, '{}', '{jnoes}', 9))", "person_search"),
    ],
)  # fmt: skip
async def test_a_search_is_answered_by_its_indexes(db: Connection, search: str, index: str) -> None:
    """The functions' own statements, not copies of them: an index counts its scans."""
    await members(db)

    async def scans() -> int:
        await db.execute("select pg_stat_force_next_flush()")
        count: int = await db.fetchval("select idx_scan from pg_stat_user_indexes where indexrelname = $1", index)
        return count

    before = await scans()
    await db.execute("set enable_seqscan = off")  # three members are read sooner than an index
    assert await db.fetchval(search) > 0
    assert await scans() > before


async def test_answers_are_listed_in_order_with_their_messages(db: Connection) -> None:
    person = await add_person(db, "M1", sms="+447400123456")
    ballot_id = await add_ballot(db)
    campaign_id = await db.fetchval(
        "insert into campaign (name, title, subject_kind, subject_id, state, audience, spec, created_by)"
        " values ('n', 'N', 'ballot', $1, 'running', '{}', '{}', 'ann') returning campaign_id", ballot_id,
    )  # fmt: skip
    step = await add_step(db, campaign_id=campaign_id)
    (message_id,) = await add_messages(db, step, "sms", ["+447400123456"], first_person=person)
    claim_id = await record_claim(
        db, ballot_id=ballot_id, person_id=person, kind="voted", source="sms_reply", recorder="member", confidence=0.9,
        message_id=message_id, at=NOW,
    )  # fmt: skip
    await retract_claim(db, claim_id, recorder="olga", source="rep")
    await db.execute(
        "insert into reply (inbound_id, channel, address, sender, person_id, message_id, text, reading, rule,"
        " rule_version, answer_kind, answer_id, received_at)"
        " values (1, 'sms', '+447400123456', 'us', $1, $2, 'done it', 'voted', 'r', '1', 'ballot', $3, $4)",
        person, message_id, claim_id, NOW,
    )  # fmt: skip
    await suppress(db, channel="sms", address="+447400123456", reason="opted_out", source="sms_reply")
    await lift(db, channel="sms", address="+447400123456", reason="opted_in", source="sms_reply")

    answers = await answers_by(db, [person], [message_id])
    assert [result.kind for result in answers] == ["reply", "claim", "retraction", "suppress", "lift"] or [
        result.kind for result in answers
    ] == ["claim", "reply", "retraction", "suppress", "lift"]
    words = " ".join(result.words for result in answers)
    assert "“done it”, read as voted" in words
    assert "In the ballot pay-2026 they are counted as: voted (from" in words
    assert "no longer counted as: voted (taken back from a rep)" in words
    assert {answer.kind for answer in await answers_to(db, message_id)} == {"reply", "claim", "retraction"}


def in_a_terminal(settings: Settings, typed: bytes, *words: str) -> subprocess.CompletedProcess[str]:
    ours, theirs = os.openpty()
    os.write(ours, typed)
    try:
        return muster(settings, *words, stdin=os.ttyname(theirs))
    finally:
        os.close(ours)
        os.close(theirs)


async def test_a_search_says_that_it_guessed(settings: Settings, db: Connection) -> None:
    await members(db)
    guessed, known, number = run_commands(settings, "people find Jnoes", "people find JONES", "people find 0002")
    assert "Nobody is called “Jnoes”; these names are like it:" in guessed.out
    for done in (known, number):
        assert "Amy Jones" in done.out
        assert "Nobody is called" not in done.out


async def test_a_leaver_is_named_and_confirmed_in_a_terminal(settings: Settings, db: Connection) -> None:
    await members(db)
    tried, found = run_commands(settings, "people leave 0002 nobody --on 2026-11-20 --dry-run", "people find 0002")
    assert (tried.code, "  0002  Amy Jones\n" in tried.out, "struck off 1" in tried.out) == (0, True, True), tried.err
    assert "nothing was changed" in tried.err
    assert "left" not in found.out
    refused = in_a_terminal(settings, b"n\n", "people", "leave", "0002")
    assert (refused.returncode, "Strike this person off?" in refused.stdout) == (1, True)
    refused = in_a_terminal(settings, b"n\n", "people", "leave", "0002", "--json")
    assert (refused.returncode, refused.stdout, "Strike this person off?" in refused.stderr) == (1, "", True)
    assert "  0002  Amy Jones\n" in refused.stderr
    assert await db.fetchval("select count(*) from person where left_at is not null") == 0
    agreed = in_a_terminal(settings, b"y\n", "people", "leave", "0002", "--json")
    assert (agreed.returncode, orjson.loads(agreed.stdout)["struck_off"]) == (0, 1)
    silent = in_a_terminal(settings, b"", "people", "leave", "0002", "--undo", "--yes", "--json")
    assert (silent.returncode, orjson.loads(silent.stdout)["returned"], silent.stderr) == (0, ["0002"], "")


async def test_an_unknown_number_gets_near_misses(settings: Settings, db: Connection) -> None:
    await add_person(db, "0001040")
    near, far, dated, ballots = run_commands(
        settings,
        "people leave 40 --yes",
        "people leave 777 --yes",
        "people leave 0001040 --on 31/12/2026 --yes",
        "ballot list",
    )
    assert (near.code, near.err) == (1, "Nobody has the number 40. Did you mean 0001040?\n")
    assert far.err == "Nobody has the number 777.\n"
    assert "on a day to come 1" in dated.out, dated.err
    assert ballots.code == 0


async def test_the_commands_find_and_show(settings: Settings, db: Connection) -> None:
    person, _ = await fill(db)
    found = muster(settings, "people", "find", "quacken", "--json")
    assert [row["external_id"] for row in orjson.loads(found.stdout)] == [NUMBER]
    assert PHONE in muster(settings, "people", "find", "07700900471").stdout
    assert muster(settings, "people", "find", "nobody").returncode == 1

    why = muster(settings, "messages", "why", "07700 900471").stdout
    assert "They answered by text: “My turquoise door”, read as voted. It waits for a person: call me." in why
    assert "All messages to them by email were stopped: opted out (from their page)." in why
    output = orjson.loads(muster(settings, "messages", "why", NUMBER, "--json").stdout)
    assert {"history", "answers"} <= output[0].keys()
    assert (output[-1]["message_id"], bool(output[-1]["answers"])) == (None, True)

    left = muster(settings, "people", "leave", NUMBER, "--on", "2026-11-20", "--json")
    assert orjson.loads(left.stdout)["struck_off"] == 1
    assert "left        2026-11-20" in muster(settings, "people", "show", NUMBER).stdout
    assert muster(settings, "people", "leave", "nobody").returncode == 1
    assert "1 person is back: M-4711" in muster(settings, "people", "leave", NUMBER, "--undo").stdout
    unknown = muster(settings, "messages", "why", "07400123437").stderr
    assert "Nobody has the number or the phone number 07400123437" in unknown

    asked = muster(settings, "people", "erase", NUMBER, said=b"n\n")
    assert (asked.returncode, "nothing was done" in asked.stderr) == (1, True)
    assert "Zebedee Quackenbush" in asked.stdout
    assert muster(settings, "people", "erase", NUMBER, "--yes", "--actor", "olga").returncode == 0
    assert (
        await db.fetchval(
            "select actor from audit_shown where action = 'people.erased' and subject = $1",
            f"person {person}",
        )
        == "olga"
    )
    assert muster(settings, "people", "erase", NUMBER, "--yes").returncode == 1
    shown = muster(settings, "suppression", "show", PHONE).stdout
    assert "They asked to be erased." in shown
    refused = muster(settings, "suppression", "lift", NUMBER)
    assert refused.returncode == 1
    assert f"Nobody who has come back has the number {NUMBER}" in refused.stderr
    assert "Give the mailbox or the phone number they came back with" in refused.stderr
    assert "Write the mailbox, or the phone number in full" in muster(settings, "suppression", "show", "5").stderr
    assert muster(settings, "suppression", "lift", PHONE).returncode == 0
    assert muster(settings, "suppression", "lift", PHONE).returncode == 1
