"""What kind of program asks for a page, by what it calls itself. It is a hint and never decides alone."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

Agent = Literal["browser", "scanner", "preview", "tool", "none"]

_PREVIEWS: Final = re.compile(
    r"facebookexternalhit|facebot|twitterbot|whatsapp|telegrambot|slackbot|slack-imgproxy|discordbot|linkedinbot"
    r"|skypeuripreview|viber|redditbot|pinterest|applebot|snapchat|signal-desktop|googlemessages|google-pagerenderer|bingpreview|preview",
    re.IGNORECASE,
)
"""Programs that draw a little picture of a link for the person who got it."""
_SCANNERS: Final = re.compile(
    r"headless|phantomjs|slimerjs|puppeteer|playwright|selenium|barracuda|mimecast|proofpoint|urldefense|symantec"
    r"|messagelabs|fireeye|trendmicro|mcafee|sophos|forcepoint|websense|zscaler|bitdefender|kaspersky|f-secure"
    r"|cloudmark|ironport|safelinks|microsoft office|ms-office|msoffice|outlook-|exchange|bluecoat|cyren|vade"
    r"|spamassassin|rspamd|urlscan|virustotal|safebrowsing|google-safety|googleimageproxy|yahoomailproxy"
    r"|(?<!cu)bot\b|spider|crawl|scanner|monitor|checker|validator|fetcher|archiver|security|protect",
    re.IGNORECASE,
)
"""Programs that look behind links for dangers, and robots of other kinds. (A Cubot is a telephone.)"""
_BROWSERS: Final = re.compile(
    r"mozilla/|opera[ /]|nokia|samsung|sonyericsson|blackberry|lg-|mot-|sec-|ucweb|lynx|links|w3m|elinks|dillo",
    re.IGNORECASE,
)
"""How browsers begin, old telephones' too. What begins otherwise is a library: nobody reads a page in one."""


@lru_cache(maxsize=1024)
def classify(agent: str) -> Agent:
    """The class of a User-Agent header; `none` where it is empty.

    Args:
        agent: the header as it came.
    """
    agent = agent[:500].strip()
    if not agent:
        return "none"
    if _PREVIEWS.search(agent):
        return "preview"
    if _SCANNERS.search(agent):
        return "scanner"
    return "browser" if _BROWSERS.match(agent) else "tool"
