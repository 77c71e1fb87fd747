"""ZIP file of a workbook, checked before anything in it is unpacked; its parts are read as XML in pieces."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import IO, Any, Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile, ZipInfo

from core.errors import InputError

MAX_PART_SIZE: Final = 1 << 30
"""Bytes that a part may have when it is unpacked: a million members with twenty columns."""
_SUSPICIOUS_RATIO: Final = 200
"""Compression ratio that text seldom reaches."""
_SMALL_SIZE: Final = 20_000_000
_MAX_PARTS: Final = 10_000
_CHUNK_SIZE: Final = 1 << 16
_MAX_TAG_LENGTH: Final = 1 << 20
_ENCRYPTED_FLAG: Final = 0x1


Handlers = tuple[Callable[[str, dict[str, str]], Any], Callable[[str], Any], Callable[[str], Any]]
"""Callbacks for the beginning of elements, for their end, and for text."""


class Container:
    """An open ZIP file.

    Args:
        file: open for reading.

    Raises:
        InputError: the file is damaged, protected, or unpacks to more than a member file can be.
    """

    def __init__(self, file: IO[bytes]) -> None:
        try:
            self._zip = ZipFile(file)
        except (BadZipFile, OSError, ValueError, NotImplementedError):
            raise damaged() from None
        self._parts = {part.filename.lstrip("/").replace("\\", "/"): part for part in self._zip.infolist()}
        if len(self._parts) > _MAX_PARTS:
            raise damaged()
        for part in self._parts.values():
            _judge(part)

    def __contains__(self, name: str) -> bool:
        return name in self._parts

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield a part piece by piece.

        Raises:
            InputError: it is missing or damaged.
        """
        try:
            with self._zip.open(self._parts[name]) as part:
                while piece := part.read(_CHUNK_SIZE):
                    yield piece
        except (KeyError, BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError):
            raise damaged() from None

    def parse(self, name: str, handlers: Callable[[str], Handlers]) -> Iterator[None]:
        """Parse a part, pausing after each piece so that what has been found can be taken.

        Args:
            name: of the part.
            handlers: given the prefix of the root's name, returns the callbacks for what follows.

        Raises:
            InputError: it is missing, damaged, or declares entities.
        """
        parser = expat.ParserCreate()
        parser.buffer_text = True

        def begin(root: str, attributes: dict[str, str]) -> None:
            callbacks = handlers(root[: root.rfind(":") + 1])
            parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = callbacks
            callbacks[0](root, attributes)

        parser.StartElementHandler = begin
        parser.StartDoctypeDeclHandler = _refuse_document_type
        fed = 0
        try:
            for piece in self.pieces(name):
                fed += len(piece)
                if fed - max(parser.CurrentByteIndex, 0) > _MAX_TAG_LENGTH:
                    raise damaged()  # else the parser would read it from its beginning with each piece
                parser.Parse(piece, False)  # whether it is the last
                yield
            parser.Parse(b"", True)
        except expat.ExpatError:
            raise damaged() from None

    def tree(self, name: str) -> Element:
        """Parse a small part as a whole; names keep their prefixes.

        Raises:
            InputError: it is missing, damaged, declares entities, or is large.
        """
        if name in self and self._parts[name].file_size > _SMALL_SIZE:
            raise damaged()
        builder = TreeBuilder()
        for _ in self.parse(name, lambda _: (builder.start, builder.end, builder.data)):
            pass
        return builder.close()


def local_name(tag: str) -> str:
    """Strip a name's prefix, which is for the program to choose."""
    return tag.rpartition(":")[2]


def resolve(base: str, target: str) -> str:
    """Resolve the name of a part that another one refers to: `worksheets/sheet1.xml`, seen from `xl/workbook.xml`."""
    target = target.replace("\\", "/")  # as some programs on Windows write it
    if target.startswith("/"):
        return target.lstrip("/")
    parts: list[str] = []
    for part in (PurePosixPath(base).parent / target).parts:
        if part == "..":
            parts[-1:] = []
        else:
            parts.append(part)
    return "/".join(parts)


def damaged(why: str = "") -> InputError:
    """Build the error for a file that is not what it says it is."""
    return InputError(
        f"The file cannot be read as a spreadsheet: it is damaged{f' ({why})' if why else ''}.",
        remedy="Save it again as XLSX, ODS or CSV.",
    )


def protected() -> InputError:
    """Build the error for a file under a password."""
    return InputError("The file is protected by a password.", remedy="Save a copy without password, or as CSV.")


def _judge(part: ZipInfo) -> None:
    if part.flag_bits & _ENCRYPTED_FLAG:
        raise protected()
    ratio = part.file_size / max(part.compress_size, 1)
    if part.file_size > MAX_PART_SIZE or (part.file_size > _SMALL_SIZE and ratio > _SUSPICIOUS_RATIO):
        raise InputError(
            f"The file unpacks to {part.file_size / 1e6:,.0f} MB from {part.compress_size / 1e6:,.1f} MB: that is no"
            " member file.",
            remedy="Copy the members' rows into a new workbook, or save them as CSV.",
        )


def _refuse_document_type(*_: Any) -> None:
    raise InputError(
        "The file declares XML entities, which no spreadsheet program does; it was not read.",
        remedy="Open it in a spreadsheet program and save it again as XLSX, ODS or CSV.",
    )
