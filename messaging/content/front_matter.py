"""Read a template file: `key: value` lines (front matter) between two `---`, then the text."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import frontmatter
from yaml import MappingNode, SafeLoader, YAMLError, compose  # type: ignore[import-untyped]

from core.errors import TemplateError
from messaging.content.budget import MAX_SOURCE_LENGTH
from messaging.content.expressions import TemplateSource, nearest

_HEAD: Final = re.compile(r"---\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class File:
    """One template file.

    Attributes:
        head: its front matter; empty if it has none.
        body: the text below, with its first line's number in the file.
        lines: the line of the file on which each value of the front matter begins.
    """

    head: Mapping[str, Any]
    body: TemplateSource
    lines: Mapping[str, int] = field(default_factory=dict)

    def word(self, key: str) -> str:
        """Return one value of the front matter as text, "" if it is missing.

        Raises:
            TemplateError: it is a list or a mapping.
        """
        value = self.head.get(key, "")
        if isinstance(value, (dict, list)):
            raise TemplateError(
                f"{self.body.file}: “{key}” must be one text.", remedy=f'Put it in quotes: {key}: "{{{{ … }}}} …".'
            )
        return "" if value is None else str(value).strip()


def read_file(path: Path, keys: Collection[str]) -> File:
    """Read one template file.

    Args:
        path: a UTF-8 file, with or without BOM, with any kind of line ends.
        keys: the keys its front matter may have.

    Raises:
        TemplateError: the file cannot be read, or its front matter has another key.
    """
    source = read_text(path)
    name, text = source.file, source.text
    if not text.startswith("---\n"):
        return File({}, source)
    whole = _HEAD.match(text)
    if whole is None:
        raise TemplateError(f"{name}: the front matter has no second --- line.")
    head = _load(name, whole[1], keys)
    return File(head, TemplateSource(name, text[whole.end() :], whole[0].count("\n") + 1), _lines(whole[1]))


def read_text(path: Path) -> TemplateSource:
    """Read a whole file as text: UTF-8, with or without BOM, any kind of line ends.

    Raises:
        TemplateError: the file cannot be read, or is too long.
    """
    name = f"{path.parent.name}/{path.name}"
    try:
        with path.open("rb") as file:
            written = file.read(MAX_SOURCE_LENGTH + 1)
        if len(written) > MAX_SOURCE_LENGTH:
            raise TemplateError(
                f"{name} has more than {MAX_SOURCE_LENGTH:,} bytes.",
                remedy="Take out what is repeated, and pictures that are written into the text.",
            )
        text = written.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TemplateError(f"{name} is not UTF-8 text.", remedy="Save it as UTF-8 and try again.") from error
    except OSError as error:
        raise TemplateError(f"{name} cannot be read: {error.strerror}.") from error
    return TemplateSource(name, text.replace("\r\n", "\n").replace("\r", "\n"))


def _lines(head: str) -> dict[str, int]:
    """Return the line of the file on which each value begins; a `|` or `>` value begins below its key."""
    node = compose(head, Loader=SafeLoader)
    pairs = node.value if isinstance(node, MappingNode) else ()
    return {
        str(key.value): value.start_mark.line + (3 if getattr(value, "style", None) in {"|", ">"} else 2)
        for key, value in pairs
    }


def _load(name: str, head: str, keys: Collection[str]) -> Mapping[str, Any]:
    try:
        loaded = frontmatter.YAMLHandler().load(head) or {}
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name} line {mark.line + 2}" if mark else name
        raise TemplateError(
            f"{where}: the front matter cannot be read.",
            remedy='A value with {{ … }} or a colon in it goes in quotes: subject: "{{ first_name }}: news".',
        ) from error
    if not isinstance(loaded, dict):
        raise TemplateError(f"{name}: the front matter must be lines of “key: value”.")
    for key in loaded:
        if key not in keys:
            raise TemplateError(
                f"{name}: the front matter knows no “{key}”.{nearest(str(key), keys)}",
                remedy=f"It may say {', '.join(sorted(keys))}.",
            )
    return loaded
