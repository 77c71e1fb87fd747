"""`muster check links`: count the emails whose links a removed secret has ended."""

from __future__ import annotations

from collections.abc import Mapping

from campaigns.link_secrets import count_unreadable_emails
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
        return json_text({"emails": sum(counts.values()), "campaigns": dict(counts)}), bool(counts)
    return _in_words(counts), bool(counts)


async def _count() -> Mapping[str, int]:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        return await count_unreadable_emails(db, list(runtime.keyring), runtime.clock())


def _in_words(counts: Mapping[str, int]) -> str:
    if not counts:
        return "The links of all emails can be read: each secret that they were made with is in MUSTER_SECRET_KEY."
    total = plural(sum(counts.values()), "email")
    head = f"The links of up to {total} lead nowhere: their secret is no longer in MUSTER_SECRET_KEY."
    lines = [f"  {name}: {plural(emails, 'email')}" for name, emails in counts.items()]
    remedy = "Put the former secret back at the end of the list, and restart Muster: the links work again."
    return "\n".join([head, *lines, remedy])
