"""Tokens of links in emails: read back by whoever has the secret, and by nobody else made, changed or understood."""

from __future__ import annotations

import csv
import hashlib
import hmac
from collections import Counter
from hmac import compare_digest
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from core import keyring as module
from core.keyring import (
    ALPHABET,
    EMAIL_TOKEN_LENGTH,
    TOKEN_LENGTH,
    Keyring,
    LinkAction,
    MemberLink,
    digest,
    example_token,
    find_token,
    read_token,
)

OLD, NEW = SecretStr("the old secret of this union"), SecretStr("the new secret of this union")
VECTORS = Path(__file__).parents[2] / "data" / "email_tokens.tsv"
"""Tokens that were sent: secret, message, action, token. They stay valid, so no line here is ever changed."""
NOWHERE = MemberLink(None, 0, None)
ids = st.integers(min_value=1, max_value=2**63 - 1)
actions: st.SearchStrategy[LinkAction] = st.sampled_from(["confirm", "unsubscribe"])
tokens = st.text(ALPHABET, min_size=EMAIL_TOKEN_LENGTH, max_size=EMAIL_TOKEN_LENGTH)


def ring(*secrets: SecretStr) -> Keyring:
    return Keyring(secrets or (OLD,))


def sent() -> list[list[str]]:
    with VECTORS.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t"))


def bits(token: str) -> int:
    number = 0
    for char in token:
        number = number * 32 + ALPHABET.index(char)
    return number


def written(number: int) -> str:
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(EMAIL_TOKEN_LENGTH)))


@pytest.mark.parametrize(("secret", "message_id", "action", "token"), sent())
def test_links_that_were_sent_stay_valid(secret: str, message_id: str, action: LinkAction, token: str) -> None:
    known = ring(SecretStr(secret))
    assert known.email_token(int(message_id), action) == token
    assert known.read_link(token) == MemberLink(None, int(message_id), action)


@pytest.mark.parametrize(("secret", "message_id", "action", "token"), sent())
def test_a_token_is_built_as_it_is_described(secret: str, message_id: str, action: str, token: str) -> None:
    """Made once more, byte by byte, from nothing but the description."""
    mark, signatures, masks = (
        hmac.new(secret.encode(), f"links in emails, version 1: {use}".encode(), "sha256").digest()
        for use in ("mark", "signature", "encryption")
    )
    first = bytes([0b001_00000 | mark[0] & 0b11111])
    block = bytes([{"confirm": 1, "unsubscribe": 2}[action]]) + int(message_id).to_bytes(8, "big")
    signature = hashlib.blake2b(first + block, key=signatures, digest_size=10).digest()
    mask = hashlib.blake2b(first + signature, key=masks, digest_size=9).digest()
    encrypted = bytes(plain ^ masked for plain, masked in zip(block, mask, strict=True))
    assert written(int.from_bytes(first + signature + encrypted, "big")) == token


@given(ids, actions)
@example(1, "confirm")
@example(2**63 - 1, "unsubscribe")
def test_a_token_is_the_same_on_every_try_and_says_what_it_is_for(message_id: int, action: LinkAction) -> None:
    token = ring().email_token(message_id, action)
    assert token == ring().email_token(message_id, action)
    assert len(token) == EMAIL_TOKEN_LENGTH
    assert read_token(token) == find_token(token) == token
    assert ring().read_link(token) == MemberLink(None, message_id, action)


@given(ids, st.data())
def test_a_token_reads_as_people_and_programs_write_it(message_id: int, data: st.DataObject) -> None:
    token = ring().email_token(message_id, "confirm")
    copied = "".join(
        data.draw(st.sampled_from({"0": "0oO", "1": "1iIlL"}.get(char, char + char.upper()))) for char in token
    )
    assert read_token(copied) == token
    before = data.draw(st.sampled_from(["", "(", "%22", "\u200b"]))
    behind = data.draw(st.sampled_from(["", ".", "%20", ")."]))
    assert find_token(before + copied + behind) == token


@pytest.mark.parametrize("length", [*range(TOKEN_LENGTH + 1, EMAIL_TOKEN_LENGTH), EMAIL_TOKEN_LENGTH + 1, 45, 64])
def test_a_token_that_was_cut_or_run_on_is_none(length: int) -> None:
    text = (ring().email_token(7, "confirm") * 2)[:length]
    assert read_token(text) is None
    assert find_token(text) is None


@given(ids, actions, st.integers(0, 159))
def test_no_bit_of_a_token_can_be_changed(message_id: int, action: LinkAction, bit: int) -> None:
    token = ring().email_token(message_id, action)
    assert ring().read_link(written(bits(token) ^ 1 << bit)) == NOWHERE


@given(ids, actions, st.integers(0, EMAIL_TOKEN_LENGTH - 1), st.sampled_from(ALPHABET))
def test_no_character_of_a_token_can_be_changed(message_id: int, action: LinkAction, at: int, char: str) -> None:
    token = ring().email_token(message_id, action)
    forged = token[:at] + char + token[at + 1 :]
    assert ring().read_link(forged) == (MemberLink(None, message_id, action) if forged == token else NOWHERE)


@given(tokens)
@example("0" * EMAIL_TOKEN_LENGTH)
@example("z" * EMAIL_TOKEN_LENGTH)
def test_nothing_made_up_is_a_token(forged: str) -> None:
    assert ring().read_link(forged) == ring(NEW, OLD).read_link(forged) == NOWHERE


@given(ids, ids, actions, actions, st.integers(1, EMAIL_TOKEN_LENGTH - 1))
def test_parts_of_two_tokens_make_no_third(
    one: int, other: int, action: LinkAction, another: LinkAction, at: int
) -> None:
    """Nobody with the links of two messages, or both links of one, gets at a third."""
    first, second = ring().email_token(one, action), ring().email_token(other, another)
    spliced = first[:at] + second[at:]
    allowed = {first: MemberLink(None, one, action), second: MemberLink(None, other, another)}
    assert ring().read_link(spliced) == allowed.get(spliced, NOWHERE)
    mixed = written(bits(first) ^ bits(second) ^ bits(ring().email_token(one, another)))
    assert ring().read_link(mixed) in {NOWHERE, *allowed.values(), MemberLink(None, one, another)}
    if mixed not in {first, second, ring().email_token(one, another)}:
        assert ring().read_link(mixed) == NOWHERE


@given(ids, ids)
def test_the_token_of_an_action_is_not_turned_into_another_by_its_difference(mine: int, theirs: int) -> None:
    """Encrypted with a fixed mask, the difference between one's own two tokens would turn anybody's into the other."""
    difference = bits(ring().email_token(mine, "confirm")) ^ bits(ring().email_token(mine, "unsubscribe"))
    forged = written(bits(ring().email_token(theirs, "confirm")) ^ difference)
    assert mine == theirs or ring().read_link(forged) == NOWHERE


@given(ids, actions)
def test_an_earlier_secret_reads_until_it_is_removed(message_id: int, action: LinkAction) -> None:
    before, rotated, removed = ring(OLD), ring(NEW, OLD), ring(NEW)
    token = before.email_token(message_id, action)
    assert rotated.read_link(token) == MemberLink(None, message_id, action)
    assert rotated.email_token(message_id, action, secret=before.current) == token, "a step keeps its links"
    assert rotated.email_token(message_id, action) == removed.email_token(message_id, action) != token
    assert removed.read_link(token) == NOWHERE
    assert removed.email_token(message_id, action, secret=before.current) == removed.email_token(message_id, action)


def test_secrets_with_the_same_mark_are_told_apart() -> None:
    """Five bits mark a secret, so of 33 two have the same; each token is read by the one that made it."""
    secrets = [SecretStr(f"secret number {number} of this union") for number in range(40)]
    everything = Keyring(secrets)
    marks = Counter[int]()
    for number, secret in enumerate(secrets, 1):
        token = ring(secret).email_token(number, "confirm")
        marks[bits(token) >> 152] += 1
        assert everything.read_link(token) == MemberLink(None, number, "confirm")
    assert max(marks.values()) > 1


def test_an_action_of_a_later_version_leads_nowhere_yet() -> None:
    key = module._EmailKey(OLD.get_secret_value().encode())
    later = ring().read_link(key.encode(200, 77))
    assert (later.digest, later.action) == (None, None)


def test_tokens_show_neither_ids_nor_how_many_messages_there_were() -> None:
    """Neighbouring messages: each bit behind the mark is set in about half of the tokens, and differs in about half."""
    count = 2_000
    numbers = [bits(ring().email_token(message_id, "confirm")) for message_id in range(1, count + 1)]
    differences = [number ^ following for number, following in pairwise(numbers)]
    for bit in range(152):
        for seen in (numbers, differences):
            share = sum(number >> bit & 1 for number in seen) / len(seen)
            assert 0.43 < share < 0.57, (bit, share)
    assert {number >> 152 for number in numbers} == {numbers[0] >> 152}


def test_a_key_of_one_use_is_no_key_of_another() -> None:
    """What is signed for a bounce address, a form or a text's link opens no email's, and the other way round."""
    known = ring()
    mails = {known.email_token(message_id, "confirm") for message_id in range(1, 50)}
    others = {known.token(message_id, "confirm") for message_id in range(1, 50)}
    assert not any(other in mail for mail in mails for other in others)
    assert all(known.read_link(other) == MemberLink(digest(other)) for other in others)
    assert all(known.verify_id(mail, "bounce") is None for mail in mails)
    assert all(not known.verify(text, mail) for mail in mails for text in ("1", "link:1:confirm"))


@pytest.mark.parametrize("forged", ["0" * 32, "4" + "0" * 31, "z" * 32, "5" + "z" * 31])
def test_a_forged_token_costs_the_same_work_as_a_good_one(forged: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it fails by its version, its mark, its signature or not at all: one key opens it, by one comparison."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare_digest(one, other)

    monkeypatch.setattr("core.keyring.hmac.compare_digest", compare)
    known = ring()
    good = known.email_token(1, "confirm")
    assert known.read_link(good) == MemberLink(None, 1, "confirm")
    assert known.read_link(forged) == NOWHERE
    assert [len(expected) for expected, _ in compared] == [11, 11], "all 11 bytes are compared, in constant time"


def test_the_link_of_a_test_is_no_real_one() -> None:
    assert len(example_token()) == TOKEN_LENGTH
    assert read_token(example_token()) == example_token()
