"""A table that refuses every new row, for tests of what is left when a transaction fails in its middle."""

from core.db import Connection


async def refuse_rows(owner: Connection, table: str) -> None:
    """Make every insert into a table raise `stumbled`."""
    await owner.execute(
        "create function stumble() returns trigger language plpgsql as $$ begin raise 'stumbled'; end $$;"
        f"create trigger stumble before insert on {table} for each row execute function stumble()"
    )
