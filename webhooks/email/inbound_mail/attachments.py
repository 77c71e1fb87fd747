"""Names of a mail's attachments for staff: the kind of each, and its file name."""

from __future__ import annotations

from collections.abc import Sequence
from email.message import Message
from pathlib import PurePath
from typing import Final

from webhooks.email.inbound_mail.charsets import decode_words

MAX_NAMED: Final = 3
"""Attachments named one by one; of more, only their number is shown."""
MAX_NAME_LENGTH: Final = 60
"""Characters shown of a name."""
MAX_CODED_LENGTH: Final = 1000
"""Characters of a name as mails encode it."""
REACTION: Final = "text/vnd.google.email-reaction+json"
"""Part by which Gmail says that a mail is a reaction: an emoji, put on the message it answers."""

_PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".gif", ".heic", ".heif", ".webp", ".bmp", ".tif", ".tiff"})
SIGNED_OR_ENCRYPTED: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_KINDS: Final = {
    "application/pkcs7-signature": "a signature",
    "application/x-pkcs7-signature": "a signature",
    "application/pgp-signature": "a signature",
    "application/ms-tnef": "a mail in Outlook's own format",
    "application/vnd.ms-tnef": "a mail in Outlook's own format",
    "text/rtf": "a text in the format RTF",
    "application/rtf": "a text in the format RTF",
    "application/pdf": "a PDF",
    "text/calendar": "a calendar entry",
    "message/rfc822": "another mail",
}
_BY_SMIME_TYPE: Final = {
    "signed-data": "a signed mail",
    "enveloped-data": "an encrypted mail",
    "authenveloped-data": "an encrypted mail",
}
_MAIN_KINDS: Final = {"image": "a picture", "audio": "a recording", "video": "a video", "text": "a text"}


def name_attachments(message: Message, parts: Sequence[Message]) -> str:
    """Name parts in words: `a picture (posted.jpg)`, `an encrypted mail`, `a PDF (form.pdf), and 2 more`.

    Args:
        message: the whole mail.
        parts: those to name.

    Returns:
        The names; "" for no parts.
    """
    if message.get_content_type() == "multipart/encrypted":  # RFC 1847: its parts mean nothing by themselves
        return "an encrypted mail"
    named = [_name(part) for part in parts[:MAX_NAMED]]
    if len(parts) > MAX_NAMED:
        named.append(f"and {len(parts) - MAX_NAMED} more")
    return ", ".join(named)


def _name(part: Message) -> str:
    name = _file_name(part)
    return f"{_kind(part, name)} ({name})" if name else _kind(part, name)


def _kind(part: Message, name: str) -> str:
    content_type, suffix = part.get_content_type(), PurePath(name.lower()).suffix
    if suffix == ".p7m" or content_type in SIGNED_OR_ENCRYPTED:
        return _BY_SMIME_TYPE.get(str(part.get_param("smime-type", "")).lower(), "a signed or encrypted mail")
    if name.lower() == "winmail.dat":
        return _KINDS["application/ms-tnef"]
    if suffix in _PICTURES:
        return _MAIN_KINDS["image"]
    return _KINDS.get(content_type) or _MAIN_KINDS.get(part.get_content_maintype(), "a file")


def _file_name(part: Message) -> str:
    return decode_words(part.get_filename() or "", most=MAX_CODED_LENGTH)[:MAX_NAME_LENGTH]
