"""Dates in messages: an attribute's text as its reader's language and clock say it, `{{ appointment_at|date }}`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from core.written_dates import WrittenDate, read_written_date
from messaging.content.languages import DEFAULT
from messaging.content.translations import day_and_time, day_words


def _date(text: str, language: str = DEFAULT, zone: str = "") -> str:
    """Format the day: `Thursday 31 December`; what is no date stays as it is."""
    written = _read(text, zone)
    return str(text) if written is None else day_words(written.at.astimezone(_zone(zone)), language)


def _time(text: str, language: str = DEFAULT, zone: str = "") -> str:  # noqa: ARG001  # the same in all of them
    """Format the time of day: `14:30`; "" where none is written."""
    written = _read(text, zone)
    return f"{written.at.astimezone(_zone(zone)):%H:%M}" if written is not None and written.timed else ""


def _datetime(text: str, language: str = DEFAULT, zone: str = "") -> str:
    """Format the day and, where one is written, the time; what is no date stays as it is."""
    written = _read(text, zone)
    if written is None or not written.timed:
        return _date(text, language, zone)
    return day_and_time(written.at, _zone(zone), language)


DATE_FILTERS: Final[Mapping[str, Callable[..., str]]] = {"date": _date, "time": _time, "datetime": _datetime}
"""Filters for dates; each takes the text, the language of the template and the time zone of the recipient."""


def needed_for_dates(tree: nodes.Template) -> Iterator[str]:
    """Yield the variable `time_zone` where a template formats dates, which takes the recipient's."""
    if any(node.name in DATE_FILTERS for node in tree.find_all(nodes.Filter)):
        yield "time_zone"


def with_reader(tree: nodes.Node, language: str) -> nodes.Node:
    """Return a template whose filters for dates know their language, and take the recipient's time zone."""
    dated: nodes.Node = _ForReader(language).visit(tree)
    return dated


class _ForReader(NodeTransformer):
    def __init__(self, language: str) -> None:
        self._language = language

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802  # Jinja's visitor looks for this name
        self.generic_visit(node)
        if node.name in DATE_FILTERS:
            place = {"lineno": node.lineno, "environment": node.environment}
            node.args = [nodes.Const(self._language, **place), nodes.Name("time_zone", "load", **place)]
        return node


def _read(text: object, zone: str) -> WrittenDate | None:
    return read_written_date(str(text), _zone(zone))


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        return UTC
