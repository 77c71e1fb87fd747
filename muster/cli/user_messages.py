"""Way of the messages of `muster user`: to the provider that is set up, or to the running sandbox."""

from __future__ import annotations

from typing import Final

from core.db import Connection
from core.errors import SettingsError
from core.settings import Settings
from messaging.channels import has_sms
from messaging.outbox.heartbeat import is_anybody_sending
from messaging.settings import load_settings
from messaging.states import ChannelName
from muster.embedded.running import sandbox_at
from muster.run import SANDBOX_SMS_FROM

KINDS: Final = {"email": "mail", "sms": "text"}
"""Kind of a message by its channel."""


def sender_of(settings: Settings, channel: ChannelName) -> str:
    """Return the sender of messages to staff."""
    return settings.email_from if channel == "email" else settings.sms_from or SANDBOX_SMS_FROM


async def remarks(db: Connection, page: str | None) -> str:
    """Remark that a message goes to the sandbox, or that no worker is running to send it."""
    where = f" No provider is set up, so it goes to the sandbox: {page}/" if page else ""
    return where + ("" if await is_anybody_sending(db) else " No worker is up to send it; start one: muster worker")


def sandbox_page(settings: Settings, channel: ChannelName, *, way_out: str) -> str | None:
    """Return the page of the sandbox that gets the message, of the `muster run` that is up; None if it is really sent.

    Args:
        settings: the session's.
        channel: by which it goes.
        way_out: what to do instead of setting a provider up.

    Raises:
        SettingsError: no provider is set up, and there is no sandbox either.
    """
    if settings.has_email if channel == "email" else has_sms(settings):
        return None
    what, setting = ("mail relay", "MUSTER_SMTP_URL") if channel == "email" else ("provider of texts", "one")
    if load_settings().database_url is not None or settings.has_email or has_sms(settings):  # then there is no sandbox
        raise SettingsError(f"No {what} is set up.", remedy=f"Set {setting}, or {way_out}.")
    sandbox = sandbox_at(settings.home)
    if sandbox is None:
        raise SettingsError(
            f"No {what} is set up, so messages go to the sandbox, and that is not up.",
            remedy=f"Start it with: muster run. Or set {setting}, or {way_out}.",
        )
    return sandbox.page
