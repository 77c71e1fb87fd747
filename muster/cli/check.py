"""`muster check`: check texts, phone numbers, email addresses and replies, one a line; a whole mail; or sent links."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import orjson

from core.errors import AddressError, InputError
from core.plurals import plural
from muster.cli.output import json_text

CheckResult = dict[str, Any]
Checker = Callable[[str, Mapping[str, str]], tuple[CheckResult, str]]
"""Function that checks one line: its result for programs, and what to add for people."""


_HELP: Final = """Judge one input per line of FILE, or of standard input for "-".

There is always exactly one line out for each line in, and it is written at once when the input is not a file, so that
another program can ask and read in turn.

\b
With --json every line is a JSON string, and the answer a JSON object:
  sms    {"segments": 1, "encoding": "gsm7", "replaced": [{"found": "…", "put": "...", "times": 1}]}
  phone  {"e164": "+447700900123"}  or  {"error": "landline"}
  email  {"email": "amy@example.org"}  or  {"error": "bad_domain"}
  reply  {"reading": "voted", "rule": "digit"}; a line may offer digits:
         {"text": "1", "menu": {"1": "voted"}}; what counts besides is named:
         {"reading": "opt_out", "rule": "opt_out_phrase", "also": "voted"}
A line that is not JSON is answered {"error": "not_json"}, one without a text {"error": "not_text"}.

Without --json every line is taken as it stands, and answered in words.

`mail` judges one whole mail, as it came, headers first, as `muster mailroom` does; --sent is the message it answers.
What it came to is read from Delivered-To or To (b+… bounces, r+… replies, u+… wishes to unsubscribe, complaints@…).

\b
With --json:
  {"kind": "bounce", "hard": true, "soft": false, "code": "5.1.1", "words": "…", "weight": "hard", …}
  {"kind": "reply", "reading": "voted", "rule": "…", "words": "I have voted", "subject": "", …}
  kind is reply, bounce, complaint, auto_response or unsubscribe; weight is hard, full, soft, sender or none

`links` takes no FILE: it counts the emails that were sent with a secret that is no longer in MUSTER_SECRET_KEY, by
campaign, as long as the links of that campaign would still work. They lead nowhere.

\b
With --json: {"emails": 120, "campaigns": {"pay-2026": 120}}

The exit status is 1 if any line could not be judged at all, or if any links lead nowhere. An address that is judged to
be wrong is an answer, and changes nothing.
"""


ENCODINGS: Final = {"gsm7": "GSM-7", "ucs2": "UCS-2"}


@dataclass(frozen=True, slots=True)
class _NotUsable(Exception):  # noqa: N818
    """The line is not of the required form; nothing was checked."""

    code: str


@click.command(help=_HELP)
@click.argument("what", type=click.Choice(["sms", "phone", "email", "reply", "mail", "links"]))
@click.argument(
    "file", metavar="FILE|-", required=False, type=click.Path(dir_okay=True, allow_dash=True, path_type=Path)
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Read and print lines of JSON as described above; of mail, only the answer is JSON.",
)
@click.option("--sent", type=click.Path(path_type=Path), metavar="FILE", help="For mail: the message that it answers.")
def command(what: str, file: Path | None, sent: Path | None, *, as_json: bool) -> int:
    """Check lines, a mail, or sent links; the help text people see is `_HELP`."""
    if what == "links":
        if file is not None or sent is not None:
            raise click.UsageError("muster check links takes no file: it looks at what was sent.")
        from muster.cli.check_links import check_links

        report, ended = check_links(as_json=as_json)
        click.echo(report)
        return int(ended)
    if file is None:
        raise click.UsageError("Missing argument 'FILE|-'.")
    if what == "mail":
        from muster.cli.check_mail import check_mail

        click.echo(check_mail(file, sent, as_json=as_json))
        return 0
    if sent is not None:
        raise click.UsageError("--sent belongs to: muster check mail.")
    check = _JUDGES[what]()
    failed = False
    try:
        with _opened(file) as (lines, at_once):
            for line in lines:
                try:
                    result, why = check(*(_from_json(line) if as_json else _from_words(line)))
                except _NotUsable as problem:
                    result, why, failed = {"error": problem.code}, "", True
                sys.stdout.write(f"{json_text(result) if as_json else _in_words(result, why)}\n")
                if at_once:
                    sys.stdout.flush()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(failed)


@contextmanager
def _opened(file: Path) -> Iterator[tuple[BinaryIO, bool]]:
    """Open the lines; the flag says whether each is to be answered at once."""
    if str(file) == "-":
        regular = stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode)
        yield sys.stdin.buffer, not regular
        return
    try:
        opened = file.open("rb")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}.") from None
    with opened:
        yield opened, not file.is_file()


def _from_json(line: bytes) -> tuple[str, Mapping[str, str]]:
    """Read the text of a JSON line, and the reply digits it offers."""
    try:
        value: object = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise _NotUsable("not_json") from None
    text, menu = (value.get("text"), value.get("menu") or {}) if isinstance(value, dict) else (value, {})
    if not isinstance(text, str):
        raise _NotUsable("not_text")
    if not isinstance(menu, dict) or not all(isinstance(meaning, str) for meaning in menu.values()):
        raise _NotUsable("not_a_menu")
    return text, menu


def _from_words(line: bytes) -> tuple[str, Mapping[str, str]]:
    return line.decode(errors="replace").rstrip("\r\n"), {}


def _in_words(result: CheckResult, why: str) -> str:
    """Put in words: `2 segments of GSM-7; “…” becomes “...” (3 times)`, or `no: `, what is wrong and its code."""
    if "segments" in result:
        words = [f"{plural(result['segments'], 'segment')} of {ENCODINGS[result['encoding']]}{why}"]
        words += [_replaced(each["found"], each["put"], each["times"]) for each in result["replaced"]]
        return "; ".join(words)
    if "reading" in result:
        also = f", and {result['also'].replace('_', ' ')} besides" if "also" in result else ""
        return f"{result['reading'].replace('_', ' ')}{also} (rule: {result['rule']})"
    if "error" in result:
        return f"no: {why} ({result['error']})"
    return str(result.get("e164") or result.get("email"))


def _replaced(original: str, put: str, times: int) -> str:
    becomes = f"becomes “{put}”" if put else "is left out"
    return f"“{original}” {becomes} ({'once' if times == 1 else f'{times} times'})"


def _sms_check() -> Checker:
    from messaging.content.segments import beyond_gsm7, count, sanitise

    def check(text: str, _menu: Mapping[str, str]) -> tuple[CheckResult, str]:
        clean = sanitise(text)
        counted = count(clean.text)
        replaced = [{"found": each.original, "put": each.put, "times": each.times} for each in clean.replaced]
        non_gsm_characters = beyond_gsm7(clean.text)
        why = f", because of {' '.join(non_gsm_characters)}" if non_gsm_characters else ""
        return {"segments": counted.segments, "encoding": counted.encoding, "replaced": replaced}, why

    return check


def _phone_check() -> Checker:
    from core.addresses import normalise_phone
    from messaging.settings import load_settings

    region = load_settings().sms_region

    def check(text: str, _menu: Mapping[str, str]) -> tuple[CheckResult, str]:
        try:
            return {"e164": normalise_phone(text, region=region)}, ""
        except AddressError as error:
            return {"error": error.code}, error.message

    return check


def _email_check() -> Checker:
    from core.addresses import normalise_email

    def check(text: str, _menu: Mapping[str, str]) -> tuple[CheckResult, str]:
        try:
            return {"email": normalise_email(text)}, ""
        except AddressError as error:
            return {"error": error.code}, error.message

    return check


def _reply_check() -> Checker:
    from campaigns.replies.classification import classify_reply

    def check(text: str, menu: Mapping[str, str]) -> tuple[CheckResult, str]:
        reading = classify_reply(text, menu)
        also = {"also": reading.also} if reading.also else {}
        return {"reading": reading.reading, "rule": reading.rule, **also}, ""

    return check


_JUDGES: Final[Mapping[str, Callable[[], Checker]]] = {
    "sms": _sms_check,
    "phone": _phone_check,
    "email": _email_check,
    "reply": _reply_check,
}
"""Checkers by what they check. Each loads only what it needs, so that checking a phone number does not wait for the
templates."""
