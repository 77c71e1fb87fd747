"""Network words: what networks and providers act on by themselves when somebody texts it, such as STOP.

What members say in their own words, in any language, is data: `campaigns/replies/classification/rules/<language>.toml`,
which has each of these as well.
"""

from __future__ import annotations

from typing import Final

STOP_WORDS: Final = ("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout")
"""Words that Twilio confirms as opt-outs by itself. https://help.twilio.com/articles/223134027"""
WAYS_OUT: Final = (*STOP_WORDS, "stop all")
"""The same, and as people write one of them."""
NETWORK_WORDS: Final = (*WAYS_OUT, "start", "yes", "unstop", "help", "info")
"""Words that are acted on before we see them, so that a reply with one never means what our text says it does."""
