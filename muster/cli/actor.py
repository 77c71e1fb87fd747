"""Option that names the person who runs a command, for the audit."""

from __future__ import annotations

import click

from muster.operator import this_user

actor_option = click.option(
    "--actor", default=this_user, help="Who does this, for the audit; default: your user name here."
)
