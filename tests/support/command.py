"""Commands of `muster`, each in a process of its own that is forked from one in which everything is imported.

Most of a command's time is Python's start. What a command gets and gives is as of any process: its arguments, its
environment, its folder, its standard input, its exit status and what it prints.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

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


class _Zygote:
    """The process that commands are forked from."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.command"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        atexit.register(self.stop)

    def ask(self, request: dict[str, Any]) -> int:
        """Have one command run; returns its exit status."""
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
    os.dup2(os.open(stdin, os.O_RDWR if os.path.realpath(stdin).startswith("/dev/") else os.O_RDONLY), 0)
    for number, file in enumerate(outputs, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), number)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["muster", *request["words"]]


if __name__ == "__main__":
    _serve()
