"""Paths that members open: which have the form of a link, and the way back from them.

A link comes with whatever was glued to it where it was copied or guessed from a sentence: full stops, quotation marks,
spaces, a slash and more of these behind it. All of that is one part of a route, `{token}`; `find_token` reads it.
"""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

_PROGRAMS: Final = ("api", "calls", "console", "field", "healthz", "metrics", "readyz", "webhooks")
"""First words of paths that are no link of a member's."""
LINK: Final = f"{{token:(?!(?:{'|'.join(_PROGRAMS)})(?:/|$))[^/]{{1,300}}(?:/(?:[^0-9A-Za-z%]|%[0-9A-Fa-f]{{2}})*)?}}"
"""A member's token in a route, with anything but letters and digits behind a slash."""

_MEMBERS: Final = re.compile(r"/+(?:[a-z]/+)?[^/]+(?:/[^/]*)?/*")


def is_members(request: web.Request) -> bool:
    """Tell whether what is asked for has the form of a member's link, so that a member may read what went wrong."""
    return _MEMBERS.fullmatch(request.path) is not None and request.path.strip("/").split("/")[0] not in _PROGRAMS


def way_back(request: web.Request) -> str:
    """Lead from where the browser thinks it is to where links are: `../` for each slash too many.

    Relative, so that it is right behind a proxy that adds a path of its own.
    """
    return "../" * (request.rel_url.raw_path.count("/") - 1)
