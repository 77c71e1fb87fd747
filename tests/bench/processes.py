"""Measured processes: their CPU time, their memory, and how they end."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.errors import Unavailable

ROOT: Final = Path(__file__).parents[2]
_TICK: Final = os.sysconf("SC_CLK_TCK")
_PLACES: Final = "/usr/sbin:/usr/local/sbin:/usr/libexec/postfix"
START_TIMEOUT: Final = 60.0
"""Seconds a process has to come up, and to stop."""


def cpu_seconds(pid: int) -> float:
    """What a process, and children of it that have ended, have computed so far."""
    fields = _stat(pid)
    return sum(int(field) for field in fields[11:15]) / _TICK


def family_cpu_seconds(parent: int) -> float:
    """What a process and its children have computed: a database server and its backends, those that have ended too."""
    total = cpu_seconds(parent)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                fields = _stat(int(entry.name))
                if int(fields[1]) == parent:
                    total += sum(int(field) for field in fields[11:15]) / _TICK
    return total


def resident_mb(pid: int) -> float:
    """Memory a process holds now, in megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def peak_mb(pid: int) -> float:
    """The most memory a process has held, in megabytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ProcessLookupError(pid)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def program(name: str, package: str) -> str:
    """Where a program is.

    Raises:
        Unavailable: it is not installed.
    """
    found = shutil.which(name) or shutil.which(name, path=_PLACES)
    if found is None:
        raise Unavailable(
            f"{name} is not installed here.",
            remedy=f"Install {package}; on Debian: apt-get install --no-install-recommends {package}",
        )
    return found


@dataclass(frozen=True, slots=True)
class Sink:
    """Postfix's `smtp-sink`: it takes every mail and keeps none."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}?starttls=never"


@contextmanager
def open_sink() -> Iterator[Sink]:
    """A sink on a free port."""
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [program("smtp-sink", "postfix"), *user, "-c", f"127.0.0.1:{port}", "1000"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _until_listening(port, process)
        yield Sink(process, port)
    finally:
        stop(process)


def smtp_source(port: int, *, mails: int, size: int, sessions: int, keep: bool) -> float:
    """Send by Postfix's `smtp-source`; returns mails a second.

    Args:
        port: of the sink.
        mails: how many.
        size: bytes of each.
        sessions: connections at once.
        keep: send many mails by a connection; otherwise each mail gets one of its own, as is its default.
    """
    command = [program("smtp-source", "postfix"), "-s", str(sessions), "-m", str(mails), "-l", str(size)]
    began = time.perf_counter()
    subprocess.run([*command, *(["-d"] if keep else []), f"127.0.0.1:{port}"], check=True, timeout=600)
    return mails / (time.perf_counter() - began)


@contextmanager
def python(*words: str, environment: Mapping[str, str], log: Path, ready: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -P -m WORDS…` in a process of its own, from the moment its log says it is ready.

    Args:
        words: the module and its arguments.
        environment: on top of ours.
        log: the file its output goes to.
        ready: words in its output by which it is up.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", *words],
            cwd=log.parent,
            env={**clean_environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while ready not in (said := log.read_text(errors="replace")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(words)} did not come up: {said[-500:]}")
            time.sleep(0.02)
        yield process
    finally:
        stop(process)


def clean_environment() -> dict[str, str]:
    """Our environment without Muster's own variables, and with this checkout's packages first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process in order, and for good after a while."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(START_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("the sink did not come up")


def _stat(pid: int) -> Sequence[str]:
    """The fields of /proc/PID/stat after the name; the first is the state."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
