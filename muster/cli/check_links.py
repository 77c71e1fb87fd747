"""`muster check links`: count the emails whose links a removed secret has ended."""

from __future__ import annotations

from collections.abc import Sequence

from campaigns.link_secrets import UnreadableEmails, count_unreadable_emails
from core.plurals import plural
from muster.cli.output import json_text
from muster.cli.session import open_session, run


def check_links(*, as_json: bool) -> tuple[str, bool]:
    """Count the emails whose links lead nowhere, and put the result in words.

    Args:
        as_json: whether to return JSON.

    Returns:
        The words, and whether there are any.
    """
    counts = run(_count())
    if as_json:
        return json_text(
            {
                "emails": sum(count.emails for count in counts),
                "only_unsubscribe": sum(count.only_unsubscribe for count in counts),
                "campaigns": [count.to_json() for count in counts],
            }
        ), bool(counts)
    return _in_words(counts), bool(counts)


async def _count() -> list[UnreadableEmails]:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        return await count_unreadable_emails(db, list(runtime.keyring), runtime.clock())


def _in_words(counts: Sequence[UnreadableEmails]) -> str:
    if not counts:
        return "The links of all emails can be read: each secret that they were made with is in MUSTER_SECRET_KEY."
    total = plural(sum(count.emails + count.only_unsubscribe for count in counts), "email")
    head = f"The links of up to {total} lead nowhere: their secret is no longer in MUSTER_SECRET_KEY."
    lines = [f"  {count.campaign}: {_emails(count)}" for count in counts]
    remedy = "Put the former secret back at the end of the list, and restart Muster: the links work again."
    return "\n".join([head, *lines, remedy])


def _emails(count: UnreadableEmails) -> str:
    over = f"{plural(count.only_unsubscribe, 'email')}, of which only unsubscribing would still work"
    parts = [plural(count.emails, "email")] if count.emails else []
    return " and ".join([*parts, *([over] if count.only_unsubscribe else [])])
