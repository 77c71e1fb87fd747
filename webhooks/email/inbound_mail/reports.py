"""Reports about our mail: that it bounced (RFC 3464, RFC 6533), that it was delivered, that somebody complained.

A bounce in a non-standard form is read by its code and its words, and by `flufl.bounce`. A bounce that cannot be
understood still counts as soft, and staff see it. A report's words never identify the message: only a signed id of ours
proves it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import Message
from email.parser import BytesParser, HeaderParser
from email.policy import compat32
from types import MappingProxyType
from typing import Final, Literal

from flufl.bounce import all_failures

from core.keyring import Keyring
from messaging.reasons import Reason
from messaging.reports.bounce_classification import RefusalClass, Weight, judge_bounce
from webhooks.email.events import EmailEvent, bounced, find_message
from webhooks.email.inbound_mail.addresses import purpose_of
from webhooks.email.inbound_mail.auto_responses import answers, is_auto_response, is_mail_system, sounds_returned
from webhooks.email.inbound_mail.delivery_status import Fields, fields_of, statuses_in, statuses_of
from webhooks.email.inbound_mail.delivery_words import outcome_in, says_arrived, says_delayed, says_failed
from webhooks.email.inbound_mail.mailbox_refusals import code_is_recipients, says_forwarded, says_no_such_mailbox
from webhooks.email.inbound_mail.named_mailboxes import (
    blames_ours,
    helpers_in,
    is_same_mailbox,
    mailboxes_in,
    names_only_ours,
    names_our_domain,
    refused_by_code,
    without_help,
)
from webhooks.email.inbound_mail.parsed_mail import ParsedMail, header, text_of
from webhooks.email.inbound_mail.refused_names import names_another

STATUS: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
FEEDBACK: Final = "message/feedback-report"
MAX_GUESSED_SIZE: Final = 64 * 1024
"""Bytes; `flufl.bounce` goes through every line of a mail several times."""
MAX_TEXT_LENGTH: Final = 2000
"""Characters of a report's text that are searched for a code or its words."""
MAX_UNPARTED_LENGTH: Final = 20_000
"""Characters of a mail without parts that are searched for fields of a report."""
TEMPORARY: Final = RefusalClass(Reason.EXPIRED_AT_PROVIDER, soft=True)
UNREAD: Final = RefusalClass(Reason.UNREAD_BOUNCE, soft=True)
"""Classification without a known code or known words: it may be policy, so one such bounce proves nothing, but several
do."""

_ASCII: Final = bytes(byte if byte < 128 else 63 for byte in range(256))
_EMBEDDED: Final = frozenset(
    {
        "message/rfc822", "message/global", "text/rfc822-headers", "text/rfc822-header", "message/rfc822-headers",
        "message/global-headers",
    }
)  # fmt: skip
"""Types of a returned mail in a report, in the standards' words and in common misspellings of them."""
_NAMES: Final = ("Message-ID", "Return-Path", "X-Original-Message-ID", "References", "List-Unsubscribe")
_SENDERS: Final = ("From", "Sender", "Reply-To", "Return-Path")
_COPY: Final = re.compile(
    r"^(?:[ \t>*=_#|-]*(?:"
    r"(?:this|below|here|the following|attached|enclosed)\b[^\n]{0,40}\b(?:is|are|follows)\b[^\n]{0,30}"
    r"\b(?:copy|original|headers?|beginning|returned)\b"
    r"|(?:a |the )?(?:copy|text|headers?|original|start|beginning|returned|unsent|undelivered|rejected)\b[^\n]{0,30}"
    r"\b(?:message|mail|headers?)\b[^\n]{0,30}(?:follow|below|:[ \t]*$|-{3}|={3})"
    r"|original (?:message|mail)(?: headers?| text)?\b"
    r"|message headers?[ \t]*(?:follow|:?[ \t]*$)"
    r"|forwarded message\b)"
    r"|(?:received|return-path|dkim-signature|message-id|mime-version):[ \t])",
    re.IGNORECASE | re.MULTILINE,
)
"""The line where a report begins to repeat the mail that bounced: our own words follow."""
ReportAction = Literal["failed", "expired", "delayed", "delivered", "relayed", "expanded"]
_GRAVEST: Final[Sequence[ReportAction]] = ("failed", "expired", "delayed", "delivered", "relayed", "expanded")
_ACTIONS: Final[Mapping[str, ReportAction]] = MappingProxyType(
    {
        "failed": "failed", "failure": "failed", "fail": "failed", "bounced": "failed", "rejected": "failed",
        "undeliverable": "failed", "undelivered": "failed", "error": "failed",
        "expired": "expired", "delayed": "delayed", "delay": "delayed", "deferred": "delayed",
        "delivered": "delivered", "relayed": "relayed", "expanded": "expanded",
    }
)  # fmt: skip
_BY_CLASS: Final[Mapping[str, ReportAction]] = MappingProxyType({"5": "failed", "4": "delayed", "2": "delivered"})
_ANSWERED: Final = re.compile(r"(?<![\w.])[245]\d\d[ -]|#[245]\.\d\.\d")
_REPLY: Final = re.compile(r"(?:^|;)\s*([245])(?:\d\d\b|\.\d)")


@dataclass(frozen=True, slots=True)
class Complaint:
    """Complaint: somebody pressed "spam", or their provider reports something similar.

    Attributes:
        message_id: the message, if the complaint carries an id of ours.
        event: the event.
    """

    message_id: int | None
    event: EmailEvent


def read_bounce(
    parsed: ParsedMail, at: datetime, *, recipient: str = "", expected: bool = True, certain: bool = True
) -> EmailEvent | None:
    """Read a bounce; None if the mail is not a bounce.

    Args:
        parsed: the mail.
        at: when it came.
        recipient: where the bounced mail had been sent, in lower case; "" if it is unknown.
        expected: whether it came to a bounce address, where every mail of a mail system is a bounce, even with unknown
            words.
        certain: whether a machine wrote it. Else a person may have, from a postmaster's mailbox: then it is a bounce
            only by a report's fields, or by the form of a known mail system's.
    """
    text = parsed.text or _unparted(parsed)
    statuses = [status for part in parsed.parts if part.get_content_type() in STATUS for status in statuses_of(part)]
    if not statuses:
        statuses = [
            status
            for status in statuses_in(text)
            if "action" in status or {"status", "diagnostic-code"} <= status.keys()
        ]
    statuses = [status for status in statuses if recipient and recipient in _recipients(status)] or statuses
    recipient = recipient or _recipient(parsed, statuses)
    report = _Report(parsed, _own_text(text), recipient, _ours(parsed, recipient), at)
    by_action: dict[ReportAction, list[EmailEvent]] = {}
    for status in statuses:
        action = _action(status)
        if action is not None:
            by_action.setdefault(action, []).append(report.status(action, status))
    for action in _GRAVEST:
        if action in by_action:
            return _mildest(by_action[action], spared=by_action.keys() - {"failed"})
    if parsed.part(FEEDBACK) is not None or is_auto_response(parsed):
        return None
    return report.described(expected=expected, certain=certain)


def _mildest(events: Sequence[EmailEvent], *, spared: Collection[ReportAction]) -> EmailEvent:
    """Choose among a mailbox's several final recipients: it is not dead while mail still reaches one of them."""
    mild = next((event for event in events if event.reason is not Reason.HARD_BOUNCED), events[0])
    if spared and mild.reason is Reason.HARD_BOUNCED:
        return replace(mild, reason=Reason.RECIPIENT_REFUSED, soft=True)
    return mild


def _recipients(status: Fields) -> set[str]:
    """Return the mailboxes a status is about: the final and the original recipient."""
    return {_mailbox(status, name) for name in ("final-recipient", "original-recipient")} - {""}


def _mailbox(status: Fields, name: str) -> str:
    """Return the mailbox in a field, in lower case; "" if there is none."""
    value = status.get(name, "").rpartition(";")[2]
    return next(iter(mailboxes_in(value)), "" if "@" in value else value.strip(" <>\t").lower())


def _ours(parsed: ParsedMail, recipient: str) -> frozenset[str]:
    """Return mailboxes of ours: those to which the report came, and those from which the returned mail was sent.

    Some systems name the recipient in these headers. If the recipient is unknown, only mailboxes of a form of ours are
    certain.
    """
    addresses = {address for name in ("To", "Delivered-To", "X-Original-To") for address in parsed.addresses(name)}
    for original in _returned(parsed):
        addresses.update(*(mailboxes_in(header(original, name)) for name in _SENDERS))
    return frozenset(address for address in addresses - {recipient} if recipient or purpose_of(address) is not None)


def _recipient(parsed: ParsedMail, statuses: Sequence[Fields]) -> str:
    """Return the one mailbox that a report is about by its fields; "" if it names none or several."""
    named = set().union(*map(_recipients, statuses)) or set(parsed.addresses("X-Failed-Recipients"))
    return next(iter(named)) if len(named) == 1 else ""


def _unparted(parsed: ParsedMail) -> str:
    """Return the text of a mail that claims to have parts, but whose boundary stands nowhere in it."""
    whole = (part.get_payload() for part in parsed.parts if part.get_content_maintype() == "multipart")
    return next((content[:MAX_UNPARTED_LENGTH] for content in whole if isinstance(content, str)), "")


def _own_text(text: str) -> str:
    """Return a report's own words, before it repeats the mail that bounced."""
    for copy in _COPY.finditer(text):
        if text[: copy.start()].strip():
            text = text[: copy.start()]
            break
    return text.strip()[:MAX_TEXT_LENGTH]


def _action(status: Fields) -> ReportAction | None:
    """Return what was done about a recipient: by the action field, or else by the codes."""
    word = status.get("action", "").lower().strip("() ").partition(" ")[0].rstrip(".,;")
    if word in _ACTIONS:
        return _ACTIONS[word]
    for name in ("status", "diagnostic-code", "x-supplementary-info"):
        reply = _REPLY.search(status.get(name, ""))
        if reply is not None:
            return _BY_CLASS[reply[1]]
    return None


@dataclass(frozen=True, slots=True)
class _Report:
    """Report, with the data needed to read it.

    Attributes:
        parsed: the mail.
        text: of the report, without the mail that bounced.
        recipient: the mailbox it is about; "" if it is unknown.
        ours: mailboxes of ours, without the recipient.
        at: when it came.
    """

    parsed: ParsedMail
    text: str
    recipient: str
    ours: frozenset[str]
    at: datetime

    def status(self, action: ReportAction, fields: Fields) -> EmailEvent:
        """Convert the fields of a recipient to an event."""
        status, words = fields.get("status", ""), _diagnosis(fields)
        match action:
            case "failed" | "expired":
                judged = judge_bounce(status, words, UNREAD) if words else UNREAD
                if judged.reason is UNREAD.reason:  # the reason may be in the text only
                    otherwise = TEMPORARY if action == "expired" or status.startswith("4") else UNREAD
                    judged = self._judged_by_text(status, otherwise)
                if judged.weight is Weight.HARD:
                    judged = self._judged_by_names(judged, fields, words)
                return bounced(judged, self.at, word=status or action, words=" ".join((words or self.text).split()))
            case "delayed":
                return EmailEvent("deferred", self.at, status or action, words)
            case "delivered":
                return EmailEvent("delivered", self.at, status or action, words)
        return EmailEvent("noted", self.at, action, words)

    def described(self, *, expected: bool, certain: bool) -> EmailEvent | None:
        """Read a non-standard bounce: by its code and words, or else as permanent or temporary."""
        failures = _failures(self.parsed)
        system, failed = is_mail_system(self.parsed), says_failed(self.text)
        judged = self._judged_by_text("", TEMPORARY if failures == "temporary" else UNREAD)
        returned = failures is not None
        if not certain:  # people write of failures too, but neither give codes nor return a mail
            signs = (system and bool(judged.code), failed and any(True for _ in _returned(self.parsed)))
            named = is_mail_system(self.parsed, postmaster=False) and bool(judged.code)
            returned = returned or named or (expected and any(signs))
        elif expected:  # a mail system needs no known words here; any other writer has to mention a delivery
            returned = returned or sounds_returned(self.parsed) or failed or (system and not answers(self.parsed))
        else:
            returned = returned or sounds_returned(self.parsed) or (system and failed)
        if not returned:
            return None
        words = " ".join(self.text.split())[:300]
        announced = self._announced
        delayed = failures == "temporary" or (failures is None and says_delayed(self.text)) or announced == "delayed"
        if delayed and not judged.code.startswith("5"):
            return EmailEvent("deferred", self.at, judged.code or "delayed", words)
        if announced in {"delivered", "relayed"} and judged.reason is UNREAD.reason and not failed:
            return EmailEvent("delivered" if announced == "delivered" else "noted", self.at, announced, words)
        return bounced(judged, self.at, word="bounced", words=words)

    @property
    def _announced(self) -> Literal["delayed", "delivered", "relayed"] | None:
        """Outcome of the mail by the subject of the report."""
        returned = next((header(original, "Subject") for original in _returned(self.parsed)), "")
        return outcome_in(self.parsed.header("Subject"), returned)

    @property
    def _is_doubtful(self) -> bool:
        """Tell whether a refusal in it proves nothing: its subject contradicts it, or its recipient forwarded it."""
        return self._announced is not None or self.recipient in self.parsed.addresses("From")

    def _judged_by_text(self, status: str, otherwise: RefusalClass) -> RefusalClass:
        """Judge the text, which also says other things: words mean a hard bounce only beside the mailbox itself."""
        judged = judge_bounce(status, self.text, otherwise)
        if judged.weight is not Weight.HARD:
            return judged
        if refused_by_code(self.text) in self.ours:
            return RefusalClass(Reason.SENDER_REFUSED, code=judged.code)
        doubted = says_delayed(self.text) or self._is_doubtful
        if doubted or not (status or is_mail_system(self.parsed)):
            return _doubted(judged)
        is_certain = says_no_such_mailbox if judged.code[2:3] in {"", "0"} else code_is_recipients
        return judged if is_certain(self.text, self.recipient, self.ours) else _doubted(judged)

    def _judged_by_names(self, judged: RefusalClass, fields: Fields, words: str) -> RefusalClass:
        """Judge a hard status again by the mailboxes that it names: only the recipient's own is certainly dead."""
        if blames_ours(words, self.recipient, self.ours):
            return RefusalClass(Reason.SENDER_REFUSED, code=judged.code)
        forwarded = any(says_forwarded(source, self.recipient, self.ours) for source in (words, self.text))
        about_us = any(judge(words, self.recipient, self.ours) for judge in (names_only_ours, names_our_domain))
        waits_or_arrived = (
            any(says(f"{self.text}\n{words}") for says in (says_arrived, says_delayed)) or self._is_doubtful
        )
        if (
            forwarded
            or about_us
            or names_another(without_help(words, self.recipient), self.recipient)
            or waits_or_arrived
        ):
            return _doubted(judged)
        if not self.recipient:
            return judged
        final = _mailbox(fields, "final-recipient") or _mailbox(fields, "original-recipient")
        spared = self.ours | helpers_in(words, self.recipient)
        named = [mailbox for mailbox in mailboxes_in(words) if mailbox not in spared]
        about = filter(None, (_mailbox(fields, "x-actual-recipient"), final, *named[:1]))
        return judged if all(is_same_mailbox(mailbox, self.recipient) for mailbox in about) else _doubted(judged)


def _doubted(judged: RefusalClass) -> RefusalClass:
    return RefusalClass(Reason.RECIPIENT_REFUSED, soft=True, code=judged.code)


def _diagnosis(fields: Fields) -> str:
    """Return the reply of the server that refused: Exchange and IronPort keep it apart, beside words of their own."""
    reply, behind = fields.get("diagnostic-code", ""), fields.get("x-supplementary-info", "").strip("<> \n")
    return behind if _ANSWERED.search(behind) else " ".join(part for part in (reply, behind) if part)


def _failures(parsed: ParsedMail) -> Literal["permanent", "temporary"] | None:
    """Return what `flufl.bounce` finds in a non-standard bounce."""
    if parsed.size > MAX_GUESSED_SIZE:
        return None
    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it logs each of its own mistakes with the mail in it
    try:
        # a header with a byte beyond ASCII stops the library's detectors
        plain = parsed.message.as_bytes().translate(_ASCII)
        temporary, permanent = all_failures(BytesParser(policy=compat32).parsebytes(plain))
    except Exception:  # noqa: BLE001  # hostile input can make its patterns fail in any way: then it is no bounce
        return None
    return "permanent" if permanent else "temporary" if temporary else None


def is_feedback(parsed: ParsedMail) -> bool:
    """Tell whether a mail is a feedback report by its type, and has the part that only such reports have."""
    kind = str(parsed.message.get_param("report-type") or "").strip().lower()
    is_report = parsed.message.get_content_type() in {"multipart/report", FEEDBACK} or kind == "feedback-report"
    return is_report and parsed.part(FEEDBACK) is not None


def read_complaint(parsed: ParsedMail, keyring: Keyring, at: datetime) -> Complaint | None:
    """Read a complaint (ARF, RFC 5965), or a mail of ours that a provider returns to the complaints address.

    Args:
        parsed: the mail.
        keyring: verifies signed ids.
        at: when it came.
    """
    part = parsed.part(FEEDBACK)
    if part is None:
        message_id = find_message(keyring, *_ids(parsed))
        return None if message_id is None else Complaint(message_id, _complained(at, "sent back"))
    fields = fields_of(part)
    message_id = find_message(keyring, fields.get("original-mail-from", ""), *_ids(parsed))
    kind = fields.get("feedback-type", "").lower().partition(" ")[0].rstrip(";,")
    match kind:
        case "not-spam" | "auth-failure" | "dkim":  # taken out of the spam folder; a report about signatures (RFC 6591)
            return Complaint(message_id, EmailEvent("noted", at, kind))
        case "opt-out" | "opt-out-list":
            return Complaint(message_id, EmailEvent("unsubscribed", at, kind, reason=Reason.OPTED_OUT))
    return Complaint(message_id, _complained(at, kind or "complaint"))


def _complained(at: datetime, kind: str) -> EmailEvent:
    return EmailEvent("complained", at, kind, reason=Reason.COMPLAINED)


def _ids(parsed: ParsedMail) -> list[str]:
    """Return the headers in which an id of ours may stand in a returned mail."""
    return [header(original, name) for original in _returned(parsed) for name in _NAMES]


def _returned(parsed: ParsedMail) -> Iterator[Message]:
    """Yield the mails, or their headers, that a report returns."""
    for part in parsed.parts:
        if part.get_content_type() in _EMBEDDED:
            inner = part.get_payload()
            first = inner[0] if isinstance(inner, list) and inner else None
            yield first if isinstance(first, Message) else HeaderParser(policy=compat32).parsestr(text_of(part))
