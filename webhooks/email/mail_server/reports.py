"""Reports about mail of ours: that it came back (RFC 3464, RFC 6533), that it was delivered, that somebody complained.

A bounce in a form of its own is read by its code and its words, and by `flufl.bounce`. One that nobody can read is
still a bounce: it counts as soft, and staff see it. Whose mail it was is never read from a report: only a sealed id of
ours says so.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import Message
from email.parser import BytesParser, HeaderParser
from email.policy import compat32
from types import MappingProxyType
from typing import Final, Literal

from flufl.bounce import all_failures

from core.keyring import Keyring
from messaging.reports.diagnostics import Judged, Weight, judge_bounce
from messaging.states import Reason
from webhooks.email.events import EmailEvent, bounced, find_message
from webhooks.email.mail_server.auto_responses import answers, is_auto_reply, is_mail_system, sounds_returned
from webhooks.email.mail_server.delivery_status import Fields, fields_of, statuses_in, statuses_of
from webhooks.email.mail_server.mailbox_refusals import says_dead
from webhooks.email.mail_server.parsed_mail import ParsedMail, header, text_of

STATUS: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
FEEDBACK: Final = "message/feedback-report"
LARGEST_GUESSED: Final = 64 * 1024
"""Bytes; `flufl.bounce` goes through every line of a mail several times."""
LONGEST_SAID: Final = 2000
"""Characters of a report's text in which a code or its words are looked for."""
LONGEST_UNPARTED: Final = 20_000
"""Characters of a mail without parts in which fields of a report are looked for."""
TEMPORARY: Final = Judged(Reason.EXPIRED_AT_PROVIDER, soft=True)
UNREAD: Final = Judged(Reason.UNREAD_BOUNCE, soft=True)
"""Neither a code nor words that anybody knows: it may be policy, so one alone proves nothing; several do."""

_ASCII: Final = bytes(byte if byte < 128 else 63 for byte in range(256))
_EMBEDDED: Final = frozenset(
    {
        "message/rfc822", "message/global", "text/rfc822-headers", "text/rfc822-header", "message/rfc822-headers",
        "message/global-headers",
    }
)  # fmt: skip
"""How a mail that is sent back may lie in a report, in the standards' words and in usual misspellings of them."""
_NAMES: Final = ("Message-ID", "Return-Path", "X-Original-Message-ID", "References", "List-Unsubscribe")
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
"""Where a report begins to repeat the mail that came back: what stands there are our own words."""
_DELAYED: Final = re.compile(
    r"\bwarning (?:message )?only|\bdo not need to resend|\bno action is required|\bdelivery (?:delayed|attempts will)"
    r"|\bwill (?:continue|keep|be) (?:to )?(?:try|trying|retry|retrying|retried|reattempt|queued)"
    r"|\bnot (?:yet )?been delivered (?:yet|for|after)\b|\b(?:has been|was|is|being) delayed\b"
    r"|\bstill (?:trying|being)"
    r"|\b(?:we|it|server|system|host|relay)\b[^.\n]{0,30}\b(?:try|tries|retry|retries|attempts?)\b[^.\n]{0,30}\b(?:again|later|further)"
    r"|\bheld\b[^.\n]{0,20}\b(?:retry|queue|delivery)|\bqueued? (?:for|until)\b|\bnext (?:attempt|try)\b"
    r"|verzögert|weiter(?:hin)? versuch|versuchen (?:wir )?es weiter|wird erneut|retard[ée]"
    r"|nouvelle tentative|nouvel essai"
    r"|retrasad|aplazad|se reintentar|rinviat|\britard|ponown\w+ pr[óo]b|opóźni|vertraagd|opnieuw geprobeerd"
    r"|\badiad|\batrasad|отложен|повторн\w+ попытк",
    re.IGNORECASE,
)
"""How they speak of one that is still tried."""
_FAILED: Final = re.compile(
    r"\b(?:could|can|was|were|has|have|is)(?: ?n[o']t| not)(?: been)?(?: be)? (?:successfully )?delivered"
    r"|\bundeliver|\bnot deliver|\bdelivery (?:\w+ ){0,3}(?:fail|error|problem)|\bfailed permanently"
    r"|\b(?:failed|unable|trouble|error|problem|attempting|trying)\b.{0,20}\bdeliver|\berror (?:message|sending)"
    r"|\breturned to sender|\bdid not reach\b|(?<![\w.])5\d\d[ -]#?5\.[0-7]\.\d{1,3}\b"
    r"|nicht (?:\w+ )?zugestellt|unzustellbar|n'a pas pu [êe]tre (?:remis|distribu)"
    r"|no (?:se )?(?:ha )?(?:podido|pudo) (?:ser )?entreg",
    re.IGNORECASE,
)
"""… and of a delivery that failed."""

Action = Literal["failed", "expired", "delayed", "delivered", "relayed", "expanded"]
_GRAVEST: Final[Sequence[Action]] = ("failed", "expired", "delayed", "delivered", "relayed", "expanded")
_ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {
        "failed": "failed", "failure": "failed", "fail": "failed", "bounced": "failed", "rejected": "failed",
        "undeliverable": "failed", "undelivered": "failed", "error": "failed",
        "expired": "expired", "delayed": "delayed", "delay": "delayed", "deferred": "delayed",
        "delivered": "delivered", "relayed": "relayed", "expanded": "expanded",
    }
)  # fmt: skip
_BY_CLASS: Final[Mapping[str, Action]] = MappingProxyType({"5": "failed", "4": "delayed", "2": "delivered"})
_ANSWERED: Final = re.compile(r"(?<![\w.])[245]\d\d[ -]|#[245]\.\d\.\d")
_REPLY: Final = re.compile(r"(?:^|;)\s*([245])(?:\d\d\b|\.\d)")


@dataclass(frozen=True, slots=True)
class Complaint:
    """Somebody pressed "spam", or their provider says more.

    Attributes:
        message_id: of the mail they mean, where it carries an id of ours.
        event: what it is.
    """

    message_id: int | None
    event: EmailEvent


def read_bounce(letter: ParsedMail, at: datetime, *, recipient: str = "", expected: bool = True) -> EmailEvent | None:
    """What a mail says of the one it came back from; None where it is no bounce.

    Args:
        letter: the mail.
        at: when it came.
        recipient: whose mailbox that one went to, in lower case; "" where nobody knows.
        expected: a machine sent it to a bounce address: there every mail of a mail system is one, also in words nobody
            knows.
    """
    text = letter.text or _unparted(letter)
    statuses = [one for part in letter.parts if part.get_content_type() in STATUS for one in statuses_of(part)]
    if not statuses:
        statuses = [one for one in statuses_in(text) if "action" in one or {"status", "diagnostic-code"} <= one.keys()]
    statuses = [one for one in statuses if recipient and recipient in _recipients(one)] or statuses
    report = _Report(letter, _said(text), recipient or _recipient(letter, statuses), at)
    found: dict[Action, list[EmailEvent]] = {}
    for one in statuses:
        action = _action(one)
        if action is not None:
            found.setdefault(action, []).append(report.status(action, one))
    for action in _GRAVEST:
        if action in found:
            return _mildest(found[action], spared=found.keys() - {"failed"})
    if letter.part(FEEDBACK) is not None or is_auto_reply(letter):
        return None
    return report.described(expected=expected)


def _mildest(events: Sequence[EmailEvent], *, spared: Collection[Action]) -> EmailEvent:
    """Of several recipients that a mailbox hands on to: it is not dead while one of them is not."""
    mild = next((one for one in events if one.reason is not Reason.HARD_BOUNCED), events[0])
    if spared and mild.reason is Reason.HARD_BOUNCED:
        return replace(mild, reason=Reason.RECIPIENT_REFUSED, soft=True)
    return mild


def _recipients(status: Fields) -> set[str]:
    """The mailboxes a status is about: where the mail went at last, and where it was sent."""
    return {
        status[name].rpartition(";")[2].strip(" <>\t").lower()
        for name in ("final-recipient", "original-recipient")
        if name in status
    }


def _recipient(letter: ParsedMail, statuses: Sequence[Fields]) -> str:
    """The one mailbox that a report is about by its fields; "" where it names none or several."""
    named = set().union(*map(_recipients, statuses)) or set(letter.addresses("X-Failed-Recipients"))
    return next(iter(named)) if len(named) == 1 else ""


def _unparted(letter: ParsedMail) -> str:
    """The text of a mail that says that it has parts, and has none: its boundary stands nowhere in it."""
    whole = (part.get_payload() for part in letter.parts if part.get_content_maintype() == "multipart")
    return next((said[:LONGEST_UNPARTED] for said in whole if isinstance(said, str)), "")


def _said(text: str) -> str:
    """What a report says in words, before it repeats the mail that came back."""
    for copy in _COPY.finditer(text):
        if text[: copy.start()].strip():
            text = text[: copy.start()]
            break
    return text.strip()[:LONGEST_SAID]


def _action(status: Fields) -> Action | None:
    """What was done about a recipient; where a report does not say it, its codes do."""
    word = status.get("action", "").lower().strip("() ").partition(" ")[0].rstrip(".,;")
    if word in _ACTIONS:
        return _ACTIONS[word]
    for name in ("status", "diagnostic-code", "x-supplementary-info"):
        found = _REPLY.search(status.get(name, ""))
        if found is not None:
            return _BY_CLASS[found[1]]
    return None


@dataclass(frozen=True, slots=True)
class _Report:
    """A report, as far as it is read.

    Attributes:
        letter: the mail.
        said: its text, without the mail that came back.
        recipient: whose mailbox it is about; "" where nobody knows.
        at: when it came.
    """

    letter: ParsedMail
    said: str
    recipient: str
    at: datetime

    def status(self, action: Action, fields: Fields) -> EmailEvent:
        """What the fields of a recipient say."""
        status, words = fields.get("status", ""), _diagnosis(fields)
        match action:
            case "failed" | "expired":
                judged = judge_bounce(status, words, UNREAD) if words else UNREAD
                if judged.reason is UNREAD.reason:  # only the text may say why
                    otherwise = TEMPORARY if action == "expired" or status.startswith("4") else UNREAD
                    judged = self._judged_by_text(status, otherwise)
                return bounced(judged, self.at, word=status or action, words=" ".join((words or self.said).split()))
            case "delayed":
                return EmailEvent("deferred", self.at, status or action, words)
            case "delivered":
                return EmailEvent("delivered", self.at, status or action, words)
        return EmailEvent("noted", self.at, action, words)

    def described(self, *, expected: bool) -> EmailEvent | None:
        """A bounce in a form of its own: its code and words decide, else whether it is meant for good."""
        failures = _failures(self.letter)
        system = is_mail_system(self.letter)
        returned = failures is not None or sounds_returned(self.letter)
        if expected:  # of a mail system also in words nobody knows; of anybody else where it speaks of a delivery
            returned = returned or _FAILED.search(self.said) is not None or (system and not answers(self.letter))
        else:
            returned = returned or (system and _FAILED.search(self.said) is not None)
        if not returned:
            return None
        judged = self._judged_by_text("", TEMPORARY if failures == "temporary" else UNREAD)
        words = " ".join(self.said.split())[:300]
        delayed = failures == "temporary" or (failures is None and _DELAYED.search(self.said) is not None)
        if delayed and not judged.code.startswith("5"):
            return EmailEvent("deferred", self.at, judged.code or "delayed", words)
        return bounced(judged, self.at, word="bounced", words=words)

    def _judged_by_text(self, status: str, otherwise: Judged) -> Judged:
        """The same for the text, which says much besides: words condemn only a mailbox they stand beside."""
        judged = judge_bounce(status, self.said, otherwise)
        if judged.weight is not Weight.HARD or judged.code[2:3] not in {"", "0"}:
            return judged
        ours = {one for name in ("To", "Delivered-To", "X-Original-To") for one in self.letter.addresses(name)}
        certain = is_mail_system(self.letter) and _DELAYED.search(self.said) is None
        if certain and says_dead(self.said, self.recipient, ours - {self.recipient}):
            return judged
        return Judged(Reason.RECIPIENT_REFUSED, soft=True, code=judged.code)


def _diagnosis(fields: Fields) -> str:
    """Take the reply of the server that refused: Exchange and IronPort keep it apart, beside words of their own."""
    reply, behind = fields.get("diagnostic-code", ""), fields.get("x-supplementary-info", "").strip("<> \n")
    return behind if _ANSWERED.search(behind) else " ".join(one for one in (reply, behind) if one)


def _failures(letter: ParsedMail) -> Literal["permanent", "temporary"] | None:
    """What `flufl.bounce` makes of a mail in a form of its own."""
    if letter.size > LARGEST_GUESSED:
        return None
    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it logs each of its own mistakes with the mail in it
    try:
        # a header with a bare byte beyond ASCII is no text to the library, and stops its detectors
        plain = letter.message.as_bytes().translate(_ASCII)
        temporary, permanent = all_failures(BytesParser(policy=compat32).parsebytes(plain))
    except Exception:  # noqa: BLE001  # its patterns meet anything the world sends: whatever stops them, it is no bounce
        return None
    return "permanent" if permanent else "temporary" if temporary else None


def read_complaint(letter: ParsedMail, keyring: Keyring, at: datetime) -> Complaint | None:
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
    fields = fields_of(part)
    message_id = find_message(keyring, fields.get("original-mail-from", ""), *_ids(embedded))
    kind = fields.get("feedback-type", "").lower().partition(" ")[0].rstrip(";,")
    match kind:
        case "not-spam" | "auth-failure" | "dkim":  # taken out of the spam folder; a report about signatures (RFC 6591)
            return Complaint(message_id, EmailEvent("noted", at, kind))
        case "opt-out" | "opt-out-list":
            return Complaint(message_id, EmailEvent("unsubscribed", at, kind, reason=Reason.OPTED_OUT))
    return Complaint(message_id, _complained(at, kind or "complaint"))


def _complained(at: datetime, kind: str) -> EmailEvent:
    return EmailEvent("complained", at, kind, reason=Reason.COMPLAINED)


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
