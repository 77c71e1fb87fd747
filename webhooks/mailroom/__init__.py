"""Mail that comes to us: taken in by the listener or a provider, kept in the inbox, and sorted by a worker."""

from __future__ import annotations

from webhooks.mailroom.sort import sort_mail
from webhooks.mailroom.store import MAIL

__all__ = ["MAIL", "sort_mail"]
