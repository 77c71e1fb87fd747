"""Texts that a worker sent, by person."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

from core.runtime import Runtime
from messaging.channels.channel import OutboundEmail, OutboundText
from messaging.outbox.claim import ClaimedMessage
from messaging.outbox.compose import Composers
from tests.support.electorate import NOW, connected


async def said(muster: Runtime) -> dict[str, str]:
    """What everybody's message says, by membership number."""
    composers, words = Composers(muster.settings, muster.keyring), {}
    async with connected(muster) as db:
        rows = await db.fetch(
            "select m.message_id, m.step_id, m.channel, m.address, m.variables, m.sender_id, p.external_id"
            " from message m join person p using (person_id) where m.state = 'queued' order by m.message_id"
        )
        for row in rows:
            claimed = ClaimedMessage(row["message_id"], 1, row["address"], row["variables"], row["sender_id"], 1)
            outbound = (await composers.get(db, row["step_id"], row["channel"])).compose(claimed, NOW).outbound
            if isinstance(outbound, OutboundText):
                words[row["external_id"]] = outbound.body
            elif isinstance(outbound, OutboundEmail):
                mail = message_from_bytes(outbound.content, policy=default)
                part = mail.get_body(("plain",))
                assert part is not None
                words[row["external_id"]] = f"{mail['Subject']}\n{part.get_content()}"
    return words
