"""Browsers and networks in plain words, as "signed in on" shows them; nothing else that a browser says is kept."""

from __future__ import annotations

from typing import Final

from core.http.client_network import INSIDE

# the first that fits: most browsers also name the browsers that they imitate
_BROWSERS: Final = (
    ("Edg/", "Edge"), ("EdgA/", "Edge"), ("EdgiOS/", "Edge"), ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"), ("Vivaldi/", "Vivaldi"), ("FxiOS/", "Firefox"), ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS: Final = (
    ("iPhone", "an iPhone"), ("iPad", "an iPad"), ("Android", "Android"), ("Windows", "Windows"), ("CrOS", "ChromeOS"),
    ("Mac OS X", "a Mac"), ("Linux", "Linux"),
)  # fmt: skip
UNKNOWN: Final = "A browser that does not say which"


def browser_in_words(user_agent: str) -> str:
    """Name a browser and its system: `Firefox on Windows`.

    Args:
        user_agent: the header, which anybody can write; only names from our own lists are taken out of it.
    """
    browser = next((name for sign, name in _BROWSERS if sign in user_agent), "")
    system = next((name for sign, name in _SYSTEMS if sign in user_agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or (f"A browser on {system}" if system else UNKNOWN)


def network_in_words(came_from: str) -> str:
    """Name the network of a session: `network 192.0.2.0/24`.

    Args:
        came_from: as `client_network` names it; empty if it was not kept.
    """
    return f"network {came_from}" if came_from not in {"", INSIDE} else "unknown network"
