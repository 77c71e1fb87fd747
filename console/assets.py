"""Assets of the console (style sheet, script, pictures), under names that change with their content."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from aiohttp import web

FOLDER: Final = Path(__file__).parent / "static"
PATH: Final = "/console/static"


@dataclass(frozen=True, slots=True)
class Asset:
    """Static file.

    Attributes:
        url: its path, which holds a hash of the body: a browser may keep it for ever.
        body: its content.
        content_type: its media type.
    """

    url: str
    body: bytes
    content_type: str


@cache
def assets() -> dict[str, Asset]:
    """Read every file in `static/`, once; return them by their plain names."""
    assets_by_name = {}
    for path in sorted(FOLDER.iterdir()):
        body = path.read_bytes()
        name = f"{path.stem}.{hashlib.sha256(body).hexdigest()[:12]}{path.suffix}"
        assets_by_name[path.name] = Asset(f"{PATH}/{name}", body, mimetypes.guess_type(path.name)[0] or "text/plain")
    return assets_by_name


@cache
def _by_url() -> dict[str, Asset]:
    return {asset.url: asset for asset in assets().values()}


def asset_url(name: str) -> str:
    """Return the path of an asset for use in a page."""
    return assets()[name].url


async def get_asset(request: web.Request) -> web.Response:
    """Serve an asset, to anybody: they hold no secrets, and the sign-in page needs them."""
    asset = _by_url().get(request.path)
    if asset is None:
        return web.Response(status=404, text="There is no such file.\n")
    response = web.Response(body=asset.body, content_type=asset.content_type, charset="utf-8")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    response.enable_compression()
    return response
