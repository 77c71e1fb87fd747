"""`muster replies`: the reply inbox: list, show, answer, read, undo and close replies, and classify them all again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table

from campaigns.replies import reclassify
from campaigns.replies.open_reasons import WHY_OPEN
from campaigns.replies.reply_inbox import (
    ReplyThread,
    ShownReply,
    close_reply,
    count_asked,
    open_replies,
    read_by_staff,
    replies_read_as,
    reply_thread,
    undo_misread_opt_out,
)
from campaigns.replies.staff_replies import StaffReply, send_staff_reply, staff_replies_to
from core.access import Actor
from core.audit import AuditAction, record
from core.control_characters import without_controls
from core.errors import NotFound
from core.files.atomic_files import complete_or_not_at_all
from core.plurals import plural, verb
from muster.cli.noun import Noun
from muster.cli.numbers import ROW
from muster.cli.options import actor_option, dry_run_option, force_option, json_option, limit_option
from muster.cli.output import print_json
from muster.cli.plain_arguments import PLAIN_TEXT
from muster.cli.session import open_session, run
from people.people import find_person
from webhooks.email.inbound_mail.mail_store import find_reply_mail, record_mail_export
from webhooks.email.inbound_mail.threads import thread_of

_MAX_HOLDERS: Final = 8
"""Most people named who share an address."""
_reply = click.argument("reply_id", metavar="REPLY", type=ROW)


@click.group(cls=Noun)
def command() -> None:
    """Deal with the replies that need a person: list, show, answer, read, undo, close; classify replies again."""


@command.command("list")
@click.option("--why", type=click.Choice(sorted(WHY_OPEN)), help="Only replies that wait for this reason.")
@click.option(
    "--reading",
    help="Only replies read like this, latest first, even if nobody has to act on them.",
)
@limit_option(50)
@actor_option
@json_option
def list_(why: str | None, reading: str | None, actor: Actor, *, limit: int, as_json: bool) -> None:
    """List the replies that wait for a person, longest waiting first; with --json one object a line."""
    if why and reading:
        raise click.UsageError(
            "Choose either --why or --reading: replies with one reading are listed whether or not they wait."
        )
    replies, unanswered, zone = run(_list(why, reading, limit, actor))
    if as_json:
        for reply in replies:
            print_json(asdict(reply))
        return
    _show(replies, zone, reading)
    if unanswered:
        were, have = verb(unanswered, "was", "were"), verb(unanswered, "has", "have")
        click.echo(f"{unanswered:,} {were} asked back and {have} not answered: muster replies list --why asked_back")


@command.command()
@_reply
@actor_option
@json_option
def show(reply_id: int, actor: Actor, *, as_json: bool) -> None:
    """Show a reply: its author, the message it answers, its readings and the staff replies to it.

    REPLY is its number, as `muster replies list` shows it.
    """
    shown, staff_replies, has_mail, zone = run(_thread(reply_id, actor))
    if as_json:
        print_json(
            asdict(shown)
            | {"has_mail": has_mail, "staff_replies": [asdict(staff_reply) for staff_reply in staff_replies]},
            indent=True,
        )
        return
    _show_thread(shown, staff_replies, zone, has_mail=has_mail)


@command.command()
@_reply
@click.argument("file", type=click.Path(path_type=Path))
@force_option
@actor_option
@json_option
def mail(reply_id: int, file: Path, actor: Actor, *, force: bool, as_json: bool) -> None:
    """Write the mail that became REPLY to FILE as it came, for a mail program to open: reply.eml.

    A mail without readable words, such as an encrypted one or a picture, is kept until its reply is closed; one with
    readable words and attachments is not kept, and any other as long as other incoming data. Only you can read the
    file; who took it is kept in the audit.
    """
    size = run(_mail(reply_id, file, actor, force=force))
    if as_json:
        print_json({"reply_id": reply_id, "file": str(file), "bytes": size})
        return
    click.echo(f"The mail is in {file}. Only open what is attached to it if you expect it from this person.")


@command.command()
@_reply
@click.argument("text")
@actor_option
@json_option
def answer(reply_id: int, text: str, actor: Actor, *, as_json: bool) -> None:
    """Answer REPLY with TEXT, by the channel and from the number or mailbox that it came to, and close it.

    TEXT is sent as it stands; - reads it from standard input. An answer by email joins the thread of the mail. The same
    TEXT twice is sent once, and nothing is sent to people who have opted out.
    """
    words = PLAIN_TEXT.convert(sys.stdin.read(), None, None) if text == "-" else text
    sent = run(_answer(reply_id, words, actor))
    if as_json:
        print_json({"reply_id": reply_id} | asdict(sent))
        return
    click.echo(f"It goes out as message {sent.message_id}, and reply {reply_id} is closed.")


@command.command()
@_reply
@click.argument("reading")
@click.option("--person", metavar="PERSON", help="The number of the person who wrote it, if several share the address.")
@actor_option
@json_option
def read(reply_id: int, reading: str, person: str | None, actor: Actor, *, as_json: bool) -> None:
    """Read REPLY yourself: your READING replaces the rule's, and its effects.

    READING is one of those that `muster replies show` and docs/replies.md name, or an answer of the question that was
    asked. An answer the rule read is taken back, yours is recorded, an opt-out is obeyed, and the reply is closed.
    """
    answer_id = run(_read(reply_id, reading, person, actor))
    if as_json:
        print_json({"reply_id": reply_id, "reading": reading, "answer_id": answer_id})
        return
    click.echo(f"Reply {reply_id} is read as {reading}" + (", and counts." if answer_id else "."))


@command.command()
@_reply
@actor_option
@json_option
def undo(reply_id: int, actor: Actor, *, as_json: bool) -> None:
    """Take back the opt-out that a rule read in REPLY: messages go to that address again.

    What was withdrawn for it stays withdrawn, and REPLY waits to be read.
    """
    address = run(_undo(reply_id, actor))
    if as_json:
        print_json({"reply_id": reply_id, "address": address})
        return
    click.echo(f"Messages go to {address} again. Say what it means: muster replies read {reply_id} READING")


@command.command()
@_reply
@actor_option
@json_option
def close(reply_id: int, actor: Actor, *, as_json: bool) -> None:
    """Close REPLY, which has been dealt with; its reading stays."""
    was_open = run(_close(reply_id, actor))
    if as_json:
        print_json({"reply_id": reply_id, "was_open": was_open})
        return
    click.echo(f"Reply {reply_id} is closed." if was_open else f"Reply {reply_id} was closed already.")


@command.command("reclassify")
@dry_run_option
@actor_option
@json_option
def reclassify_replies(actor: Actor, *, dry_run: bool, as_json: bool) -> None:
    """Classify replies again with the rules of this version, except those that staff have dealt with.

    A reply that is now read otherwise is acted on as a new one would be; opt-outs are never lifted.
    """
    looked, otherwise = run(_reclassify(actor, dry_run=dry_run))
    if as_json:
        done = {"dry_run": dry_run, "read": looked, "otherwise": [asdict(reply) for reply in otherwise]}
        print_json(done)
        return
    for reply in otherwise:
        click.echo(f"  {reply.reply_id}: {reply.before} → {reply.after}  {_short(reply.text)}")
    reads = "would be read" if dry_run else "read"
    click.echo(f"{plural(looked, 'reply', 'replies')} {reads} again, {len(otherwise):,} otherwise.")


async def _list(
    why: str | None, reading: str | None, limit: int, actor: Actor
) -> tuple[list[ShownReply], int, ZoneInfo]:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        replies = await (replies_read_as(db, reading, limit) if reading else open_replies(db, limit, why))
        detail = {"why": why, "reading": reading, "replies": [reply.reply_id for reply in replies]}
        await record(db, actor, AuditAction.REPLIES_SEEN, "replies", detail)
        unanswered = 0 if why or reading else await count_asked(db)
        return replies, unanswered, ZoneInfo(runtime.settings.time_zone)


async def _thread(reply_id: int, actor: Actor) -> tuple[ReplyThread, list[StaffReply], bool, ZoneInfo]:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        shown = await reply_thread(db, reply_id)
        has_mail = await find_reply_mail(db, reply_id) is not None
        await record(db, actor, AuditAction.REPLY_SEEN, f"reply {reply_id}")
        return shown, await staff_replies_to(db, reply_id), has_mail, ZoneInfo(runtime.settings.time_zone)


async def _answer(reply_id: int, text: str, actor: Actor) -> StaffReply:
    async with open_session(pool_size=1) as runtime:
        async with runtime.pool.acquire() as db, db.transaction():
            thread = thread_of(await find_reply_mail(db, reply_id))
            sent = await send_staff_reply(
                db, runtime.settings, reply_id, text, thread=thread, actor=actor, at=runtime.clock()
            )
        await runtime.wake("deliver")
        return sent


async def _mail(reply_id: int, file: Path, actor: Actor, *, force: bool) -> int:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        await reply_thread(db, reply_id)  # says if there is no such reply
        raw = await find_reply_mail(db, reply_id)
        if raw is None:
            raise NotFound(
                f"No mail is kept of reply {reply_id}.",
                remedy=f"See what was read in it: muster replies show {reply_id}",
            )
        with complete_or_not_at_all(file, replace=force) as beside:
            beside.write_bytes(raw)
        await record_mail_export(db, reply_id, actor=actor, at=runtime.clock())
        return len(raw)


async def _read(reply_id: int, reading: str, person: str | None, actor: Actor) -> int | None:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        person_id = (await find_person(db, person)).person_id if person else None
        return await read_by_staff(db, reply_id, reading=reading, actor=actor, at=runtime.clock(), person_id=person_id)


async def _undo(reply_id: int, actor: Actor) -> str:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        return await undo_misread_opt_out(db, reply_id, actor=actor, at=runtime.clock())


async def _close(reply_id: int, actor: Actor) -> bool:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        return await close_reply(db, reply_id, actor=actor, at=runtime.clock())


async def _reclassify(actor: Actor, *, dry_run: bool) -> tuple[int, list[reclassify.ReclassifiedReply]]:
    async with open_session(pool_size=1) as runtime, runtime.pool.acquire() as db:
        return await reclassify.reclassify(db, actor=actor, at=runtime.clock(), dry_run=dry_run)


def _show(replies: list[ShownReply], zone: ZoneInfo, reading: str | None) -> None:
    if not replies:
        click.echo("There is no such reply." if reading else "No reply waits for a person.")
        return
    table = Table(box=None, pad_edge=False)
    for header in ("reply", "since", "who", "why", "answer", "text"):
        table.add_column(header, overflow="fold")
    for reply in replies:
        table.add_row(
            str(reply.reply_id), _time(reply.received_at, zone), _who(reply),
            WHY_OPEN.get(reply.why_open, "Nothing to do"), reply.answer_since,
            _short(reply.text or _without_words(reply)),
        )  # fmt: skip
    Console().print(table, markup=False)


def _who(reply: ShownReply) -> str:
    """Name the author in a list: their number, those who share the address, or the address."""
    return reply.external_id or (_somebody(reply) if len(reply.holders) > 1 else reply.address)


def _without_words(reply: ShownReply) -> str:
    """Describe a reply without text: a button, or a mail or text without words."""
    if reply.channel == "link":
        return "(pressed on their page)"
    if reply.note:
        return f"({reply.note})"
    return "(a picture or the like)" if reply.channel == "sms" and reply.rule == "media" else "(no words)"


def _show_thread(shown: ReplyThread, staff_replies: Sequence[StaffReply], zone: ZoneInfo, *, has_mail: bool) -> None:
    reply = shown.reply
    who = (
        f"{reply.name or 'somebody'} ({reply.external_id}), {reply.unit or 'no unit'}"
        if reply.external_id
        else _somebody(reply)
    )
    click.echo(f"Reply {reply.reply_id} by {reply.channel} from {reply.address}: {who}")
    beside = f" (their answer: {reply.answer_since})" if reply.answer else ""
    click.echo(f"  {_time(reply.received_at, zone)}: {reply.text or _without_words(reply)}{beside}")
    if reply.note and reply.text:
        click.echo(f"  {reply.note}")
    if has_mail:
        click.echo(f"  To see the mail as it came: muster replies mail {reply.reply_id} FILE.eml")
    if reply.message_id is not None:
        click.echo(f"  It answers message {reply.message_id}" + (f" about {reply.about}." if reply.about else "."))
    if len(reply.holders) > 1:
        click.echo(f"  {len(reply.holders)} people have that address: {_some(reply)}.")
    _show_state(shown, zone)
    for past in shown.readings:
        by = past.reader or f"a rule ({past.rule}, version {past.rule_version})"
        click.echo(
            f"  {_time(past.at, zone)}  read as {past.reading} by {by}"
            + (f", answer {past.answer_id}" if past.answer_id else "")
        )
    _show_staff_replies(staff_replies, zone)
    for at, text, reading in shown.others:
        nothing = "(pressed on their page)" if reply.channel == "link" else "(no words)"
        click.echo(f"  also {_time(at, zone)}: {_short(text) or nothing} ({reading})")
    click.echo(f"Times are those of {zone.key}.")


def _show_state(shown: ReplyThread, zone: ZoneInfo) -> None:
    reply = shown.reply
    match shown.state:
        case "asked":
            click.echo("  Its author was asked back, and may answer first; if not, it waits for a person.")
        case "open":
            why = WHY_OPEN[reply.why_open]
            click.echo(f"  It waits: {why}{'' if why.endswith('?') else '.'}")
            if reply.reading == "opt_out":
                click.echo(f"  If that is not an opt-out: muster replies undo {reply.reply_id}")
        case _ if shown.closed_by:
            assert shown.closed_at is not None
            click.echo(f"  Closed by {shown.closed_by}, {_time(shown.closed_at, zone)}.")
        case _:
            click.echo("  Nobody has to act on it.")


def _somebody(reply: ShownReply) -> str:
    """Name the author of a reply who is not known: one of those who have its address, or nobody known."""
    return f"one of {_some(reply)}" if len(reply.holders) > 1 else "nobody known"


def _some(reply: ShownReply) -> str:
    """Name those who have the address of a reply: "Ann Lee (P5), Kit Lee (P6)", and how many more there are."""
    named = [
        f"{name} ({number})" if name else number for number, name in zip(reply.holders, reply.holder_names, strict=True)
    ]
    shown = ", ".join(named[:_MAX_HOLDERS])
    return shown if len(named) <= _MAX_HOLDERS else f"{shown} and {len(named) - _MAX_HOLDERS} more"


def _show_staff_replies(staff_replies: Sequence[StaffReply], zone: ZoneInfo) -> None:
    for sent in staff_replies:
        words = "(no longer kept)" if sent.text is None else _short(without_controls(sent.text))
        message = f"message {sent.message_id} ({sent.state})"
        click.echo(f"  {_time(sent.at, zone)}  {sent.by} answered, {message}: {words}")


def _time(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def _short(text: str, longest: int = 70) -> str:
    words = " ".join(text.split())
    return words if len(words) <= longest else words[: longest - 1] + "…"
