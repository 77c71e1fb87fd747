"""Public keys that providers show for verifying their signatures."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key


def read_public_key(text: str) -> EllipticCurvePublicKey:
    """Read a P-256 public key as SendGrid shows it: base64 of DER, without the lines of PEM.

    Raises:
        ValueError: the text is no such key.
    """
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise ValueError("it is not a public key as SendGrid shows it (base64, begins with MFkw…)") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("it is not a public key of the kind SendGrid signs with (P-256)")  # noqa: TRY004
    return key
