"""Reports about mail of ours: that it came back (RFC 3464, RFC 6533), that it was delivered, that somebody complained.

What is not written as a standard says is left to `flufl.bounce`. Whose mail it was is never read from a report: only a
sealed id of ours says so.
"""

from __future__ import annotations

import base64
import binascii
import logging
import quopri
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from email.parser import BytesParser, HeaderParser
from email.policy import compat32
from typing import Final, Literal

from flufl.bounce import all_failures

from messaging.content.tokens import Keyring
from messaging.outbox.bounces import Judged, judge_bounce
from messaging.outbox.states import Reason
from webhooks.email.events import Event, bounced, find_message
from webhooks.mailroom.letter import Letter, header, text_of

STATUS: Final = ("message/delivery-status", "message/global-delivery-status")
FEEDBACK: Final = "message/feedback-report"
MOST_BLOCKS: Final = 50
LARGEST_GUESSED: Final = 64 * 1024
"""Bytes; `flufl.bounce` goes through every line of a mail several times."""
TEMPORARY: Final = Judged(Reason.EXPIRED_AT_PROVIDER, soft=True)
PERMANENT: Final = Judged(Reason.RECIPIENT_REFUSED, soft=True)
"""A bounce of no known form, without a code: it may be policy, so one alone proves nothing; several do."""

_ASCII: Final = bytes(byte if byte < 128 else 63 for byte in range(256))
_GAP: Final = re.compile(r"\n[ \t]*\n")
_EMBEDDED: Final = ("message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers")
_NAMES: Final = ("Message-ID", "Return-Path", "X-Original-Message-ID", "References", "List-Unsubscribe")

Action = Literal["failed", "delayed", "delivered", "relayed", "expanded"]
_GRAVEST: Final[Sequence[Action]] = ("failed", "delayed", "delivered", "relayed", "expanded")


@dataclass(frozen=True, slots=True)
class Complaint:
    """Somebody pressed "spam", or their provider says more.

    Attributes:
        message_id: of the mail they mean, where it carries an id of ours.
        event: what it is.
    """

    message_id: int | None
    event: Event


def read_bounce(letter: Letter, at: datetime) -> Event | None:
    """What a mail that came to a bounce address says of the one it came back from; None where it is no bounce.

    Args:
        letter: the mail.
        at: when it came.
    """
    for content_type in STATUS:
        part = letter.part(content_type)
        if part is not None:
            return _delivery_status(part, letter, at)
    if letter.message.get_content_type() == "multipart/report" and letter.part(FEEDBACK) is not None:
        return None
    return _guess(letter, at)


def _delivery_status(part: Message, letter: Letter, at: datetime) -> Event | None:
    """The gravest thing that is said of any recipient; a message of ours has one."""
    said: dict[str, Message] = {}
    for block in _blocks(part)[1:]:
        action = header(block, "Action").lower().partition(" ")[0]
        if not action and block.get("Status") is not None:
            action = "failed" if header(block, "Status").startswith("5") else "delayed"
        said.setdefault(action, block)
    for action in _GRAVEST:
        if action in said:
            return _reported(action, said[action], letter, at)
    return None


def _reported(action: Action, block: Message, letter: Letter, at: datetime) -> Event:
    status, words = header(block, "Status"), header(block, "Diagnostic-Code")
    match action:
        case "failed":
            otherwise = TEMPORARY if status.startswith("4") else Judged(Reason.RECIPIENT_REFUSED)
            judged = judge_bounce(status, words or letter.text[:1000], otherwise)
            return bounced(judged, at, word=status or action, words=words)
        case "delayed":
            return Event("deferred", at, status or action, words)
        case "delivered":
            return Event("delivered", at, status or action, words)
    return Event("noted", at, action, words)


def _guess(letter: Letter, at: datetime) -> Event | None:
    """A bounce in a form of its own: a code in its text decides, else whether it is meant for good."""
    if letter.size > LARGEST_GUESSED:
        return None
    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it logs each of its own mistakes with the mail in it
    try:
        # a header with a bare byte beyond ASCII is no text to the library, and stops its detectors
        plain = letter.message.as_bytes().translate(_ASCII)
        temporary, permanent = all_failures(BytesParser(policy=compat32).parsebytes(plain))
    except Exception:  # noqa: BLE001  # its patterns meet anything the world sends: whatever stops them, it is no bounce
        return None
    if not temporary and not permanent:
        return None
    words = letter.text[:1000]
    judged = judge_bounce("", words, PERMANENT if permanent else TEMPORARY)
    if permanent or judged.code:
        return bounced(judged, at, word="bounced", words=words[:300])
    return Event("deferred", at, "delayed", words[:300])


def read_complaint(letter: Letter, keyring: Keyring, at: datetime) -> Complaint | None:
    """A complaint (ARF, RFC 5965), or a mail of ours that a provider sends back to where complaints go.

    Args:
        letter: the mail.
        keyring: knows our seals.
        at: when it came.
    """
    part = letter.part(FEEDBACK)
    embedded = [one for one in letter.parts if one.get_content_type() in _EMBEDDED]
    if part is None:
        message_id = find_message(keyring, *_ids(embedded))
        return None if message_id is None else Complaint(message_id, _complained(at, "sent back"))
    blocks = _blocks(part)
    fields = blocks[0] if blocks else Message()
    message_id = find_message(keyring, header(fields, "Original-Mail-From"), *_ids(embedded))
    kind = header(fields, "Feedback-Type").lower()
    match kind:
        case "not-spam" | "auth-failure" | "dkim":  # taken out of the spam folder; a report about signatures (RFC 6591)
            return Complaint(message_id, Event("noted", at, kind))
        case "opt-out" | "opt-out-list":
            return Complaint(message_id, Event("unsubscribed", at, kind, reason=Reason.OPTED_OUT))
    return Complaint(message_id, _complained(at, kind or "complaint"))


def _complained(at: datetime, kind: str) -> Event:
    return Event("complained", at, kind, reason=Reason.COMPLAINED)


def _ids(embedded: Sequence[Message]) -> list[str]:
    """Where an id of ours may stand in a mail of ours that is sent back."""
    found: list[str] = []
    for part in embedded:
        inner = part.get_payload()
        if isinstance(inner, list) and inner and isinstance(inner[0], Message):
            original = inner[0]
        else:
            original = HeaderParser(policy=compat32).parsestr(text_of(part))
        found += [header(original, name) for name in _NAMES]
    return found


def _blocks(part: Message) -> list[Message]:
    """The groups of fields of a report, whichever way the standard library read them.

    It makes a list of `message/delivery-status`, but of the other types it keeps the first group only as fields and the
    rest as text, and it undoes no encoding inside them.
    """
    payload = part.get_payload()
    if isinstance(payload, list):
        whole = "\n\n".join(one.as_string().strip("\n") for one in payload if isinstance(one, Message))
    else:
        whole = str(payload)
    encoding = header(part, "Content-Transfer-Encoding").lower()
    try:
        if encoding == "base64":
            whole = base64.b64decode("".join(whole.split())).decode(errors="replace")
        elif encoding == "quoted-printable":
            whole = quopri.decodestring(whole.encode(errors="replace")).decode(errors="replace")
    except (ValueError, binascii.Error):
        return []
    groups = [group for group in _GAP.split(whole.replace("\r\n", "\n").strip("\n")) if group.strip()]
    return [HeaderParser(policy=compat32).parsestr(group) for group in groups[:MOST_BLOCKS]]
