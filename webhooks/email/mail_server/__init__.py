"""Inbound mail: received by the listener or a provider, stored in the inbound log, and classified by a worker."""

from __future__ import annotations

from webhooks.email.mail_server.mail_store import MAIL
from webhooks.email.mail_server.processing import process_mails

__all__ = ["MAIL", "process_mails"]
