"""Content of a signed mail (S/MIME, RFC 8551) with its text inside the signature, as Outlook and others send it.

Such a mail is one part, `application/pkcs7-mime`, in which the text is a byte string of the signature's structure (CMS,
RFC 5652). It is neither encrypted nor compressed. The signature is not verified: a mail proves what it answers by other
means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

MAX_DEPTH: Final = 12
"""Levels of nested values; a signed mail has eight."""
MAX_VALUES: Final = 5_000
"""Values in one mail; a long text comes in pieces of a kilobyte or more."""

_SEQUENCE_TAG: Final = 0x30
_OBJECT_ID: Final = 0x06
_EXPLICIT_TAG: Final = 0xA0
_BYTES_TAG: Final = 0x04
_BYTES_IN_PIECES: Final = 0x24
_CONSTRUCTED_FLAG: Final = 0x20
_INDEFINITE_LENGTH: Final = 0x80
_SIGNED_DATA: Final = bytes.fromhex("2a864886f70d010702")
_DATA: Final = bytes.fromhex("2a864886f70d010701")
_END: Final = b"\x00\x00"


class _NotSigned(Exception):  # noqa: N818  # no error: the mail is shown as it is
    """The data is no signed content, or is cut off before it."""


@dataclass(frozen=True, slots=True)
class _Value:
    """Value in BER (X.690): its tag, and where its content begins and ends."""

    tag: int
    start: int
    end: int


class _Reader:
    """Reader of values in BER, of which mail programs use the forms with and without a length."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = MAX_VALUES

    def values(self, start: int, end: int, depth: int = 0) -> Iterator[_Value]:
        """Yield the values that stand one behind the other; the last may be cut off."""
        while start < end and self._data[start : start + 2] != _END:
            value, start = self._value(start, end, depth)
            yield value

    def inside(self, value: _Value) -> list[_Value]:
        """Return the values inside another."""
        return list(self.values(value.start, value.end))

    def bytes_of(self, value: _Value, depth: int = 0) -> bytes:
        """Return a byte string, put together if it comes in pieces."""
        if value.tag == _BYTES_TAG:
            return self._data[value.start : value.end]
        if value.tag != _BYTES_IN_PIECES or depth > MAX_DEPTH:
            raise _NotSigned
        return b"".join(self.bytes_of(piece, depth + 1) for piece in self.values(value.start, value.end))

    def content(self, value: _Value) -> bytes:
        """Return a value's content as it stands."""
        return self._data[value.start : value.end]

    def _value(self, start: int, end: int, depth: int) -> tuple[_Value, int]:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH or start + 2 > end:
            raise _NotSigned
        tag, length, start = self._data[start], self._data[start + 1], start + 2
        if length == _INDEFINITE_LENGTH:
            if not tag & _CONSTRUCTED_FLAG:
                raise _NotSigned
            stop = self._end_of(start, end, depth)
            return _Value(tag, start, stop), min(stop + len(_END), end)
        if length > _INDEFINITE_LENGTH:
            size = length - _INDEFINITE_LENGTH
            length = int.from_bytes(self._data[start : start + size])
            start += size
        stop = min(start + length, end)  # only the beginning of a long mail is read
        return _Value(tag, start, stop), stop

    def _end_of(self, start: int, end: int, depth: int) -> int:
        while start < end and self._data[start : start + 2] != _END:
            _, start = self._value(start, end, depth + 1)
        return min(start, end)


def signed_content(data: bytes) -> bytes | None:
    """Return the mail inside a signature; None if there is none, as in an encrypted mail.

    Args:
        data: the content of a part `application/pkcs7-mime`; may be cut off at its end.
    """
    reader = _Reader(data)
    try:
        whole = _first(reader.values(0, len(data)), _SEQUENCE_TAG)
        kind, wrapped = reader.inside(whole)[:2]
        if kind.tag != _OBJECT_ID or reader.content(kind) != _SIGNED_DATA or wrapped.tag != _EXPLICIT_TAG:
            return None
        signed = _first(reader.inside(wrapped), _SEQUENCE_TAG)
        signed_in = next((element for element in reader.inside(signed) if element.tag == _SEQUENCE_TAG), None)
        if signed_in is None:
            return None
        what, content = reader.inside(signed_in)[:2]
        if what.tag != _OBJECT_ID or reader.content(what) != _DATA or content.tag != _EXPLICIT_TAG:
            return None
        return b"".join(reader.bytes_of(element) for element in reader.inside(content)) or None
    except (_NotSigned, ValueError, IndexError):  # ValueError: fewer values than such a structure has
        return None


def _first(values: Iterable[_Value], tag: int) -> _Value:
    value = next(iter(values), None)
    if value is None or value.tag != tag:
        raise _NotSigned
    return value
