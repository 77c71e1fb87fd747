"""Names of the providers of texts: the folders in `messaging/channels/` with a module `provider`; none is imported.

They are also the sources under which their receipts, and opt-outs that their networks acted on, are recorded.
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
