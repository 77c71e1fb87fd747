"""Exceptions with messages for people.

```
MusterError                what a person reads, and what to do next
├── SettingsError          the configuration cannot work
├── InputError             a file or value somebody gave us is wrong (problems: one line each)
│   ├── TemplateError      a message template
│   ├── SpecError          a ballot or campaign file
│   └── AddressError       a phone number or email address (code)
├── NotFound               nothing has that name
├── Conflict               not now: it would clash with what is there or going on
└── Unavailable            a server Muster needs does not answer
    └── DatabaseAway       PostgreSQL
```

Every message is one clear sentence, and `remedy` says what to do next. The command line prints both and exits 1;
HTTP endpoints turn them into a 4xx, or 503 for `Unavailable`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence


class MusterError(Exception):
    """An error for a person: what happened, and what to do next.

    Args:
        message: one sentence, no trailing stack of causes.
        remedy: the next step; empty if the message says it all.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class SettingsError(MusterError):
    """The configuration cannot work; the message names the setting."""


class InputError(MusterError):
    """A file or value that somebody gave us is wrong.

    Args:
        message: the error as a whole.
        problems: one line for each thing wrong in it, naming line, column or key.
        remedy: the next step.
    """

    def __init__(self, message: str, *, problems: Sequence[str] = (), remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n  ".join([super().__str__(), *self.problems])


class TemplateError(InputError):
    """A message template cannot be used."""


class SpecError(InputError):
    """A file of a ballot, question, notice or campaign cannot be used; each problem names its key."""


class AddressError(InputError):
    """A phone number or email address cannot be used.

    Args:
        code: the reason as a program reads it: `empty`, `not_a_number`, `too_short`, `too_long`, `landline`, …
        message: the reason as a person reads it.
        remedy: the next step.
    """

    def __init__(self, code: str, message: str, *, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.code = code


class NotFound(MusterError):  # noqa: N818  # reads as what it is
    """A name or number leads to nothing."""


class Conflict(MusterError):  # noqa: N818
    """Conflict with existing data, or with a job that is running."""


class Unavailable(MusterError):  # noqa: N818
    """A server Muster needs does not answer; trying again later may work."""


class DatabaseAway(Unavailable, OSError):  # noqa: N818
    """PostgreSQL does not answer. It is an `OSError` as well, because that is what asyncpg would have raised."""


def error_in_words(error: BaseException | str) -> str:
    """Return the words of an error, or the name of its class if it has none, such as a timeout."""
    if isinstance(error, str):
        return error
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    with contextlib.suppress(Exception):
        return str(error) or type(error).__name__
    return type(error).__name__
