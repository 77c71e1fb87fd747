"""Classification of clients by their User-Agent and headers. Only a hint: it never decides alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal

from crawleruseragents import is_crawler

Agent = Literal["browser", "scanner", "preview", "tool", "none"]

_PREVIEWS: Final = re.compile(
    r"facebookexternalhit|facebot|twitterbot|whatsapp|telegrambot|slackbot|slack-imgproxy|discordbot|linkedinbot"
    r"|skypeuripreview|^viber|redditbot|pinterest(?:bot|/0)|applebot|snapchat|signal-desktop|googlemessages"
    r"|google-pagerenderer|bingpreview|preview",
    re.IGNORECASE,
)
"""Programs that make a preview of a link for the person who got it. (Viber and Pinterest have browsers, too.)"""
_SCANNERS: Final = re.compile(
    r"headless|phantomjs|slimerjs|puppeteer|playwright|selenium|barracuda|mimecast|proofpoint|urldefense|symantec"
    r"|messagelabs|fireeye|trendmicro|mcafee|sophos|forcepoint|websense|zscaler|bitdefender|kaspersky|f-secure"
    r"|cloudmark|ironport|safelinks|microsoft office|ms-office|msoffice|outlook-|exchange|bluecoat|cyren|vade"
    r"|spamassassin|rspamd|urlscan|virustotal|safebrowsing|google-safety|google favicon|yandexantivirus"
    r"|zgrab|censys|netcraft|detectify|assetnote|nessus|nuclei|qualys|shodan|masscan|nmap"
    r"|(?:image|e-?mail|link|url)[ -]?proxy|mail ?proxy|ukr\.net"
    r"|(?<!cu)(?<!power )bot(?=[/;:),+-]|$)|spider(?! \d)|crawl|scanner|monitor|checker|validator|fetcher|archiver"
    r"|security\b|protect|antivirus|inspect",
    re.IGNORECASE,
)
"""Programs that check links for dangers, and other robots. Phones are called Cubot, Power Bot, M bot 51 and Spider 8,
and a browser on some names its `securitypay`."""
_CONTACT: Final = re.compile(r"https?:|www\.|[\w.-]@[\w-]+\.[a-z]", re.IGNORECASE)
"""A contact address of the program's makers. Browsers have none."""
_COMPATIBLE: Final = re.compile(
    r"\(compatible;(?!.*(?:msie|konqueror|netfront|opera|symbian|series60|polaris))", re.IGNORECASE
)
"""The form of robots' names; browsers ceased to use it with Internet Explorer."""
_BROWSERS: Final = re.compile(
    r"mozilla/|opera[ /]|nokia|samsung|sonyericsson|blackberry|lg-|mot-|sec-|ucweb|lynx|links|w3m|elinks|dillo",
    re.IGNORECASE,
)
"""Prefixes of browsers' names, old phones' too. Anything else is a library, not a browser."""
_HANDHELD: Final = re.compile(r"android|iphone|ipad|mobile|phone|tablet|nokia|symbian|midp", re.IGNORECASE)
"""Telephones and tablets. They are not looked up in the public list of robots, which counts the builds of common
telephones, Facebook's own browser and the names of some models as robots."""

_SENDS_FETCH_METADATA: Final = re.compile(r"(?:chrome|firefox)/(?P<version>\d+)", re.IGNORECASE)
"""Browsers that send Fetch Metadata with each request, from version `_FETCH_METADATA_FROM` on."""
_FETCH_METADATA_FROM: Final = 90


@lru_cache(maxsize=1024)
def classify(agent: str) -> Agent:
    """Return the class of a User-Agent header; `none` if it is empty.

    Args:
        agent: the header as it came.
    """
    agent = agent[:500].strip()
    if not agent:
        return "none"
    if _PREVIEWS.search(agent):
        return "preview"
    if any(sign.search(agent) for sign in (_SCANNERS, _CONTACT, _COMPATIBLE)):
        return "scanner"
    if not _BROWSERS.match(agent):
        return "tool"
    return "scanner" if not _HANDHELD.search(agent) and is_crawler(agent) else "browser"


def inconsistencies(headers: Mapping[str, str], *, secure: bool, presses: bool) -> list[str]:
    """List the ways in which a request does not look like one of a person's browser.

    Args:
        headers: of the request.
        secure: whether it came by TLS; without it browsers may leave Fetch Metadata out.
        presses: whether it is the press of a button.

    Returns:
        `pretends`: it calls itself a browser but sends no language, reveals itself in another header, or lacks the
            Fetch Metadata which that browser sends. `scripted`: by Sec-Fetch-User, no person pressed the button (W3C
            Fetch Metadata).
    """
    agent = headers.get("User-Agent", "")[:500]
    if classify(agent) != "browser":
        return []
    sign = _SENDS_FETCH_METADATA.search(agent)
    sends_metadata = sign is not None and int(sign["version"][:6]) >= _FETCH_METADATA_FROM
    mode = headers.get("Sec-Fetch-Mode", "")
    seen = {
        "pretends": not headers.get("Accept-Language")
        or "headless" in headers.get("Sec-CH-UA", "").lower()
        or (secure and sends_metadata and not mode),
        "scripted": presses and sends_metadata and mode == "navigate" and headers.get("Sec-Fetch-User") != "?1",
    }
    return [name for name, here in seen.items() if here]
