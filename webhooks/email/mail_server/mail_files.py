"""Mail from a mailbox that somebody else filled: an mbox file or a maildir. Reading one again changes nothing."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from pathlib import Path
from typing import Final

from core.errors import InputError
from core.runtime import Runtime
from webhooks.email.mail_server.addresses import Destination, purpose_of, read_destination
from webhooks.email.mail_server.auto_responses import is_mail_system
from webhooks.email.mail_server.classify import Origin
from webhooks.email.mail_server.mail_store import keep_mail
from webhooks.email.mail_server.parsed_mail import ParsedMail, header, mailboxes, read_letter

HEAD: Final = 64 * 1024
_DELIVERED: Final = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To")
"""Where servers write the recipient, surest first."""
_WRITTEN: Final = ("To", "Cc", "Resent-To")


@dataclass(slots=True)
class Counted:
    """What was in a mailbox.

    Attributes:
        new: kept now.
        known: kept before.
        strange: to no address of ours.
        too_large: larger than MUSTER_MAILROOM_LARGEST.
    """

    new: int = 0
    known: int = 0
    strange: int = 0
    too_large: int = 0


async def read_mailbox(runtime: Runtime, path: Path) -> Counted:
    """Take in every mail of a mailbox; the mailbox stays as it is.

    Args:
        runtime: where to.
        path: an mbox file, or the folder of a maildir (with `cur` and `new`).

    Raises:
        InputError: it is neither.
        Unavailable: the database does not answer; what was taken in stays so.
    """
    counted = Counted()
    largest = runtime.settings.mailroom_largest * 1024 * 1024
    for raw in _mails(path):
        if len(raw) > largest:
            counted.too_large += 1
            continue
        head = BytesHeaderParser(policy=compat32).parsebytes(raw[:HEAD])
        found = _recipient(runtime, head)
        if found is None:
            counted.strange += 1
            continue
        recipient, destination = found
        sender = _sender(ParsedMail(head, (), len(raw)))
        inbox_id = await keep_mail(
            runtime, raw, sender=sender, recipient=recipient, destination=destination, way="file"
        )
        if inbox_id is None:
            counted.known += 1
        else:
            counted.new += 1
    return counted


def origin_of(raw: bytes, at: datetime, recipient: str = "") -> Origin:
    """How a mail seems to have come, by what is written in it. It may be anybody's: no seal is looked at.

    Args:
        raw: as it came.
        at: when; aware.
        recipient: where the message went that it answers, or that came back; "" where nobody knows.
    """
    letter = read_letter(raw[:HEAD])
    said = (address for _, address in _recipients(letter.message))
    purpose = next((found for address in said if (found := purpose_of(address)) is not None), None)
    sender = _sender(letter)
    if purpose is None:
        purpose = "bounce" if is_mail_system(letter) or not sender else "reply"
    return Origin(purpose, None, sender, at, recipient)


def _mails(path: Path) -> Iterator[bytes]:
    if path.is_dir():
        if not ((path / "cur").is_dir() and (path / "new").is_dir()):
            raise InputError(f"{path} is no maildir.", remedy="A maildir has the folders cur, new and tmp.")
        for folder in ("cur", "new"):
            for file in sorted((path / folder).iterdir()):
                if file.is_file():
                    yield file.read_bytes()
        return
    try:
        with path.open("rb") as opened:
            if opened.read(5) not in {b"From ", b""}:
                raise InputError(
                    f"{path} is no mbox file.", remedy="In an mbox file every mail begins with a line “From …”."
                )
        box = mailbox.mbox(path, create=False)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    try:
        for key in box.iterkeys():
            yield _with_sender(box.get_bytes(key, from_=True))
    finally:
        box.close()


def _with_sender(raw: bytes) -> bytes:
    """A mail of an mbox, whose sender stands in the line the format puts before it."""
    line, _, mail = raw.partition(b"\n")
    sender = line.split(b" ")[1].strip() if line.startswith(b"From ") else b""
    if b"\nreturn-path:" in b"\n" + mail[:HEAD].partition(b"\n\n")[0].lower():
        return mail
    if sender.upper() == b"MAILER-DAEMON":
        return b"Return-Path: <>\n" + mail
    # mail programs that keep an mbox of their own write "From - "
    return b"Return-Path: <%b>\n%b" % (sender, mail) if b"@" in sender else mail


def _recipient(runtime: Runtime, head: Message) -> tuple[str, Destination] | None:
    for _, address in _recipients(head):
        destination = read_destination(runtime.settings, runtime.keyring, address)
        if destination is not None:
            return address, destination
    return None


def _recipients(head: Message) -> list[tuple[str, str]]:
    """Who a mail was to, surest first."""
    return [mailbox for name in (*_DELIVERED, *_WRITTEN) for mailbox in mailboxes(header(head, name))]


def _sender(letter: ParsedMail) -> str:
    """The sender of the envelope, as the server wrote it down; where it did not, a mail system has none."""
    path = letter.header("Return-Path")
    if path == "<>" or path.strip("<> "):
        return path.strip("<> ")
    return "" if is_mail_system(letter) else "".join(letter.addresses("From")[:1])
