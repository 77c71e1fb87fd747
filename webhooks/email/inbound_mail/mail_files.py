"""Import of mail from a mailbox: an mbox file or a maildir. Importing it again changes nothing."""

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
from webhooks.email.inbound_mail.addresses import Destination, purpose_of, read_destination
from webhooks.email.inbound_mail.auto_responses import is_mail_system
from webhooks.email.inbound_mail.classify import Origin
from webhooks.email.inbound_mail.mail_store import store_mail
from webhooks.email.inbound_mail.parsed_mail import ParsedMail, header, mailboxes, parse_mail

HEAD_SIZE: Final = 64 * 1024
"""Bytes of a mail in which its headers are looked for."""
_DELIVERED: Final = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To")
"""Headers in which servers write the recipient, the most reliable first."""
_WRITTEN: Final = ("To", "Cc", "Resent-To")


@dataclass(slots=True)
class MailboxCounts:
    """Counts of the mails in a mailbox.

    Attributes:
        new: stored now.
        known: stored before.
        strange: to no address of ours.
        too_large: larger than MUSTER_MAILROOM_LARGEST.
    """

    new: int = 0
    known: int = 0
    strange: int = 0
    too_large: int = 0


async def read_mailbox(runtime: Runtime, path: Path) -> MailboxCounts:
    """Store every mail of a mailbox; the mailbox itself does not change.

    Args:
        runtime: the runtime.
        path: an mbox file, or the folder of a maildir (with `cur` and `new`).

    Raises:
        InputError: the file is neither.
        Unavailable: the database does not answer; mails stored before that stay stored.
    """
    counted = MailboxCounts()
    largest = runtime.settings.mailroom_largest * 1024 * 1024
    for raw in _mails(path):
        if len(raw) > largest:
            counted.too_large += 1
            continue
        head = BytesHeaderParser(policy=compat32).parsebytes(raw[:HEAD_SIZE])
        addressed = _recipient(runtime, head)
        if addressed is None:
            counted.strange += 1
            continue
        recipient, destination = addressed
        sender = _sender(ParsedMail(head, (), len(raw)))
        inbound_id = await store_mail(
            runtime, raw, sender=sender, recipient=recipient, destination=destination, received_by="file"
        )
        if inbound_id is None:
            counted.known += 1
        else:
            counted.new += 1
    return counted


def origin_of(raw: bytes, at: datetime, recipient: str = "") -> Origin:
    """Guess a mail's origin from its headers. It proves nothing: signed ids are not verified.

    Args:
        raw: the mail as it came.
        at: when it came; aware.
        recipient: where the message had been sent that it answers, or that bounced; "" if it is unknown.
    """
    parsed = parse_mail(raw[:HEAD_SIZE])
    addresses = (address for _, address in _recipients(parsed.message))
    purpose = next((named for address in addresses if (named := purpose_of(address)) is not None), None)
    sender = _sender(parsed)
    if purpose is None:
        purpose = "bounce" if is_mail_system(parsed) or not sender else "reply"
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
    """Return an mbox entry as a mail; the sender in its "From " line becomes a Return-Path."""
    line, _, mail = raw.partition(b"\n")
    sender = line.split(b" ")[1].strip() if line.startswith(b"From ") else b""
    if b"\nreturn-path:" in b"\n" + mail[:HEAD_SIZE].partition(b"\n\n")[0].lower():
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
    """Return the recipients of a mail, the most reliable first."""
    return [mailbox for name in (*_DELIVERED, *_WRITTEN) for mailbox in mailboxes(header(head, name))]


def _sender(parsed: ParsedMail) -> str:
    """Return the envelope sender that the server recorded; without one, mail of a mail system has an empty one."""
    path = parsed.header("Return-Path")
    if path == "<>" or path.strip("<> "):
        return path.strip("<> ")
    return "" if is_mail_system(parsed) else "".join(parsed.addresses("From")[:1])
