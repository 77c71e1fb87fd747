"""Generator of the event list in docs/events.md and of docs/events.json: `python -m tools.events_page`."""

from __future__ import annotations

from typing import Any, Final

import orjson

from core.settings import ROOT
from webhooks.subscriptions.event_types import EVENTS, PRIVATE, Payload, schemas

PAGE: Final = ROOT / "docs" / "events.md"
SCHEMAS: Final = ROOT / "docs" / "events.json"

_BEGIN: Final = (
    "<!-- The catalogue is written by `make docs` from webhooks/subscriptions/event_types.py; change it there. -->\n"
)
_END: Final = "<!-- End of the catalogue. -->\n"


def page(text: str) -> str:
    """Replace the list of events in the page by the current one.

    Args:
        text: the current page.

    Raises:
        ValueError: the comments around the list are missing.
    """
    before, mark, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not mark or not end:
        raise ValueError(f"{PAGE.name} has lost the marks around its catalogue")
    return f"{before}{mark}\n{catalogue()}\n{end}{after}"


def catalogue() -> str:
    """List every event and its data, as Markdown."""
    parts = []
    for model in dict.fromkeys(model for model, _ in EVENTS.values()):
        kinds = {kind: words for kind, (known, words) in EVENTS.items() if known is model}
        groups = dict.fromkeys(kind.partition(".")[0] for kind in kinds)
        parts += [f"### {' and '.join(f'`{group}.*`' for group in groups)}\n", f"{(model.__doc__ or '').strip()}\n"]
        parts += ["| event | when |", "| --- | --- |", *(f"| `{kind}` | {words} |" for kind, words in kinds.items())]
        parts += ["", "| in `data` | |", "| --- | --- |", *_fields(model), ""]
    return "\n".join(parts)


def schema_text() -> str:
    """Return the text of docs/events.json."""
    return orjson.dumps(schemas(), option=orjson.OPT_INDENT_2).decode() + "\n"


def _fields(model: type[Payload]) -> list[str]:
    rows = []
    properties = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        kinds = [word for kind in properties[name].get("anyOf", [properties[name]]) for word in _kinds(kind)]
        listed = " or ".join(filter(None, [", ".join(kinds[:-1]), kinds[-1]]))
        private = " *private*" if name in PRIVATE else ""
        rows.append(f"| `{name}`{private} | {' '.join(filter(None, [listed + '.', field.description]))} |")
    return rows


def _kinds(schema: dict[str, Any]) -> list[str]:
    if "enum" in schema:
        return [f"`{value}`" for value in schema["enum"]]
    if schema["type"] == "array":
        return [f"a list of {_kinds(schema['items'])[0]}s"]
    return [str(schema["type"])]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMAS.write_text(schema_text(), encoding="utf-8")
