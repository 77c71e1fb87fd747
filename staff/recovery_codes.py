"""Recovery codes, for somebody who has lost their phone: shown once, stored as digests, each used once."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Final

from core.db import Connection, load_queries
from staff.typed_codes import read_typed_code

SQL: Final = load_queries(__file__)

HOW_MANY: Final = 10
"""Recovery codes that an account gets at once."""
_LETTERS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no two of its characters look alike."""
_CODE_LENGTH: Final = 16
"""Characters: 80 bits, which no number of tries guesses, so that a plain digest keeps them."""
_ALIKE: Final = str.maketrans("oil", "011")
_GROUP_LENGTH: Final = 4


async def make_recovery_codes(db: Connection, staff_id: int, *, now: datetime) -> list[str]:
    """Make new codes; the former codes no longer work.

    Args:
        db: in the caller's transaction, which notes it in the audit.
        staff_id: whose.
        now: the time, aware.

    Returns:
        The codes, to be shown once.
    """
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH)) for _ in range(HOW_MANY)]
    await db.execute(SQL["delete_codes"], staff_id)
    await db.execute(SQL["add_codes"], staff_id, [_digest(staff_id, code) for code in codes], now)
    return ["-".join(code[at : at + _GROUP_LENGTH] for at in range(0, _CODE_LENGTH, _GROUP_LENGTH)) for code in codes]


async def use_recovery_code(db: Connection, staff_id: int, code: str, *, now: datetime) -> bool:
    """Use up a code; return whether it was valid and unused.

    Args:
        db: in the transaction that lets them in.
        staff_id: whose.
        code: as it was typed: case, spaces and dashes do not matter.
        now: the time, aware.
    """
    typed = read_typed_code(code).translate(_ALIKE)
    if len(typed) != _CODE_LENGTH or not set(typed) <= set(_LETTERS):
        return False
    return await db.fetchval(SQL["use_code"], staff_id, _digest(staff_id, typed), now) is not None


async def count_recovery_codes(db: Connection, staff_id: int) -> int:
    """Count the codes that were not used yet."""
    left: int = await db.fetchval(SQL["count_left"], staff_id)
    return left


async def delete_recovery_codes(db: Connection, staff_id: int) -> None:
    """Delete all codes of an account."""
    await db.execute(SQL["delete_codes"], staff_id)


def _digest(staff_id: int, code: str) -> bytes:
    return hashlib.sha256(f"{staff_id} {code}".encode()).digest()
