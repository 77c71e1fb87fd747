"""Errors of connections to PostgreSQL, in words for operators: what is wrong, and what to do."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import asyncpg

from core.db.away import POSTGRES_AWAY
from core.errors import DatabaseAway, SettingsError, error_in_words

SETTING: Final = "MUSTER_DATABASE_URL"
"""The setting with the address that everything but `muster migrate` uses."""
_TLS_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
"""Parameters of an address that name a file."""
_X509_EXPIRED: Final = 10
_X509_OTHER_NAMES: Final = frozenset({62, 64})
"""OpenSSL's numbers for a certificate of another host name, and of another IP address."""


def went_away(error: BaseException) -> DatabaseAway:
    """Build the error to raise for one that means PostgreSQL went away in the middle."""
    if isinstance(error, DatabaseAway):
        return error
    remedy = "What was committed is kept; try again."
    return DatabaseAway(f"PostgreSQL went away ({error_in_words(error)}).", remedy=remedy)


@asynccontextmanager
async def explained(url: str, setting: str = SETTING) -> AsyncIterator[None]:
    """Turn errors on connecting into one clear line.

    Args:
        url: the address.
        setting: where it comes from.

    Raises:
        DatabaseAway: nothing answers at that address.
        SettingsError: the address is none, or the server refuses us, or we it: wrong password, database, permission or
            certificate.
    """
    where = _host(url)
    try:
        _check_address(url, setting)
        yield
    except ssl.SSLCertVerificationError as error:  # a ValueError, too
        raise SettingsError(
            f"PostgreSQL at {where} {_mistrust(error)}.",
            remedy=f"{setting} demands to check it (sslmode): give the name that the certificate has, or the right "
            "authority in sslrootcert.",
        ) from error
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise SettingsError(
            f"PostgreSQL at {where} refused the user name or password of {_user(url)}.",
            remedy=f"Check {setting}; where there is no such login yet, `muster migrate` makes it (docs/logins.md).",
        ) from error
    except asyncpg.InvalidCatalogNameError as error:
        raise SettingsError(
            f"PostgreSQL at {where} has no such database.", remedy=f"Create it, or check {setting}."
        ) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise SettingsError(
            f"PostgreSQL at {where} does not permit {_user(url)} to do that: {error.args[0]}.",
            remedy="Run `muster migrate`, which grants each login its rights (docs/logins.md).",
        ) from error
    except (asyncpg.ClientConfigurationError, ValueError) as error:
        # PostgreSQL's words are not repeated: they may hold a piece of a password that was not percent-encoded.
        raise SettingsError(
            f"{setting} is not a PostgreSQL address.",
            remedy="It looks like postgresql://user:password@host:5432/muster; "
            "special characters in the password are percent-encoded.",
        ) from error
    except (OSError, *POSTGRES_AWAY) as error:  # or the server speaks another protocol
        raise DatabaseAway(
            f"PostgreSQL at {where} does not answer ({error_in_words(error)}).",
            remedy=f"Is it running, and is {setting} right?",
        ) from error


def _user(url: str) -> str:
    """Return the user name in a database URL."""
    try:
        return urlsplit(url).username or "this user"
    except ValueError:
        return "this user"


def _host(url: str) -> str:
    """Return the address in a database URL without its password."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "that address"
    host = parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[-1]
    return f"{host}{port}{parts.path}"


def _check_address(url: str, setting: str) -> None:
    """Refuse an address that would be read otherwise than it was meant, before a part of a password is shown anywhere.

    Raises:
        SettingsError: a password has characters that are not percent-encoded, or a file that it names is missing.
    """
    parts = urlsplit(url)
    # in a parameter an @ is in order: ?user=ada@union, ?password=p@ss
    odd = [piece for piece in parts.query.split("&") if "@" in piece and "=" not in piece]
    if "@" in parts.path or parts.fragment or odd:
        raise SettingsError(
            f"{setting} is not a PostgreSQL address: it looks as if its password had a /, ? or # in it.",
            remedy="Write them percent-encoded: / as %2F, ? as %3F, # as %23, and @ as %40, % as %25.",
        )
    for key, values in parse_qs(parts.query).items():
        if key in _TLS_FILES and values[-1] and not Path(values[-1]).expanduser().is_file():
            raise SettingsError(
                f"{setting} names a file that does not exist: {key}={values[-1]}.", remedy="Check the path."
            )


def _mistrust(error: ssl.SSLCertVerificationError) -> str:
    """Say why a server's certificate was refused."""
    if error.verify_code in _X509_OTHER_NAMES:
        return "has a certificate for another name"
    if error.verify_code == _X509_EXPIRED:
        return "has a certificate that has expired"
    return f"has a certificate that no known authority has signed ({error.verify_message})"
