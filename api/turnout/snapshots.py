"""`GET /api/v1/turnout/{ballot}/snapshot`: the turnout status of every member, as a file."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Final

from aiohttp import web

from api.keys import Key
from api.turnout.payloads import SnapshotQuery, read_query
from ballots.ballots import Ballot
from ballots.snapshot import MEDIA, NoParquet, write_snapshot
from core.http.client_network import client_network
from core.http.web import RUNTIME, problem

CURSOR: Final = "Muster-Cursor"
_CHUNK_SIZE: Final = 256 * 1024


class Snapshots:
    """Write snapshots, a limited number at once: each holds a connection while it is written, none while it is sent."""

    def __init__(self, at_once: int = 2) -> None:
        self._turn = asyncio.Semaphore(at_once)

    async def get(self, request: web.Request, ballot: Ballot, key: Key) -> web.StreamResponse:
        """Send a file that is complete before its first byte leaves."""
        query = read_query(request, SnapshotQuery)
        if isinstance(query, web.Response):
            return query
        with tempfile.NamedTemporaryFile(suffix=f".{query.format}") as file:
            try:
                async with self._turn:
                    pool = request.app[RUNTIME].pool
                    actor = key.actor(client_network(request))
                    taken = await write_snapshot(pool, ballot, Path(file.name), query.format, actor=actor)
            except NoParquet as error:
                return problem(501, error.message, remedy=error.remedy)
            response = web.StreamResponse(
                headers={
                    "Content-Type": MEDIA[query.format],
                    "Content-Disposition": f'attachment; filename="{ballot.name}.{query.format}"',
                    CURSOR: str(taken.cursor),
                }
            )
            response.content_length = file.seek(0, os.SEEK_END)
            file.seek(0)
            await response.prepare(request)
            while chunk := file.read(_CHUNK_SIZE):
                await response.write(chunk)
            await response.write_eof()
            return response
