"""Reconciliation of the demo: compare Muster's counts with the sandbox's record of what people did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from core.db import Connection, load_queries
from core.keyring import Keyring, MemberLink
from sandbox.sandbox import Sandbox

SQL: Final = load_queries(__file__)
Item = TypeVar("Item", bound=Hashable)


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
        """Tell whether both sides hold the same items, not only the same number."""
        return self.muster == self.sandbox and not self.odd


@dataclass(frozen=True, slots=True)
class Addressee:
    """Recipient of a message.

    Attributes:
        person_id: who got it.
        subject_id: what it asked about; None for a message that belongs to no campaign.
    """

    person_id: int
    subject_id: int | None


@dataclass(frozen=True, slots=True)
class People:
    """People by link, by text and by address."""

    keyring: Keyring
    by_link: Mapping[MemberLink, Addressee]
    by_text: Mapping[str, Addressee]
    by_address: Mapping[tuple[str, str], set[int]]

    @classmethod
    async def load(cls, db: Connection, keyring: Keyring) -> People:
        """Read the recipients of all messages, and the holders of all addresses.

        Args:
            db: Muster's database.
            keyring: reads the tokens of links in emails.
        """
        by_address: dict[tuple[str, str], set[int]] = {}
        for row in await db.fetch(SQL["list_addresses"]):
            by_address.setdefault((row["channel"], row["address"]), set()).add(row["person_id"])
        links, mails = await db.fetch(SQL["list_recipients_of_links"]), await db.fetch(SQL["list_recipients_of_emails"])
        texts = await db.fetch(SQL["list_recipients_of_texts"])
        return cls(
            keyring,
            by_link={MemberLink(row["digest"]): Addressee(row["person_id"], row["subject_id"]) for row in links}
            | {
                MemberLink(None, row["message_id"], "confirm"): Addressee(row["person_id"], row["subject_id"])
                for row in mails
            },
            by_text={row["provider_id"]: Addressee(row["person_id"], row["subject_id"]) for row in texts},
            by_address=by_address,
        )

    def by_token(self, token: str) -> Addressee:
        """Return the recipient of the message with a confirm link."""
        return self.by_link[self.keyring.read_link(token)]

    def is_shared(self, phone: str) -> bool:
        """Tell whether several people have a phone: nobody knows which of them texts."""
        return len(self.by_address["sms", phone]) != 1

    def who_stopped(self, sandbox: Sandbox, silenced: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Find the addresses that had to be suppressed: those opted out, and others of people in `silenced`."""
        stopped = {("email" if "@" in address else "sms", address) for address in sandbox.record.opted_out()}
        persons = {person for address in stopped for person in self.by_address[address]}
        theirs = {address for address, holders in self.by_address.items() if holders & persons}
        return stopped | (theirs & silenced)


async def check_delivery(db: Connection, sandbox: Sandbox, people: People) -> list[Check]:
    """Compare the counts that every scenario has: messages sent, people who opted out, and texts that came.

    Args:
        db: Muster's database, after everything has settled.
        sandbox: the sandbox, with its record.
        people: who got what.
    """
    sent = {(row["channel"], row["address"]): row["n"] for row in await db.fetch(SQL["count_sent"])}
    silenced = {(row["channel"], row["address"]) for row in await db.fetch(SQL["list_opt_outs"])}
    return [
        compare("emails: what was sent is what arrived", _of(sent, "email"), _mails(sandbox)),
        compare("texts: what was sent is what arrived", _of(sent, "sms"), _texts(sandbox)),
        Check("copies of one email, or of one text to a number", 0, _doubled(sandbox)),
        compare(
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
    ]


def compare(name: str, muster: Counter[Item], sandbox: Counter[Item]) -> Check:
    """Compare the same items as both sides have them."""
    odd = tuple(repr(key)[:24] for key in ((muster - sandbox) + (sandbox - muster)))[:5]
    return Check(name, muster.total(), sandbox.total(), odd)


def _of(sent: Mapping[tuple[str, str], int], channel: str) -> Counter[str]:
    return Counter({address: n for (kind, address), n in sent.items() if kind == channel})


def _mails(sandbox: Sandbox) -> Counter[str]:
    return Counter(address for mail in sandbox.mailbox for address in mail.recipients)


def _texts(sandbox: Sandbox) -> Counter[str]:
    return Counter(text.to for text in sandbox.twilio.messages if text.direction == "outbound-api")


def _inbound(sandbox: Sandbox) -> int:
    return sum(text.direction == "inbound" for text in sandbox.twilio.messages)


def _doubled(sandbox: Sandbox) -> int:
    """Count repeated mails (by Message-ID and recipient) and repeated texts (by number and words)."""
    texts = Counter((text.to, text.body) for text in sandbox.twilio.messages if text.direction == "outbound-api")
    mails = sum(copies - 1 for copies in sandbox.mailbox.repeats().values())
    return mails + sum(copies - 1 for copies in texts.values() if copies > 1)
