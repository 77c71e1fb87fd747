"""Inbound mail: received by the listener or a provider, stored in the inbound log, and classified by a worker."""

from __future__ import annotations

from webhooks.email.inbound_mail.mail_store import MAIL
from webhooks.email.inbound_mail.processing import process_mails

__all__ = ["MAIL", "process_mails"]
