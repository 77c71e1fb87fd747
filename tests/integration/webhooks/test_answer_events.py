"""Answers to questions as events: ids and names for everybody, the words for those who may have texts."""

from __future__ import annotations

import orjson

from core.db import Connection
from services.questions.responses import SQL, record_response, retract_response
from tests.support.electorate import NOW, add_person
from tests.support.questions import add_question
from tests.support.receivers import WebhookWorker
from tests.support.webhook_events import RECEIVER, events
from webhooks.subscriptions.payload import WebhookEvent, bodies


async def test_answers_are_told_and_what_is_taken_back(worker: WebhookWorker, db: Connection) -> None:
    question, person = await add_question(db), await add_person(db, "R1")
    await worker.add(RECEIVER, "answer.*")
    responses = [
        await record_response(
            db, question_id=question.question_id, person_id=person, answer=answer, comment=comment, source="sms_reply",
            recorder="member",
        )
        for answer, comment in (("good", ""), ("poor", "waited two hours"), (None, "and the lift is broken"))
    ]  # fmt: skip
    await retract_response(db, responses[1], recorder="member", source="link")
    await worker.record_new_events()

    events_seen = await events(db)
    assert [(kind, data["answer"], data["low"], data["present"], data["retracts"]) for kind, data in events_seen] == [
        ("answer.received", "good", False, "good", None),
        ("answer.received", "poor", True, "good", None),
        ("answer.received", None, False, "good", None),
        ("answer.retracted", "poor", True, "good", responses[1]),
    ]
    assert {(data["question"], data["member_id"], "text" in data) for _, data in events_seen} == {
        ("visit", "R1", False)
    }

    moved = (question.question_id, person, 1, NOW, NOW)
    await db.execute(SQL["add_date_change"], *moved)
    await worker.record_new_events()
    (*_, (kind, data)) = await events(db)
    assert (kind, data["answer"], data["present"], data["source"]) == (
        "answer.date_changed",
        None,
        "good",
        "date_change",
    )
    await db.execute("delete from webhook_event where type = 'answer.date_changed'")

    rows = await db.fetch("select seq, type, at, data, ref from webhook_event order by seq")
    said = [
        orjson.loads(body)["data"].get("text") for body in await bodies(db, [WebhookEvent(*r) for r in rows], ["texts"])
    ]
    assert said == [None, None, "and the lift is broken", None], "words that were taken back are gone"
