"""Mails that providers post."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.support.email_events import (
    Request,
    World,
    mailgun_signature,
    postmark_headers,
)
from tests.support.inbound_rows import Recipient
from tests.support.mail_rows import ANN, REPLIES
from webhooks.email.inbound import compose_mail

WORDS = "I’ve voted – thank you\n\nOn Sun, 22 Nov 2026 at 11:00, The Union <ballot@union.test> wrote:\n> STOP"


@dataclass(frozen=True)
class Sent:
    """A mail somebody sent to us."""

    to: str
    sender: str = ANN
    text: str = WORDS
    subject: str = "Re: Have you posted your ballot paper?"
    attachments: int = 0

    @property
    def raw(self) -> bytes:
        headers = [("From", f"Ann Ŵ <{self.sender}>"), ("To", self.to), ("Subject", self.subject)]
        return compose_mail(headers, self.text, "", self.attachments)


def multipart(fields: Mapping[str, str | bytes]) -> tuple[bytes, str]:
    """As SendGrid writes a form."""
    boundary = "xYzZY"
    parts = [
        b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
        % (boundary.encode(), name.encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in fields.items()
    ]
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def by_mailgun(_world: World, mail: Sent, *, raw: bool, **signed: Any) -> Request:
    fields: dict[str, str | bytes] = {"recipient": mail.to, "sender": mail.sender, **mailgun_signature(**signed)}
    if raw:
        fields["body-mime"] = mail.raw
    else:
        headers = [["From", f"Ann <{mail.sender}>"], ["Subject", mail.subject], ["Content-Type", "text/plain"]]
        fields |= {"message-headers": json.dumps(headers), "body-plain": mail.text, "stripped-text": "not this"}
        fields |= {"attachment-count": str(mail.attachments)} if mail.attachments else {}
    if mail.attachments:  # Mailgun chooses the form by what there is to carry
        body, content_type = multipart(fields)
        return Request(body, {"Content-Type": content_type})
    return Request(urlencode(fields).encode(), {"Content-Type": "application/x-www-form-urlencoded"})


def by_postmark(_world: World, mail: Sent, *, raw: bool) -> Request:
    fields: dict[str, Any] = {
        "FromName": "Ann", "MessageStream": "inbound", "From": mail.sender, "To": mail.to, "Subject": mail.subject,
        "FromFull": {"Email": mail.sender, "Name": "Ann", "MailboxHash": ""}, "OriginalRecipient": mail.to,
        "MessageID": "73e6d360-66eb-11e1-8e72-a8904824019b", "Date": "Sun, 22 Nov 2026 12:00:00 +0000",
        "TextBody": mail.text, "HtmlBody": "", "StrippedTextReply": "not this",
        "Headers": [{"Name": "Return-Path", "Value": f"<{mail.sender}>"}, {"Name": "MIME-Version", "Value": "1.0"}],
        "Attachments": [{"Name": "a.pdf", "Content": "JVBERg==", "ContentType": "application/pdf"}] * mail.attachments,
    }  # fmt: skip
    if raw:
        fields["RawEmail"] = mail.raw.decode()
    return Request(json.dumps(fields).encode(), postmark_headers())


async def post(world: World, provider: str, request: Request, more: str = "") -> int:
    path = f"/webhooks/email/{provider}/inbound{more}"
    response = await world.client.post(path, data=request.body, headers=request.headers)
    return response.status


def reply_address(world: World, recipient: Recipient) -> str:
    return f"r+{world.runtime.keyring.sign_id(recipient.message_id, 'reply')}@{REPLIES}"


async def begin(world: World, provider: str, **headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request whose body does not come."""
    reader, writer = await asyncio.open_connection(world.client.server.host, world.client.server.port)
    said = {"Host": "x", "Content-Length": "1000"} | {name.replace("_", "-"): said for name, said in headers.items()}
    lines = [f"POST /webhooks/email/{provider}/inbound HTTP/1.1", *(f"{name}: {value}" for name, value in said.items())]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    return reader, writer
