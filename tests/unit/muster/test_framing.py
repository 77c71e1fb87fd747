"""The beginning of another request is recognised however its bytes are cut."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import pairwise

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st

from muster.framing import Framing

GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /webhooks/a HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nBody=STOP&a"
EMPTY = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
CHUNKED = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nSTOP\r\n0\r\n\r\n"
BEGUN = b"GET /healthz HTTP/1.1\r\nHost: "


def is_begun(pieces: Iterable[bytes]) -> bool:
    """What is known when all of it has come."""
    loop = asyncio.new_event_loop()
    try:
        parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16, auto_decompress=False)
        framing = Framing()
        for piece in pieces:
            messages, _, _ = parser.feed_data(piece)
            framing.note(piece, messages[-1] if messages else None)
        return framing.begun
    finally:
        loop.close()


def cut(words: bytes, places: Iterable[int]) -> list[bytes]:
    at = sorted({0, len(words), *(place % len(words) for place in places)})
    return [words[begin:end] for begin, end in pairwise(at)]


whole = st.lists(st.sampled_from([GET, POST, EMPTY, CHUNKED]), max_size=3).map(b"".join)


@given(whole, st.integers(1, len(BEGUN)), st.lists(st.integers(0, 500), max_size=6))
def test_a_begun_request_is_seen_wherever_it_is_cut(before: bytes, length: int, places: list[int]) -> None:
    assert is_begun(cut(before + BEGUN[:length], places))


@given(whole.filter(bool), st.lists(st.integers(0, 500), max_size=6))
def test_whole_requests_begin_nothing_wherever_they_are_cut(requests: bytes, places: list[int]) -> None:
    assert not is_begun(cut(requests, places))


@pytest.mark.parametrize("request_", [GET, POST, EMPTY, CHUNKED])
def test_a_request_read_byte_by_byte_ends_where_it_ends(request_: bytes) -> None:
    assert not is_begun(cut(request_, range(len(request_))))
    assert not is_begun(cut(request_ + request_, range(1000)))
    assert is_begun(cut(request_ + BEGUN, range(1000)))


@pytest.mark.parametrize("request_", [POST, CHUNKED])
def test_a_body_on_its_way_is_no_beginning(request_: bytes) -> None:
    assert not is_begun([request_[:-9]])
    assert not is_begun([request_[:-9], request_[-9:-5]])
