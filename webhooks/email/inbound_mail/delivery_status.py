"""Delivery statuses: the fields of a report (RFC 3464, RFC 6533), in all the forms that servers really send.

Many put all fields into one group, or leave the message's group out; write a space before the colon; fold a reply
without indenting it; or put the fields into the text, with no part of their own.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Mapping, Sequence
from email.errors import HeaderParseError
from email.message import Message
from typing import Final

from core.http.request_bodies import without_nul
from webhooks.email.inbound_mail.parsed_mail import header

Fields = Mapping[str, str]
"""Fields of a report, by their names in lower case."""

MAX_RECIPIENTS: Final = 50
"""Recipients that are read; a message of ours has one."""
_MAX_LENGTH: Final = 2000
_NAMES: Final = frozenset(
    {
        "reporting-mta", "dsn-gateway", "received-from-mta", "arrival-date", "original-envelope-id",
        "original-recipient", "final-recipient", "action", "status", "remote-mta", "diagnostic-code",
        "last-attempt-date", "will-retry-until", "final-log-id", "localized-recipient",
    }
)  # fmt: skip
_OF_A_RECIPIENT: Final = frozenset({"final-recipient", "original-recipient", "action", "status", "diagnostic-code"})
_ONCE: Final = frozenset({"final-recipient", "action", "status"})
"""Fields a recipient has once: when one is repeated, the next recipient begins."""
_FIELD: Final = re.compile(r"[ \t]{0,8}(?P<name>[A-Za-z][A-Za-z-]{2,40})[ \t]{0,8}:[ \t]*(?P<said>.*)")
_REPLY: Final = re.compile(r"[ \t]*[245]\d\d[ -]")


def statuses_of(part: Message) -> Sequence[Fields]:
    """Return the fields for each recipient in a part of a report; none if it is empty."""
    return statuses_in(_text_of(part))


def statuses_in(text: str) -> Sequence[Fields]:
    """Return the fields for each recipient in a text; none if it has no such fields."""
    groups: list[dict[str, str]] = [{}]
    last = ""
    gap = False
    for line in text.split("\n"):
        field = _FIELD.match(line)
        name = field["name"].lower() if field else ""
        if field and (name in _NAMES or name.startswith("x-")):
            if name in _ONCE and name in groups[-1]:
                groups.append({})
            groups[-1].setdefault(name, field["said"].strip()[:_MAX_LENGTH])
            last, gap = name, False
        elif not line.strip():
            gap = True
            if groups[-1].keys() & {"action", "status"}:
                groups.append({})
        elif last and (not gap or _REPLY.match(line)):  # a continuation of the field, indented or not
            fields = groups[-1] if last in groups[-1] else groups[-2] if len(groups) > 1 else {}
            fields[last] = f"{fields.get(last, '')}\n{line.strip()}"[:_MAX_LENGTH]
    return [group for group in groups if group.keys() & _OF_A_RECIPIENT][:MAX_RECIPIENTS]


def fields_of(part: Message) -> Fields:
    """Return the fields of a part with a single group, such as a complaint's; the first of each name counts."""
    fields: dict[str, str] = {}
    for line in _text_of(part).split("\n"):
        field = _FIELD.match(line)
        if field:
            fields.setdefault(field["name"].lower(), field["said"].strip()[:_MAX_LENGTH])
    return fields


def _text_of(part: Message) -> str:
    """Return the text of a report's part, in whichever way the standard library parsed it.

    It makes a list of `message/delivery-status`, but of the other types it keeps the first group only as fields and the
    rest as text, and it undoes no encoding inside them.
    """
    payload = part.get_payload()
    if isinstance(payload, list):
        whole = "\n\n".join(_written(part).strip("\n") for part in payload if isinstance(part, Message))
    else:
        whole = str(payload)
    encoding = header(part, "Content-Transfer-Encoding").lower()
    try:
        if encoding == "base64":
            whole = base64.b64decode("".join(whole.split())).decode(errors="replace")
        elif encoding == "quoted-printable":
            whole = quopri.decodestring(whole.encode(errors="replace")).decode(errors="replace")
    except (ValueError, binascii.Error):
        return ""
    whole = whole.encode(errors="replace").decode(errors="replace")
    return without_nul(whole.replace("\r\n", "\n").replace("\r", "\n"))


def _written(group: Message) -> str:
    """Return a group of fields as text; a field that holds line ends of its own stays as it came."""
    try:
        return group.as_string()
    except HeaderParseError:
        return "\n".join(f"{name}: {value}" for name, value in group.raw_items())
