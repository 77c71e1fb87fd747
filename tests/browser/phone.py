"""A phone that opens pages of members."""

from __future__ import annotations

from tests.browser.conftest import Site

PHONE = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36"


async def status_of(site: Site, person_id: int) -> str | None:
    kind: str | None = await site.runtime.pool.fetchval("select kind from claim_status where person_id = $1", person_id)
    return kind
