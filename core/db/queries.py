"""Named SQL: `foo.sql` sits beside `foo.py`, and each query in it has a comment that says why it is written so.

A file is a series of blocks:

```sql
-- name: claim_due
-- Takes the next due rows of one step; SKIP LOCKED so that workers never wait for each other.
select …
```

A test prepares every query of every file against a migrated database, so a typo in SQL fails the build.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

_BLOCK: Final = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)\s*$", re.MULTILINE)


def load_queries(module_file: str) -> Mapping[str, str]:
    """Read the queries in the `.sql` file beside a module.

    `SQL = load_queries(__file__)` at its top, then `CLAIM_DUE = SQL["claim_due"]`.

    Args:
        module_file: the module's `__file__`; `foo.py` reads `foo.sql`.

    Raises:
        ValueError: a name is used twice, or the file holds SQL outside a named block.
    """
    path = Path(module_file).with_suffix(".sql")
    head, *parts = _BLOCK.split(path.read_text(encoding="utf-8"))
    if any(line.strip() and not line.startswith("--") for line in head.splitlines()):
        raise ValueError(f"{path.name}: SQL before the first '-- name:' line")
    queries: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in queries:
            raise ValueError(f"{path.name}: two queries are named {name}")
        queries[name] = body.strip().rstrip(";")
    return MappingProxyType(queries)
