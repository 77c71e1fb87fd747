"""Browsers and networks in plain words."""

from __future__ import annotations

import pytest

from core.http.client_network import INSIDE
from staff.browsers import UNKNOWN, browser_in_words, network_in_words

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (CHROME, "Chrome on Linux"),
        (CHROME.replace("X11; Linux x86_64", "Windows NT 10.0; Win64; x64") + " Edg/156.0.0.0", "Edge on Windows"),
        ("Mozilla/5.0 (Windows NT 10.0; rv:151.0) Gecko/20100101 Firefox/151.0", "Firefox on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) Version/26.0 Safari/604.1", "Safari on an iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/26.0 Safari/605.1.15", "Safari on a Mac"),
        ("Mozilla/5.0 (Linux; Android 16) SamsungBrowser/29.0 Chrome/136 Safari/537", "Samsung Internet on Android"),
        ("Firefox/1", "Firefox"),
        ("something on Windows", "A browser on Windows"),
        ("<script>alert(1)</script>", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_a_browser_is_named_by_our_own_words(user_agent: str, words: str) -> None:
    assert browser_in_words(user_agent) == words


@pytest.mark.parametrize(
    ("came_from", "words"),
    [("192.0.2.0/24", "network 192.0.2.0/24"), (INSIDE, "unknown network"), ("", "unknown network")],
)
def test_a_network_is_named_or_not_known(came_from: str, words: str) -> None:
    assert network_in_words(came_from) == words
