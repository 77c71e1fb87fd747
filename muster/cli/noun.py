"""Group of commands about one noun, such as `muster people`."""

from __future__ import annotations

from typing import Final

import click

_NO_LIMIT: Final = 10_000


class Noun(click.Group):
    """Group that lists its commands with their whole first sentence, over several lines if it is long."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list; click would cut each sentence to one line."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(_NO_LIMIT)) for name, command in commands if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
