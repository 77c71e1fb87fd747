"""`muster messages settle`: decide about messages of unknown outcome, after their list has been shown."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Final
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table

from campaigns.campaigns import get_campaign, name_of
from core.access import Actor
from core.audit import AuditAction, record
from core.errors import NotFound
from core.plurals import plural
from messaging.outbox.manual_review import HeldMessage, NamedMessages, Selection, list_held, read_names, settle_held
from muster.cli.moments import MOMENT, TypedDate
from muster.cli.numbers import STEP
from muster.cli.options import actor_option, campaign_option, yes_option
from muster.cli.session import open_session, run

MAX_SHOWN_MESSAGES: Final = 20
"""Most messages listed one by one; if there are more, their number by step and channel is shown."""


@dataclass(frozen=True, slots=True)
class SettleRequest:
    """Choice of messages and decision, as typed."""

    names: Sequence[tuple[int, str]] | None
    campaign: str | None
    step: int | None
    channel: str | None
    after: TypedDate | None
    before: TypedDate | None

    @property
    def is_everything(self) -> bool:
        """Tell whether no option narrows the choice down."""
        narrowed = (self.names, self.campaign, self.step, self.channel, self.after, self.before)
        return all(option is None for option in narrowed)


@dataclass(frozen=True, slots=True)
class HeldMessages:
    """Messages in manual review that a request means.

    Attributes:
        campaigns: names of their campaigns, by id.
        others: messages that were named but are not in manual review.
    """

    messages: list[HeldMessage]
    campaigns: dict[int | None, str]
    others: list[str]
    zone: ZoneInfo


@click.command()
@click.argument("messages", nargs=-1, metavar="[MESSAGE]…")
@click.option(
    "--as",
    "decision",
    required=True,
    type=click.Choice(["sent", "unsent"]),
    help="Whether to count them as sent or as not sent.",
)
@click.option(
    "--file",
    "file",
    type=click.File(),
    help="Only the messages listed in this file, one a line (- for standard input).",
)
@campaign_option
@click.option("--step", type=STEP, help="Only messages of the campaign's step with this number.")
@click.option("--channel", type=click.Choice(["email", "sms"]), help="Only messages of this channel.")
@click.option("--after", type=MOMENT, metavar="TIME", help="Only messages that were to leave at this time or later.")
@click.option("--before", type=MOMENT, metavar="TIME", help="Only messages that were to leave before this time.")
@yes_option
@actor_option
def command(
    messages: Sequence[str],
    decision: str,
    file: IO[str] | None,
    campaign: str | None,
    step: int | None,
    channel: str | None,
    after: TypedDate | None,
    before: TypedDate | None,
    actor: Actor,
    *,
    yes: bool,
) -> None:
    """Decide about messages that are held because nobody can say whether they were sent.

    `sent` counts them as sent; `unsent` sends them again, emails with the same Message-ID. Without a choice all that
    are held are meant. Their list is shown first; in a terminal you are asked, a script is not.

    MESSAGE, on the command line or in the file, is the number that `muster messages list --reason held` shows, or what
    the provider's log says of it: the Message-ID, the envelope sender, or the address or phone number (+44…) it was
    for. TIME is like 2026-03-31 or 2026-03-31T14:30, by the clock of MUSTER_TIME_ZONE.
    """
    lines = file.read().splitlines() if file is not None else ()
    names = [*((0, name) for name in messages), *enumerate(lines, start=1)]
    request = SettleRequest(names if messages or file is not None else None, campaign, step, channel, after, before)
    selection = run(_find(request, actor))
    _show(selection)
    if not selection.messages:
        return
    again = decision == "unsent"
    if not yes and sys.stdin.isatty():
        what = "Send them again" if again else "Take them for sent"
        which = "all of them" if request.is_everything else "these"
        click.confirm(f"{what}: {which}, {plural(len(selection.messages), 'message')}?", abort=True)
    settled = run(_settle([message.message_id for message in selection.messages], again=again, actor=actor))
    click.echo(f"{plural(settled, 'message')} {'to be sent again' if again else 'taken for sent'}.")


async def _find(request: SettleRequest, actor: Actor) -> HeldMessages:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        zone = ZoneInfo(runtime.settings.time_zone)
        named = (
            None
            if request.names is None
            else read_names(request.names, runtime.keyring, region=runtime.settings.sms_region)
        )
        only = (await get_campaign(db, request.campaign)).campaign_id if request.campaign else None
        after, before = (typed.start(zone) if typed else None for typed in (request.after, request.before))
        messages = await list_held(db, Selection(named, only, request.step, request.channel, after, before))
        ids = {message.campaign_id for message in messages if message.campaign_id is not None}
        campaigns: dict[int | None, str] = {
            campaign_id: await name_of(db, campaign_id) or f"campaign {campaign_id}" for campaign_id in sorted(ids)
        } | {None: "none"}
        if named is not None and not messages:
            raise NotFound(
                "None of these messages is held.", remedy="See those that are: muster messages list --reason held"
            )
        shown = {"messages": [message.message_id for message in messages]}
        await record(db, actor, AuditAction.PEOPLE_SEEN, "held messages", shown)
        return HeldMessages(messages, campaigns, _others(named, messages), zone)


def _others(named: NamedMessages | None, messages: Sequence[HeldMessage]) -> list[str]:
    if named is None:
        return []
    ids, addresses = {message.message_id for message in messages}, {message.address for message in messages}
    return [f"#{message_id}" for message_id in named.ids if message_id not in ids] + [
        address for address in named.addresses if address not in addresses
    ]


async def _settle(message_ids: Sequence[int], *, again: bool, actor: Actor) -> int:
    async with open_session(pool_size=1) as runtime:
        async with runtime.pool.acquire() as db, db.transaction():
            settled = await settle_held(db, message_ids, again=again, actor=actor, now=runtime.clock())
        await runtime.wake("deliver")
        return settled


def _show(selection: HeldMessages) -> None:
    if not selection.messages:
        click.echo("No message is held.")
        return
    table = Table(box=None, pad_edge=False)
    if len(selection.messages) <= MAX_SHOWN_MESSAGES:
        for header in ("message", "campaign", "step", "channel", "address", "was to leave"):
            table.add_column(header)
        for message in selection.messages:
            at = f"{message.wire_at.astimezone(selection.zone):%Y-%m-%d %H:%M:%S}" if message.wire_at else ""
            campaign = selection.campaigns[message.campaign_id]
            table.add_row(
                str(message.message_id), campaign, str(message.position or ""), message.channel, message.address, at
            )
    else:
        for header in ("held", "campaign", "step", "channel", "messages"):
            table.add_column(header)
        kinds = Counter((message.campaign_id, message.position, message.channel) for message in selection.messages)
        for (campaign_id, position, channel), count in sorted(
            kinds.items(), key=lambda kind: (kind[0][0] or 0, kind[0][1] or 0, kind[0][2])
        ):
            of_kind = [message.message_id for message in selection.messages if message.campaign_id == campaign_id
                       and (message.position, message.channel) == (position, channel)]  # fmt: skip
            span = f"#{of_kind[0]} … #{of_kind[-1]}" if count > 1 else f"#{of_kind[0]}"
            table.add_row(f"{count:,}", selection.campaigns[campaign_id], str(position or ""), channel, span)
    Console().print(table)
    if len(selection.messages) > MAX_SHOWN_MESSAGES:
        click.echo("One by one: muster messages list --reason held")
    if selection.others:
        shown = ", ".join(selection.others[:MAX_SHOWN_MESSAGES])
        click.echo(f"Not held, so left unchanged: {shown}{', …' if len(selection.others) > MAX_SHOWN_MESSAGES else ''}")
