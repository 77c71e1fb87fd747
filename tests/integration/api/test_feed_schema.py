"""The API keeps to the document it publishes: schemathesis sends requests that the document allows and others."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from api.keys import make_key
from api.openapi import document
from ballots.ballots import enrol
from ballots.claims import record_claim
from core.db import Connection
from core.runtime import Runtime
from muster.operator import operator
from tests.support.electorate import add_ballot, add_person
from tests.support.inbound_rows import serve


async def test_the_api_agrees_with_its_document(runtime: Runtime, db: Connection, tmp_path: Path) -> None:
    ballot_id = await add_ballot(db)
    people = [await add_person(db, f"M{n}") for n in range(3)]
    await enrol(db, ballot_id)
    for person_id in people:
        await record_claim(
            db, ballot_id=ballot_id, person_id=person_id, kind="voted", source="link", recorder="member", confidence=0.9
        )
    key = await make_key(db, "crm", actor=operator("ada"), now=datetime.now(UTC))
    document_served = document(runtime.settings.public_url)
    for path in document_served["paths"].values():
        # not here: waiting for a minute, and what is said to streams, which never end; any other name is no ballot
        asked = [
            parameter for parameter in path["get"]["parameters"] if parameter["name"] not in {"wait", "Last-Event-ID"}
        ]
        asked[0]["schema"] = {"enum": ["pay-2026", "none-of-that-name"]}
        path["get"]["parameters"] = asked
    (tmp_path / "openapi.json").write_text(json.dumps(document_served))
    async with serve(runtime) as client:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")), "run", "openapi.json",
            "--url", str(client.make_url("/")).rstrip("/"), "--header", f"Authorization: Bearer {key}",
            "--phases", "examples,coverage,fuzzing", "--max-examples", "40", "--seed", "1", "--request-timeout", "20",
            "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,"
            "response_schema_conformance,negative_data_rejection", "--no-color",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        words, _ = await process.communicate()
    assert process.returncode == 0, words.decode()
