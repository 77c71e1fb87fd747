"""`make bench`: Muster's speed beside a counterpart measured in the same run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import click
import structlog
import uvloop

from core.errors import MusterError
from tests.bench.access import access
from tests.bench.claims import claim
from tests.bench.launches import launch
from tests.bench.links import links
from tests.bench.mail import email
from tests.bench.memory import memory
from tests.bench.own_defaults import own_defaults
from tests.bench.page import keep
from tests.bench.phases import profile
from tests.bench.post_office import post_office
from tests.bench.receipts import receipts
from tests.bench.report import Report
from tests.bench.subjects import subjects
from tests.bench.texts import sms
from tests.bench.transactional import transactional

Benchmark = Callable[..., Awaitable[Report]]
BENCHMARKS: Final[Mapping[str, Benchmark]] = {
    bench.__name__: bench
    for bench in (
        email,
        post_office,
        sms,
        receipts,
        launch,
        memory,
        claim,
        links,
        subjects,
        transactional,
        access,
        own_defaults,
        profile,
    )
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--quick", is_flag=True, help="Smaller numbers and one round: to see that it works, not how fast.")
@click.option("--finished", type=click.IntRange(1), help="claim: finished messages in the table.  [default: 10000000]")
@click.option("--million", is_flag=True, help="memory: go on to a million mails.")
@click.option("--write", is_flag=True, help="Put the figures into docs/benchmarks.md.")
def main(names: tuple[str, ...], *, quick: bool, finished: int | None, million: bool, write: bool) -> None:
    """Run the benchmarks NAMES, or all of them.

    Each prints a line of JSON on stdout, and the same for people on stderr. Exit 1 when a bar was missed or a benchmark
    could not be run.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    more: dict[str, dict[str, Any]] = {"claim": {"finished": finished}, "memory": {"million": million}}
    wrong: list[str] = []
    for name in names or BENCHMARKS:
        try:
            report = uvloop.run(_run(BENCHMARKS[name], {"quick": quick, **more.get(name, {})}))
        except (MusterError, RuntimeError) as error:
            wrong.append(f"{name}: {'not run' if isinstance(error, MusterError) else 'failed'}: {error}")
            click.echo(wrong[-1], err=True)
            continue
        click.echo(report.to_json())
        for line in report.lines():
            click.echo(line, err=True)
        wrong += [f"{name}: {bar.line()}" for bar in report.bars if not bar.holds]
        if write:
            keep(report)
    if wrong:
        click.echo("\nNot as it should be:\n  " + "\n  ".join(wrong), err=True)
        sys.exit(1)


async def _run(benchmark: Benchmark, options: Mapping[str, Any]) -> Report:
    return await benchmark(**options)


if __name__ == "__main__":
    main()
