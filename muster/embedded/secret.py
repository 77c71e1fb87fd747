"""Secret key of an installation without MUSTER_SECRET_KEY: made once, kept in MUSTER_HOME."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pydantic import SecretStr

from core.errors import SettingsError


def kept_secret(home: Path) -> SecretStr:
    """Return the secret in `home/secret-key`, made the first time; every process gets the same one.

    Raises:
        SettingsError: the file is there and cannot be read, or holds less than 16 characters.
    """
    path = home.resolve() / "secret-key"
    if not path.exists():
        _make(path)
    try:
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The secret in {path} cannot be read: {error}.") from error
    if len(secret) < 16:
        raise SettingsError(
            f"The secret in {path} is damaged.",
            remedy="Bring it back from a backup: members' links that were sent depend on it.",
        )
    return SecretStr(secret)


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = path.with_name(f".secret-key.{os.getpid()}.{secrets.token_hex(4)}")
    mine.touch(mode=0o600)
    mine.write_text(secrets.token_urlsafe(32) + "\n", encoding="ascii")
    try:
        os.link(mine, path)  # complete or not at all, and the first one wins
    except FileExistsError:
        pass
    finally:
        mine.unlink()
