"""PostgreSQL crashes under a running worker: nothing lost, nothing doubled."""

import asyncio
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.db.logins import Login, address_as
from core.db.migrate import migrate
from core.runtime import open_runtime
from core.settings import Settings
from muster.embedded.postgres import start_postgres
from muster.embedded.valkey import Valkey
from sandbox import SandboxConfig, open_sandbox
from tests.support.outbox_rows import add_messages, add_step, open_dispatcher, reconcile_steadily, states, with_sandbox
from tests.support.waiting import until

TOTAL = 3000


@pytest.fixture
def folder() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="muster-crash-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


async def test_a_crash_of_the_database_loses_and_doubles_nothing(
    folder: Path, valkey: Valkey, unused_tcp_port: int
) -> None:
    # fsync off: a crash of the server, not of the machine
    options: dict[str, Any] = {
        "let_in": ["host all all 127.0.0.1/32 trust"],
        "fsync": "off",
        "listen_addresses": "127.0.0.1",
        "port": str(unused_tcp_port),
    }
    url = f"postgresql://{Login.WORKER}@127.0.0.1:{unused_tcp_port}/muster"
    server = start_postgres(folder, **options)
    try:
        await migrate(address_as(url, Login.OWNER))
        settings = Settings(
            _env_file=None, home=folder, database_url=url, redis_url=valkey.url,
            secret_key="a secret for tests only and long enough", email_from="Muster Union <ballot@union.test>",
        )  # fmt: skip
        async with (
            open_sandbox(SandboxConfig()) as sandbox,
            open_runtime(with_sandbox(settings, sandbox)) as runtime,
            open_dispatcher(runtime) as dispatcher,
        ):
            async with runtime.pool.acquire() as db:
                step = await add_step(db, secret=runtime.keyring.current)
                await add_messages(db, step, "email", [f"m{n}@x.test" for n in range(TOTAL)])
            running = asyncio.create_task(dispatcher.run(until_idle=False))

            async def well_under_way() -> bool:
                return len(sandbox.mailbox) > 300

            await until(well_under_way)
            server.process.send_signal(signal.SIGQUIT)  # at once: nothing in memory is saved
            await asyncio.to_thread(server.process.wait)
            assert len(sandbox.mailbox) < TOTAL
            server = await asyncio.to_thread(start_postgres, folder, **options)

            async def all_there() -> bool:
                return len(sandbox.mailbox) >= TOTAL

            await until(all_there, seconds=60)
            dispatcher.stop()
            await running
            await reconcile_steadily(runtime, settle=0)
            received = Counter(recipient for mail in sandbox.mailbox for recipient in mail.recipients)
            assert received == Counter(f"m{n}@x.test" for n in range(TOTAL))
            async with runtime.pool.acquire() as db:
                assert await states(db, step) == {"accepted": TOTAL}
    finally:
        server.stop()
