"""A device with passkeys, in software: it signs what a site asks for, rightly or as an attacker would."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

_PRESENT, _VERIFIED, _KEY_INCLUDED, _SYNCED = 0x01, 0x04, 0x40, 0x08 | 0x10


@dataclass
class PasskeyDevice:
    """A device; it has one passkey once it has made one.

    Attributes:
        origin: the site its browser is on, whatever the site says.
        verifies: whether it asks for a finger.
        count: how often it has signed.
        synced: whether it says that the passkey is kept on several devices.
    """

    origin: str
    verifies: bool = True
    count: int = 0
    synced: bool = False
    handle: bytes = b""
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    _key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """Make a passkey, as `navigator.credentials.create` does."""
        self.handle = _decoded(options["user"]["id"])
        numbers = self._key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + cbor2.dumps(key)
        data = self._authenticator_data(options["rp"]["id"], _KEY_INCLUDED) + attested
        return self._answer(
            {
                "clientDataJSON": _encoded(self._client_data("webauthn.create", options["challenge"])),
                "attestationObject": _encoded(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
                "transports": ["internal"],
            }
        )

    def get(self, options: dict[str, Any], *, host: str | None = None) -> dict[str, Any]:
        """Sign a challenge, as `navigator.credentials.get` does."""
        self.count += 1
        data = self._authenticator_data(host or options["rpId"], 0)
        client = self._client_data("webauthn.get", options["challenge"])
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ECDSA(SHA256()))
        return self._answer(
            {
                "clientDataJSON": _encoded(client), "authenticatorData": _encoded(data),
                "signature": _encoded(signature), "userHandle": _encoded(self.handle),
            }
        )  # fmt: skip

    def _authenticator_data(self, host: str, more: int) -> bytes:
        flags = _PRESENT | (_VERIFIED if self.verifies else 0) | (_SYNCED if self.synced else 0) | more
        return hashlib.sha256(host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _answer(self, response: dict[str, Any]) -> dict[str, Any]:
        name = _encoded(self.credential_id)
        return {"id": name, "rawId": name, "type": "public-key", "clientExtensionResults": {}, "response": response}


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "===")
