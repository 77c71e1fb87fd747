"""Hints about settings that were probably misspelt: an unknown MUSTER_ variable is silently ignored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final

PREFIX: Final = "MUSTER_"
MIN_LIKENESS: Final = 0.7
"""Similarity from which two names are alike, as difflib counts. Kubernetes sets variables of our prefix for a service
called `muster`; those are less alike than this."""


def setting_hints(names: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each variable that is no setting but is spelt like one.

    Args:
        names: names of environment variables, ours and others.
    """
    from messaging.settings import AllSettings

    known = {field.upper() for field in AllSettings.model_fields}
    for name in sorted(names):
        unprefixed = name.upper().removeprefix(PREFIX)
        if not name.upper().startswith(PREFIX) or unprefixed in known:
            continue
        if near := get_close_matches(unprefixed, known, n=1, cutoff=MIN_LIKENESS):
            yield f"{name} is no setting and is ignored. Did you mean {PREFIX}{near[0]}?"


def names_in_use(environment: Iterable[str]) -> set[str]:
    """List the variables that could be meant as settings: in the environment, and in a file `.env` here."""
    from dotenv import dotenv_values

    return {name for name in (*environment, *dotenv_values(".env")) if name.upper().startswith(PREFIX)}
