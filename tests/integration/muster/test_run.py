"""`muster run`: everything comes up by itself, stays up, and goes down without leaving anything behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.settings import Settings
from muster.cli.user_messages import sandbox_page
from muster.embedded.running import only_run, sandbox_at, served_at
from muster.embedded.valkey import Valkey
from muster.run import SandboxPorts, Startup
from tests.support.waiting import until_blocking

MUSTER = [sys.executable, "-m", "muster"]


@dataclass
class Up:
    """A `muster run` that is up."""

    process: subprocess.Popen[str]
    home: Path
    said: str

    def address(self, name: str) -> str:
        match = re.search(rf"^  {name} +(\S+)", self.said, re.MULTILINE)
        assert match is not None, self.said
        return match[1]

    def children(self) -> dict[str, int]:
        """The processes it keeps up, by command."""
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(stat.read_text().rpartition(")")[2].split()[1])
                words = (stat.parent / "cmdline").read_text().split("\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == self.process.pid and "muster" in words:
                found[words[words.index("muster") + 1]] = int(stat.parent.name)
        return found


def environment(home: Path, **settings: str) -> dict[str, str]:
    rest = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    return {**rest, "MUSTER_HOME": str(home), **settings}


def new_home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="muster-test-"))
    home.chmod(0o755)
    return home


def start(home: Path, **settings: str) -> Up:
    log = (home / "run.log").open("w")
    with log:
        process = subprocess.Popen(
            [*MUSTER, "run"], env=environment(home, **settings), cwd=home,
            stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    text = ""
    last = "  Health" if "MUSTER_DATABASE_URL" in settings else "  Data"
    while last not in text:
        line = process.stdout.readline()
        if not line:
            process.communicate()
            pytest.fail(f"it did not come up: {text}{(home / 'run.log').read_text()}")
        text += line
    return Up(process, home, text)


def stop(up: Up) -> int:
    up.process.terminate()
    up.process.communicate(timeout=60)
    return up.process.returncode


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    home = new_home()
    running = start(home)
    yield running
    if running.process.poll() is None:
        stop(running)
    shutil.rmtree(home)


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def muster(home: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MUSTER, *words], env=environment(home, **settings), cwd=home,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def processes_on(home: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(home) in words:
            found.append(words.replace("\0", " "))
    return found


def test_every_service_listens_at_its_printed_address(up: Up) -> None:
    status, words = get(up.address("Health"))
    assert (status, json.loads(words)["ready"]) == (200, True)
    assert get(up.address("Sandbox"))[0] == 200
    assert get(up.address("Staff console"))[0] == 200
    assert up.address("Data") == str(up.home)
    assert set(up.children()) == {"serve", "worker", "sandbox"}


def test_other_commands_work_beside_muster_run(up: Up) -> None:
    assert muster(up.home, "migrate").returncode == 0
    added = muster(up.home, "user", "add", "ada@union.example.com", "--role", "viewer")
    assert added.returncode == 0, added.stderr
    web = up.address("Health").removesuffix("/readyz")
    assert added.stdout.startswith(f"{web}/console/sign-in/"), "the link must lead to where it really listens"
    assert get(added.stdout.strip())[0] == 200


def test_the_account_of_a_trial_is_no_administrator_to_count_on(up: Up) -> None:
    assert "/console/sign-in/" in up.address("Staff console")
    first = muster(up.home, "user", "add", "first@union.example.com")
    assert first.returncode == 0, first.stderr
    last = muster(up.home, "user", "disable", "first@union.example.com")
    assert last.returncode == 1
    assert "administrator" in last.stderr


def test_a_sign_in_link_is_mailed_to_the_sandbox_that_is_up(up: Up) -> None:
    sent = muster(up.home, "user", "add", "bob@union.example.com", "--role", "viewer", "--send")
    assert sent.returncode == 0, sent.stderr
    sandbox = up.address("Sandbox")
    assert f"it goes to the sandbox: {sandbox}" in sent.stdout
    assert "No worker" not in sent.stdout
    deadline = time.monotonic() + 20
    while "bob@union.example.com" not in get(sandbox)[1]:
        assert time.monotonic() < deadline, "no worker has sent it"
        time.sleep(0.1)


def test_without_a_sandbox_that_is_up_nobody_is_added_for_a_mail_that_cannot_go(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="that is not up"):
        sandbox_page(Settings(home=tmp_path), "email", way_out="leave out --send")
    with only_run(tmp_path) as running:
        running.serves_at("http://127.0.0.1:8000", 8000)
        assert sandbox_at(tmp_path) is None, "texts or emails really go out"
        assert served_at(tmp_path) == "http://127.0.0.1:8000"


def test_a_preview_shows_the_links_that_work_here(up: Up) -> None:
    (up.home / "members.csv").write_text("membership number,first name,email\n7,Amy,amy@example.org\n")
    assert muster(up.home, "people", "import", "members.csv").returncode == 0
    preview = muster(up.home, "template", "preview", "ballot-reminder", "--person", "7")
    web = up.address("Health").removesuffix("/readyz")
    assert f"{web}/0123456789abc" in preview.stdout, preview.stderr


def test_a_second_one_on_the_same_home_is_refused(up: Up) -> None:
    second = muster(up.home, "run")
    assert second.returncode == 1
    assert second.stdout == ""
    assert f"Error: Muster runs already on {up.home} (process {up.process.pid})." in second.stderr
    assert get(up.address("Health"))[0] == 200


def test_a_second_one_elsewhere_finds_other_ports(up: Up) -> None:
    home = new_home()
    second = start(home)
    try:
        for name in ("Health", "Sandbox"):
            assert second.address(name) != up.address(name)
            assert get(second.address(name))[0] == 200
        assert "is taken, so the web server is on" in second.said
    finally:
        assert stop(second) == 0
    shutil.rmtree(home)


def test_runs_after_the_first_keep_its_port_and_offer_the_demo_no_more(up: Up) -> None:
    home = new_home()
    (home / "demo").mkdir()
    (home / "demo" / ".muster-demo").touch()
    (home / "members.csv").write_text("membership number,first name,email\n7,Amy,amy@example.org\n")
    first = start(home)
    assert f"MUSTER_HOME={home}/demo muster run" in first.said
    assert muster(home, "people", "import", "members.csv").returncode == 0
    assert stop(first) == 0

    second = start(home)
    assert second.address("Health") == first.address("Health") != up.address("Health")
    assert "is taken, so the web server" not in second.said
    assert "MUSTER_HOME=" not in second.said, "who has members of their own needs no demo"
    assert stop(second) == 0

    _, _, port = first.address("Health").removesuffix("/readyz").rpartition(":")
    with socket.create_server(("127.0.0.1", int(port))):
        third = start(home)
    assert f"Links in messages sent before lead to {port} and do not work." in third.said
    assert stop(third) == 0
    shutil.rmtree(home)


async def test_a_port_that_is_taken_at_the_last_moment_is_given_up_for_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        class Late(Startup):
            """Looks before the other program takes the port, and starts after."""

            looks = 0

            def _next_free(self, host: str, port: int, name: str, *, sent_links: bool = False) -> int:
                self.looks += 1
                return port if self.looks <= 2 else super()._next_free(host, port, name, sent_links=sent_links)

        async with AsyncExitStack() as stack:
            late = Late(Settings(), "none", SandboxPorts(page=port + 200, mail=port), stack)
            place = await late._start_sandbox("http://127.0.0.1:8000")
            assert f"127.0.0.1:{port}?" not in place.smtp_url
            assert (await asyncio.to_thread(get, place.page))[0] == 200


def test_an_address_that_was_asked_for_and_is_taken_is_an_error(up: Up) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        for command in ("run", "serve"):
            home = new_home()
            assert muster(home, "migrate").returncode == 0
            refused = muster(home, command, MUSTER_LISTEN=where)
            assert refused.returncode == 1
            assert "is taken by another program" in refused.stderr
            assert "Traceback" not in refused.stderr
            until_blocking(lambda home=home: not processes_on(home))  # type: ignore[misc]
            shutil.rmtree(home)


@pytest.mark.parametrize("name", ["worker", "serve", "sandbox"])
def test_a_process_that_dies_is_started_again(up: Up, name: str) -> None:
    before = up.children()[name]
    os.kill(before, signal.SIGKILL)
    until_blocking(lambda: up.children().get(name, before) != before)
    until_blocking(lambda: get(up.address("Health"))[0] == 200 and get(up.address("Sandbox"))[0] == 200)


def test_servers_that_die_are_started_again(up: Up) -> None:
    daemon = json.loads((up.home / "daemon.json").read_text())["pid"]
    os.kill(daemon, signal.SIGKILL)
    until_blocking(lambda: (up.home / "daemon.json").exists() and _keeper(up.home) != daemon)
    until_blocking(lambda: get(up.address("Health"))[0] == 200, seconds=60)
    assert "ada@union.example.com" in muster(up.home, "user", "list").stdout


def _keeper(home: Path) -> int:
    try:
        return int(json.loads((home / "daemon.json").read_text())["pid"])
    except (FileNotFoundError, ValueError):
        return 0


def test_on_servers_of_ones_own_it_starts_none_and_leaves_them_alone(database_url: str, valkey: Valkey) -> None:
    home = new_home()
    running = start(
        home,
        MUSTER_DATABASE_URL=database_url,
        MUSTER_REDIS_URL=valkey.url,
        MUSTER_SECRET_KEY="a quiet river of nine green otters at dawn",
        MUSTER_PUBLIC_URL="https://vote.example.org",
    )
    assert get(running.address("Health"))[0] == 200
    assert running.address("Staff console") == "https://vote.example.org/console/", "its output may end up in logs"
    assert "muster user add EMAIL" in running.said
    users = muster(
        home, "user", "list", MUSTER_DATABASE_URL=database_url, MUSTER_REDIS_URL=valkey.url,
        MUSTER_SECRET_KEY="a quiet river of nine green otters at dawn", MUSTER_PUBLIC_URL="https://vote.example.org",
    )  # fmt: skip
    assert (users.returncode, "staff@localhost" in users.stdout) == (0, False), users.stderr
    assert not (home / "daemon.json").exists()
    assert stop(running) == 0
    assert valkey.process.poll() is None
    shutil.rmtree(home)


def test_own_servers_without_their_secrets_are_refused(database_url: str) -> None:
    home = new_home()
    for command in ("run", "serve", "worker"):
        refused = muster(home, command, MUSTER_DATABASE_URL=database_url)
        assert refused.returncode == 1
        assert "MUSTER_SECRET_KEY and MUSTER_REDIS_URL and MUSTER_PUBLIC_URL are not" in refused.stderr
    shutil.rmtree(home)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_muster_run_stops_everything_and_keeps_the_data(number: signal.Signals) -> None:
    home = new_home()
    running = start(home)
    assert muster(home, "user", "add", "ada@union.example.com", "--role", "viewer").returncode == 0
    running.process.send_signal(number)
    running.process.communicate(timeout=60)
    assert running.process.returncode == 0
    assert processes_on(home) == []
    assert not (home / "daemon.json").exists()
    assert "ada@union.example.com" in muster(home, "user", "list").stdout
    until_blocking(lambda: not processes_on(home))
    shutil.rmtree(home)


def test_a_killed_muster_run_leaves_no_process() -> None:
    home = new_home()
    running = start(home)
    children = running.children()
    running.process.kill()
    running.process.communicate()
    until_blocking(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children.values()))
    until_blocking(lambda: not processes_on(home))
    shutil.rmtree(home)
