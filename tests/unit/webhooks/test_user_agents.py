"""Clients that call themselves machines are recognised as such; telephones are not."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.members import AGENTS
from sandbox.scanners import KINDS
from tests.support.effort import effort_of
from webhooks.members.user_agents import classify, inconsistencies

DATA = Path(__file__).parents[2] / "data"
_APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome"


@pytest.mark.parametrize(
    "agent",
    [
        *AGENTS,
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 9_3 like Mac OS X) {_APPLE} Version/9.0 Mobile/13E188a Safari/601.1",
        f"Mozilla/5.0 (Linux; Android 4.4.2; GT-I9505) {_CHROME}/33.0.0.0 Mobile Safari/537.36",
        f"Mozilla/5.0 (Linux; Android 10; CUBOT X30) {_CHROME}/130.0.0.0 Mobile Safari/537.36",
        f"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S911B) {_CHROME}/121.0.0.0 SamsungBrowser/25.0 Mobile",
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) {_APPLE} GSA/343.0 Mobile/15E148 Safari/604.1",
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) {_APPLE} Mobile/15E148 [FBAN/FBIOS;FBAV/490.0]",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME}/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
        "Opera/9.80 (Android; Opera Mini/36.2/119.132; U; en) Presto/2.12.423 Version/12.16",
        "Nokia6300/2.0 (07.21) Profile/MIDP-2.0 Configuration/CLDC-1.1",
        "Lynx/2.8.9rel.1 libwww-FM/2.14",
        f"Mozilla/5.0 (Linux; Android 7.0; M bot 51) {_CHROME}/81.0.4044.138 Mobile Safari/537.36",
        f"Mozilla/5.0 (Linux; Android 6.0; POWER BOT Build/MRA58K) {_CHROME}/54.0.2840.85 Mobile Safari/537.36",
        f"Mozilla/5.0 (Linux; Android 8.1.0; XBot_Senior Build/O11019) {_CHROME}/65.0.3325.109 Mobile Safari/537.36",
        f"Mozilla/5.0 (Linux; Android 13; Spider 8) {_CHROME}/124.0.0.0 Safari/537.36",
        f"Mozilla/5.0 (Linux; U; Android 4.1.2; N799D) {_APPLE} Version/4.0; 360browser(securitypay,securityinstalled)",
        f"Mozilla/5.0 (Linux; Android 7.1.2; G011A; wv) {_CHROME}/66.0.3359.158 Safari/537.36 Viber/11.9.5.8",
        f"Mozilla/5.0 (Linux; Android 7.0; BL5000; wv) {_CHROME}/63.0.0.0 Mobile Safari/537.36 [Pinterest/Android]",
        f"Mozilla/5.0 (Linux; Android 15; PLB110 Build/AP3A.240617.008) {_CHROME}/130.0.0.0 Mobile Safari/537.36",
        "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)",
        "Mozilla/5.0 (compatible; Konqueror/4.14; Linux) KHTML/4.14 (like Gecko)",
    ],
)
def test_browsers_are_browsers(agent: str) -> None:
    assert classify(agent) == "browser"


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        ("", "none"),
        ("   ", "none"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/126.0.0.0 Safari/537.36", "scanner"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "scanner"),
        ("BarracudaCentral Email Security", "scanner"),
        ("Mozilla/5.0 (compatible; Microsoft Office; ms-office; MSOffice 16)", "scanner"),
        ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "preview"),
        ("WhatsApp/2.25.18 A", "preview"),
        ("TelegramBot (like TwitterBot)", "preview"),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "preview"),
        ("Mozilla/5.0 zgrab/0.x", "scanner"),
        ("Mozilla/5.0 (compatible; CensysInspect/1.1; +https://about.censys.io/)", "scanner"),
        ("Mozilla/4.0 (compatible; Netcraft Web Server Survey)", "scanner"),
        ("Mozilla/5.0 SeznamEmailProxy/2.0.174", "scanner"),
        ("Mozilla/5.0 (X11; Linux x86_64) ukr.net mail proxy", "scanner"),
        ("Mozilla/5.0 (compatible; YandexAntivirus/2.0)", "scanner"),
        ("Mozilla/5.0 (compatible; Detectify)", "scanner"),
        ("Mozilla/5.0 (compatible; SomethingNobodyKnows/1.0)", "scanner"),
        (f"Mozilla/5.0 (X11; Linux x86_64) {_CHROME}/120.0.0.0 Safari/537.36 abuse@scan.test", "scanner"),
        (f"Mozilla/5.0 (X11; Linux x86_64) {_CHROME}/120.0.0.0 Safari/537.36 www.scan.test/about", "scanner"),
        ("Viber/9.9.2", "preview"),
        ("Pinterest/0.2 (+https://www.pinterest.com/bot.html)", "preview"),
        ("curl/8.5.0", "tool"),
        ("python-requests/2.32.3", "tool"),
        ("okhttp/4.12.0", "tool"),
        ("Go-http-client/2.0", "tool"),
        ("whatever", "tool"),
    ],
)
def test_machines_are_machines(agent: str, kind: str) -> None:
    assert classify(agent) == kind


@pytest.mark.parametrize("agent", (DATA / "browsers.txt").read_text(encoding="utf-8").splitlines())
def test_no_browser_of_members_is_classified_as_a_scanner(agent: str) -> None:
    """Also those within apps, and of telephones that the public list of robots has."""
    assert classify(agent) == "browser"


@pytest.mark.parametrize(
    "agent",
    [
        f"Mozilla/5.0 (X11; Linux x86_64) {_CHROME}/138.0.7204.168 Safari/537.36 DatadogSynthetics",
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) {_CHROME}/90.0.4430.212 Safari/537.36 Hardenize",
        "Mozilla/5.0 (X11; Linux x86_64) Nikto/2.5.0 (Evasions:None) (Test:Port Check)",
        "Mozilla/5.0 [en] (X11, U; OpenVAS)",
    ],
)
def test_robots_that_only_the_public_list_knows_are_scanners(agent: str) -> None:
    assert classify(agent) == "scanner"


def test_any_agent_is_classified_quickly() -> None:
    hostile = [
        f"Mozilla/5.0 {sign * 500}"[:500] + str(number) for number, sign in enumerate(["a", "bot ", "(x ", "/1."] * 10)
    ]
    assert effort_of(lambda: [classify(agent) for agent in hostile]) < 20


@pytest.mark.parametrize("case", (DATA / "agents.jsonl").read_text(encoding="utf-8").splitlines())
def test_programs_of_the_wild_are_told_from_browsers(case: str) -> None:
    given = orjson.loads(case)
    assert (classify(given["in"]) == "browser") is (given["want"] == "browser")


def test_the_sandboxes_scanners_are_known_unless_they_pretend() -> None:
    known = {kind.name: classify(kind.agent) for kind in KINDS}
    assert known["ordinary_looking"] == known["form_filler"] == "browser"
    assert known["mail_gateway"] == "none"
    assert known["headless_browser"] == "scanner"
    assert known["carrier"] == "tool"
    assert known["imessage_preview"] == known["whatsapp_preview"] == "preview"


@given(st.text(max_size=2000))
def test_any_header_has_a_class(agent: str) -> None:
    assert classify(agent) in {"browser", "scanner", "preview", "tool", "none"}


CHROME = f"Mozilla/5.0 (Linux; Android 14) {_CHROME}/126.0.0.0 Mobile Safari/537.36"
SAFARI = f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) {_APPLE} Version/18.1 Mobile/15E148 Safari/604.1"
BY_HAND = {"Accept-Language": "en", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1"}


@pytest.mark.parametrize(
    ("agent", "headers", "secure", "seen"),
    [
        (CHROME, BY_HAND, True, []),
        (CHROME, {"Accept-Language": "en"}, False, []),  # browsers keep it to themselves without TLS
        (CHROME, {"Accept-Language": "en"}, True, ["pretends"]),
        (CHROME, {**BY_HAND, "Accept-Language": ""}, True, ["pretends"]),
        (CHROME, {**BY_HAND, "Sec-CH-UA": '"HeadlessChrome";v="126"'}, False, ["pretends"]),
        (CHROME, {"Accept-Language": "en", "Sec-Fetch-Mode": "navigate"}, False, ["scripted"]),
        (CHROME.replace("/126", "/49"), {"Accept-Language": "en"}, True, []),  # too old to tell
        (SAFARI, {"Accept-Language": "cy", "Sec-Fetch-Mode": "navigate"}, True, []),
        ("curl/8.5.0", {}, True, []),  # what says that it is a machine pretends nothing
    ],
)
def test_signs_of_an_automated_browser_are_found(
    agent: str, headers: dict[str, str], secure: bool, seen: list[str]
) -> None:
    assert inconsistencies({"User-Agent": agent, **headers}, secure=secure, presses=True) == seen
