"""Reconciliation of the demo: compare Muster's counts with the sandbox's record of what its members did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from core.db import Connection, load_queries
from core.keyring import digest
from sandbox.record import RecordedStatus
from sandbox.sandbox import Sandbox

SQL = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class Check:
    """Comparison of one count by Muster and by the sandbox's record.

    Attributes:
        name: the name of the count, in words.
        muster: Muster's count.
        sandbox: the sandbox's count.
        odd: a few of the items that only one side has; never a member's name.
    """

    name: str
    muster: int
    sandbox: int
    odd: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether both sides hold the same items, not only the same number."""
        return self.muster == self.sandbox and not self.odd


async def reconcile(db: Connection, campaign_id: int, ballot_id: int, sandbox: Sandbox) -> list[Check]:
    """Compare every count that both sides have.

    Args:
        db: Muster's database, after everything has settled.
        campaign_id: the demo's campaign.
        ballot_id: its ballot.
        sandbox: the sandbox, with its record.
    """
    people = await _People.load(db)
    sent = {(row["channel"], row["address"]): row["n"] for row in await db.fetch(SQL["count_sent"], campaign_id)}
    voters = {row["person_id"] for row in await db.fetch(SQL["list_voters"], ballot_id)}
    silenced = {(row["channel"], row["address"]) for row in await db.fetch(SQL["list_opt_outs"])}
    confirmed = people.who_voted(sandbox.record.confirmed())
    return [
        _same("emails: what was sent is what arrived", _of(sent, "email"), _mails(sandbox)),
        _same("texts: what was sent is what arrived", _of(sent, "sms"), _texts(sandbox)),
        Check("copies of one email, or of one text to a number", 0, _doubled(sandbox)),
        _same("voted: members counted are those who said so", Counter(voters), Counter(confirmed)),
        _same(
            "opted out: suppressed are those who asked",
            Counter(silenced),
            Counter(people.who_stopped(sandbox, silenced)),
        ),
        Check(
            "numbers that had opted out before",
            await db.fetchval(SQL["count_earlier_opt_outs"]),
            sandbox.twilio.refused.get(21610, 0),
        ),
        Check("texts received", await db.fetchval(SQL["count_replies"]), _inbound(sandbox)),
        Check("confirmations that only a link scanner made", len(voters - confirmed), 0),
    ]


@dataclass(frozen=True, slots=True)
class _People:
    """People by link, by text and by address."""

    by_link: dict[bytes, int]
    by_text: dict[str, int]
    by_address: dict[tuple[str, str], set[int]]

    @classmethod
    async def load(cls, db: Connection) -> _People:
        by_address: dict[tuple[str, str], set[int]] = {}
        for row in await db.fetch(SQL["list_addresses"]):
            by_address.setdefault((row["channel"], row["address"]), set()).add(row["person_id"])
        return cls(
            by_link={row["digest"]: row["person_id"] for row in await db.fetch(SQL["recipients_of_links"])},
            by_text={row["provider_id"]: row["person_id"] for row in await db.fetch(SQL["recipients_of_texts"])},
            by_address=by_address,
        )

    def who_voted(self, standings: Iterable[RecordedStatus]) -> set[int]:
        """Find the members who really said that they voted, as far as they can be told apart.

        A link belongs to one member. A text from a shared phone confirms for none of its holders by itself: it waits
        for a person, so it is not expected to count.
        """
        members = set()
        for answer in standings:
            if answer.route == "link":
                members.add(self.by_link[digest(answer.token)])
            elif len(self.by_address["sms", answer.address]) == 1:
                members.add(self.by_text[answer.message])
        return members

    def who_stopped(self, sandbox: Sandbox, silenced: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Find the addresses that had to be suppressed: those that opted out, and the same people's in `silenced`."""
        stopped = {("email" if "@" in address else "sms", address) for address in sandbox.record.opted_out()}
        persons = {person for address in stopped for person in self.by_address[address]}
        theirs = {address for address, holders in self.by_address.items() if holders & persons}
        return stopped | (theirs & silenced)


def _of(sent: dict[tuple[str, str], int], channel: str) -> Counter[object]:
    return Counter({address: n for (kind, address), n in sent.items() if kind == channel})


def _mails(sandbox: Sandbox) -> Counter[object]:
    return Counter(address for mail in sandbox.mailbox for address in mail.recipients)


def _texts(sandbox: Sandbox) -> Counter[object]:
    return Counter(text.to for text in sandbox.twilio.messages if text.direction == "outbound-api")


def _inbound(sandbox: Sandbox) -> int:
    return sum(text.direction == "inbound" for text in sandbox.twilio.messages)


def _doubled(sandbox: Sandbox) -> int:
    """Count repeated mails (by Message-ID and recipient) and repeated texts (by number and words)."""
    texts = Counter((text.to, text.body) for text in sandbox.twilio.messages if text.direction == "outbound-api")
    mails = sum(copies - 1 for copies in sandbox.mailbox.repeats().values())
    return mails + sum(copies - 1 for copies in texts.values() if copies > 1)


def _same(name: str, muster: Counter[object], sandbox: Counter[object]) -> Check:
    odd = tuple(repr(key)[:24] for key in ((muster - sandbox) + (sandbox - muster)))[:5]
    return Check(name, muster.total(), sandbox.total(), odd)
