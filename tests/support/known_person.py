"""Somebody of whom everything is known that can be: a row in every table that says something of people.

Beside them stands a neighbour, who has everything that only looks like theirs, and speaks of them.
"""

from __future__ import annotations

from ballots.claims import record_claim
from core.address_masks import mask
from core.db import Connection
from messaging.outbox.archive import archive_chunk, ready_year
from messaging.suppression import lift, suppress
from services.questions.questions import get_question
from services.questions.responses import record_response
from tests.support.electorate import NOW, add_ballot, add_person, add_unit
from tests.support.outbox_rows import Step, add_step
from tests.support.questions import add_question
from webhooks.members.page_views import PageViews

NUMBER, PHONE, OLD_PHONE = "M-4711", "+447700900471", "+447700900472"
MAILBOX, WORK = "zeb.q@example.org", "zeb@work.example"
WORDS = (
    NUMBER, "7700900471", "7700900472", "zeb.q", "zeb@work", "zebedee", "quackenbush", "turquoise", "heliotrope",
    "zeb%2eq", "900 471",
)  # fmt: skip
"""Everything that leads to the person: numbers, mailboxes, names, words they wrote and words about them."""
NEIGHBOUR, NEAR_PHONE, NEAR_MAILBOX = "N7", "+447711111471", "zara@example.org"
"""Somebody whose addresses have the same masks."""
REP = "rep@site.example"
"""Who answers for both of them, and is in no member file."""


async def fill(db: Connection) -> tuple[int, Step]:
    """A person with everything that can be known of anybody, and a step that is being sent."""
    unit = await add_unit(db, "Leeds")
    ballot_id = await add_ballot(db)
    person = await add_person(
        db, NUMBER, unit=unit, sms=PHONE, email=[MAILBOX, WORK], first_name="Zebedee", colour="heliotrope"
    )
    await db.execute("update person set last_name = 'Quackenbush' where person_id = $1", person)
    await _resumed(db, PHONE)
    for n in range(3):
        other = await add_person(db, f"N{n}", unit=unit, sms=f"+44770090010{n}")
        await db.execute(
            "insert into elector (ballot_id, person_id, unit_id) values ($1, $2, $3)", ballot_id, other, unit
        )
    await db.execute("insert into elector (ballot_id, person_id, unit_id) values ($1, $2, $3)", ballot_id, person, unit)
    campaign_id = await db.fetchval(
        "insert into campaign (name, title, subject_kind, subject_id, state, audience, spec, created_by)"
        " values ('nudges', 'N', 'ballot', $1, 'running', $2, $3, 'ann') returning campaign_id",
        ballot_id, {"any": [{"members": [NUMBER, "N0"]}, {"unit": ["Leeds"]}]},
        {"audience": {"members": [NUMBER]}, "steps": [{"audience": {"not": {"members": [NUMBER]}}}]},
    )  # fmt: skip
    goal_id = await db.fetchval("select goal_id from ballot where ballot_id = $1", ballot_id)
    old = await add_step(db, campaign_id=campaign_id, goal_id=goal_id, position=1, launched_at=NOW, state="finished")
    step = await add_step(db, campaign_id=campaign_id, goal_id=goal_id, position=2)
    later = await add_step(db, campaign_id=campaign_id, position=3)  # of another goal: the vote withdraws nothing
    for of, channel, address, state in (
        (old, "sms", OLD_PHONE, "delivered"), (step, "email", MAILBOX, "delivered"), (later, "sms", PHONE, "queued"),
    ):  # fmt: skip
        message_id = await db.fetchval(
            "insert into message (step_id, campaign_id, person_id, channel, address, sender_id, variables, state,"
            " provider_id) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning message_id",
            of.step_id, campaign_id, person, channel, address, of.senders[channel],
            {"first_name": "Zebedee", "colour": "heliotrope"}, state, None if state == "queued" else f"SM{of.step_id}",
        )  # fmt: skip
        await db.execute(
            "insert into message_event (message_id, state, source, code, detail) values"
            " ($1, 'sending', 'worker', null, '{\"attempt\": 1, \"by\": \"w1\"}'), ($1, $2, 'smtp', '250', $3),"
            " ($1, null, 'twilio', $4, '{}')",
            message_id, state, {"reply": f"250 2.1.5 <{address}> queued", "attempt": 1}, f"for {address}",
        )  # fmt: skip
        await db.execute("insert into link (digest, message_id, action) values (sha256($1::bytea), $2, 'confirm')",
                         str(message_id).encode(), message_id)  # fmt: skip
        await db.execute(
            "insert into page_view (message_id, action, nonce, agent, signals, answer) values"
            " ($1, 'confirm', sha256($2::bytea), 'browser', $3, 'turquoise')",
            message_id, f"v{message_id}".encode(), ["heliotrope"],
        )  # fmt: skip
    await ready_year(db, old.step_id)
    await archive_chunk(db, old.step_id, PageViews())
    mail_id = await db.fetchval("select message_id from message where step_id = $1", step.step_id)
    await db.execute("insert into message_try (message_id, attempt, provider_id, ended_by)"
                     " values ($1, 0, 'SM-0', 'receipt')",
                     mail_id)  # fmt: skip
    await db.execute(
        "insert into transactional (message_id, kind, purpose, content, has_secrets, asked_by)"
        " values ($1, 'staff_reply', 'service', '{\"text\": \"Dear Zebedee\"}', false, 'olga')",
        mail_id,
    )
    await _fill_answers(db, person, ballot_id, mail_id)
    await _fill_arrivals(db, person, mail_id)
    await _fill_neighbour(db, person)
    return person, step


async def _fill_answers(db: Connection, person: int, ballot_id: int, mail_id: int) -> None:
    await record_claim(db, ballot_id=ballot_id, person_id=person, kind="voted", source="rep", recorder=NUMBER,
                       confidence=0.9, at=NOW, message_id=mail_id)  # fmt: skip
    question = await add_question(db)
    await record_response(
        db, question_id=question.question_id, person_id=person, answer="poor", comment="the turquoise door stuck",
        source="staff", recorder=NUMBER, message_id=mail_id, at=NOW,
    )  # fmt: skip
    await suppress(db, channel="email", address=WORK, reason="opted_out", source="link", message_id=mail_id)
    await suppress(
        db, channel="email", address=MAILBOX, purpose="marketing", reason="complained", source="list Zebedee.csv"
    )
    await suppress(
        db,
        channel="person",
        address=str(person),
        purpose="marketing",
        reason="by_staff",
        source="letter from Zebedee Quackenbush",
    )
    await db.execute(
        "with said as (insert into consent_event (person_id, channel, purpose, action, source, wording, at, recorder)"
        " values ($1, 'sms', 'marketing', 'give', 'mail of zebedee', 'Turquoise?', $2, 'ann') returning *)"
        " insert into consent select person_id, purpose, channel, true, at, event_id from said", person, NOW,
    )  # fmt: skip
    for action, subject, detail in (
        ("preferences.changed", f"person {person}", {"changes": [{"address": mask(PHONE), "to": "heliotrope"}]}),
        ("people.left", f"person {person}", {"on": "heliotrope"}),
        ("suppressions.imported", "suppression list", {"about": f"{MAILBOX} and {PHONE}"}),
        (
            "consents.imported", "another list",
            {"line\n" + MAILBOX: ["tab\t" + MAILBOX], "form": "to=zeb.q%40example.org&x", "number": 447700900471},
        ),
        ("campaign.paused", "campaign nudges", {"reason": "none"}),
    ):  # fmt: skip
        await db.execute(
            'select record_audit(\'{"kind": "operator", "name": "ann"}\', $1, $2, $3)', action, subject, detail
        )
    await db.execute(
        "insert into alert (key, severity, title, remedy, detail) values ('x', 'notice', $1, '', $2)",
        f"Mail to {MAILBOX} came back", {"to": MAILBOX},
    )  # fmt: skip


async def _fill_arrivals(db: Connection, person: int, mail_id: int) -> None:
    rows = (
        ("twilio_inbound", "SM9", f"phone:{PHONE}", {"form": {"From": PHONE, "Body": "turquoise"}}, "done"),
        ("vonage_inbound", f"x{PHONE}", "phone:?", {"said": {"from": PHONE[1:], "text": "turquoise"}}, "parked"),
        ("twilio_status", "SM1:sent", "twilio:SM-0", {"form": {"To": "turquoise"}}, "parked"),
        ("mail", "abc", f"message:{mail_id}", {"sender": "Zeb.Q@example.org"}, "done"),
    )
    ids = [
        await db.fetchval(
            "insert into inbound_log (source, dedupe_key, subject, payload, state, error, processed_at) values"
            " ($1, $2, $3, $4, $5, $6, now()) returning inbound_id", *row, f"InputError: {PHONE}",
        )
        for row in rows
    ]  # fmt: skip
    await db.execute("insert into inbound_mail (inbound_id, raw) values ($1, $2)", ids[3],
                     b"From: Zebedee Quackenbush <zeb.q@example.org>\r\n\r\nturquoise \xff")  # fmt: skip
    await db.execute(
        "insert into inbound_malformed (source, problem, body, expires_at) values ('twilio', 'x', $1, now() + '1 day')",
        b"From=%2B447700900471&Body=turquoise\xfe",
    )
    reply_id = await db.fetchval(
        "insert into reply (inbound_id, channel, address, sender, person_id, message_id, text, reading, rule,"
        " rule_version, why_open, state, note) values ($1, 'sms', $2, 'us', $3, $4, 'My turquoise door', 'voted', 'r',"
        " '1', 'call_me', 'open', 'zebedee sent a picture') returning reply_id", ids[0], PHONE, person, mail_id,
    )  # fmt: skip
    await db.execute(
        "insert into soft_bounce (message_id, address, code, at) values ($1, $2, '4.2.2', now())", mail_id, MAILBOX
    )
    await db.execute("insert into erased_place (message_id, channel, address) values (987, 'email', $1)", MAILBOX)
    await db.execute("insert into sent_once (channel, address, kind) values ('sms', $1, 'no_pictures')", PHONE)
    await db.execute(
        "insert into webhook_subscription (name, url, events, secret, created_by)"
        " values ('w', 'https://x', '{claim.*}', '', 'a')"
    )
    await db.execute(
        "insert into webhook_event (type, at, data, ref) values ('reply.received', now(), $1, $2),"
        " ('opt_out.added', now(), $3, 1)",
        {"person_id": person, "member_id": NUMBER, "reply_id": reply_id}, reply_id,
        {"person_ids": [person, 2], "member_ids": [NUMBER, "N1"], "source": "letter from Zebedee Quackenbush"},
    )  # fmt: skip
    await db.execute(
        "insert into webhook_delivery (subscription_id, seq, webhook_id, type, reason, attempt, at, took, answer,"
        " problem) select subscription_id, seq, 'x', 'reply.received', 'stream', 1, now(), 0.1, $1, $2"
        " from webhook_subscription, webhook_event", f"thanks for {NUMBER}", f"no {MAILBOX}",
    )  # fmt: skip


async def _resumed(db: Connection, phone: str) -> None:
    """An opt-out that was taken back, as the audit notes it: by its place in the ledger."""
    await suppress(db, channel="sms", address=phone, reason="opted_out", source="sms_reply")
    lifted = await lift(db, channel="sms", address=phone, reason="opted_in", source="sms_reply")
    await db.execute(
        "select record_audit('{\"kind\": \"member\", \"name\": \"\"}', 'messages.resumed', $1, $2)",
        f"suppression_event {lifted[0]}", {"source": "sms_reply"},
    )  # fmt: skip


async def _fill_neighbour(db: Connection, person: int) -> None:
    other = await add_person(db, NEIGHBOUR, sms=NEAR_PHONE, email=[NEAR_MAILBOX])
    await _resumed(db, NEAR_PHONE)
    await suppress(db, channel="email", address=REP, reason="opted_out", source="email_reply")
    question = await get_question(db, "visit")
    await record_response(
        db, question_id=question.question_id, person_id=other, answer=None, comment=f"rather ask {MAILBOX}, mauve",
        source="link", recorder="member", at=NOW,
    )  # fmt: skip
    about = f"write to {MAILBOX} or +44\u20117700\n\uff19\uff10\uff10471"
    rows = (
        ("unread", f"phone:{NEAR_PHONE}", {"form": {"From": NEAR_PHONE, "To": "us", "Body": f"STOP it, and {PHONE}"}}),
        ("read", f"phone:{NEAR_PHONE}", {"form": {"From": NEAR_PHONE, "To": "us", "Body": f"now\n{about}"}}),
        ("for-them", "message:0", {"sender": REP, "t": "turquoise"}),
        ("for-other", "message:0", {"sender": REP, "t": "mauve"}),
        ("parked", f"mailbox:{NEAR_MAILBOX}", {"sender": NEAR_MAILBOX, "n": 447700900471}),
    )
    ids = {
        key: await db.fetchval(
            "insert into inbound_log (source, dedupe_key, subject, payload, state) values ($1, $2, $3, $4, $5)"
            " returning inbound_id", "twilio_inbound" if "form" in payload else "mail", key, subject, payload,
            {"unread": "new", "parked": "parked"}.get(key, "done"),
        )
        for key, subject, payload in rows
    }  # fmt: skip
    await db.execute("insert into inbound_mail (inbound_id, raw) values ($1, $2)", ids["parked"],
                     f"From: Zara <{NEAR_MAILBOX}>\r\n\r\nFrom: {MAILBOX}\r\nmauve \xe9".encode("latin-1"))  # fmt: skip
    for key, whose, address, text, note in (
        ("read", other, NEAR_PHONE, about, f"see {MAILBOX}"), ("for-them", person, REP, "turquoise", None),
        ("for-other", other, REP, "mauve", None),
    ):  # fmt: skip
        await db.execute(
            "insert into reply (inbound_id, channel, address, sender, person_id, text, reading, rule, rule_version,"
            " why_open, state, note) values ($1, $2, $3, 'us', $4, $5, 'unclear', 'r', '1', 'unclear', 'open', $6)",
            ids[key], "email" if "@" in address else "sms", address, whose, text, note,
        )  # fmt: skip
