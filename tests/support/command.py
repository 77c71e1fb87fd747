"""Commands of `muster`, each in a process of its own that is forked from one in which everything is imported.

Most of a command's time is Python's start. What a command gets and gives is as of any process: its arguments, its
environment, its folder, its standard input, its exit status and what it prints.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Final

import orjson

from core.settings import Settings

ROOT: Final = Path(__file__).parents[2]
COMMAND_TIMEOUT: Final = 120
"""Seconds for a command."""


def run_command(
    words: Sequence[str],
    environment: Mapping[str, str],
    *,
    cwd: Path = ROOT,
    stdin: str = os.devnull,
    said: bytes = b"",
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    Args:
        words: its arguments, without `muster`.
        environment: all of it.
        cwd: the folder it runs in.
        stdin: path of a file or terminal that is its standard input.
        said: its standard input, where that is not a file.
    """
    with tempfile.TemporaryDirectory() as folder:
        if said:
            stdin = f"{folder}/in"
            Path(stdin).write_bytes(said)
        files = [stdin, f"{folder}/out", f"{folder}/err"]
        request = {"words": list(words), "environment": dict(environment), "cwd": str(cwd), "files": files}
        status = _zygote().ask(request)
        out, err = (Path(file).read_text(encoding="utf-8") for file in files[1:])
    return subprocess.CompletedProcess([*words], status, out, err)


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """Return what a command needs to work on the test's servers.

    Args:
        settings: the test's.
        more: further variables, or other values.
    """
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")},
        "MUSTER_DATABASE_URL": settings.database_url or "",
        "MUSTER_REDIS_URL": settings.redis_url or "",
        "MUSTER_SECRET_KEY": settings.secret_key[0].get_secret_value(),
        "MUSTER_PUBLIC_URL": settings.public_url,
        "MUSTER_OUTGOING_ALLOW": "127.0.0.1",
        "COLUMNS": "150",
        **more,
    }


def muster(
    settings: Settings,
    *words: str,
    status: int | None = None,
    cwd: Path = ROOT,
    stdin: str = os.devnull,
    said: bytes = b"",
    more: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.CompletedProcess[str]:
    """Run a command of `muster` on the test's servers.

    Args:
        settings: the test's.
        words: the command and its arguments.
        status: the exit status that it has to have; None for any.
        cwd: the folder it runs in.
        stdin: path of a file or terminal that is its standard input.
        said: its standard input, where that is not a file.
        more: further variables of its environment, or other values.
    """
    done = run_command(words, environment(settings, **more), cwd=cwd, stdin=stdin, said=said)
    assert status is None or done.returncode == status, done.stderr
    return done


@dataclass(frozen=True)
class Done:
    """A command that has ended: its exit status, and what it printed."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, as JSON."""
        return orjson.loads(self.out)


def run_commands(settings: Settings, *commands: str, columns: int = 120) -> list[Done]:
    """Run commands one after the other, each as it is typed, where texts and mails would go to a provider.

    Args:
        settings: the test's.
        commands: each with its arguments, without `muster`.
        columns: width of the terminal that they write for.
    """
    more = {
        "MUSTER_SMTP_URL": "smtp://127.0.0.1:1",
        "MUSTER_TWILIO_ACCOUNT_SID": "AC1",
        "MUSTER_TWILIO_AUTH_TOKEN": "token",
        "MUSTER_SMS_FROM": "+447700900000",
        "COLUMNS": str(columns),
    }
    ran = [muster(settings, *shlex.split(command), more=more) for command in commands]
    return [Done(process.returncode, process.stdout, process.stderr) for process in ran]


class _Zygote:
    """The process that commands are forked from."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.command"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._turn = threading.Lock()
        atexit.register(self.stop)

    def ask(self, request: dict[str, Any]) -> int:
        """Have one command run; returns its exit status. Threads take turns, or one would read another's answer."""
        with self._turn:
            return self._ask(request)

    def _ask(self, request: dict[str, Any]) -> int:
        to, answers = self._streams()
        clock = threading.Timer(COMMAND_TIMEOUT, self._process.kill)
        clock.start()
        try:
            to.write(json.dumps(request).encode() + b"\n")
            to.flush()
            answer = answers.readline()
        finally:
            clock.cancel()
        if not answer:
            _zygote.cache_clear()
            raise TimeoutError(f"muster {' '.join(request['words'])} did not end")
        return int(answer)

    def stop(self) -> None:
        """End it."""
        for stream in self._streams():
            stream.close()
        self._process.wait()

    def _streams(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout


@cache
def _zygote() -> _Zygote:
    return _Zygote()


def _serve() -> None:
    """Fork a process for each request, which goes on into `main` as if it had been started for it."""
    import importlib
    import pkgutil

    import muster.cli
    from muster.cli import main

    for module in pkgutil.iter_modules(muster.cli.__path__, "muster.cli."):
        importlib.import_module(module.name)
    gc.collect()
    gc.freeze()  # else each command would copy what it has in common with the others
    requests, answers = os.fdopen(os.dup(0), "rb"), os.dup(1)
    while line := requests.readline():
        request = json.loads(line)
        if (child := os.fork()) == 0:
            requests.close()
            os.close(answers)
            _become(request)
            main(request["words"])
        _, status = os.waitpid(child, 0)
        os.write(answers, f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _become(request: Mapping[str, Any]) -> None:
    stdin, *outputs = request["files"]
    os.setsid()
    os.dup2(os.open(stdin, os.O_RDWR if Path(stdin).is_char_device() else os.O_RDONLY), 0)
    for number, file in enumerate(outputs, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), number)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["muster", *request["words"]]


if __name__ == "__main__":
    _serve()
