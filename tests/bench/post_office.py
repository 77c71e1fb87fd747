"""Email: against django-post_office, which many Django sites queue and send their mail with."""

from __future__ import annotations

import email as parsing
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from email import policy
from itertools import product
from pathlib import Path
from typing import Any, Final

import orjson

from messaging.channels.channel import OutboundEmail
from tests.bench.environment import environment
from tests.bench.mail import Post, open_post
from tests.bench.processes import clean_environment
from tests.bench.report import Bar, Report, middle

TIMES: Final = 4
"""The bar: how much quicker we are than the best of theirs, with as many processes."""
WAYS: Final = (
    {"processes": 1, "threads": 5, "batch": 100},
    {"processes": 1, "threads": 10, "batch": 1000},
    {"processes": 2, "threads": 10, "batch": 1000},
)
"""Its defaults; and the threads its manual shows with larger batches, the quickest we found."""


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of ours or theirs: seconds to queue the mails and to send them, and how many there were."""

    queueing: float
    sending: float
    mails: int


async def post_office(*, quick: bool = False) -> Report:
    """The same job on the same PostgreSQL and sink: from people and a template to mails recorded as sent."""
    mails, rounds = (1_000, 1) if quick else (12_000, 3)
    python = environment() / "python"
    ours: dict[int, list[_Run]] = {1: [], 2: []}
    theirs: dict[int, dict[str, list[_Run]]] = {1: {}, 2: {}}
    async with open_post(mails) as post:
        await post.servers.new_database("post_office", migrated=False)
        for _, way, late in product(range(rounds), WAYS, (False, True)):
            processes = way["processes"]
            name = "{processes} x {threads} threads, batches of {batch}".format(**way)
            name += ", rendered when sent" if late else ", rendered when queued"
            sent = await post.send(f"with-{processes}-{len(ours[processes])}", processes)
            ours[processes].append(_Run(sent.launching, mails / sent.rate, mails))
            job = {**await _job(post, mails), **way, "late": late}
            theirs[processes].setdefault(name, []).append(_send(python, job))
    rows = {"Muster, one worker": ours[1], "Muster, two workers": ours[2], **theirs[1], **theirs[2]}
    one, two = _whole(ours[1]), _whole(ours[2])
    their_one, their_two = max(map(_whole, theirs[1].values())), max(map(_whole, theirs[2].values()))
    return Report(
        "post_office",
        {
            "mails a round": mails,
            "rounds, of which the median": rounds,
            "one worker, from people to sent, mails/s": one,
            "two workers, from people to sent, mails/s": two,
            "django-post_office's one process at its best, mails/s": their_one,
            "django-post_office's two processes at their best, mails/s": their_two,
            "one worker to two processes of theirs": one / their_two,
            "sending alone, two of each, Muster rendering and theirs rendered before, ratio": (
                _sending(ours[2]) / max(map(_sending, theirs[2].values()))
            ),
        },
        [
            Bar(
                "one worker to one process of django-post_office, from people to sent", one / their_one, at_least=TIMES
            ),
            Bar("two workers to two processes of it, from people to sent", two / their_two, at_least=TIMES),
        ],
        [
            (
                ("mails/s", "queueing", "sending", "both"),
                [
                    (
                        name,
                        _median(runs, lambda run: run.mails / run.queueing),
                        _sending(runs),
                        _whole(runs),
                    )
                    for name, runs in rows.items()
                ],
            )
        ],
    )


async def _job(post: Post, mails: int) -> dict[str, Any]:
    """What theirs is told: our mail as its template, the same servers, and a database of its own."""
    return {
        **_parts(await post.sample(first_name="Firstname"), post.runtime.settings.public_url),
        "mails": mails,
        "port": post.sink.port,
        "database": "post_office",
        "host": str(post.servers.postgres.socket_dir),
        "lock": str(post.servers.home / "post_office"),
    }


def _whole(runs: list[_Run]) -> float:
    return _median(runs, lambda run: run.mails / (run.queueing + run.sending))


def _sending(runs: list[_Run]) -> float:
    return _median(runs, lambda run: run.mails / run.sending)


def _median(runs: list[_Run], rate: Callable[[_Run], float]) -> float:
    return rate(middle(runs, rate))


def _parts(mail: OutboundEmail, url: str) -> dict[str, Any]:
    """One of our mails as a Django template, and the headers that Django does not write by itself."""
    message = parsing.message_from_bytes(mail.content, policy=policy.default)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None

    def templated(words: str) -> str:
        words = re.sub(rf"{re.escape(url)}/[up]/[\w-]+", "{{ unsubscribe_link }}", words)
        words = re.sub(rf"{re.escape(url)}/[\w-]+", "{{ confirm_link }}", words)
        return words.replace("Firstname", "{{ first_name }}")

    own = {
        "from", "to", "subject", "date", "message-id", "mime-version", "content-type", "content-transfer-encoding",
        "list-unsubscribe",
    }  # fmt: skip
    return {
        "url": url,
        "sender": str(message["From"]),
        "subject": templated(str(message["Subject"])),
        "text": templated(text.get_content()),
        "html": templated(html.get_content()),
        "headers": {name: str(value) for name, value in message.items() if name.lower() not in own},
    }


def _send(python: Path, job: dict[str, Any]) -> _Run:
    site = Path(__file__).with_name("post_office_site.py")
    variables = {name: value for name, value in clean_environment().items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(python), "-P", str(site)],
        input=orjson.dumps(job),
        capture_output=True,
        check=False,
        env=variables,
        cwd="/",
    )
    if done.returncode != 0:
        raise RuntimeError(f"django-post_office failed: {done.stderr.decode(errors='replace')[-1500:]}")
    result = orjson.loads(done.stdout)
    if result["sent"] != job["mails"]:
        raise RuntimeError(f"django-post_office sent {result['sent']} of {job['mails']}")
    return _Run(result["queueing"], result["sending"], result["sent"])
