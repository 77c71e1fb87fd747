"""The style sheet, script and pictures of the console, under names that change with their content."""

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
    """One file.

    Attributes:
        url: its path, which holds a hash of the body: a browser may keep it for ever.
        body: what is in it.
        content_type: what it is.
    """

    url: str
    body: bytes
    content_type: str


@cache
def assets() -> dict[str, Asset]:
    """Every file in `static/` by its plain name, read once."""
    found = {}
    for path in sorted(FOLDER.iterdir()):
        body = path.read_bytes()
        name = f"{path.stem}.{hashlib.sha256(body).hexdigest()[:12]}{path.suffix}"
        found[path.name] = Asset(f"{PATH}/{name}", body, mimetypes.guess_type(path.name)[0] or "text/plain")
    return found


@cache
def _by_url() -> dict[str, Asset]:
    return {asset.url: asset for asset in assets().values()}


def asset_url(name: str) -> str:
    """Where a page finds one of the files."""
    return assets()[name].url


async def get_asset(request: web.Request) -> web.Response:
    """Serve one file; these hold no secrets and the sign-in page needs them, so anybody may."""
    asset = _by_url().get(request.path)
    if asset is None:
        return web.Response(status=404, text="There is no such file.\n")
    response = web.Response(body=asset.body, content_type=asset.content_type, charset="utf-8")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    response.enable_compression()
    return response
