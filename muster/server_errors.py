"""Errors that end commands: tell which server went away, or what cannot be stored, and word it for people."""

from __future__ import annotations

from typing import Final

import asyncpg
import redis.exceptions

from core.db.away import is_away
from core.db.connection_errors import went_away
from core.errors import DatabaseAway, InputError, MusterError, Unavailable, error_in_words
from core.outages import POSTGRES, REDIS

_REDIS: Final = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)


def server_error(error: BaseException) -> MusterError | None:
    """Return an error worded for people if a server of ours went away; None for any other error."""
    if isinstance(error, BaseExceptionGroup):
        return next((lost for inner in error.exceptions if (lost := server_error(inner)) is not None), None)
    if isinstance(error, MusterError):
        return error
    if is_away(error):
        return went_away(error)
    if isinstance(error, _REDIS):
        return Unavailable(f"Redis went away ({error_in_words(error)}).", remedy="Nothing is lost with it; try again.")
    return None


def unstorable(error: BaseException) -> InputError | None:
    """Return an error worded for people if a text had characters that the database refuses; None for any other."""
    if isinstance(error, asyncpg.CharacterNotInRepertoireError | asyncpg.UntranslatableCharacterError | UnicodeError):
        return InputError(
            "There are characters in it that cannot be stored: bytes that are no UTF-8, or NUL.",
            remedy="Save the file or type the text again as UTF-8.",
        )
    return None


def server_of(error: BaseException) -> str | None:
    """Return the server of ours that an error reports as away; None for any other error, such as a relay's."""
    if isinstance(error, BaseExceptionGroup):
        return next((name for inner in error.exceptions if (name := server_of(inner)) is not None), None)
    if isinstance(error, _REDIS):
        return REDIS
    return POSTGRES if isinstance(error, DatabaseAway) or is_away(error) else None
