"""Generator of docs/settings.md from the settings: `python -m tools.settings_page [FILE]`."""

from __future__ import annotations

import sys
from datetime import time
from pathlib import Path
from types import UnionType
from typing import Final, Union, get_args, get_origin

from pydantic import FilePath
from pydantic.fields import FieldInfo

from core.setting_types import Network, SecretList
from core.settings import ROOT, Settings
from messaging.settings import OWN_SETTINGS

PAGE: Final = ROOT / "docs" / "settings.md"

_SECTIONS: Final = {
    "home": "Servers",
    "email_from": "Email",
    "sms_from": "Texts",
    "frequency_cap": "How often people are written to",
    "outgoing_allow": "Webhooks and exports",
    "templates": "What people see",
    "archive_after": "How long things are kept",
    "log_format": "Logs",
}
"""The first setting of each section, in the order of the settings."""

_HEAD: Final = """# Settings

<!-- Written by `make docs` from core/settings.py; change it there. -->

Muster is configured by environment variables, or by a file `.env` in the folder it is started in (the former win).
**None is needed to try it**: without any, PostgreSQL and Redis run inside the folder `.muster`, and texts and emails go
to a sandbox. A value that cannot be right ends a command with exit status 1 and names the setting: most values every
command; those of servers, addresses, domains and keys the process that uses them.

On servers of your own set at least these:

```sh
MUSTER_DATABASE_URL=postgresql://muster_worker:…@db.example.org/muster
MUSTER_REDIS_URL=redis://cache.example.org:6379/0
MUSTER_PUBLIC_URL=https://vote.example.org
MUSTER_SECRET_KEY=…                # python -c "import secrets; print(secrets.token_urlsafe(32))"
```

then `muster migrate` with two addresses more ([logins.md](logins.md)), and any number of `muster serve` and `muster
worker` on any number of machines. With `MUSTER_DATABASE_URL` set, Muster refuses to start without the other three,
which have no safe default, with a secret that can be guessed, and with an address that begins with `http://`.
"""


def page() -> str:
    """Return the whole page.

    Raises:
        ValueError: a setting has no description.
    """
    parts = [_HEAD]
    for name, setting in Settings.model_fields.items():
        if name in _SECTIONS:
            parts.append(f"## {_SECTIONS[name]}\n")
        parts.append(_entry(name, setting))
    for provider, own in OWN_SETTINGS:
        parts.append(f"## {provider.capitalize()}\n")
        parts += [_entry(name, setting) for name, setting in own.model_fields.items()]
    return "\n".join(parts)


def _entry(name: str, setting: FieldInfo) -> str:
    if not setting.description:
        raise ValueError(f"MUSTER_{name.upper()} has no description")
    return f"### `MUSTER_{name.upper()}`\n\n{setting.description}\n\n{_kind(setting)} Default: {_default(setting)}.\n"


def _default(setting: FieldInfo) -> str:
    default = setting.default
    if isinstance(default, tuple) and default and all(isinstance(moment, time) for moment in default):
        return f"`{','.join(f'{moment:%H:%M}' for moment in default)}`"
    if isinstance(default, tuple) and default and all(isinstance(network, Network) for network in default):
        return f"`{','.join(map(str, default))}`"
    if default is None or default in ((), ""):
        return "none"
    return f"`{int(default) if isinstance(default, bool) else default}`"


def _kind(setting: FieldInfo) -> str:
    limits = [f"{word} {value}" for rule in setting.metadata for word, value in _limit(rule)]
    kind = setting.annotation
    if get_origin(kind) in (Union, UnionType):
        kind = next(member for member in get_args(kind) if member is not type(None))
    if kind is int:
        return f"A whole number{', ' if limits else ''}{' and '.join(limits)}."
    if kind is bool:
        return "`1` or `0`."
    if kind == FilePath:
        return "A file."
    if Path in {kind, *get_args(kind)[:1]}:
        return "A folder."
    if "Secret" in str(kind) or kind == get_args(SecretList)[0]:
        return "A secret."
    return "Text."


def _limit(rule: object) -> list[tuple[str, object]]:
    return [(word, getattr(rule, key)) for key, word in (("ge", "at least"), ("le", "at most")) if hasattr(rule, key)]


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE).write_text(page(), encoding="utf-8")
