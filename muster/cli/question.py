"""`muster question`: set up a question, and see what people answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from campaigns.extension import ExtensionResult, extend_subject
from campaigns.subjects.kinds import find_subject
from campaigns.subjects.question import QuestionSubject
from campaigns.validation import check_phrases
from core.access import Actor
from core.audit import AuditAction, record
from core.db import Connection
from core.files.sheets import SheetKind, sheet_or_nothing
from core.plurals import plural
from core.runtime import Runtime
from messaging.content.languages import DEFAULT, language_name
from muster.cli.moments import MOMENT, TypedDate
from muster.cli.noun import Noun
from muster.cli.options import actor_option, force_option, json_option, limit_option, xlsx_option
from muster.cli.output import print_json
from muster.cli.session import open_session, run
from people.unit_names import find_unit
from services.questions.answer_list import Respondent, list_respondents, write_answers
from services.questions.counts import UnitAnswers, answer_counts, shares, unit_answers
from services.questions.questions import Question, create_question, get_question, question_names
from services.questions.spec import load_question_spec

_EVERY_UNIT: Final = "unit"
_NO_UNIT: Final = "(none)"


@click.group(cls=Noun)
def command() -> None:
    """Set up a question with named answers, and see what people answer.

    A campaign asks it: docs/questions.md shows one from the file to the answers.
    """


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@actor_option
@json_option
def create(file: Path, actor: Actor, *, as_json: bool) -> None:
    """Make the question that FILE describes.

    FILE is TOML with a [question] table; docs/questions.md explains every key. `muster campaign create` makes it as
    well, where one file holds both.
    """
    _show(run(_create(file, actor)), as_json=as_json)


@command.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the questions, the soonest to close first."""
    questions = run(_list())
    if as_json:
        print_json(questions, indent=True)
        return
    table = Table("question", "title", "phase", "closes", "answered", box=None, header_style="bold")
    for question in questions:
        table.add_row(
            question["name"],
            question["title"],
            question["phase"],
            question["local"]["closes"],
            f"{question['answered']:,}",
        )
    Console().print(table if questions else "There is no question yet. Make one with: muster question create FILE")


@command.command()
@click.argument("name")
@click.option("--by", "kind", help="Also by unit: unit for all of them, or only the level of this name.")
@json_option
def show(name: str, kind: str | None, *, as_json: bool) -> None:
    """Show a question: its words, its answers, and how many gave each."""
    _show(run(_get(name, kind)), as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--unit", help="Only people of this unit and those below it, by name or path.")
@click.option("--answer", help="Only people whose answer this is, by its name in the file.")
@click.option("--comments", "commented", is_flag=True, help="Only people who left a comment.")
@click.option(
    "--csv", "csv_file", type=click.Path(path_type=Path), help="Write everybody to this CSV file, not to the screen."
)
@xlsx_option
@limit_option(100)
@force_option
@actor_option
@json_option
def answers(
    name: str,
    unit: str | None,
    answer: str | None,
    csv_file: Path | None,
    xlsx: Path | None,
    limit: int,
    actor: Actor,
    *,
    commented: bool,
    force: bool,
    as_json: bool,
) -> None:
    """List who answered NAME, with their words."""
    if csv_file is not None and xlsx is not None:
        raise click.UsageError("Choose either --csv or --xlsx.")
    if (output := csv_file or xlsx) is not None:
        if answer is not None:
            raise click.UsageError("Leave --answer out: a spreadsheet filters by answer itself.")
        kind: SheetKind = "csv" if csv_file is not None else "xlsx"
        n = run(_write(name, output, kind, unit, actor, commented=commented, force=force))
        if as_json:
            print_json({"file": str(output), "people": n})
        else:
            click.echo(f"{plural(n, 'person', 'people')} written to {output}.")
        return
    question, people = run(_answers(name, unit, answer, limit, actor, commented=commented))
    if as_json:
        print_json(people, indent=True)
        return
    table = Table("number", "unit", "answer", "comment", "by", box=None, header_style="bold")
    for person in people:
        given = question.option(person.answer) if person.answer is not None else None
        label = given.said_in(DEFAULT) if given is not None else ""
        table.add_row(
            person.member_id,
            person.unit or _NO_UNIT,
            label,
            "\n".join(person.comments),
            person.source.replace("_", " "),
        )
    Console().print(table if people else "Nobody has answered so far.")
    if len(people) == limit:
        click.echo(f"These are the first {limit}; --limit shows more, --csv or --xlsx writes all.")


@command.command()
@click.argument("name")
@click.option(
    "--closes", type=MOMENT, required=True, metavar="TIME", help="When it closes now; a date alone means its end."
)
@actor_option
@json_option
def extend(name: str, closes: TypedDate, actor: Actor, *, as_json: bool) -> None:
    """Let NAME close later, in its own time zone; its links and the messages that wait live as much longer.

    Steps of its campaigns that have started go on to say the former close, where their words name it.
    """
    result = run(_extend(name, closes, actor))
    if as_json:
        print_json(
            {
                "name": name,
                "closed": result.closed,
                "closes": result.subject.closes_at,
                "deadlines": result.deadlines,
                "renewed": result.renewed,
                "started": result.started,
            }
        )
        return
    click.echo(f"{name} closes {result.subject.local(result.subject.closes_at)}.")
    if result.deadlines:
        click.echo(f"Until then {plural(result.deadlines, 'step')} of its campaigns may be sent.")
    if result.started:
        steps = plural(result.started, "step has", "steps have")
        click.echo(f"{steps} started: where their words name the close, they go on to name the former one.")


async def _extend(name: str, closes: TypedDate, actor: Actor) -> ExtensionResult:
    async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
        zone = ZoneInfo((await get_question(db, name)).time_zone)
        at = closes.end(zone)
        kind = QuestionSubject.kind
        return await extend_subject(db, runtime.settings, kind, name, at, actor=actor, now=runtime.clock())


async def _create(file: Path, actor: Actor) -> dict[str, Any]:
    spec = load_question_spec(file)
    async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
        async with db.transaction():
            made = await create_question(db, spec, runtime.clock(), actor=actor, time_zone=runtime.settings.time_zone)
            check_phrases(await find_subject(db, QuestionSubject.kind, made.name))
        return await _described(runtime, db, made)


async def _get(name: str, kind: str | None) -> dict[str, Any]:
    async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
        question = await get_question(db, name)
        facts = await _described(runtime, db, question)
        if kind is not None:
            facts["units"] = await unit_answers(db, question, None if kind == _EVERY_UNIT else kind)
        return facts


async def _list() -> list[dict[str, Any]]:
    async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
        return [await _described(runtime, db, await get_question(db, name)) for name in await question_names(db)]


async def _answers(
    name: str, unit: str | None, answer: str | None, limit: int, actor: Actor, *, commented: bool
) -> tuple[Question, list[Respondent]]:
    async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
        question = await get_question(db, name)
        if answer is not None and question.option(answer) is None:
            offered = ", ".join(answer.name for answer in question.options)
            raise click.UsageError(f"{name} has no answer {answer}; it has {offered}.")
        people = await list_respondents(
            db, question, unit_id=await _unit(db, unit), answer=answer, commented=commented, limit=limit
        )
        shown = sorted({person.person_id for person in people})
        await record(db, actor, AuditAction.PEOPLE_SEEN, f"question {name}", {"people": shown})
        return question, people


async def _write(
    name: str, path: Path, kind: SheetKind, unit: str | None, actor: Actor, *, commented: bool, force: bool
) -> int:
    async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
        question, unit_id = await get_question(db, name), await _unit(db, unit)
        with sheet_or_nothing(path, replace=force, kind=kind) as sheet:
            return await write_answers(db, question, sheet, unit_id=unit_id, commented=commented, actor=actor)


async def _unit(db: Connection, name: str | None) -> int | None:
    return None if name is None else (await find_unit(db, name))[0]


async def _described(runtime: Runtime, db: Connection, question: Question) -> dict[str, Any]:
    counts = await answer_counts(db, question)
    words = question.said_in(DEFAULT)
    return {
        "name": question.name,
        "title": words.title,
        "organisation": question.organisation or runtime.settings.organisation,
        "asks": words.asks,
        "comment": words.comment is not None,
        "languages": list(question.words),
        "phase": question.phase(runtime.clock()),
        "time_zone": question.time_zone,
        "opens_at": question.opens_at,
        "closes_at": question.closes_at,
        "letter": question.letter,
        "answers": [
            {
                "name": answer.name,
                "label": answer.said_in(DEFAULT),
                "digit": answer.digit,
                "low": answer.low,
                "people": counts[answer.name],
            }
            for answer in question.options
        ],
        "answered": sum(counts.values()),
        "local": {
            "opens": question.local(question.opens_at) if question.opens_at else "",
            "closes": question.local(question.closes_at),
        },
    }


def _show(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(facts, indent=True)
        return
    console = Console()
    console.print(Text.assemble((facts["name"], "bold"), f"  {facts['title']} · {facts['organisation']}"))
    console.print(Text(facts["asks"]))
    console.print(_answer_table(facts))
    table = Table.grid(padding=(0, 2))
    others = [language_name(language) for language in facts["languages"] if language != DEFAULT]
    rows = {
        "opens": facts["local"]["opens"],
        "closes": facts["local"]["closes"],
        "answered": plural(facts["answered"], "person", "people"),
        "also in": ", ".join(others),
        "phase": facts["phase"],
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, value)
    console.print(table)
    if "units" in facts:
        console.print(_unit_table(facts["answers"], facts["units"]))


def _answer_table(facts: Mapping[str, Any]) -> Table:
    table = Table("digit", "answer", "people", "share", "", box=None, header_style="bold")
    for column in table.columns[2:4]:
        column.justify = "right"
    parted = shares([answer["people"] for answer in facts["answers"]])
    for answer, part in zip(facts["answers"], parted, strict=True):
        note = "waits in the reply inbox" if answer["low"] else ""
        table.add_row(
            answer["digit"] or "",
            answer["label"],
            f"{answer['people']:,}",
            part,
            note,
        )
    return table


def _unit_table(offered: Sequence[Mapping[str, Any]], units: Sequence[UnitAnswers]) -> Table:
    table = Table("unit", *(answer["label"] for answer in offered), "answered", box=None, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"
    for column in table.columns[1:]:
        column.justify = "right"
    for unit in units:
        table.add_row(unit.path or _NO_UNIT, *(f"{n:,}" for n in unit.answers.values()), f"{unit.total:,}")
    return table
