"""`GET /api/v1/openapi.json`: the OpenAPI document of the turnout feed."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.turnout.changes import EVENT_STREAM
from api.turnout.payloads import MAX_FEED_POSITION, ApiError, Change, Changes, ChangesQuery, SnapshotQuery
from api.turnout.snapshots import CURSOR
from core.http.web import RUNTIME

_REF: Final = "#/components/schemas/{model}"
_BALLOT: Final = {
    "name": "ballot", "in": "path", "required": True, "description": "The ballot's name.",
    "schema": {"type": "string", "minLength": 1},
}  # fmt: skip
_LAST: Final = {
    "name": "Last-Event-ID", "in": "header", "description": "Of a stream: the last place; it wins over `after`.",
    "schema": {"type": "integer", "minimum": 0, "maximum": MAX_FEED_POSITION},
}  # fmt: skip
_TROUBLES: Final = {
    400: "A parameter cannot be right.",
    401: "There is no key, or none that works.",
    403: "The key is not for that.",
    404: "There is no such ballot.",
    429: "Too many requests without a key that works.",
    503: "Not just now; try again after Retry-After.",
}


async def get_openapi(request: web.Request) -> web.Response:
    """Answer with the OpenAPI document; needs no key."""
    return web.json_response(document(request.app[RUNTIME].settings.public_url))


def document(public_url: str) -> dict[str, Any]:
    """Build the OpenAPI document (3.1).

    Args:
        public_url: where this is served.
    """
    _, schemas = models_json_schema(
        [(Changes, "serialization"), (Change, "serialization"), (ApiError, "serialization")],
        ref_template=_REF,
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Muster", "version": version("muster"), "description": "The turnout feed."},
        "servers": [{"url": public_url}],
        "security": [{"key": []}],
        "paths": {
            "/api/v1/turnout/{ballot}/changes": {"get": _changes()},
            "/api/v1/turnout/{ballot}/snapshot": {"get": _snapshot()},
        },
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "muster key add NAME"}},
        },
    }


def _changes() -> dict[str, Any]:
    schema = {"$ref": _REF.format(model="Changes")}
    return {
        "operationId": "changes",
        "summary": "Changes after a position in the feed; as a stream where text/event-stream is requested",
        "parameters": [_BALLOT, *_parameters(ChangesQuery), _LAST],
        "responses": {
            "200": {
                "description": "In the order of commits; numbers may be missing, none comes late.",
                "content": {"application/json": {"schema": schema}, EVENT_STREAM: {"schema": {"type": "string"}}},
            },
            **_errors(),
        },
    }


def _snapshot() -> dict[str, Any]:
    return {
        "operationId": "snapshot",
        "summary": "Every member's present status, as a file",
        "parameters": [_BALLOT, *_parameters(SnapshotQuery)],
        "responses": {
            "200": {
                "description": "The whole file.",
                "headers": {CURSOR: {"description": "Follow the feed from here.", "schema": {"type": "integer"}}},
                "content": {
                    "text/csv": {"schema": {"type": "string"}},
                    "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
                },
            },
            **_errors(),
            "501": _error("Parquet cannot be written here."),
        },
    }


def _parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    parameters = []
    for name, schema in query.model_json_schema()["properties"].items():
        words = schema.pop("description")
        schema.pop("title")
        parameters.append({"name": name, "in": "query", "description": words, "schema": schema})
    return parameters


def _errors() -> dict[str, Any]:
    return {str(status): _error(words) for status, words in _TROUBLES.items()}


def _error(words: str) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model="ApiError")}
    return {"description": words, "content": {"application/problem+json": {"schema": schema}}}
