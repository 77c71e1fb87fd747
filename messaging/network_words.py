"""Network words: words that networks and providers act on by themselves, such as STOP.

Members' own words, in any language, are in `campaigns/replies/classification/rules/<language>.toml`, which has the
network words as well.
"""

from __future__ import annotations

from typing import Final

STOP_WORDS: Final = ("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout")
"""Words that Twilio confirms as opt-outs by itself. https://help.twilio.com/articles/223134027"""
WAYS_OUT: Final = (*STOP_WORDS, "stop all")
"""Words that Twilio confirms as opt-outs, with variants that people write."""
NETWORK_WORDS: Final = (*WAYS_OUT, "start", "yes", "unstop", "help", "info")
"""Words that networks act on before we see them, so a reply with such a word cannot have the meaning that our text
gives it."""
