"""Messages of Amazon SNS: verification, and confirming subscriptions.

A message is accepted if its topic is one of ours; its certificate comes, by HTTPS, from the SNS host in that topic's
own region; and the certificate's key signed it. https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from yarl import URL

from core.runtime import Runtime
from webhooks.email.certificates import Certificates, fetch
from webhooks.email.events import read_time
from webhooks.email.receiver import Forged, Malformed, check_time, text

NOTIFICATION: Final = "Notification"
CONFIRMATION: Final = "SubscriptionConfirmation"
UNSUBSCRIBE_CONFIRMATION: Final = "UnsubscribeConfirmation"

_HASHES: Final[Mapping[str, type[HashAlgorithm]]] = {"1": SHA1, "2": SHA256}
_SIGNED: Final = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    UNSUBSCRIBE_CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
"""The signed fields of each kind of message, in this order; a subject may be missing."""
_PATH: Final = re.compile(r"/SimpleNotificationService-[0-9A-Za-z]{8,128}\.pem", re.ASCII)
_TOKEN: Final = re.compile(r"[0-9A-Za-z]{16,1024}", re.ASCII)

log = structlog.get_logger(__name__)


class Sns:
    """Verifies messages, and confirms subscriptions to our topics."""

    def __init__(self) -> None:
        self._certificates = Certificates()

    async def verify(self, runtime: Runtime, notice: Mapping[str, Any], *, where: str) -> str:
        """Verify that SNS sent a message, about a topic of ours, recently.

        Args:
            runtime: the settings, and the database that stores certificates.
            notice: the message.
            where: the network it came from.

        Returns:
            The kind of message.

        Raises:
            Forged: SNS did not.
            Unavailable: the certificate cannot be fetched just now.
        """
        kind, topic = text(notice.get("Type")), text(notice.get("TopicArn"))
        if topic not in runtime.settings.ses_topic_arn:
            raise Forged("not a topic of ours")
        fields, algorithm = _SIGNED.get(kind), _HASHES.get(text(notice.get("SignatureVersion")) or "1")
        if fields is None or algorithm is None:
            raise Forged("a kind of message or signature that is unknown")
        url = _certificate_url(text(notice.get("SigningCertURL")), host_of(topic))
        certificate = await self._certificates.find(runtime, url, topic=topic, where=where)
        now = runtime.clock()
        key = certificate.public_key()
        try:
            signature = base64.b64decode(text(notice.get("Signature")), validate=True)
            if not isinstance(key, RSAPublicKey):
                raise Forged("a certificate of another kind")
            key.verify(signature, _content(notice, fields), PKCS1v15(), algorithm())
        except (InvalidSignature, ValueError, binascii.Error):
            raise Forged("the signature is wrong") from None
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise Forged("its certificate is not valid now")
        check_time(read_time(notice.get("Timestamp"), None), now)
        await self._certificates.prove(runtime, url, certificate)
        return kind

    async def confirm(self, runtime: Runtime, notice: Mapping[str, Any]) -> None:
        """Confirm a subscription. The URL is built here and not taken from the message.

        Raises:
            Malformed: the message lacks its token.
            Unavailable: SNS does not answer, or refuses.
        """
        topic, token = text(notice.get("TopicArn")), text(notice.get("Token"))
        if not _TOKEN.fullmatch(token):
            raise Malformed("no token")
        query = {"Action": "ConfirmSubscription", "TopicArn": topic, "Token": token}
        await fetch(runtime, URL.build(scheme="https", host=host_of(topic), path="/", query=query))
        log.info("subscribed to a topic of Amazon SNS", topic=topic)


def host_of(topic: str) -> str:
    """Return the one host that may vouch for a topic: the SNS host in its region.

    Args:
        topic: a topic's ARN, as the settings allow it.
    """
    _, partition, _, region, *_ = topic.split(":")
    return f"sns.{region}.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}"


def _certificate_url(address: str, host: str) -> str:
    """Return a certificate's URL, checked to be one of SNS's."""
    try:
        url = URL(address)
        port = url.port
    except ValueError:
        raise Forged("no certificate") from None
    plain = not (url.query_string or url.fragment or url.user is not None or url.password is not None)
    if url.scheme != "https" or url.host != host or port != 443 or not plain or not _PATH.fullmatch(url.raw_path):
        raise Forged("a certificate from elsewhere")
    return str(url)


def _content(notice: Mapping[str, Any], fields: tuple[str, ...]) -> bytes:
    lines = [(name, notice.get(name)) for name in fields if name != "Subject" or notice.get(name) is not None]
    return "".join(f"{name}\n{text(value)}\n" for name, value in lines).encode(errors="surrogatepass")
