"""Dates in messages: an attribute's text in its reader's language and time zone, `{{ appointment_at|date }}`.

A time names its zone if the campaign's clock shows another time at that moment: the appointment may be in Leeds, and
its reader's phone in New York.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from core.written_dates import WrittenDate, read_written_date
from messaging.content.languages import DEFAULT
from messaging.content.translations import day_and_time, day_words, wording

CAMPAIGN_ZONE: Final = "zone"
"""Key of the campaign's time zone among the constants of a step; no template can use it."""


def _date(text: str, language: str = DEFAULT, zone: str = "", campaign: str = "") -> str:  # noqa: ARG001  # as the others
    """Format the day: `Thursday 31 December`; a text that is no date stays as it is."""
    written = _read(text, zone)
    return str(text) if written is None else day_words(written.at.astimezone(_zone(zone)), language)


def _time(text: str, language: str = DEFAULT, zone: str = "", campaign: str = "") -> str:
    """Format the time of day: `14:30`, `09:30 (New York time)`; "" if none is written."""
    written = _read(text, zone)
    if written is None or not written.timed:
        return ""
    return f"{written.at.astimezone(_zone(zone)):%H:%M}{_zone_words(written.at, language, zone, campaign)}"


def _datetime(text: str, language: str = DEFAULT, zone: str = "", campaign: str = "") -> str:
    """Format the day and, if one is written, the time; a text that is no date stays as it is."""
    written = _read(text, zone)
    if written is None or not written.timed:
        return _date(text, language, zone)
    return day_and_time(written.at, _zone(zone), language) + _zone_words(written.at, language, zone, campaign)


DATE_FILTERS: Final[Mapping[str, Callable[..., str]]] = {"date": _date, "time": _time, "datetime": _datetime}
"""Filters for dates; each takes the text, the language of the template and the time zones of recipient and campaign."""


def needed_for_dates(tree: nodes.Template) -> Iterator[str]:
    """Yield the variable `time_zone` if a template formats dates, which needs the recipient's time zone."""
    if any(node.name in DATE_FILTERS for node in tree.find_all(nodes.Filter)):
        yield "time_zone"


def with_reader(tree: nodes.Node, language: str, campaign_zone: str) -> nodes.Node:
    """Return a template whose date filters know the language and the campaign's zone, and take the recipient's."""
    dated: nodes.Node = _ForReader(language, campaign_zone).visit(tree)
    return dated


class _ForReader(NodeTransformer):
    def __init__(self, language: str, campaign_zone: str) -> None:
        self._language = language
        self._campaign_zone = campaign_zone

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802  # Jinja's visitor looks for this name
        self.generic_visit(node)
        if node.name in DATE_FILTERS:
            place = {"lineno": node.lineno, "environment": node.environment}
            node.args = [
                nodes.Const(self._language, **place), nodes.Name("time_zone", "load", **place),
                nodes.Const(self._campaign_zone, **place),
            ]  # fmt: skip
        return node


def _read(text: object, zone: str) -> WrittenDate | None:
    return read_written_date(str(text), _zone(zone))


def _zone_words(at: datetime, language: str, reader: str, campaign: str) -> str:
    """Name the reader's zone, ` (New York time)`; "" if the campaign's clock shows the same time, or is unknown."""
    zone = _zone(reader)
    here = at.astimezone(zone)
    if not campaign or here.utcoffset() == at.astimezone(_zone(campaign)).utcoffset():
        return ""
    area, _, place = (zone.key if isinstance(zone, ZoneInfo) else "").rpartition("/")
    if not area or area == "Etc":
        return f" ({here:UTC%z})" if here.utcoffset() else " (UTC)"
    return f" ({wording(language)['time_in'].format(place=place.replace('_', ' '))})"


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        return UTC
