"""The list of SQL mutants follows the SQL: each replaces something that is there, and is SQL that PostgreSQL takes."""

import asyncpg
import pytest

from core.db import Connection
from tests.mutants.sql import MUTANTS, SqlMutant


async def test_every_mutant_still_is_a_mistake_in_sql_that_runs(owner: Connection) -> None:
    broken: list[str] = []
    for mutant in MUTANTS:
        try:
            if mutant.file is not None:
                await owner.prepare(mutant.query())
            else:
                trial = owner.transaction()  # rolled back, as several mutants are of one function
                await trial.start()
                try:
                    await owner.execute(await mutant.function(owner))
                finally:
                    await trial.rollback()
        except (ValueError, asyncpg.PostgresError) as error:
            broken.append(f"{mutant.name}: {error}")
    assert not broken, "\n".join(broken)


def test_no_two_mutants_have_one_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_a_mutant_of_sql_that_has_changed_says_so() -> None:
    mutant = SqlMutant("it limps", "claim", "limp $4", "", "messaging/outbox/claim.sql")
    with pytest.raises(ValueError, match="“it limps” replaces 'limp \\$4', which claim has 0 times"):
        mutant.query()
