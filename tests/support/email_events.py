"""Providers of email as they speak to us: each signs in its own way, and payloads have the shape it documents."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestClient, TestServer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from core.runtime import Runtime
from tests.support.clocks import FixedClock
from tests.support.inbound_rows import serve
from webhooks import process_inbound

DATA = Path(__file__).parents[1] / "data"
NOW = datetime(2026, 11, 22, 12, 5, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-west-2:123456789012:muster"
SNS_HOST = "sns.eu-west-2.amazonaws.com"
PEM = "/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
MAILGUN_KEYS = ("the new signing key of mailgun", "the old signing key of mailgun")
POSTMARK_LOGINS = ("muster:the new password of postmark", "muster:the old password of postmark")

_numbers = count(1)


def payload(provider: str, name: str, signed_id: str) -> dict[str, Any]:
    text = (DATA / provider / f"{name}.json").read_text(encoding="utf-8")
    body: dict[str, Any] = json.loads(text.replace("SEAL", signed_id))
    return body


@dataclass
class Request:
    """One request of a provider, to be changed by those who forge."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class SendGridKey:
    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> str:
        der = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def sign(self, body: bytes, at: datetime = NOW) -> Request:
        timestamp = str(int(at.timestamp()))
        signature = base64.b64encode(self.key.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))).decode()
        return Request(body, {
            "X-Twilio-Email-Event-Webhook-Signature": signature,
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
            "Content-Type": "application/json",
        })  # fmt: skip


def mailgun_signature(at: datetime = NOW, key: str = MAILGUN_KEYS[0], token: str = "") -> dict[str, str]:
    token = token or hashlib.sha256(str(next(_numbers)).encode()).hexdigest()[:50]
    timestamp = str(int(at.timestamp()))
    signature = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {"timestamp": timestamp, "token": token, "signature": signature}


def postmark_headers(login: str = POSTMARK_LOGINS[0]) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}", "Content-Type": "application/json"}


class SnsKey:
    """SNS's key and certificate."""

    def __init__(self, valid: tuple[datetime, datetime] = (NOW - timedelta(days=9), NOW + timedelta(days=9))) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
        builder = builder.serial_number(1).not_valid_before(valid[0]).not_valid_after(valid[1])
        self.pem = builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)

    def notification(self, event: dict[str, Any], **more: Any) -> dict[str, Any]:
        return self.signed({"Type": "Notification", "Message": json.dumps(event)} | more)

    def confirmation(self, **more: Any) -> dict[str, Any]:
        token = "2336412f37" * 8
        url = f"https://{SNS_HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token={token}"
        words = f"You have chosen to subscribe to the topic {TOPIC}."
        said = {"Type": "SubscriptionConfirmation", "Message": words, "Token": token, "SubscribeURL": url}
        return self.signed(said | more)

    def signed(self, said: dict[str, Any]) -> dict[str, Any]:
        said = {
            "MessageId": f"22b80b92-fdea-4c2c-8f9d-{next(_numbers):012}",
            "TopicArn": TOPIC,
            "Timestamp": "2026-11-22T12:04:30.000Z",
            "SignatureVersion": "2",
            "SigningCertURL": f"https://{SNS_HOST}{PEM}",
        } | said
        names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        content = "".join(f"{name}\n{said[name]}\n" for name in names if name in said)
        hashed = SHA1() if said["SignatureVersion"] == "1" else SHA256()
        signature = self.key.sign(content.encode(), padding.PKCS1v15(), hashed)
        return said | {"Signature": base64.b64encode(signature).decode()}


class _ToHere(AbstractResolver):
    """Every name leads to one port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host="127.0.0.1", port=self._port, family=socket.AF_INET, proto=0, flags=0)
        ]

    async def close(self) -> None:
        pass


@dataclass
class Amazon:
    """What SNS's own host says: certificates and confirmations, over HTTPS with a name of its own."""

    sns: SnsKey
    asked: list[str] = field(default_factory=list)
    confirms: int = 200
    pem: Callable[[], web.Response] | None = None

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(str(request.rel_url))
        if request.path == "/":
            return web.Response(status=self.confirms, text="<ConfirmSubscriptionResponse/>")
        return self.pem() if self.pem else web.Response(body=self.sns.pem)


@asynccontextmanager
async def open_amazon(amazon: Amazon) -> AsyncIterator[aiohttp.ClientSession]:
    """A session for which Amazon's host is this machine: its certificate is of an authority that only we trust."""
    authority = trustme.CA()
    here, there = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(SNS_HOST).configure_cert(there)
    authority.configure_trust(here)
    app = web.Application()
    app.router.add_get("/{rest:.*}", amazon.answer)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=there)
    try:
        connector = aiohttp.TCPConnector(resolver=_ToHere(server.port or 0), ssl=here)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield session
    finally:
        await server.close()


def set_up(runtime: Runtime, sendgrid: tuple[SendGridKey, ...], http: aiohttp.ClientSession, clock: Any) -> Runtime:
    """A runtime that knows every provider."""
    update = {
        "sendgrid_webhook_key": tuple(key.public for key in sendgrid),
        "mailgun_webhook_key": tuple(map(SecretStr, MAILGUN_KEYS)),
        "postmark_webhook_auth": tuple(map(SecretStr, POSTMARK_LOGINS)),
        "ses_topic_arn": (TOPIC, f"{TOPIC}-2"),
    }
    return replace(runtime, settings=runtime.settings.model_copy(update=update), http=http, clock=clock)


@dataclass
class World:
    """All providers, and where they post to."""

    runtime: Runtime
    client: TestClient[web.Request, web.Application]
    clock: FixedClock
    sendgrid: tuple[SendGridKey, ...]
    sns: SnsKey
    amazon: Amazon

    def request(self, provider: str, name: str, message_id: int, **changed: Any) -> Request:
        """A request as a provider makes it about a message."""
        body = payload(provider, name, self.runtime.keyring.sign_id(message_id, "bounce"))
        match provider:
            case "sendgrid":
                key: dict[str, str | int] = {"sg_event_id": f"ZGVsaXZlcmVk{next(_numbers)}"}
                return self.sendgrid[0].sign(json.dumps([body | key | changed]).encode())
            case "mailgun":
                body["event-data"] |= changed
                return Request(json.dumps(body | {"signature": mailgun_signature()}).encode())
            case "postmark":
                key = {"ID": next(_numbers)} if "ID" in body else {"MessageID": f"883953f4-{next(_numbers)}"}
                return Request(json.dumps(body | key | changed).encode(), postmark_headers())
        return self.from_sns(self.sns.notification(body | changed))

    def from_sns(self, said: dict[str, Any]) -> Request:
        return Request(json.dumps(said).encode(), {"Content-Type": "text/plain; charset=UTF-8"})

    async def post(self, provider: str, request: Request) -> int:
        path = f"/webhooks/email/{provider}"
        response = await self.client.post(path, data=request.body, headers=request.headers)
        return response.status

    async def tell(self, provider: str, name: str, message_id: int, **changed: Any) -> None:
        """Post an event and have it processed."""
        assert await self.post(provider, self.request(provider, name, message_id, **changed)) == 200
        await process_inbound(self.runtime, 100)


@asynccontextmanager
async def open_world(runtime: Runtime, keys: Keys) -> AsyncIterator[World]:
    amazon = Amazon(keys.sns)
    async with open_amazon(amazon) as http:
        clock = FixedClock(NOW)
        known = set_up(runtime, keys.sendgrid, http, clock)
        async with serve(known) as client:
            yield World(known, client, clock, keys.sendgrid, keys.sns, amazon)


@dataclass(frozen=True)
class Keys:
    """What takes time to make: once for a file of tests."""

    sendgrid: tuple[SendGridKey, ...] = field(default_factory=lambda: (SendGridKey(), SendGridKey()))
    sns: SnsKey = field(default_factory=SnsKey)
