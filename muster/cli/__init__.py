"""Command `muster`: one module of this package for each noun, loaded only when it is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Final

import click

from core.errors import InputError, MusterError
from muster.cli.output import guard_output
from muster.cli.plain_arguments import refuse_unusable, take_plain_text

COMMANDS: Final = {
    "demo": "Show a whole scenario on made-up people, from member file to counts.",
    "run": "Start everything on this machine and stay up.",
    "people": "Import, export, count and look up people; strike off those who leave, or erase them.",
    "suppression": "Suppressions: import and export lists of people not to contact, look one up.",
    "consent": "Consents to marketing: import and export.",
    "template": "List, check and preview the message templates.",
    "ballot": "Set up a ballot: its dates, threshold and electorate.",
    "question": "Set up a question with named answers, and see what people answer.",
    "campaign": "Make, launch, pause, watch and cancel a campaign.",
    "turnout": "Show who has voted, as far as we know, by unit; import and export it as a file.",
    "webhooks": "Send events to other systems, and see what they accepted.",
    "messages": "Find messages, see their history, send again, archive what is over.",
    "replies": "Deal with the replies that need a person, and classify them again.",
    "audit": "See who did what, and check that nothing of it was changed.",
    "check": "Judge texts, phone numbers, emails, replies or a mail from a file.",
    "key": "Let other systems read the turnout feed: make, list and revoke keys.",
    "user": "Let staff in and sign them out: add, list and disable users, make sign-in links.",
    "sandbox": "Start a pretend Twilio and mail server to try things on.",
    "serve": "Start the web server only.",
    "worker": "Start a worker only.",
    "mailroom": "Take in bounces and replies that come as mail.",
    "migrate": "Bring the database to the newest schema.",
}
"""Commands that `muster --help` lists. Kept here so that help needs no imports; each module's own help says more."""

_HELP: Final = """Muster asks everyone who has not answered yet, listens to every way they can answer, and never asks
again once they have.

\b
New here?   muster demo
Stay up:    muster run

Settings are environment variables (MUSTER_…), see docs/settings.md. Without any, everything runs on servers of its own
in the folder .muster, and texts and emails go to a sandbox. Commands exit with 0 when done, 1 when it failed, 2 when
called wrongly.
"""


class _Nouns(click.Group):
    """Imports `muster.cli.<noun>.command` only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS or find_spec(f"muster.cli.{cmd_name}") is None:
            return None
        command = import_module(f"muster.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return take_plain_text(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in COMMANDS:
            raise click.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)  # suggests the one probably meant
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Nouns,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.version_option(version("muster"), prog_name="muster")
def root() -> None:
    """Group the commands; the help text people see is `_HELP`."""


def main(args: Sequence[str] | None = None) -> None:
    """Run one command and exit with its status.

    Args:
        args: the arguments after `muster`; default those of this process.

    Raises:
        SystemExit: always: 0 done, 1 failed, 2 called wrongly, 130 interrupted.
    """
    if "MUSTER_SUPERVISOR" in os.environ:
        from muster.supervised import end_with_supervisor

        end_with_supervisor()
        guard_output()
    else:
        guard_output()
        _hint_at_misspelt_settings()
    sys.exit(exit_status(args))


def _hint_at_misspelt_settings() -> None:
    if any(name.upper().startswith("MUSTER_") for name in os.environ) or os.path.exists(".env"):  # noqa: PTH110  # help is quick
        from muster.cli.setting_hints import names_in_use, setting_hints

        for sentence in setting_hints(names_in_use(os.environ)):
            click.echo(f"Note: {sentence}", err=True)


def exit_status(args: Sequence[str] | None) -> int:  # noqa: PLR0911  # one return for each way a command can end
    """Run a command; return the status that its process ends with.

    Args:
        args: its arguments; None for those of this process.
    """
    try:
        refuse_unusable(sys.argv[1:] if args is None else args)
        result = root.main(args=None if args is None else list(args), prog_name="muster", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort as stop:
        if isinstance(stop.__cause__, KeyboardInterrupt):
            return 130
        click.echo("Stopped; nothing was done.", err=True)
        return 1
    except KeyboardInterrupt:
        return 130
    except MusterError as error:
        return show_error(error)
    except Exception as error:
        from muster.server_errors import server_error, unstorable

        if (known := server_error(error) or unstorable(error)) is None:
            raise
        return show_error(known)
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def show_error(error: MusterError) -> int:
    """Print on stderr what went wrong and what to do next.

    Returns:
        The exit status: 1.
    """
    click.echo(f"Error: {error.message}", err=True)
    for problem in error.problems if isinstance(error, InputError) else ():
        click.echo(f"  {problem}", err=True)
    if error.remedy:
        click.echo(error.remedy, err=True)
    return 1
