"""The address that links begin with is kept as DNS has it, and refused where it would break them."""

from __future__ import annotations

import pytest

from core.errors import SettingsError
from messaging.settings import load_settings


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://bücher.example/", "https://xn--bcher-kva.example"),
        ("HTTPS://Vote.Example.org", "https://vote.example.org"),
        ("https://vote.example.org:443/", "https://vote.example.org"),
        ("https://Vote.Example.org:8443", "https://vote.example.org:8443"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_the_public_address_is_kept_as_texts_can_carry_it(
    monkeypatch: pytest.MonkeyPatch, given: str, kept: str
) -> None:
    monkeypatch.setenv("MUSTER_PUBLIC_URL", given)
    assert load_settings().public_url == kept


@pytest.mark.parametrize(
    "given",
    [
        "https://vote.example.org/?a=b", "https://vote.example.org/#top", "https://ada:word@vote.example.org",
        "https://vote.example.org/über", "https://example.org/vote", "ftp://vote.example.org", "https://",
    ],
)  # fmt: skip
def test_a_public_address_that_links_cannot_begin_with_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("MUSTER_PUBLIC_URL", given)
    with pytest.raises(SettingsError, match="MUSTER_PUBLIC_URL"):
        load_settings()
