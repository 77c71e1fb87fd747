"""Several hosts: workers in network namespaces of their own, on a bridge to the servers and the providers."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.reckoning import Allowed
from tests.faults.scale import Scale
from tests.faults.servers import HOSTS
from tests.faults.stage import WORKER, Stage

BRIDGE = "musterbr"
ADDRESS = f"{HOSTS}.1"
_NAMES = ("mustera", "musterb")


def missing() -> str:
    """Why it cannot be played here; empty where it can."""
    if shutil.which("ip") is None:
        return "there is no iproute2 here (the command ip)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    tried = subprocess.run(["ip", "netns", "add", f"{BRIDGE}try"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return f"network namespaces are not permitted here: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "delete", f"{BRIDGE}try"], capture_output=True, check=False)
    return ""


def allowed(scale: Scale) -> Allowed:
    """What the host had on the wire when its network went: twice its connections."""
    return Allowed(ambiguous={"email": 2 * scale.smtp_connections, "sms": 2 * scale.sms_connections})


@contextmanager
def open_network() -> Iterator[None]:
    """A bridge at `ADDRESS`, and two namespaces behind it."""
    _take_down()
    try:
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("address", "add", f"{ADDRESS}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        for number, name in enumerate(_NAMES, start=2):
            _ip("netns", "add", name)
            _ip("link", "add", f"{name}0", "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", f"{name}0", "master", BRIDGE, "up")
            _ip("-n", name, "address", "add", f"{HOSTS}.{number}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        _take_down()


async def cut_off(stage: Stage) -> None:
    """Two hosts send; one has no network for a while, and comes back."""
    for name in _NAMES:
        stage.employ(await stage.start(*WORKER, before=("ip", "netns", "exec", name)))
    await stage.until_taken(0.3)
    _ip("link", "set", f"{_NAMES[1]}0", "down")
    await asyncio.sleep(stage.scale.cut_off)
    _ip("link", "set", f"{_NAMES[1]}0", "up")
    stage.over()


def _take_down() -> None:
    for name in _NAMES:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "delete", f"{name}0"], capture_output=True, check=False)
    subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
