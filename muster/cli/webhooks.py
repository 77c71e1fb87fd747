"""`muster webhooks`: manage the webhook subscriptions of other systems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.access import Actor
from core.errors import MusterError
from core.http.outbound_http import OutboundReply, open_outbound_http
from core.plurals import plural
from muster.cli.moments import MOMENT, TypedDate
from muster.cli.noun import Noun
from muster.cli.numbers import AFTER, ROW
from muster.cli.options import actor_option, json_option, limit_option, reason_option
from muster.cli.output import print_json
from muster.cli.session import open_session, run

if TYPE_CHECKING:
    from webhooks.subscriptions.subscriptions import DeliveryAttempt, Subscription

_name = click.argument("name")


@click.group(cls=Noun)
def command() -> None:
    """Send events to other systems by signed webhooks (Standard Webhooks); docs/events.md describes them."""


@command.command()
@json_option
def events(*, as_json: bool) -> None:
    """List the events there are; with --json the JSON Schema of each."""
    from webhooks.subscriptions.event_types import EVENTS, schemas

    if as_json:
        print_json(schemas(), indent=True)
        return
    table = Table("event", "when", box=None, header_style="bold")
    for kind, (_, words) in EVENTS.items():
        table.add_row(kind, words)
    Console().print(table)


@command.command()
@_name
@click.argument("url")
@click.option(
    "--event", "kinds", multiple=True, required=True,
    help="An event to send: claim.voted, a group such as claim.*, or '*' for all; may be repeated.",
)  # fmt: skip
@click.option(
    "--include", multiple=True, type=click.Choice(["addresses", "texts"]),
    help="Also send phone numbers and mailboxes, or members' texts, if MUSTER_WEBHOOK_INCLUDE allows it.",
)  # fmt: skip
@actor_option
@json_option
def add(name: str, url: str, kinds: Sequence[str], include: Sequence[str], actor: Actor, *, as_json: bool) -> None:
    """Send events to URL from now on, and print the secret that verifies their signatures. It is shown only once."""
    from webhooks.subscriptions.subscriptions import add_subscription

    async def work() -> dict[str, Any]:
        async with open_session(pool_size=2) as runtime:
            added, secret = await add_subscription(
                runtime, name=name, url=url, events=kinds, include=include, actor=actor
            )
            return {**asdict(added), "secret": secret.get_secret_value()}

    subscription = run(work())
    if as_json:
        print_json(subscription, indent=True)
        return
    click.echo(f"{name} gets events from now on. Its secret, which is not shown again:\n\n  {subscription['secret']}\n")
    click.echo(f"Try it: muster webhooks test {name}")


@command.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the subscriptions: their events, and how far behind each is."""
    from webhooks.subscriptions.subscriptions import list_subscriptions

    async def work() -> list[Subscription]:
        async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
            return await list_subscriptions(db)

    subscriptions = run(work())
    if as_json:
        print_json(subscriptions, indent=True)
        return
    if not subscriptions:
        click.echo("There is no webhook yet. Add one: muster webhooks add NAME URL --event '*'")
        return
    table = Table("webhook", "state", "waiting", "events", "url", box=None, header_style="bold")
    for subscription in subscriptions:
        table.add_row(
            subscription.name,
            *map(
                _plain, (_state(subscription), _waiting(subscription), ", ".join(subscription.events), subscription.url)
            ),
        )
    Console().print(table)


@command.command()
@_name
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show a subscription: its events, its position, and why it has stopped if it has."""
    from webhooks.subscriptions.subscriptions import get_subscription

    async def work() -> tuple[Subscription, ZoneInfo]:
        async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
            return await get_subscription(db, name), ZoneInfo(runtime.settings.time_zone)

    subscription, zone = run(work())
    _show(subscription, zone, as_json=as_json)


@command.command()
@_name
@click.option(
    "--overlap", type=click.IntRange(0, 24 * 14), default=24, show_default=True,
    help="Hours during which the former secret signs too.",
)  # fmt: skip
@actor_option
@json_option
def rotate(name: str, overlap: int, actor: Actor, *, as_json: bool) -> None:
    """Give NAME a new secret, and print it. For a while both sign, so that the receiver can change at any time."""
    from webhooks.subscriptions.subscriptions import rotate as rotate_secret

    async def work() -> str:
        async with open_session(pool_size=2) as runtime:
            secret = await rotate_secret(runtime, name, overlap=timedelta(hours=overlap), actor=actor)
            return secret.get_secret_value()

    secret = run(work())
    if as_json:
        print_json({"name": name, "secret": secret, "overlap_hours": overlap}, indent=True)
        return
    click.echo(f"The new secret of {name}, which is not shown again:\n\n  {secret}\n")
    click.echo(
        f"The former secret signs too for {plural(overlap, 'hour')}."
        if overlap
        else "The former secret is no longer used."
    )


@command.command()
@_name
@reason_option
@actor_option
@json_option
def pause(name: str, reason: str, actor: Actor, *, as_json: bool) -> None:
    """Pause NAME. Events wait meanwhile, as long as they are kept (MUSTER_KEEP_EVENTS)."""
    from webhooks.subscriptions.subscriptions import pause as pause_subscription

    async def work() -> tuple[Subscription, ZoneInfo]:
        async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
            paused = await pause_subscription(db, name, reason=reason, actor=actor)
            return paused, ZoneInfo(runtime.settings.time_zone)

    subscription, zone = run(work())
    _show(subscription, zone, as_json=as_json)


@command.command()
@_name
@actor_option
@json_option
def resume(name: str, actor: Actor, *, as_json: bool) -> None:
    """Resume NAME from the event at which it stopped."""
    from webhooks.subscriptions.subscriptions import resume as resume_subscription

    async def work() -> tuple[Subscription, ZoneInfo]:
        async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
            resumed = await resume_subscription(db, name, now=runtime.clock(), actor=actor)
            return resumed, ZoneInfo(runtime.settings.time_zone)

    subscription, zone = run(work())
    _show(subscription, zone, as_json=as_json)


@command.command()
@_name
@click.option("--after", type=AFTER, help="Start after the event with this cursor.")
@click.option(
    "--since", type=MOMENT, metavar="TIME",
    help="Start with the first event from this time on, in MUSTER_TIME_ZONE.",
)  # fmt: skip
@actor_option
@json_option
def replay(name: str, after: int | None, since: TypedDate | None, actor: Actor, *, as_json: bool) -> None:
    """Send all events again from a position on, in order; each keeps its id. Default: all that are kept."""
    from webhooks.subscriptions.subscriptions import replay as replay_subscription

    if after is not None and since is not None:
        raise click.UsageError("Choose either --after or --since.")

    async def work() -> tuple[Subscription, ZoneInfo]:
        async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
            zone = ZoneInfo(runtime.settings.time_zone)
            moment = since.start(zone) if since is not None else None
            subscription = await replay_subscription(
                db, name, after=after, since=moment, now=runtime.clock(), actor=actor
            )
            return subscription, zone

    subscription, zone = run(work())
    _show(subscription, zone, as_json=as_json)


@command.command()
@_name
@actor_option
def remove(name: str, actor: Actor) -> None:
    """Delete a subscription, its secret and its log."""
    from webhooks.subscriptions.subscriptions import remove as remove_subscription

    async def work() -> None:
        async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
            await remove_subscription(db, name, actor=actor)

    run(work())
    click.echo(f"{name} gets no more events.")


@command.command()
@_name
@json_option
def test(name: str, *, as_json: bool) -> None:
    """Send a webhook.test event now and show the answer; the exit status is 1 if the receiver does not accept it."""
    from webhooks.subscriptions.redelivery import send_test

    async def work() -> OutboundReply:
        async with (
            open_session(pool_size=2) as runtime,
            open_outbound_http(runtime.settings.outgoing_allow) as outbound_http,
        ):
            return await send_test(runtime, outbound_http, name)

    _outcome(run(work()), as_json=as_json)


@command.command()
@_name
@click.argument("cursor", type=ROW)
@json_option
def resend(name: str, cursor: int, *, as_json: bool) -> None:
    """Send the event at CURSOR again now, with the same id; the exit status is 1 if the receiver does not accept it.

    The subscription's position does not change: to send everything from a position on, see muster webhooks replay.
    """
    from webhooks.subscriptions.redelivery import resend as resend_event

    async def work() -> OutboundReply:
        async with (
            open_session(pool_size=2) as runtime,
            open_outbound_http(runtime.settings.outgoing_allow) as outbound_http,
        ):
            return await resend_event(runtime, outbound_http, name, cursor)

    _outcome(run(work()), as_json=as_json)


@command.command()
@_name
@click.option("--failed", is_flag=True, help="Only deliveries that failed.")
@click.option("--cursor", type=ROW, help="Only the event with this cursor.")
@limit_option(50, most=10_000)
@json_option
def log(name: str, failed: bool, cursor: int | None, limit: int, *, as_json: bool) -> None:
    """Show the deliveries and what the receiver answered, the latest first."""
    from webhooks.subscriptions.subscriptions import list_deliveries

    async def work() -> tuple[list[DeliveryAttempt], ZoneInfo]:
        async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
            attempts = await list_deliveries(db, name, failed=failed, seq=cursor, limit=limit)
            return attempts, ZoneInfo(runtime.settings.time_zone)

    tries, zone = run(work())
    if as_json:
        print_json(tries, indent=True)
        return
    table = Table("when", "cursor", "event", "try", "took", "what came of it", box=None, header_style="bold")
    for attempt in tries:
        what = attempt.problem or f"taken ({attempt.status})"
        answer = f" “{attempt.answer[:80]}”" if attempt.problem and attempt.answer.strip() else ""
        number = f"{attempt.attempt}" if attempt.reason == "stream" else attempt.reason
        table.add_row(
            f"{attempt.at.astimezone(zone):%Y-%m-%d %H:%M:%S}", str(attempt.seq or ""), attempt.type, number,
            f"{attempt.took:.2f} s", _plain(what + answer),
        )  # fmt: skip
    Console().print(table if tries else "Nothing has been tried yet.")


def _show(subscription: Subscription, zone: ZoneInfo, *, as_json: bool) -> None:
    if as_json:
        print_json(subscription, indent=True)
        return
    table = Table.grid(padding=(0, 2))
    rows = {
        "url": subscription.url,
        "told of": ", ".join(subscription.events),
        "also told": ", ".join(subscription.include),
        "state": _state(subscription),
        "cursor": str(subscription.cursor),
        "waiting": _waiting(subscription),
        "taken last": _when(subscription.delivered_at, zone),
        "failing since": _when(subscription.failing_since, zone)
        and f"{_when(subscription.failing_since, zone)}, {plural(subscription.attempts, 'try', 'tries')}",
        "tried again": _when(subscription.next_try_at, zone) if subscription.attempts else "",
        "former secret signs until": _when(subscription.old_until, zone),
        "added": f"{_when(subscription.created_at, zone)} by {subscription.created_by}",
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, _plain(value))
    console = Console()
    console.print(subscription.name, style="bold")
    console.print(table)


def _plain(text: str) -> Text:
    """Make a text without markup or control characters of what came from outside."""
    return Text("".join(character if character.isprintable() else " " for character in text))


def _state(subscription: Subscription) -> str:
    if subscription.state != "active":
        return f"{subscription.state}: {subscription.paused_reason}"
    return "failing" if subscription.attempts else "active"


def _waiting(subscription: Subscription) -> str:
    return f"{subscription.waiting:,}" if subscription.waiting < 1000 else "1,000 or more"


def _when(at: datetime | None, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}" if at is not None else ""


def _outcome(reply: OutboundReply, *, as_json: bool) -> None:
    if as_json:
        print_json(reply, indent=True)
    elif reply.problem is None:
        click.echo(f"The receiver accepted it: {reply.status} after {reply.took:.2f} seconds.")
    if reply.problem is not None:
        raise MusterError(
            f"The receiver did not accept it. {reply.problem}", remedy=_plain(reply.text[:200]).plain.strip()
        )
