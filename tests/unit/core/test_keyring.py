"""Tokens: derived, not stored; unguessable, readable by telephone, and still good after a rotation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from core.errors import SettingsError
from core.keyring import ALPHABET, TOKEN_LENGTH, Keyring, LinkAction, digest, read_token

OLD, NEW = SecretStr("the old secret of this union"), SecretStr("the new secret of this union")
ids = st.integers(min_value=1, max_value=2**63 - 1)
actions: st.SearchStrategy[LinkAction] = st.sampled_from(["confirm", "unsubscribe"])


def keyring(*secrets: SecretStr) -> Keyring:
    return Keyring(secrets or (OLD,))


def test_there_is_no_keyring_without_a_secret() -> None:
    with pytest.raises(SettingsError, match="MUSTER_SECRET_KEY"):
        Keyring(())


@given(ids, actions)
def test_a_token_is_the_same_on_every_try_and_reads_back(message_id: int, action: LinkAction) -> None:
    token = keyring().token(message_id, action)
    assert token == keyring().token(message_id, action)
    assert len(token) == TOKEN_LENGTH
    assert set(token) <= set(ALPHABET)
    assert read_token(token) == token
    assert len(digest(token)) == 16


@pytest.mark.parametrize(
    ("message_id", "confirm", "unsubscribe", "bounce", "status"),
    [
        (1, "wpma43v8h6v7y", "jr9ab0kvjv14q", "1-1tn37jrb", "1-dr1v54m9"),
        (31, "kmesvsh2y89d6", "ts53bh8q77x9f", "z-rcd77eda", "z-zrhk862v"),
        (32, "16hvpy1zbn0hg", "8pb4856ehsfhh", "10-z7e0ytys", "10-rt4et8q9"),
        (1_000_000, "mk8n02p48fxhk", "4yd6hnhvp6468", "ygj0-fv3hf88x", "ygj0-k821pacy"),
        (2**63 - 1, "s54d2j9tx3tn1", "zs7a8g6a3167d", "7zzzzzzzzzzzz-t56cwj97", "7zzzzzzzzzzzz-cj4g21x4"),
    ],
)
def test_links_that_were_sent_stay_valid(
    message_id: int, confirm: str, unsubscribe: str, bounce: str, status: str
) -> None:
    ring = keyring(SecretStr("a secret for tests only"))
    assert (ring.token(message_id, "confirm"), ring.token(message_id, "unsubscribe")) == (confirm, unsubscribe)
    assert (ring.sign_id(message_id, "bounce"), ring.sign_id(message_id, "status")) == (bounce, status)
    assert digest("wpma43v8h6v7y").hex() == "40cb6da183bc923028da042afb101952"
    assert ring.sign("1") == "14b92a81a8ff2a3c50ae1fcf6e8592fa299d19f0"
    assert ring.current == "6b84e5370404"


@given(ids, ids, actions, actions)
def test_two_links_never_share_a_token(one: int, other: int, action: LinkAction, another: LinkAction) -> None:
    same = (one, action) == (other, another)
    assert (keyring().token(one, action) == keyring().token(other, another)) == same


@given(ids, st.data())
def test_a_token_reads_as_people_write_it(message_id: int, data: st.DataObject) -> None:
    token = keyring().token(message_id, "confirm")
    written = "".join(
        data.draw(st.sampled_from({"0": "0oO", "1": "1iIlL"}.get(char, char + char.upper()))) for char in token
    )
    assert read_token(written) == token


@given(st.text(max_size=20))
def test_other_text_is_no_token(text: str) -> None:
    read = read_token(text)
    assert read is None or (len(read) == TOKEN_LENGTH and set(read) <= set(ALPHABET))


@pytest.mark.parametrize("text", ["", "0" * 12, "0" * 14, "u" * 13, "../../../etc/x", "00000 0000000", "０" * 13])
def test_these_texts_are_no_tokens(text: str) -> None:
    assert read_token(text) is None


@given(ids, actions)
def test_a_step_keeps_its_links_while_its_secret_is_known(message_id: int, action: LinkAction) -> None:
    before = keyring(OLD)
    token = before.token(message_id, action)
    rotated = keyring(NEW, OLD)
    assert rotated.token(message_id, action) != token
    assert rotated.token(message_id, action, secret=before.current) == token
    assert keyring(NEW).token(message_id, action, secret=before.current) == keyring(NEW).token(message_id, action)


@given(st.integers(min_value=0, max_value=2**63 - 1), st.text(max_size=12))
def test_a_signed_id_verifies_for_its_purpose_only(message_id: int, purpose: str) -> None:
    signed = keyring(OLD).sign_id(message_id, purpose)
    assert len(signed) <= 22
    assert signed == signed.lower()
    assert keyring(NEW, OLD).verify_id(signed.upper(), purpose) == message_id
    assert keyring(OLD).verify_id(signed, purpose + "x") is None
    assert keyring(NEW).verify_id(signed, purpose) is None


@given(ids, st.integers(min_value=0, max_value=21), st.sampled_from(ALPHABET + "u-!é"))
def test_a_changed_character_verifies_as_no_other_id(message_id: int, at: int, char: str) -> None:
    signed = keyring().sign_id(message_id, "bounce")
    forged = f"{signed[:at]}{char}{signed[at + 1 :]}"
    assert keyring().verify_id(forged, "bounce") in ({message_id} if forged == signed else {None, message_id})
    if keyring().verify_id(forged, "bounce") == message_id:
        # only leading zeros, which mean nothing, may differ
        assert forged.partition("-")[0].lstrip("0") == signed.partition("-")[0].lstrip("0")


@given(st.text(max_size=40))
def test_no_random_text_verifies(text: str) -> None:
    assert keyring().verify_id(text, "bounce") is None


@given(st.text(max_size=60), st.text(max_size=45))
def test_a_signature_holds_for_its_text_and_survives_rotation(text: str, noise: str) -> None:
    signature = keyring(OLD).sign(text)
    assert keyring(NEW, OLD).verify(text, signature)
    assert not keyring(NEW).verify(text, signature)
    assert not keyring(OLD).verify(text + "x", signature)
    assert not keyring(OLD).verify(text, noise)
