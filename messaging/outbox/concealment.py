"""Concealment of the secrets in a transactional message: a code, a sign-in link.

The secrets are kept encrypted until a provider has accepted the message or it has failed. Everywhere else, and from the
beginning, `MASK` stands in their place. They are wiped in the transaction that records an outcome, and by `reconcile`
if a message ends in another way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

import orjson
from pydantic import SecretStr

from core.db import Connection, load_queries
from core.errors import InputError, SettingsError
from core.sign_in_links import MASK, mask_credentials, pieces_of

SQL: Final = load_queries(__file__)

_USE: Final = "muster transactional messages"


@dataclass(frozen=True, slots=True)
class Contents:
    """Contents of a message.

    Attributes:
        text: the text, or the text part of an email.
        subject: of an email.
        html: the HTML part of an email; "" to make it from the text.
        secrets: codes and links in it, in clear; each is replaced by `MASK` wherever it stands.
    """

    text: str
    subject: str = ""
    html: str = ""
    secrets: tuple[str, ...] = ()


async def empty_secrets(db: Connection, message_ids: Sequence[int] | None = None) -> None:
    """Wipe the secrets of messages that have been accepted, or have ended otherwise; of some messages, or of all."""
    await db.execute(SQL["empty_secrets"], None if message_ids is None else list(message_ids))


def conceal(contents: Contents, keys: Sequence[SecretStr]) -> tuple[dict[str, str], bytes | None]:
    """Return contents with masks, and the masked secrets, encrypted; None if there are no secrets.

    Raises:
        SettingsError: they have secrets, and there is no key.
        InputError: a secret does not stand in them.
    """
    content = {"subject": contents.subject, "text": contents.text, "html": contents.html}
    if not contents.secrets:
        return content, None
    from core.secret_box import SecretBox  # imported here, because it loads cryptography, and few messages have secrets

    if not keys:
        raise SettingsError("MUSTER_SECRET_KEY is not set.", remedy="Codes and sign-in links are encrypted with it.")
    for number, secret in enumerate(contents.secrets):
        mask = _numbered(number)
        if not secret or not any(secret in part for part in content.values()) or mask in "".join(content.values()):
            raise InputError("A secret must stand in the message, so that it can be masked.")
        content = {
            name: part.replace(escape(secret) if name == "html" else secret, mask) for name, part in content.items()
        }
    return content, SecretBox(keys, _USE).encrypt(SecretStr(orjson.dumps(contents.secrets).decode()))


def reveal(content: dict[str, Any], concealed: bytes | None, keys: Sequence[SecretStr]) -> Contents:
    """Return the contents of a claimed message in clear, to be sent and not to be stored.

    Raises:
        SettingsError: they were encrypted with a key that is no longer in the list.
    """
    if concealed is None:
        return Contents(content["text"], content["subject"], content["html"])
    from core.secret_box import InvalidToken, SecretBox

    try:
        secrets = tuple(orjson.loads(SecretBox(keys, _USE).decrypt(concealed).get_secret_value()))
    except InvalidToken:
        raise SettingsError(
            "A message that waits was encrypted with another MUSTER_SECRET_KEY.",
            remedy="Add the former key to the list again, or ask for a new link or code.",
        ) from None
    parts = dict(content)
    for number, secret in enumerate(secrets):
        parts = {
            name: part.replace(_numbered(number), escape(secret) if name == "html" else secret)
            for name, part in parts.items()
        }
    return Contents(parts["text"], parts["subject"], parts["html"], secrets)


def masked(words: str, secrets: Sequence[str]) -> str:
    """Return words from outside, such as a provider's reply, with `MASK` in place of secrets.

    Args:
        words: in any notation, also cut short.
        secrets: those of the message that the words are about, in clear.
    """
    for secret in secrets:
        words = words.replace(secret, MASK)
    return mask_credentials(words, {piece for secret in secrets for piece in pieces_of(secret)})


def _numbered(number: int) -> str:
    """Return the mask of one secret of a message: `MASK`, with invisible characters that make it unique."""
    return MASK + "\u2063" * (number + 1) + "\u2064"
