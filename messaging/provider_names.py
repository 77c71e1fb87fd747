"""Names of the SMS and email providers, found by their files, which are not imported.

An SMS provider is a folder in `messaging/channels/` with a module `provider`; an email provider is a module in
`messaging/channels/smtp/relays/`. The names are also the sources under which their receipts, and opt-outs that they
report, are recorded.
"""

from __future__ import annotations

from pathlib import Path
from pkgutil import iter_modules
from typing import Final

_CHANNELS: Final = Path(__file__).parent / "channels"


def _is_provider(folder: str) -> bool:
    return any(module.name == "provider" for module in iter_modules([str(_CHANNELS / folder)]))


SMS_PROVIDERS: Final = tuple(
    module.name for module in iter_modules([str(_CHANNELS)]) if module.ispkg and _is_provider(module.name)
)
"""In the order of the alphabet; `messaging.channels.providers` has them in order of preference."""
EMAIL_PROVIDERS: Final = tuple(module.name for module in iter_modules([str(_CHANNELS / "smtp" / "relays")]))
"""In the order of the alphabet; `messaging.channels.smtp.relay_registry` has what each relay needs."""
