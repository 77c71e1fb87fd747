"""Another email to somebody, of a step of its own."""

from __future__ import annotations

from tests.support.inbound_rows import Campaign

ANN = "ann@member.test"


async def another_email(campaign: Campaign, person_id: int, position: int) -> int:
    """One more email to Ann, of a step of its own."""
    step = await campaign.db.fetchval(
        "insert into step (campaign_id, position, template, content, purpose, channels, goal_id, state, secret)"
        " select campaign_id, $2, template, content, purpose, channels, goal_id, state, secret from step"
        " where step_id = $1 returning step_id", campaign.step_id, 10 + position,
    )  # fmt: skip
    message_id: int = await campaign.db.fetchval(
        "insert into message (step_id, campaign_id, person_id, channel, address, sender_id, state, sent_at)"
        " values ($1, $2, $3, 'email', $4, $5, 'sent', now()) returning message_id",
        step, campaign.campaign_id, person_id, ANN, campaign.email_id,
    )  # fmt: skip
    return message_id
