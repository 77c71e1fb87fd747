"""Tables and who may read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from core.settings import ROOT

EVERYONE: Final = "for everyone"

TABLES: Final = """
select
  c.oid, c.relname as name, c.relrowsecurity as guarded,
  array(
    select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      and not has_column_privilege($1, c.oid, a.attnum, 'select')
    order by a.attnum
  ) as hidden,
  has_any_column_privilege($1, c.oid, 'select') as readable,
  has_any_column_privilege($1, c.oid, 'insert, update, references')
    or has_table_privilege($1, c.oid, 'insert, update, delete, truncate, references, trigger') as writable
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
order by c.relname
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """Line of the list."""

    rows: str
    hidden: tuple[str, ...]


@cache
def listed() -> dict[str, Listed]:
    """Tables that staff read, by name."""
    text = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `(\w+)` \| (by unit[^|]*|whole[^|]*|for everyone) \| ([^|]*)\|$", text, re.MULTILINE)
    return {name: Listed(rows, tuple(re.findall(r"`(\w+)`", hidden))) for name, rows, hidden in lines}
