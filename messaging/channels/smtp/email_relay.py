"""Description of an email provider's relay, as the rest of Muster needs it to send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from core.settings import Settings

if TYPE_CHECKING:
    from pydantic import BaseModel

NAME: Final = "muster"
"""Name of our id in custom arguments, variables, metadata and tags."""


@dataclass(frozen=True, slots=True)
class EmailRelay:
    """Relay of an email provider, as its module describes it in `RELAY`.

    Attributes:
        name: the module's name; it stands in MUSTER_EMAIL_PROVIDER.
        lines: makes the header lines, ASCII, that carry our signed id so that events name the message.
        settings: model whose fields are the provider's own settings, as in `SmsProvider`.
    """

    name: str
    lines: Callable[[Settings, str], str]
    settings: type[BaseModel] | None = None
