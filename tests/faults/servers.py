"""PostgreSQL and Valkey to be knocked over: real servers on TCP, with campaigns in a template database.

PostgreSQL runs with fsync on. Both keep their address and their data across every restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from redis import Redis

from ballots.ballots import create_ballot
from ballots.spec import BallotSpec
from campaigns.campaigns import create_campaign
from campaigns.spec import CampaignSpec
from core.db import AWAY
from core.db.logins import Login, address_as
from core.db.migrate import migrate
from core.runtime import open_runtime
from core.settings import Settings
from muster.embedded.postgres import Postgres, start_postgres
from muster.embedded.valkey import Valkey, start_valkey
from muster.operator import operator
from sandbox.demo.question import VISIT
from services.questions.spec import load_question_spec
from staff.accounts import add_staff
from tests.faults.scale import ASKED, Scale

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
HOSTS = f"10.213.{os.getpid() % 256}"
"""The network of the fault with several hosts; nothing listens there in any other."""
SECRET = "a secret for fault tests only and long enough"
SMS_FROM = "+447480111111"
MAIL_FROM = "The Union <ballot@union.test>"
CAMPAIGN, FEEDBACK = "nudges", "feedback"
"""Campaigns about a ballot and about a question: each has people of its own."""
QUESTION = "visit-2026"
STAFF = "ada@union.test"
STAFF_PHONE = "+447480222222"
_TEMPLATE = "muster_faults"


@dataclass
class Servers:
    """The two servers, and where they are.

    Attributes:
        home: their data.
        postgres_port: on loopback.
        valkey_port: the same.
    """

    home: Path
    postgres_port: int
    valkey_port: int
    postgres: Postgres
    valkey: Valkey
    address: str = LOOPBACK
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def database_url(self, name: str) -> str:
        """The address that Muster works with."""
        return f"postgresql://{Login.WORKER}@{self.address}:{self.postgres_port}/{name}"

    def superuser_url(self, name: str) -> str:
        """The address of who makes and breaks databases."""
        return f"postgresql://postgres@{self.address}:{self.postgres_port}/{name}"

    @property
    def redis_url(self) -> str:
        return f"redis://{self.address}:{self.valkey_port}/0"

    @property
    def redis(self) -> Redis:
        return Redis(host=self.address, port=self.valkey_port)

    async def new_database(self) -> str:
        """A database with members and two campaigns that are ready to be launched; returns its name."""
        name = f"fault_{next(self._numbers)}"
        await ask(self.superuser_url("postgres"), lambda db: db.execute(f"create database {name} template {_TEMPLATE}"))
        # A copied sequence believes that its next values are in the log already, and after a crash gives them again.
        await ask(self.superuser_url("postgres"), lambda db: db.execute("checkpoint"))
        return name

    async def drop_database(self, name: str) -> None:
        await ask(self.superuser_url("postgres"), lambda db: db.execute(f"drop database if exists {name} with (force)"))

    # what is done to them; each returns when it is done

    def restart_postgres(self) -> None:
        """A fast shutdown, and up again."""
        self.postgres.stop()
        self.start_postgres()

    def kill_postgres(self) -> None:
        """SIGKILL the postmaster and every child of it, as a machine does that runs out of memory."""
        family = self.freeze_postgres()
        for pid in family:
            os.kill(pid, signal.SIGKILL)
        self.postgres.process.wait()
        while any(Path(f"/proc/{pid}/exe").is_symlink() and _is_alive(pid) for pid in family):
            time.sleep(0.01)
        shutil.rmtree(self.postgres.socket_dir, ignore_errors=True)

    def freeze_postgres(self) -> list[int]:
        """SIGSTOP every process of it, as a storage that hangs does; returns their ids."""
        postmaster = self.postgres.process.pid
        os.kill(postmaster, signal.SIGSTOP)  # no child is started while the others are counted
        family = [*_children(postmaster), postmaster]
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        return family

    def thaw_postgres(self, family: list[int]) -> None:
        """Let it go on where it stood."""
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def refuse_writes(self) -> None:
        """Have every session read only, also those that are open, as on a standby."""
        await ask(self.superuser_url("postgres"), lambda db: self._set(db, "= on"))

    async def take_writes(self) -> None:
        """Take writes again."""
        await ask(self.superuser_url("postgres"), lambda db: self._set(db, "to default"))

    async def _set(self, db: Any, value: str) -> None:
        await db.execute("set default_transaction_read_only = off")
        await db.execute(f"alter system set default_transaction_read_only {value}")
        await db.execute("select pg_reload_conf()")

    def start_postgres(self) -> None:
        self.postgres = _start_postgres(self.home, self.address, self.postgres_port)

    def stop_valkey(self) -> None:
        self.valkey.stop()

    def kill_valkey(self) -> None:
        self.valkey.process.kill()
        self.valkey.stop()

    def start_valkey(self) -> None:
        self.valkey = _start_valkey(self.home, self.address, self.valkey_port)

    def move_to(self, address: str) -> None:
        """Listen at another address of this machine."""
        self.postgres.stop()
        self.valkey.stop()
        self.address = address
        self.start_postgres()
        self.start_valkey()

    def stop(self) -> None:
        self.postgres.stop()
        self.valkey.stop()


async def ask(url: str, what: Callable[[Any], Awaitable[T]], *, answer_timeout: float = 60) -> T:
    """Ask the database something on a connection of its own, which a server that was knocked over cannot spoil."""
    deadline = time.monotonic() + answer_timeout
    while True:
        try:
            db = await asyncpg.connect(url, timeout=10)
            try:
                await db.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
                return await what(db)
            finally:
                await db.close(timeout=10)
        except AWAY:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)


@contextmanager
def open_servers(scale: Scale) -> Iterator[Servers]:
    """Both servers, with the template database made."""
    home = Path(tempfile.mkdtemp(prefix="muster-faults-"))
    home.chmod(0o755)
    ports = free_port(), free_port()
    try:
        postgres = _start_postgres(home, LOOPBACK, ports[0])
        try:
            servers = Servers(home, *ports, postgres, _start_valkey(home, LOOPBACK, ports[1]))
        except BaseException:
            postgres.stop()
            raise
        try:
            asyncio.run(_make_template(servers, scale))
            yield servers
        finally:
            servers.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _start_postgres(home: Path, address: str, port: int) -> Postgres:
    # the network of hosts is let in, once something listens there
    let_in = ("host all all 127.0.0.1/32 trust", f"host all all {HOSTS}.0/24 trust")
    return start_postgres(home, let_in=let_in, fsync="on", listen_addresses=address, port=str(port))


def _start_valkey(home: Path, address: str, port: int) -> Valkey:
    return start_valkey(home, port=str(port), bind=address, protected_mode="no")


async def _make_template(servers: Servers, scale: Scale) -> None:
    url = servers.database_url(_TEMPLATE)
    servers.postgres.roles.provide(_TEMPLATE)
    await migrate(address_as(url, Login.OWNER))
    settings = Settings(
        _env_file=None, home=servers.home, database_url=url, redis_url=servers.redis_url, secret_key=SECRET,
        public_url="http://muster.test", email_from=MAIL_FROM, organisation="The Union", contact="0800 001066",
        smtp_url="smtp://nowhere.test", sms_from=SMS_FROM, twilio_account_sid="AC1", twilio_auth_token="token",
    )  # fmt: skip
    today = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    async with open_runtime(settings, pool_size=3) as runtime:
        async with runtime.pool.acquire() as db:
            await db.execute(_MEMBERS, scale.emails, scale.texts, ASKED)
            ballot = {
                "name": "pay", "title": "Pay", "time_zone": "UTC",
                "opens": (today - timedelta(days=2)).isoformat(), "closes": (today + timedelta(days=20)).isoformat(),
            }  # fmt: skip
            await create_ballot(db, BallotSpec.model_validate(ballot), actor=operator("staff"))
            by = operator("the harness")
            await add_staff(db, STAFF, "Ada", by=by, now=runtime.clock(), phone=STAFF_PHONE)
        steps = [
            {"template": "ballot-reminder", "channels": ["email", "sms"]},
            {"template": "ballot-last-days", "channels": ["email", "sms"], "when": {"after": "3 days"}},
        ]
        spec = {"name": CAMPAIGN, "title": "Nudges", "about": {"ballot": "pay"}, "steps": steps}
        await create_campaign(runtime, _spec(spec, asked=False), operator("the harness"))
        question = load_question_spec(VISIT).model_copy(update={"closes": today + timedelta(days=20)})
        step = {"template": "feedback-request", "channels": ["email", "sms"]}
        spec = {"name": FEEDBACK, "title": "Feedback", "about": {"question": QUESTION}, "steps": [step]}
        await create_campaign(runtime, _spec(spec, asked=True), operator("the harness"), own=question)
    await ask(servers.superuser_url(_TEMPLATE), lambda db: db.execute("vacuum analyze"))


def _spec(spec: dict[str, Any], *, asked: bool) -> CampaignSpec:
    """A campaign to those who are asked the question, or to the others."""
    return CampaignSpec.model_validate({**spec, "quiet_hours": "none", "audience": {"attribute": {"asked": asked}}})


_MEMBERS = """
with known as (
  insert into attribute (name, label) values ('asked', 'Asked')
), member as (
  insert into person (external_id, first_name, last_name, attributes)
  select 'M' || n, 'Ann', 'Lee', case when n % $3 = 0 then '{"asked": "yes"}'::jsonb else '{}' end
  from generate_series(1, $1::integer + $2::integer) as n
  returning person_id, substr(external_id, 2)::integer as n
)
insert into address (person_id, channel, address)
select
  person_id,
  case when n <= $1 then 'email' else 'sms' end,
  case when n <= $1 then 'm' || n || '@union.example.com' else '+4474' || lpad(n::text, 8, '0') end
from member
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def _children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False
