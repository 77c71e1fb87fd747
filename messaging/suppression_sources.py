"""Words that Muster itself writes as the source of a suppression; whatever else stands there came from a list."""

from __future__ import annotations

from typing import Final

from messaging.provider_names import EMAIL_PROVIDERS, SMS_PROVIDERS

OWN_SOURCES: Final = frozenset(
    {"link", "unsubscribe", "preferences", "sms_reply", "email_reply", "staff", "smtp", "bounce", "complaint"}
    | {"before erasure"}
    | {*SMS_PROVIDERS, *EMAIL_PROVIDERS}
)
"""They name nobody, so they stay when a person is erased. A new provider is among them because its files are there."""
