"""Words that Muster itself writes as the source of a suppression; any other source came from a list."""

from __future__ import annotations

from typing import Final

from messaging.provider_names import EMAIL_PROVIDERS, SMS_PROVIDERS

OWN_SOURCES: Final = frozenset(
    {"link", "unsubscribe", "preferences", "sms_reply", "email_reply", "staff", "smtp", "bounce", "complaint"}
    | {"before erasure"}
    | {*SMS_PROVIDERS, *EMAIL_PROVIDERS}
)
"""They name nobody, so they stay when a person is erased. The names of providers come from `provider_names`."""
