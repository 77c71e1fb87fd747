"""Twilio's own validator decides whether a signature fits; ours decides the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from pydantic import SecretStr
from twilio.request_validator import RequestValidator

from messaging.channels.twilio.signature import Signatures

TOKENS = ("the new token", "the old token")
URLS = ["https://muster.test", "http://127.0.0.1:8000", "https://muster.test:8443", "https://muster.test/under/here"]
WORDS = st.text(max_size=12)
FORMS = st.lists(st.tuples(st.sampled_from(["Body", "From", "To", "", "é", "body"]) | WORDS, WORDS), max_size=8)
PATHS = st.sampled_from(["/webhooks/twilio/status", "/x?m=1-abc", "/x?m=a%2Fb&n=", "/x?bodySHA256=00"])


@given(st.sampled_from(URLS), PATHS, FORMS, st.sampled_from([*TOKENS, "a stranger's"]), st.booleans())
def test_exactly_what_twilios_validator_accepts_is_accepted(
    url: str, path: str, pairs: list[tuple[str, str]], token: str, ported: bool
) -> None:
    form = MultiDict(pairs)
    signed = url + path
    if ported and url.count(":") == 1:
        signed = url.replace("muster.test", "muster.test:443") + path
    signature = RequestValidator(token).compute_signature(signed, form)
    accepts = any(RequestValidator(token).validate(url + path, form, signature) for token in TOKENS)
    ours = Signatures(url, [SecretStr(token) for token in TOKENS])
    assert ours.fits(path, form, signature) == accepts == (token in TOKENS)
    assert not ours.fits(path, MultiDict([*pairs, ("more", "1")]), signature)


@given(st.sampled_from(URLS), st.text(max_size=40))
def test_no_other_text_is_a_signature(url: str, signature: str) -> None:
    form = MultiDict({"Body": "voted"})
    assert not Signatures(url, [SecretStr(TOKENS[0])]).fits("/x", form, signature)


def test_without_a_token_no_signature_is_valid() -> None:
    signature = RequestValidator("").compute_signature("https://muster.test/x", {})
    assert not Signatures("https://muster.test", []).fits("/x", MultiDict(), signature)


@pytest.mark.parametrize("path", ["", "x", "@evil.test/", ":443/x"])
def test_a_path_is_never_part_of_the_host(path: str) -> None:
    signature = RequestValidator("t").compute_signature("https://muster.test" + path, {})
    assert not Signatures("https://muster.test", [SecretStr("t")]).fits(path, MultiDict(), signature)
