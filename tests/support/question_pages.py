"""Pages of a question, as people use them."""

from __future__ import annotations

from tests.support.clocks import FixedClock
from tests.support.inbound_rows import BROWSER, Forms, press, read
from tests.support.member_states import Client


async def tap(client: Client, clock: FixedClock, path: str, page: Forms, answer: str) -> Forms:
    """Press a button like a person, who takes some time to read."""
    clock.wait(seconds=20)
    return await press(client, path, page, answer)


async def write(client: Client, clock: FixedClock, path: str, page: Forms, words: str) -> Forms:
    clock.wait(seconds=20)
    data = {**page.fields, "answer": "comment", "comment": words}
    response = await client.post(path, data=data, headers={"User-Agent": BROWSER})
    assert response.status == 200
    return await read(response)
