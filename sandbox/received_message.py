"""Parsing of a received message: its text and its links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message as MimePart
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urlsplit

from core.keyring import TOKEN

_URL: Final = re.compile(r"https?://[^\s<>\"'()\[\]{}]+")
_OURS: Final = re.compile(rf"(?P<origin>https?://[^/]+)(?:/[^?#]*?)??/(?P<page>[up]/)?(?P<token>{TOKEN})")
_LINK_TAG: Final = re.compile(r"<a\s[^>]*>", re.IGNORECASE)
_TRAILING: Final = ".,;:!?…"


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """Message as its recipient reads it.

    Attributes:
        text: the words.
        confirm: the link that asks whether the member has voted.
        unsubscribe: the link to stop messages.
        one_click: where the mail program's own unsubscribe button posts to (RFC 8058).
        links: every link to the server of the confirm or unsubscribe link, hidden ones too. Others are never fetched:
            the sandbox makes no request to any other server.
        token: of the confirm link.
    """

    text: str
    confirm: str | None
    unsubscribe: str | None
    one_click: str | None
    links: tuple[str, ...]
    token: str


def read_text(body: str) -> ReceivedMessage:
    """Read a text message."""
    return _received_message(body, _find(body), None)


def read_mail(raw: bytes, *, html_too: bool = False) -> ReceivedMessage:
    """Read an email: its plain part and its List-Unsubscribe header.

    Args:
        raw: the mail's bytes.
        html_too: look for links in the HTML part as well, as a scanner does; people read only one part.
    """
    mail = message_from_bytes(raw)
    parts: dict[str, MimePart] = {}
    for part in mail.walk():
        parts.setdefault(part.get_content_type(), part)
    plain = _decode(parts.get("text/plain"))
    links = _find(plain)
    if html_too or not links:
        links = list(dict.fromkeys([*links, *_hrefs(_decode(parts.get("text/html")))]))
    return _received_message(plain, links, _one_click(mail))


def _one_click(mail: MimePart) -> str | None:
    """Find the URL for one-click unsubscribing (RFC 8058)."""
    if "one-click" not in str(mail.get("List-Unsubscribe-Post", "")).lower():
        return None
    address = re.search(r"<(https?://[^>]+)>", re.sub(r"\s+", "", str(mail.get("List-Unsubscribe", ""))))
    return address[1] if address else None


def _received_message(text: str, links: list[str], one_click: str | None) -> ReceivedMessage:
    confirm = unsubscribe = None
    token = ""
    for link in links:
        if (our_link := _OURS.fullmatch(link)) is None:
            continue
        if our_link["page"] == "u/":
            unsubscribe = unsubscribe or link
        elif our_link["page"] is None and confirm is None:
            confirm, token = link, our_link["token"]
    homes = {_home(link) for link in (confirm, unsubscribe) if link is not None}
    return ReceivedMessage(
        text, confirm, unsubscribe, one_click, tuple(link for link in links if _home(link) in homes), token
    )


def _home(link: str) -> tuple[str, str]:
    parts = urlsplit(link)
    return parts.scheme, parts.netloc


def _find(text: str) -> list[str]:
    return list(dict.fromkeys(url.rstrip(_TRAILING) for url in _URL.findall(text)))


def _decode(part: MimePart | None) -> str:
    payload = part.get_payload(decode=True) if part is not None else None
    if part is None or not isinstance(payload, bytes):
        return ""
    return payload.decode(part.get_content_charset("utf-8"), "replace")


class _Links(HTMLParser):
    """Collects the addresses of links."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the URL of a link."""
        if tag == "a" and (href := dict(attrs).get("href")) and href.startswith(("http://", "https://")):
            self.links.append(href)


def _hrefs(html: str) -> list[str]:
    reader = _Links()
    # only tags that can be links go to the parser, which is the slow part of reading a mail
    reader.feed("".join(_LINK_TAG.findall(html)))
    reader.close()
    return list(dict.fromkeys(reader.links))
