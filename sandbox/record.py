"""Record of what really happened: each member's actions on each message, and each scanner's fetches of its links.

Muster's counts are compared with this. The simulated members and scanners write it as soon as they know the result.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

MessageChannel = Literal["email", "sms"]
Deed = Literal["ignored", "opened", "answered", "commented", "undone", "undone_comment", "replied", "opted_out"]
AnswerRoute = Literal["", "link", "sms_reply", "unsubscribe_page", "one_click"]


@dataclass(frozen=True, slots=True)
class Act:
    """Action of a member.

    Attributes:
        address: the mailbox or phone it was done from.
        channel: email or sms.
        message: Message-ID or SID of the message it was about.
        token: the token in that message's confirm link; empty if it had none.
        did: the kind of action.
        route: its route.
        answer: the button's value, such as `voted`, `call_me` or `stop`, by link; a reply's meaning, by text.
        text: a reply as it was typed.
        comment: the words beside an answer.
        status: the last HTTP status; 0 without a response.
        succeeded: whether the member saw that it worked.
        asked_again: whether the member had to answer a second question.
        at: seconds since 1970.
    """

    address: str
    channel: MessageChannel
    message: str
    token: str
    did: Deed
    route: AnswerRoute = ""
    answer: str = ""
    text: str = ""
    comment: str = ""
    status: int = 0
    succeeded: bool = True
    asked_again: bool = False
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class PageHit:
    """Request of a link scanner.

    Attributes:
        kind: the kind of scanner, see `sandbox.scanners`.
        address: the recipient of the message.
        message: Message-ID or SID.
        method: HEAD, GET, or POST if it pressed a button.
        url: the URL it fetched.
        status: HTTP status; 0 without a response.
        at: seconds since 1970.
    """

    kind: str
    address: str
    message: str
    method: str
    url: str
    status: int
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class RecordedStatus:
    """Final answer to one message.

    Attributes:
        address: its recipient.
        channel: email or sms.
        message: Message-ID or SID.
        token: of its confirm link.
        answer: the final answer; empty after an undo.
        route: its route.
    """

    address: str
    channel: MessageChannel
    message: str
    token: str
    answer: str
    route: AnswerRoute


class Record:
    """Record of everything members and scanners did, in order."""

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.hits: list[PageHit] = []

    def note(self, act: Act) -> None:
        """Record a member's action."""
        self.acts.append(act)

    def note_hit(self, hit: PageHit) -> None:
        """Record a scanner's request."""
        self.hits.append(hit)

    def final_answers(self) -> list[RecordedStatus]:
        """Return the final answer to every message that was answered successfully."""
        last: dict[str, RecordedStatus] = {}
        for act in self.acts:
            if act.succeeded and act.did in {"answered", "undone", "replied", "opted_out"}:
                answer = "" if act.did == "undone" else "stop" if act.did == "opted_out" else act.answer
                last[act.message] = RecordedStatus(act.address, act.channel, act.message, act.token, answer, act.route)
        return list(last.values())

    def confirmed(self) -> list[RecordedStatus]:
        """Return the messages whose final answer is that the member has voted."""
        return [answer for answer in self.final_answers() if answer.answer == "voted"]

    def opted_out(self) -> dict[str, AnswerRoute]:
        """Return the addresses that stay opted out, with the first route; texting START undoes it."""
        out: dict[str, AnswerRoute] = {}
        for act in self.acts:
            if not act.succeeded:
                continue
            if act.did == "opted_out":
                out.setdefault(act.address, act.route)
            elif act.answer == "opt_in":
                out.pop(act.address, None)
        return out

    def summary(self) -> dict[str, object]:
        """Return the counts for a reconciliation."""
        done = [act for act in self.acts if act.succeeded]
        return {
            "ignored": sum(act.did == "ignored" for act in done),
            "opened": sum(act.did == "opened" for act in done),
            "answers": _table((act.route, act.answer) for act in done if act.did in {"answered", "replied"}),
            "undone": sum(act.did == "undone" for act in done),
            "confirmed": dict(Counter(answer.route for answer in self.confirmed())),
            "opted_out": dict(Counter(self.opted_out().values())),
            "asked_again": sum(act.asked_again for act in done),
            "failed": _table((act.route or act.did, str(act.status)) for act in self.acts if not act.succeeded),
            "scanners": _table((hit.kind, hit.method) for hit in self.hits),
        }


def _table(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Count pairs, as a table of the first by the second."""
    table: dict[str, dict[str, int]] = {}
    for (row, column), times in Counter(pairs).items():
        table.setdefault(row, {})[column] = times
    return table
