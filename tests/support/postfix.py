"""A Postfix of the tests' own: Debian's programs with a configuration, a queue and a port that are nobody else's."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "mailroom.md"

MASTER = """
{port} inet n - n - - smtpd
{submission} inet n - n - - smtpd -o mynetworks=127.0.0.0/8
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""

MAIN = """
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/log/mail
maillog_file_prefixes = {home}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.union.test
mydestination =
alias_maps =
# this machine is the world, but at the port where we hand in what we send
mynetworks = 192.0.2.1/32
smtpd_tls_security_level = none
smtp_tls_security_level = none
address_verify_map =
address_verify_poll_delay = 1
minimal_backoff_time = 1s
queue_run_delay = 1s
# the members' own server
default_transport = smtp:[127.0.0.1]:{members}
"""


@dataclass(frozen=True)
class Postfix:
    port: int
    submission: int
    home: Path

    @property
    def log(self) -> str:
        return (self.home / "log" / "mail").read_text(encoding="utf-8")

    async def flush(self) -> None:
        """Try what is deferred again, now."""
        await _run("/usr/sbin/postqueue", "-c", str(self.home / "etc"), "-f")


def documented(mailroom: str, lmtp: int, home: Path) -> tuple[str, str, str]:
    """The lines docs/mailroom.md has for main.cf, transport and master.cf, for our names and ports."""
    main, transport, master = (
        re.search(rf"`/etc/postfix/{name}`:\n\n```\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]  # type: ignore[index]
        for name in ("main.cf", "transport", "master.cf")
    )
    main = main.replace("union.example.org", mailroom).replace("/etc/postfix/", f"{home}/etc/")
    return main, transport.replace("union.example.org", mailroom).replace("2424", str(lmtp)), master


@asynccontextmanager
async def open_postfix(
    port: int, submission: int, *, lmtp: int = 1, members: int = 1, more: str = ""
) -> AsyncIterator[Postfix]:
    """Run it as long as this is open.

    Args:
        port: where it listens for the world.
        submission: where it takes what we send.
        lmtp: where the mailroom does.
        members: where mail for everybody else goes.
        more: lines for main.cf, which count more than those above them.
    """
    program = shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program, "postfix is missing; .ci/postfix installs it, and make test runs that"
    assert os.geteuid() == 0, "Postfix starts as root only: run these tests as root, or in a container"
    home = Path(tempfile.mkdtemp(prefix="muster-postfix-"))
    try:
        main, transport, master = documented("union.test", lmtp, home)
        files = {
            "main.cf": MAIN.format(home=home, members=members) + main + more,
            "transport": transport,
            "master.cf": MASTER.format(port=port, submission=submission) + master,
        }
        _lay_out(home, files)
        await _run(program, "-c", str(home / "etc"), "start")
        try:
            yield Postfix(port, submission, home)
        finally:
            await _run(program, "-c", str(home / "etc"), "stop")
    finally:
        shutil.rmtree(home)


def _lay_out(home: Path, files: Mapping[str, str]) -> None:
    home.chmod(0o755)
    for folder in ("etc", "spool", "data", "log"):
        (home / folder).mkdir(mode=0o755)
    shutil.chown(home / "data", "postfix", "postfix")
    for name, text in files.items():
        (home / "etc" / name).write_text(text)


async def _run(*words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, output = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()
