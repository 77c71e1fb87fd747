"""Passkeys (WebAuthn): set up and used with a challenge of ours that is answered once, in its session, for its purpose.

The browser says for which site it signed; what it signed for another site, or for another challenge, is refused. A
passkey always asks for a finger, a face or a number, so it is both factors at once.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from yarl import URL

from core.db import Connection, load_queries
from core.http.host_addresses import read_host_address

SQL: Final = load_queries(__file__)

_CHALLENGE_LIFETIME: Final = timedelta(minutes=5)
_MAX_CHALLENGES: Final = 5_000
"""Sign-ins that may be under way at once: sixteen a second, for five minutes."""
_BAD_ANSWER: Final = (WebAuthnException, ValueError, KeyError, TypeError, AttributeError)
"""Errors that the library raises for an invalid answer."""

log = structlog.get_logger(__name__)


class ChallengePurpose(StrEnum):
    """Purpose of a challenge; the values are the same as in the database's check."""

    SIGN_IN = "sign in"
    PROVE = "prove"
    REGISTER = "register"


@dataclass(frozen=True, slots=True)
class Site:
    """Website as browsers identify it; a passkey is bound to one.

    Attributes:
        origin: as in `https://muster.union.example`.
        host: the part of the origin that a passkey names.
        title: as the browser shows it to its owner.
    """

    origin: str
    host: str
    title: str


@dataclass(frozen=True, slots=True)
class PasskeyAnswer:
    """Answer in the name of a passkey that we know.

    Attributes:
        passkey_id: which.
        staff_id: whose.
        email: of its owner.
        name: of its owner.
        is_good: whether it is in order.
        is_copied: whether it has just shown that there is a copy of the passkey.
    """

    passkey_id: int
    staff_id: int
    email: str
    name: str
    is_good: bool = False
    is_copied: bool = False


def host_of(public_url: str) -> str:
    """Return the host that passkeys are bound to, as browsers sign it: in ASCII."""
    return URL(public_url).raw_host or ""


def site_of(public_url: str, title: str) -> Site | None:
    """Return the site of an address; None if browsers have no passkeys: without HTTPS, or for a bare number.

    Args:
        public_url: MUSTER_PUBLIC_URL.
        title: the organisation's name, or Muster's.
    """
    url, host = URL(public_url), host_of(public_url)
    if read_host_address(host) is not None or not (url.scheme == "https" or host == "localhost"):
        return None
    return Site(str(url.origin()), host, title)


async def registration_options(db: Connection, site: Site, staff_id: int, *, session: UUID, now: datetime) -> str:
    """Make what a browser needs to set up a passkey, as JSON.

    Args:
        db: any connection.
        site: ours.
        staff_id: whose.
        session: in which it is set up.
        now: the time, aware.
    """
    account = await db.fetchrow(SQL["give_handle"], staff_id)
    assert account is not None  # they are signed in
    return options_to_json(
        generate_registration_options(
            rp_id=site.host,
            rp_name=site.title,
            user_id=account["passkey_handle"].bytes,
            user_name=account["email"],
            user_display_name=account["name"],
            challenge=await _challenge(db, ChallengePurpose.REGISTER, session, now),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=await _descriptors(db, staff_id),
        )
    )


async def add_passkey(
    db: Connection,
    site: Site,
    staff_id: int,
    answer: Mapping[str, Any],
    *,
    name: str,
    now: datetime,
) -> int | None:
    """Add the passkey that a browser has made, after `take_challenge`.

    Args:
        db: in the transaction that notes it in the audit.
        site: ours.
        staff_id: whose.
        answer: what the browser sent.
        name: what to call it.
        now: the time, aware.

    Returns:
        Its number; None if the answer is not in order.
    """
    try:
        verified = verify_registration_response(
            credential=dict(answer),
            expected_challenge=_challenge_in(answer),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except _BAD_ANSWER as error:
        log.info("a passkey was not set up", why=type(error).__name__)
        return None
    passkey_id: int | None = await db.fetchval(
        SQL["add_passkey"], staff_id, verified.credential_id, verified.credential_public_key, verified.sign_count,
        name, now, site.host,
    )  # fmt: skip
    return passkey_id


async def authentication_options(
    db: Connection, site: Site, *, now: datetime, staff_id: int | None = None, session: UUID | None = None
) -> str:
    """Make what a browser needs to use a passkey, as JSON.

    Args:
        db: any connection.
        site: ours.
        now: the time, aware.
        staff_id: whose passkeys; None on the sign-in page, where the browser offers those that it has.
        session: in which a second factor is proven; None on the sign-in page.
    """
    purpose = ChallengePurpose.SIGN_IN if session is None else ChallengePurpose.PROVE
    return options_to_json(
        generate_authentication_options(
            rp_id=site.host,
            challenge=await _challenge(db, purpose, session, now),
            allow_credentials=None if staff_id is None else await _descriptors(db, staff_id),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
    )


async def take_challenge(
    db: Connection, answer: Mapping[str, Any], purpose: ChallengePurpose, *, now: datetime, session: UUID | None = None
) -> bool:
    """Use up the challenge of an answer; return whether we made it and nobody had answered it.

    Args:
        db: outside any transaction, so that it is used up whether or not the answer is accepted.
        answer: what the browser sent.
        purpose: what it is for.
        now: the time, aware.
        session: in which it is answered; None on the sign-in page.
    """
    try:
        challenge = _challenge_in(answer)
    except _BAD_ANSWER:
        return False
    return await db.fetchval(SQL["use_challenge"], challenge, purpose, session, now) is not None


async def accept_passkey(
    db: Connection, site: Site, answer: Mapping[str, Any], *, now: datetime
) -> PasskeyAnswer | None:
    """Check what a passkey has signed, after `take_challenge`.

    A passkey's count goes up with each use. A lower count comes from a copy, or from the original after the copy was
    used: the passkey is refused from then on. But if a passkey says that it is kept on several devices, copies are the
    rule, each with a count of its own.

    Args:
        db: in the transaction that lets its owner in, or records that they were refused.
        site: ours.
        answer: what the browser sent.
        now: the time, aware.

    Returns:
        Whose passkey it is, and whether the answer is in order; None if we know no such passkey, or the account is
        disabled.
    """
    credential_id = _credential_in(answer)
    row = None if credential_id is None else await db.fetchrow(SQL["find_passkey"], credential_id)
    if row is None:
        return None
    answered = PasskeyAnswer(row["passkey_id"], row["staff_id"], row["email"], row["name"])
    verified = None if row["copied_at"] is not None else _verify(row, site, answer)
    if verified is None:
        return answered
    count = verified.new_sign_count
    is_bound = verified.credential_device_type is CredentialDeviceType.SINGLE_DEVICE
    if is_bound and (count or row["sign_count"]) and count <= row["sign_count"]:
        await db.execute(SQL["note_copy"], row["passkey_id"], now)
        return replace(answered, is_copied=True)
    await db.execute(SQL["use_passkey"], row["passkey_id"], now, count)
    return replace(answered, is_good=True)


async def find_passkey_number(db: Connection, answer: Mapping[str, Any]) -> int | None:
    """Return the number of the passkey that an answer names; None if we do not know it."""
    passkey_id: int | None = await db.fetchval(SQL["find_number"], _credential_in(answer))
    return passkey_id


async def list_passkeys(db: Connection, staff_id: int, *, host: str | None = None) -> list[asyncpg.Record]:
    """List the passkeys of an account.

    Args:
        db: any connection.
        staff_id: whose.
        host: ours.

    Returns:
        Each with passkey_id, credential_id, name, made_at, used_at, copied_at, host (which it was made for) and works:
        whether it can still be used at our host.
    """
    return await db.fetch(SQL["list_passkeys"], staff_id, host)


async def delete_passkey(db: Connection, staff_id: int, passkey_id: int) -> str | None:
    """Remove a passkey of an account; return its name, or None if the account has no such passkey."""
    name: str | None = await db.fetchval(SQL["delete_passkey"], staff_id, passkey_id)
    return name


async def delete_passkeys(db: Connection, staff_id: int) -> int:
    """Remove all passkeys of an account; return how many there were."""
    return int((await db.execute(SQL["delete_passkeys"], staff_id)).rpartition(" ")[2])


async def delete_old_challenges(db: Connection, *, now: datetime) -> None:
    """Delete challenges that ran out."""
    await db.execute(SQL["delete_old_challenges"], now)


async def _challenge(db: Connection, purpose: ChallengePurpose, session: UUID | None, now: datetime) -> bytes:
    challenge = secrets.token_bytes(32)
    await db.execute(SQL["add_challenge"], challenge, purpose, session, now + _CHALLENGE_LIFETIME, now)
    if session is None:
        await db.execute(SQL["delete_oldest_challenges"], _MAX_CHALLENGES)
    return challenge


async def _descriptors(db: Connection, staff_id: int) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=row["credential_id"]) for row in await list_passkeys(db, staff_id)]


def _challenge_in(answer: Mapping[str, Any]) -> bytes:
    """Return the challenge that an answer names; it is signed with the rest.

    Raises:
        One of `_BAD_ANSWER`.
    """
    return parse_client_data_json(base64url_to_bytes(answer["response"]["clientDataJSON"])).challenge


def _credential_in(answer: Mapping[str, Any]) -> bytes | None:
    """Return the id of the passkey that an answer names; None if it names none."""
    try:
        return base64url_to_bytes(str(answer["rawId"]))
    except _BAD_ANSWER:
        return None


def _verify(row: asyncpg.Record, site: Site, answer: Mapping[str, Any]) -> VerifiedAuthentication | None:
    """Verify the answer of a passkey; None if it is not in order."""
    try:
        if not _is_theirs(row, answer):
            return None
        return verify_authentication_response(
            credential=dict(answer),
            expected_challenge=_challenge_in(answer),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=row["public_key"],
            credential_current_sign_count=0,  # we compare the count after checking the signature
            require_user_verification=True,
        )
    except _BAD_ANSWER as error:
        log.info("a passkey was refused", why=type(error).__name__)
        return None


def _is_theirs(row: asyncpg.Record, answer: Mapping[str, Any]) -> bool:
    """Tell whether the account that the answer names is the passkey's; an answer may name none."""
    handle = answer["response"].get("userHandle")
    if not handle:
        return True
    known: UUID | None = row["passkey_handle"]
    return known is not None and hmac.compare_digest(base64url_to_bytes(handle), known.bytes)
