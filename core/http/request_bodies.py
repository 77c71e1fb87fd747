"""Request bodies, read within limits of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from io import BytesIO
from typing import Final
from urllib.parse import unquote

from aiohttp import web
from multidict import MultiDict
from multipart import PushMultipartParser, parse_options_header

from core.control_characters import without_controls

MAX_BODY_SIZE: Final = 64 * 1024
"""Bytes; the longest text message with all its fields has about 8 KB."""
BODY_TIMEOUT: Final = 10.0
"""Seconds a client has to send its body."""
MAX_FIELDS: Final = 200
"""Fields of a form."""
MAX_HEADER_LENGTH: Final = 4096
"""Bytes of a header of a field: names of files are in them, and file systems allow 255."""


async def read_body(
    request: web.Request, *, largest: int = MAX_BODY_SIZE, grown: Callable[[int], None] | None = None
) -> bytes:
    """Read the body of a request.

    Args:
        request: the request.
        largest: the most bytes.
        grown: called with the number of bytes read so far, whenever there are more.

    Raises:
        HTTPRequestEntityTooLarge: the body is larger than allowed; the rest is not read.
        HTTPRequestTimeout: the client is too slow.
    """
    refuse_large(request, largest)
    if request.content.is_eof():  # it came with the headers, as a provider's does
        body = request.content.read_nowait()
        if len(body) > largest:
            raise _too_large(largest)
        if grown is not None:
            grown(len(body))
        return body
    return await _gather(request, largest, grown)


def refuse_large(request: web.Request, largest: int) -> None:
    """Refuse a request that announces a larger body than it may have.

    Raises:
        HTTPRequestEntityTooLarge: it does.
    """
    if (request.content_length or 0) > largest:
        raise _too_large(largest)


async def _gather(request: web.Request, largest: int, grown: Callable[[int], None] | None) -> bytes:
    body = BytesIO()  # getvalue() copies nothing
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in request.content.iter_any():
                body.write(chunk)
                if body.tell() > largest:
                    raise _too_large(largest)
                if grown is not None:
                    grown(body.tell())
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="The request took too long to arrive.\n") from None
    return body.getvalue()


def parse_form(body: bytes) -> MultiDict[str]:
    """Parse the fields of an `application/x-www-form-urlencoded` body, empty ones included.

    Raises:
        ValueError: the body is no such form.
    """
    fields: MultiDict[str] = MultiDict()
    if not body:
        return fields
    parts = body.decode().replace("+", " ").split("&")
    if len(parts) > MAX_FIELDS:
        raise ValueError(f"more than {MAX_FIELDS} fields")
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError("a field without a value")
        fields.add(_unquoted(name), _unquoted(value))
    return fields


def _unquoted(text: str) -> str:
    return unquote(text, errors="strict") if "%" in text else text


def parse_multipart(content_type: str, body: bytes) -> MultiDict[bytes]:
    """Parse the fields of a `multipart/form-data` body (RFC 7578), in their order.

    Args:
        content_type: the header, which names the boundary.
        body: the whole body; each value is copied once, and may be as large as a mail.

    Raises:
        ValueError: the body is no form, is not complete, or has more than `MAX_FIELDS` fields.
    """
    _, options = parse_options_header(content_type)
    fields: MultiDict[bytes] = MultiDict()
    name, value = "", list[bytes]()
    parser = PushMultipartParser(
        options.get("boundary", ""), max_segment_count=MAX_FIELDS, max_header_size=MAX_HEADER_LENGTH,
        header_charset="latin-1", strict=True,
    )  # fmt: skip
    with parser:
        for event in parser.parse(body):
            if event is None:
                fields.add(name, b"".join(value))
            elif isinstance(event, bytes):
                value.append(event)
            else:
                name, value = event.name, []
    return fields


def without_nul(text: str) -> str:
    """Replace NUL, which PostgreSQL cannot store, by U+FFFD."""
    return text.replace("\0", "\ufffd")


def plain_json(document: object) -> object:
    """Convert values of JSON to what PostgreSQL can store and a terminal may show."""
    match document:
        case str():
            return without_controls(document)
        case dict():
            return {without_nul(str(name)): plain_json(value) for name, value in document.items()}
        case list():
            return [plain_json(value) for value in document]
    return document


async def read_form(request: web.Request, *, largest: int = 16 * 1024) -> MultiDict[str]:
    """Read the fields a browser or mail program sent, in either form encoding; none if they cannot be read.

    Raises:
        HTTPRequestEntityTooLarge, HTTPRequestTimeout: see `read_body`.
    """
    body = await read_body(request, largest=largest)
    try:
        if request.content_type == "multipart/form-data":  # one-click may come in one (RFC 8058)
            parts = parse_multipart(request.headers.get("Content-Type", ""), body)
            form = MultiDict((name, value.decode(errors="replace").strip()) for name, value in parts.items())
        else:
            form = parse_form(body)
    except ValueError:
        return MultiDict()
    return MultiDict((name, without_controls(value)) for name, value in form.items())


def _too_large(largest: int) -> web.HTTPRequestEntityTooLarge:
    return web.HTTPRequestEntityTooLarge(largest, largest, text="That is too large.\n")
