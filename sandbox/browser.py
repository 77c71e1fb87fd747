"""Minimal browser, of which ten thousand can run: fetches a page, reads its forms, presses a button."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin

import aiohttp
from yarl import URL

_FORM_TAG: Final = re.compile(r"</?(?:form|button|input)\b[^>]*>", re.IGNORECASE)
_SKIPPED_TYPES: Final = frozenset({"submit", "button", "image", "reset", "file"})


@dataclass(frozen=True, slots=True)
class Button:
    """Button that submits a form.

    Attributes:
        name: of the field it sets.
        value: of that field.
        hidden: whether people cannot see it; machines may still press it.
    """

    name: str
    value: str
    hidden: bool = False


@dataclass(slots=True)
class Form:
    """Form on a page.

    Attributes:
        action: the absolute URL it is sent to.
        method: `get` or `post`.
        fields: the fields sent with every button: hidden inputs, and the others with their defaults.
        buttons: in their order on the page.
    """

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[Button] = field(default_factory=list)

    def button(self, *values: str) -> Button | None:
        """Find the first visible button that has one of these values, or any if none are given."""
        seen = (button for button in self.buttons if not button.hidden)
        return next((button for button in seen if not values or button.value in values), None)


@dataclass(frozen=True, slots=True)
class Page:
    """Page that was fetched.

    Attributes:
        status: HTTP status.
        url: its URL after redirects.
        forms: its forms.
    """

    status: int
    url: str
    forms: list[Form]

    def find(self, *values: str) -> tuple[Form, Button] | None:
        """Find the first visible button that has one of these values (or any, if none are given), with its form."""
        for form in self.forms:
            if button := form.button(*values):
                return form, button
        return None

    def first_button(self) -> tuple[Form, Button] | None:
        """Find the first button in the source, visible or not, with its form."""
        return next(((form, form.buttons[0]) for form in self.forms if form.buttons), None)


def open_browser_session(at_once: int) -> aiohttp.ClientSession:
    """Open the session that all browsers share: at most so many connections, no cookies."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=at_once),
        timeout=aiohttp.ClientTimeout(total=30),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class Browser:
    """Browser of one person, on a shared session; it keeps no cookies.

    Args:
        session: the shared session.
        agent: its User-Agent.
    """

    def __init__(self, session: aiohttp.ClientSession, agent: str) -> None:
        self._session = session
        self._headers = {
            "User-Agent": agent,
            "Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
            "Accept-Language": "en-GB,en;q=0.8",
        }

    async def head(self, url: str) -> int:
        """Fetch the headers only.

        Raises:
            aiohttp.ClientError, TimeoutError: there was no response.
        """
        async with self._session.head(URL(url, encoded=True), headers=self._headers) as response:
            return response.status

    async def get(self, url: str) -> Page:
        """Open a page.

        Raises:
            aiohttp.ClientError, TimeoutError: there was no response.
        """
        async with self._session.get(URL(url, encoded=True), headers=self._headers) as response:
            return await _read(response)

    async def press(self, form: Form, button: Button, written: Mapping[str, str] | None = None) -> Page:
        """Press a button of a form.

        Args:
            form: the form.
            button: one of its buttons.
            written: what was written into its boxes before, by their names.

        Raises:
            aiohttp.ClientError, TimeoutError: there was no response.
        """
        pressed = {button.name: button.value} if button.name else {}
        return await self.post(form.action, {**form.fields, **(written or {}), **pressed})

    async def post(self, url: str, fields: Mapping[str, str]) -> Page:
        """Send a form.

        Raises:
            aiohttp.ClientError, TimeoutError: there was no response.
        """
        async with self._session.post(URL(url, encoded=True), data=dict(fields), headers=self._headers) as response:
            return await _read(response)


async def _read(response: aiohttp.ClientResponse) -> Page:
    text = await response.text(errors="replace")
    url = str(response.url)
    return Page(response.status, url, read_forms(text, url) if response.content_type == "text/html" else [])


def read_forms(html: str, url: str) -> list[Form]:
    """Find the forms of a page.

    Args:
        html: the page.
        url: its URL, for relative actions.
    """
    reader = _FormReader(url)
    # only the relevant tags go to the parser, which is the slow part of reading a page
    reader.feed("".join(_FORM_TAG.findall(html)))
    reader.close()
    return reader.forms


class _FormReader(HTMLParser):
    """Collects forms, their fields and their buttons."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self._url = url
        self._open: Form | None = None
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form, a field or a button."""
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(urljoin(self._url, attributes.get("action", "")), attributes.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is None:
            return
        elif tag == "button":
            if attributes.get("type", "submit").lower() == "submit":
                self._open.buttons.append(
                    Button(attributes.get("name", ""), attributes.get("value", ""), "hidden" in attributes)
                )
        elif tag == "input":
            self._read_input(self._open, attributes)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Treat `<input />` as `<input>`."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a form."""
        if tag == "form":
            self._open = None

    def _read_input(self, form: Form, attributes: Mapping[str, str]) -> None:
        kind, name = attributes.get("type", "text").lower(), attributes.get("name", "")
        if kind == "submit":
            form.buttons.append(Button(name, attributes.get("value", ""), "hidden" in attributes))
        elif kind in {"checkbox", "radio"}:
            if "checked" in attributes and name:
                form.fields[name] = attributes.get("value") or "on"
        elif name and kind not in _SKIPPED_TYPES:
            form.fields[name] = attributes.get("value", "")
