"""The reconciliation of answers: what counts in the database compared with what people did, by the sandbox's record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from pydantic import SecretStr

from core.db import Connection
from core.keyring import Keyring
from sandbox.demo.expected_answers import ExpectedAnswers
from sandbox.demo.reconcile import Addressee, People
from sandbox.record import Act
from services.questions.questions import Question, get_question
from tests.faults.environment import Environment
from tests.faults.reconciliation import Finding
from tests.faults.servers import QUESTION, SECRET

_MESSAGES: Final = """
select m.message_id, m.person_id, c.subject_id from message m left join campaign c using (campaign_id)
"""
_ANSWERS: Final = "select person_id, answer from response_status where question_id = $1"
_COMMENTS: Final = """
select r.person_id, c.comment from response r join response_comment c using (response_id) where r.question_id = $1
"""
_ASKED_BACK: Final = """
select m.person_id, count(*) as n from reply r join message m using (message_id)
where r.asked_back_at is not null group by m.person_id
"""


@dataclass(frozen=True)
class Heard:
    """What the database holds of answers.

    Attributes:
        answers: the present answer of each person.
        comments: words that are kept, with who said them.
        asked_back: how often each person was asked back.
        replies: texts that were read.
    """

    answers: dict[int, str]
    comments: Counter[tuple[int, str]]
    asked_back: dict[int, int]
    replies: int


async def reconcile_answers(environment: Environment, finding: Finding) -> None:
    """Hold the answers against the record; what differs is added to the finding."""
    question, people, heard = await environment.ask(lambda db: _read(environment, db))
    compare_answers(question, people, environment.providers.acts(), heard, finding)


def compare_answers(question: Question, people: People, acts: list[Act], heard: Heard, finding: Finding) -> None:
    """Every demand on answers.

    Whoever saw an error may have been heard or not: nothing is demanded of them, but that no text is read twice.
    """
    expected = ExpectedAnswers([question], people)
    expected.follow(acts)
    unsure = {_person(people, act) for act in acts if not act.succeeded}
    finding.answers = len(heard.answers)
    really = expected.answers(question)
    for words, ours, theirs in (
        ("answers", Counter(heard.answers.items()), Counter(really.items())),
        ("comments", heard.comments, expected.comments(question)),
    ):
        lost = [item for item in (theirs - ours).elements() if item[0] not in unsure]
        invented = [item for item in (ours - theirs).elements() if item[0] not in unsure]
        if lost:
            finding.broken.append(f"{len(lost)} {words} were lost: {lost[:3]}")
        if invented:
            finding.broken.append(f"{len(invented)} {words} count that nobody gave: {invented[:3]}")
    twice = [person for person, n in heard.asked_back.items() if n > 1]
    if twice:
        finding.broken.append(f"{len(twice)} people were asked back more than once: {twice[:3]}")
    taken = sum(act.did == "replied" and act.succeeded for act in acts)
    sent = sum(act.did == "replied" for act in acts)
    if not taken <= heard.replies <= sent:
        finding.broken.append(f"{heard.replies} texts were read; {taken} were taken, of {sent}")


def _person(people: People, act: Act) -> int:
    return (people.by_token(act.token) if act.route == "link" else people.by_text[act.message]).person_id


async def _read(environment: Environment, db: Connection) -> tuple[Question, People, Heard]:
    question = await get_question(db, QUESTION)
    people = await People.load(db, Keyring([SecretStr(SECRET)]))
    recipients = {
        row["message_id"]: Addressee(row["person_id"], row["subject_id"]) for row in await db.fetch(_MESSAGES)
    }
    # Twilio's ids of texts whose create was never answered may be known to Twilio alone
    texts = {sid: recipients[key] for sid, key in environment.providers.texts().items() if key in recipients}
    heard = Heard(
        answers={row["person_id"]: row["answer"] for row in await db.fetch(_ANSWERS, question.question_id)},
        comments=Counter((row["person_id"], row["comment"]) for row in await db.fetch(_COMMENTS, question.question_id)),
        asked_back={row["person_id"]: row["n"] for row in await db.fetch(_ASKED_BACK)},
        replies=await db.fetchval("select count(*) from reply where channel = 'sms'"),
    )
    return question, replace(people, by_text=texts), heard
