"""Several hosts: workers in network namespaces of their own, on a bridge to the servers and the providers."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sandbox.postmaster import MailConditions
from tests.faults.environment import WORKER, Environment
from tests.faults.reconciliation import AllowedOutcomes
from tests.faults.scale import Scale
from tests.faults.servers import HOSTS

ADDRESS = f"{HOSTS}.1"
PROVIDERS = f"{HOSTS}.254"
"""Where the providers listen: there is a way to them where there may be none to the servers."""
_OURS = f"muster{os.getpid()}"
_BRIDGE = f"{_OURS}x"
_NAMES = (f"{_OURS}a", f"{_OURS}b")


def missing() -> str:
    """Why it cannot be run here; empty if it can."""
    if shutil.which("ip") is None:
        return "there is no iproute2 here (the command ip)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    tried = subprocess.run(["ip", "netns", "add", f"{_OURS}t"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return f"network namespaces are not permitted here: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "delete", f"{_OURS}t"], capture_output=True, check=False)
    return ""


def allowed(scale: Scale) -> AllowedOutcomes:
    """What the host had on the wire when its network went: twice its connections."""
    return AllowedOutcomes(ambiguous={"email": 2 * scale.smtp_connections, "sms": 2 * scale.sms_connections})


@contextmanager
def open_network() -> Iterator[None]:
    """A bridge at `ADDRESS`, and two namespaces behind it."""
    _take_away_the_dead()
    try:
        _ip("link", "add", _BRIDGE, "type", "bridge")
        _ip("address", "add", f"{ADDRESS}/24", "dev", _BRIDGE)
        _ip("address", "add", f"{PROVIDERS}/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        for number, name in enumerate(_NAMES, start=2):
            _ip("netns", "add", name)
            _ip("link", "add", f"{name}0", "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", f"{name}0", "master", _BRIDGE, "up")
            _ip("-n", name, "address", "add", f"{HOSTS}.{number}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        _take_down()


async def cut_off(environment: Environment) -> None:
    """Two hosts send; one has no network for a while, and comes back."""
    for name in _NAMES:
        environment.employ(await environment.start(*WORKER, before=("ip", "netns", "exec", name)))
    await environment.until_taken(0.3)
    _ip("link", "set", f"{_NAMES[1]}0", "down")
    await asyncio.sleep(environment.scale.cut_off)
    _ip("link", "set", f"{_NAMES[1]}0", "up")
    environment.over()


async def cut_off_from_postgres(environment: Environment) -> None:
    """Two hosts send; one has no way to the servers for a while, in which the relay is slow."""
    for name in _NAMES:
        environment.employ(await environment.start(*WORKER, before=("ip", "netns", "exec", name)))
    await environment.until_taken(0.3)
    usual = MailConditions(latency=environment.scale.latency[0])
    environment.providers.set_mail_conditions(replace(usual, callout=5.0))
    _ip("-n", _NAMES[1], "route", "add", "blackhole", f"{ADDRESS}/32")
    await asyncio.sleep(environment.scale.cut_off)
    _ip("-n", _NAMES[1], "route", "delete", "blackhole", f"{ADDRESS}/32")
    environment.providers.set_mail_conditions(usual)
    environment.over()


def _take_down(ours: str = _OURS) -> None:
    for name in (f"{ours}a", f"{ours}b"):
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)  # its link goes with it
    subprocess.run(["ip", "link", "delete", f"{ours}x"], capture_output=True, check=False)


def _take_away_the_dead() -> None:
    """What a run that was killed has left behind."""
    said = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    for pid in {found[1] for found in re.finditer(r"^muster(\d+)[abt]\b", said, re.MULTILINE)}:
        if not Path(f"/proc/{pid}").exists():
            _take_down(f"muster{pid}")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
