"""Packages of Muster, as the rules about all of them read them."""

from __future__ import annotations

from typing import Final

PACKAGES: Final = (
    "core", "messaging", "people", "staff", "ballots", "services", "campaigns", "webhooks", "api", "console", "muster",
    "sandbox", "tools",
)  # fmt: skip
