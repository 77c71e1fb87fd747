"""`muster check mail`: show how Muster's mail server classifies a mail."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from core.errors import InputError
from core.keyring import Keyring
from messaging.content.sent import words_of_html
from messaging.reports.bounce_classification import RefusalClass, Weight
from messaging.settings import load_settings
from muster.cli.output import json_text
from webhooks.email.events import EmailEvent
from webhooks.email.inbound_mail.classify import (
    AUTO_RESPONSE,
    COMPLAINT,
    DoubtfulMail,
    MessageEvent,
    UnsubscribeWish,
    classify_mail,
)
from webhooks.email.inbound_mail.mail_files import origin_of
from webhooks.email.inbound_mail.parsed_mail import parse_mail, text_of
from webhooks.email.inbound_mail.replies import MailReply

if TYPE_CHECKING:
    from muster.cli.check import CheckResult

MAX_MAIL_SIZE: Final = 64 * 1024 * 1024
"""Bytes that are read; the mail server looks at the first 256 KB."""

_HEADERS: Final = (
    "From", "To", "Date", "Subject", "Received", "Return-Path", "Message-ID",
    "Delivered-To", "MIME-Version", "Content-Type",
)  # fmt: skip
"""Headers of which every mail has at least one."""

_WEIGHTS: Final = {
    Weight.HARD: "hard: the address is suppressed at once",
    Weight.FULL: "soft, a full mailbox: enough of them, over days, suppress the address",
    Weight.SOFT: "soft: enough of them, over days, suppress the address",
    Weight.SENDER: "neither hard nor soft: it speaks of the sender, and enough of them pause it",
    Weight.NONE: "neither hard nor soft: it says nothing about the address",
}


def check_mail(file: Path, sent: Path | None, *, as_json: bool) -> str:
    """Classify one mail, and put the result in words.

    Args:
        file: the mail; `-` is standard input.
        sent: the message it answers.
        as_json: whether to return JSON.

    Raises:
        InputError: one of them cannot be read.
    """
    raw = _read(file)
    if not is_mail(raw):
        name = "This" if str(file) == "-" else str(file)
        raise InputError(f"{name} is no mail: a mail begins with its headers, such as From: and Date:.")
    message = _read(sent) if sent is not None else None
    result = read_checked(raw, forms_of(message) if message else (), recipient_of(message) if message else "")
    return json_text(result) if as_json else _in_words(result)


def is_mail(raw: bytes) -> bool:
    """Tell whether something begins with headers, as mails do.

    Args:
        raw: at least its beginning.
    """
    parsed = parse_mail(raw)
    return any(parsed.header(name) for name in _HEADERS)


def read_checked(raw: bytes, sent: Sequence[str] = (), recipient: str = "") -> CheckResult:
    """Classify a mail; return the classification and its effects: the fields that `muster check --help` lists, as JSON.

    Args:
        raw: as it came, headers first.
        sent: the message it answers, in each of its forms.
        recipient: where that was sent, in lower case; "" if it is unknown.

    Raises:
        InputError: the mail cannot be read.
    """
    secret = load_settings().secret_key or (SecretStr(secrets.token_hex()),)  # without our key, no signed id is ours
    classified = classify_mail(raw, origin_of(raw, datetime.now(UTC), recipient), Keyring(secret))
    if isinstance(classified, DoubtfulMail):
        classified = classified.decide(classified.answer.own(sent))
    match classified:
        case MailReply():
            return _of_answer(classified, sent)
        case UnsubscribeWish():
            return _result("unsubscribe")
        case MessageEvent():
            return _of_event(classified, parse_mail(raw).header("Subject"))


def forms_of(raw: bytes) -> tuple[str, ...]:
    """Return a sent message's text in each form in which a reply may quote it: its plain part and its HTML part.

    Args:
        raw: as it was sent, headers first.

    Raises:
        InputError: the mail cannot be read.
    """
    parsed = parse_mail(raw)
    subject = parsed.header("Subject")
    plain, html = parsed.part("text/plain"), parsed.part("text/html")
    bodies = [text_of(plain)] if plain else []
    bodies += [words_of_html(text_of(html))] if html else []
    return tuple(f"{subject}\n{body}" for body in bodies)


def recipient_of(raw: bytes) -> str:
    """Return the mailbox a message was sent to, by its header; "" if it names none or several."""
    to = parse_mail(raw).addresses("To")
    return to[0] if len(to) == 1 else ""


def _of_answer(answer: MailReply, sent: Sequence[str]) -> CheckResult:
    mail = answer.own(sent)
    read, _ = answer.read(mail)
    return _result(
        "reply", words=mail.words or mail.subject, subject=mail.subject, reading=read.reading, rule=read.rule,
        also=read.also,
    )  # fmt: skip


def _of_event(classified: MessageEvent, subject: str) -> CheckResult:
    event = classified.event
    kind = _kind(classified, event)
    code = None if kind == AUTO_RESPONSE else event.code or None
    result = _result(kind, words=event.words, subject=subject, code=code, event=event.kind)
    if event.kind == "bounced" and event.reason is not None:
        weight = RefusalClass(event.reason, event.soft).weight
        result |= {"weight": weight.value, "hard": weight is Weight.HARD, "soft": event.soft, "reason": event.reason}
    return result


def _kind(classified: MessageEvent, event: EmailEvent) -> str:
    if event.kind == "unsubscribed":
        return "unsubscribe"
    if classified.source == COMPLAINT:
        return "complaint"
    return AUTO_RESPONSE if event.code == AUTO_RESPONSE else "bounce"


def _result(kind: str, **known: object) -> CheckResult:
    blank = dict.fromkeys(("subject", "reading", "rule", "also", "code", "weight", "reason", "event"))
    return {"kind": kind, "words": "", **blank, "hard": False, "soft": False, **known}


def _in_words(result: CheckResult) -> str:
    """Put a result in words: `bounce, hard: the address is suppressed at once (5.1.1)`, and the details below it."""
    code = f" ({result['code']})" if result["code"] and result["code"] != result["kind"] else ""
    line = result["kind"]
    if result["reading"]:
        also = f", and {result['also']} besides" if result["also"] else ""
        line += f", {result['reading']}{also} (rule: {result['rule']})"
    elif result["weight"]:
        line += f", {_WEIGHTS[Weight(result['weight'])]}"
    elif line == AUTO_RESPONSE:
        line += ": a machine wrote it; it is noted with the message it answers, and nobody has to read it"
    elif line in {"bounce", "complaint"}:
        line += f", {result['event']}"
    subject, words = result["subject"], result["words"]
    above = f"Subject: {subject}\n" if subject and subject != words else ""
    return f"{line}{code}\n{above}{words}".rstrip()


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read(MAX_MAIL_SIZE)
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_MAIL_SIZE)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}.") from None
