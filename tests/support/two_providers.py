"""Two providers of texts in one sandbox, and what each of them really took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from pydantic import SecretStr

from core.runtime import Runtime
from core.settings import Settings
from messaging.channels.channel import Channel
from messaging.channels.failover import FailoverChannel, TextProvider
from messaging.channels.twilio.channel import TwilioChannel
from messaging.channels.vonage.channel import VonageChannel
from sandbox import Sandbox
from tests.support.outbox_rows import with_sandbox

VONAGE_FROM = "+447480222222"


def with_vonage(settings: Settings, sandbox: Sandbox, **more: Any) -> Settings:
    """Settings whose two providers are a sandbox."""
    account = sandbox.config.vonage
    vonage = {
        "vonage_base_url": sandbox.twilio_base_url,
        "vonage_api_key": account.api_key,
        "vonage_api_secret": SecretStr(account.api_secret),
        "vonage_signature_secret": (SecretStr(account.signature_secret),),
        "vonage_sms_from": VONAGE_FROM,
    }
    return with_sandbox(settings, sandbox, **(vonage | more))


def both(runtime: Runtime, clock: Callable[[], float], *, timeout: float = 30.0) -> dict[str, Channel]:
    """Twilio first, then Vonage, with a clock of one's own for the pauses."""
    settings, http = runtime.settings, runtime.http
    members = [
        TextProvider(TwilioChannel(settings, http, timeout=timeout)),
        TextProvider(VonageChannel(settings, http, timeout=timeout), sent_from=VONAGE_FROM),
    ]
    return {"sms": FailoverChannel(members, clock=clock)}


def by_twilio(sandbox: Sandbox) -> Counter[str]:
    """Who was sent how many texts by Twilio, as its own log has it."""
    return Counter(message.to for message in sandbox.twilio.messages if message.direction == "outbound-api")


def by_vonage(sandbox: Sandbox) -> Counter[str]:
    """Who was sent how many texts by Vonage, as its own log has it."""
    return Counter(message.to for message in sandbox.vonage.messages if message.direction == "outbound")


def by_either(sandbox: Sandbox) -> Counter[str]:
    """Who was sent how many texts altogether."""
    return by_twilio(sandbox) + by_vonage(sandbox)
