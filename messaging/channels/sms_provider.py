"""Description of an SMS provider for the rest of Muster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.settings import Settings
from messaging.channels.channel import Channel

if TYPE_CHECKING:
    import aiohttp
    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class SmsProvider:
    """Provider of texts, as its folder's `provider.py` describes it in `PROVIDER`.

    Attributes:
        name: the folder's name; it stands in MUSTER_SMS_PROVIDERS, in events, and in the path of its webhooks.
        preference: the lowest is preferred if the settings do not name a provider.
        is_set_up: tells whether the settings hold everything it needs.
        open_channel: opens its channel on the shared session. The channel's module is imported only there: commands
            that send nothing must not wait for a provider's SDK.
        sent_from: returns the sender that its texts leave from; None: it has none, and they leave from the step's.
        settings: model whose fields are its settings, each beginning with its name: `pigeon_key` is MUSTER_PIGEON_KEY.
            What `messaging.settings.load_settings` returns is an instance of it; with any other settings it is not set
            up. None: all of them are in `core.settings`.
    """

    name: str
    preference: int
    is_set_up: Callable[[Settings], bool]
    open_channel: Callable[[Settings, aiohttp.ClientSession], Channel]
    sent_from: Callable[[Settings], str | None] | None = None
    settings: type[BaseModel] | None = None
