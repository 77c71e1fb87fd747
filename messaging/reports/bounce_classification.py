"""Classify the refusal of an email, by the server's code and words, as one of five weights against its address.

One function serves refusals in the SMTP session, bounce reports by mail (RFC 3464), and providers' events.

The server's own enhanced code (RFC 3463) and its words come before the `Status` that a relay made of them: relays write
5.1.1 or 5.0.0 for any 550. If code and words contradict each other, the address is not suppressed at once: losing a
working address is worse than writing to a dead one three times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from messaging.reasons import OUR_FAULT, Reason
from messaging.reports.refusal_words import MAX_SEARCHED_LENGTH, RefusalSubject, subjects

PERMANENT: Final[Mapping[str, Reason]] = MappingProxyType(
    {
        # 1: the address
        "1": Reason.HARD_BOUNCED,  # 5.1.x: anything about the destination address
        "1.0": Reason.RECIPIENT_REFUSED,  # an address, not necessarily the recipient's
        "1.7": Reason.SENDER_REFUSED,  # the sender's mailbox syntax is bad
        "1.8": Reason.SENDER_REFUSED,  # the sender's system is bad
        "1.9": Reason.SENDER_REFUSED,  # relayed to a system that does not speak SMTP
        # 2: the mailbox
        "2": Reason.RECIPIENT_REFUSED,  # 5.2.x: anything else about the mailbox
        "2.1": Reason.HARD_BOUNCED,  # disabled
        "2.2": Reason.MAILBOX_FULL,
        "2.3": Reason.CONTENT_REFUSED,  # too large for this mailbox
        # 3: the mail system: about itself and us, never about the recipient
        "3": Reason.SENDER_REFUSED,
        "3.4": Reason.CONTENT_REFUSED,  # too large for the system
        # 4: the network and routing
        "4": Reason.RECIPIENT_REFUSED,
        # 5: the protocol: our mistake or theirs
        "5": Reason.SENDER_REFUSED,
        "5.0": Reason.RECIPIENT_REFUSED,  # some servers use it for every 550
        # 6: the content
        "6": Reason.CONTENT_REFUSED,
        # 7: policy and security: reputation, authentication, relaying
        "7": Reason.SENDER_REFUSED,
        "7.13": Reason.RECIPIENT_REFUSED,  # the recipient's account is disabled (RFC 5248)
    }
)
"""Permanent refusals by subject, then by subject and detail."""

_ENHANCED: Final = r"(?P<code>(?P<class>[45])\.(?P<subject>[0-7])\.(?P<detail>\d{1,3}))(?![\d.]*\d)"
_ATTACHED: Final = re.compile(rf"(?<![\w.])(?P<reply>[45]\d\d)(?:[ -]+['#(\[]?|: ?|-?['\"(\[]){_ENHANCED}")
_MARKED: Final = re.compile(
    rf"(?:^|[\n#(\[<:;'\"]|\b(?:status|code|error|dsn|failure|reason|answered|said)\b)[ \t]*(?<![\d.]){_ENHANCED}",
    re.IGNORECASE,
)
_STATUS: Final = re.compile(rf"(?<![\d.]){_ENHANCED}")
_REPLY: Final = re.compile(r"(?<![\w.:/-])(?P<class>[45])[0-5]\d(?=[ \-:,;]|$)(?![ -]?\d)")
_TYPE: Final = re.compile(r"^[ \t]*[\w-]{1,40}[ \t]*;[ \t]*")
"""Diagnostic type (`smtp;`) before a diagnostic code (RFC 3464)."""


class Weight(StrEnum):
    """Weight of a refusal against an address."""

    HARD = "hard"  # suppressed at once
    FULL = "full"  # a full mailbox: counts as soft
    SOFT = "soft"  # enough of them, over days, suppress
    SENDER = "sender"  # about us: enough of them pause the sender
    NONE = "none"  # about neither the address nor us


@dataclass(frozen=True, slots=True)
class RefusalClass:
    """Classification of a refusal.

    Attributes:
        reason: our reason.
        soft: the refusal may be temporary: it counts against the address, and enough of them suppress the address.
        code: the enhanced code that was found, preferably the server's own, not a relay's; "" if there is none.
    """

    reason: Reason
    soft: bool = False
    code: str = ""

    @property
    def weight(self) -> Weight:
        """Its weight against the address."""
        if self.reason is Reason.HARD_BOUNCED:
            return Weight.HARD
        if self.reason is Reason.MAILBOX_FULL:
            return Weight.FULL
        if self.soft:
            return Weight.SOFT
        return Weight.SENDER if self.reason in OUR_FAULT else Weight.NONE


UNKNOWN: Final = RefusalClass(Reason.RECIPIENT_REFUSED, soft=True)
_HARD: Final = RefusalClass(Reason.HARD_BOUNCED)
_FULL: Final = RefusalClass(Reason.MAILBOX_FULL, soft=True)
_SOFT: Final = UNKNOWN
_TEMPORARY: Final = RefusalClass(Reason.EXPIRED_AT_PROVIDER, soft=True)
_BUSY: Final = RefusalClass(Reason.BUSY)
_SENDER: Final = RefusalClass(Reason.SENDER_REFUSED)
_CONTENT: Final = RefusalClass(Reason.CONTENT_REFUSED)

_BY_RECIPIENT: Final[Mapping[str, RefusalClass]] = MappingProxyType(
    dict.fromkeys(("7.12", "7.124", "7.129", "7.133", "7.134", "7.135", "7.136", "7.504", "7.505"), _SOFT)
    | dict.fromkeys(("2.121", "2.122"), _BUSY)
)
"""Microsoft's own details for refusals by a recipient whose words mention the sender: the recipient takes no mail from
outside or only from some ("Sender not authenticated for group"), is not valid, or gets too much an hour.
"""
_GENERIC: Final = frozenset({"", "1.0", "3.0", "5.0"})
"""Codes that some servers use for every refusal (sendmail: 5.3.0 for an operator's own text): the words decide."""


def judge_bounce(status: str, words: str = "", otherwise: RefusalClass = UNKNOWN) -> RefusalClass:
    """Classify the refusal of an email.

    Args:
        status: `5.1.1`, as a report or a provider gives it; may be empty.
        words: the server's reply, with its own codes, which come before the status.
        otherwise: the result if neither the code nor the words say anything.
    """
    words = _TYPE.sub("", words[:MAX_SEARCHED_LENGTH])
    codes = _codes(words) or list(_STATUS.finditer(status[:100]))
    telling = [code for code in codes if code["subject"] != "0"]
    if not telling:
        telling = [code for code in _STATUS.finditer(status[:100]) if code["subject"] != "0"]
    decisive = _mildest(telling) or next(iter(codes), None)
    refused_for = subjects(words)
    forwarded, refused_for = RefusalSubject.FORWARDED in refused_for, refused_for - {RefusalSubject.FORWARDED}
    if decisive is not None and not refused_for and _is_only_of(status, decisive, words):
        return RefusalClass(Reason.RECIPIENT_REFUSED, soft=True, code=decisive["code"])
    passing = _is_temporary(decisive, status, words)
    judged = (
        _temporary(decisive, refused_for, otherwise)
        if passing
        else _permanent(decisive, refused_for, otherwise, status)
    )
    if forwarded and judged.weight is Weight.HARD:  # somebody whose mail is forwarded may keep a copy
        judged = _SOFT
    return RefusalClass(judged.reason, judged.soft, decisive["code"] if decisive else "")


def _is_only_of(status: str, code: re.Match[str], words: str) -> bool:
    """Tell whether a hard code is only a relay's, given for a server's reply without a code and in unknown words."""
    return (
        code.string == status[:100]
        and _reason(code) is Reason.HARD_BOUNCED
        and code["class"] == "5"
        and _REPLY.search(words) is not None
    )


def _codes(words: str) -> list[re.Match[str]]:
    """Find the enhanced codes of servers: codes after a reply's three digits, or else any that are set off as codes."""
    return list(_ATTACHED.finditer(words)) or list(_MARKED.finditer(words))


def _mildest(codes: Sequence[re.Match[str]]) -> re.Match[str] | None:
    """Return the first code that is not hard, else the first: a relay that repeats a reply may add its own code."""
    mild = (code for code in codes if code["class"] == "4" or _reason(code) is not Reason.HARD_BOUNCED)
    return next(mild, codes[0] if codes else None)


def _key(code: re.Match[str] | None) -> str:
    return f"{code['subject']}.{code['detail']}" if code and code["subject"] != "0" else ""


def _reason(code: re.Match[str] | None) -> Reason | None:
    key = _key(code)
    return PERMANENT.get(key) or PERMANENT.get(key[:1]) if key else None


def _is_temporary(code: re.Match[str] | None, status: str, words: str) -> bool:
    """Tell whether the server may accept it later, by its own reply, or else by the status."""
    if code is not None and _key(code):
        return code["class"] == "4"
    replies = {reply["class"] for reply in _REPLY.finditer(words)}
    if replies:
        return replies == {"4"}
    return status.strip().startswith("4") or (code is not None and code["class"] == "4")


def _temporary(
    code: re.Match[str] | None, refused_for: frozenset[RefusalSubject], otherwise: RefusalClass
) -> RefusalClass:
    key = _key(code)
    if key == "2.2" or (
        RefusalSubject.FULL in refused_for and RefusalSubject.RATE not in refused_for and key[:1] != "7"
    ):
        return _FULL
    if key[:1] == "7" or refused_for & {
        RefusalSubject.SENDER,
        RefusalSubject.POLICY,
        RefusalSubject.RATE,
        RefusalSubject.BUSY_MAILBOX,
    }:
        return _BUSY
    return _TEMPORARY if key or refused_for else RefusalClass(otherwise.reason, soft=True)


def _permanent(
    code: re.Match[str] | None, refused_for: frozenset[RefusalSubject], otherwise: RefusalClass, status: str
) -> RefusalClass:
    """Classify a permanent refusal. Rules by which the address is not at fault come first."""
    key, by_code = _key(code), _reason(code)
    base = by_code or otherwise.reason
    dead = bool(refused_for & {RefusalSubject.DEAD, RefusalSubject.NO_DOMAIN})
    doubted = by_code is None and otherwise.reason in OUR_FAULT | {Reason.EXPIRED_AT_PROVIDER}
    uncertain = doubted or status.strip().startswith("4")
    rules = (
        (key in _BY_RECIPIENT, _BY_RECIPIENT.get(key, _SOFT)),
        (RefusalSubject.SENDER in refused_for, _SENDER),
        (RefusalSubject.BUSY_MAILBOX in refused_for, _BUSY),
        (
            base is Reason.MAILBOX_FULL
            or (RefusalSubject.FULL in refused_for and RefusalSubject.RATE not in refused_for),
            _FULL,
        ),
        (bool(refused_for & {RefusalSubject.POLICY, RefusalSubject.RATE}), _blamed(key, refused_for, base, dead=dead)),
        (RefusalSubject.CONTENT in refused_for, _SOFT if dead else _CONTENT),
        (RefusalSubject.TEMPORARY in refused_for, RefusalClass(base) if base in OUR_FAULT and not dead else _TEMPORARY),
        (dead, _SOFT if uncertain or not _agrees(key, refused_for, base) else _HARD),
        (bool(refused_for) and base is not Reason.HARD_BOUNCED, _refused(key, refused_for, base)),
        (by_code is None, otherwise),
    )
    return next((judged for applies, judged in rules if applies), RefusalClass(base, base is Reason.RECIPIENT_REFUSED))


def _agrees(key: str, refused_for: frozenset[RefusalSubject], base: Reason) -> bool:
    """Tell whether the code agrees with words that say that the address does not exist."""
    if base is Reason.HARD_BOUNCED:
        return True
    if RefusalSubject.DISABLED in refused_for:
        return False
    return key in _GENERIC or (RefusalSubject.NO_DOMAIN in refused_for and key.startswith("4."))


def _refused(key: str, refused_for: frozenset[RefusalSubject], base: Reason) -> RefusalClass:
    """Classify words that say only that the recipient is refused, or that the mailbox is closed."""
    if key == "1.0" and RefusalSubject.UNAVAILABLE in refused_for:
        return _HARD
    return RefusalClass(base) if base in OUR_FAULT and RefusalSubject.DISABLED not in refused_for else _SOFT


def _blamed(key: str, refused_for: frozenset[RefusalSubject], base: Reason, *, dead: bool) -> RefusalClass:
    """Classify words that blame the sender: never hard, whatever the code."""
    if dead or (refused_for & {RefusalSubject.UNAVAILABLE, RefusalSubject.DISABLED} and key[:1] not in {"3", "7"}):
        return _SOFT
    return _CONTENT if RefusalSubject.CONTENT in refused_for or base is Reason.CONTENT_REFUSED else _SENDER
