"""Paths of members' links: which paths have the form of a link, and the relative way back from them.

A link may come with characters that stood next to it where it was copied or detected: full stops, quotation marks,
spaces, a slash and more of these behind it. The route takes all of that as `{token}`; `find_token` reads it. Who puts
an address and a path together may double the slash between them.
"""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

_PROGRAMS: Final = ("api", "calls", "console", "field", "healthz", "metrics", "readyz", "webhooks")
"""First path segments that are not links of members."""
SLASHES: Final = "{slashes:/*}"
"""Route pattern of more slashes than one at the beginning of a path."""
LINK: Final = (
    "{more_slashes:/*}"
    f"{{token:(?!(?:{'|'.join(_PROGRAMS)})(?:/|$))[^/]{{1,300}}(?:/(?:[^0-9A-Za-z%]|%[0-9A-Fa-f]{{2}})*)?}}"
)
"""Route pattern of a member's token, with slashes before it, and with anything but letters and digits behind one."""

_MEMBERS: Final = re.compile(r"/+(?:[a-z]/+)?[^/]+(?:/[^/]*)?/*")


def is_members(request: web.Request) -> bool:
    """Tell whether a path has the form of a member's link, so that errors there are shown as a member's page."""
    return _MEMBERS.fullmatch(request.path) is not None and request.path.strip("/").split("/")[0] not in _PROGRAMS


def way_back(request: web.Request) -> str:
    """Return the relative path to the links' folder from the URL in the browser: `../` for each slash too many.

    Relative, so that it is right behind a proxy that adds a path of its own.
    """
    return "../" * (request.rel_url.raw_path.count("/") - 1)
