"""The command line: help for a newcomer, clear errors, and exit statuses a script can rely on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.db.numbers import read_id
from core.errors import Conflict, InputError
from muster.cli import COMMANDS, main, show_error
from muster.cli.setting_hints import setting_hints

MUSTER = [sys.executable, "-m", "muster"]


def status_of(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    code = ended.value.code
    assert isinstance(code, int)
    return code


def environment(**settings: str) -> dict[str, str]:
    rest = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    return {**rest, **settings}


def test_help_lists_every_command_in_one_line_and_loads_none(capsys: pytest.CaptureFixture[str]) -> None:
    script = "import sys; from muster.cli import main\ntry: main(['--help'])\nfinally: print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for name, words in COMMANDS.items():
        assert f"  {name}" in done.stdout
        assert words.split()[0] in done.stdout
    for heavy in ("asyncpg", "aiohttp", "twilio", "arq", "jinja2"):
        assert f"'{heavy}'" not in done.stdout
    assert status_of("--help") == 0
    assert "muster demo" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(name, "--help") == 0
    assert capsys.readouterr().out.startswith(f"Usage: muster {name}")


def test_the_help_of_a_command_is_a_whole_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("people", "messages", "campaign", "template", "user"):
        assert status_of(name, "--help") == 0
        assert "..." not in capsys.readouterr().out.partition("Commands:")[2]
    assert status_of("messages", "--help") == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "Tell the whole history of a person's messages and of what they said, or of one message." in output


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("--version") == 0
    assert capsys.readouterr().out.startswith("muster, version ")


@pytest.mark.parametrize("words", [("nonsense",), ("migrate", "--nonsense"), ("user", "add"), ("user", "nonsense")])
def test_a_wrong_call_exits_with_2_and_the_usage(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Usage: muster" in captured.err


@pytest.mark.parametrize(("words", "meant"), [(("camapign",), "campaign"), (("people", "improt"), "import")])
def test_a_misspelt_command_gets_a_suggestion(
    words: tuple[str, ...], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(*words) == 2
    assert f"Did you mean '{meant}'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("replies", "show", "99999999999999999999"),
        ("replies", "read", "99999999999999999999", "voted"),
        ("messages", "list", "--after", "9223372036854775808"),
        ("messages", "list", "--after", "-1"),
        ("messages", "settle", "--as", "sent", "--step", "40000"),
        ("campaign", "launch", "pay", "--step", "40000"),
        ("webhooks", "resend", "hr", "99999999999999999999"),
        ("webhooks", "log", "hr", "--cursor", "99999999999999999999"),
        ("webhooks", "replay", "hr", "--after", "99999999999999999999"),
    ],
)
def test_an_impossible_number_is_refused_at_once(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(*words) == 2
    assert "is not in the range" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("17", 17), ("#17", 17), ("0017", 17), ("9223372036854775807", 2**63 - 1), ("9223372036854775808", None),
        ("99999999999999999999", None), ("#99999999999999999999", None), ("9" * 5000, None), ("²", None), ("١٧", None),
        ("-1", None), ("", None), ("#", None), ("##1", None), ("1_0", None), (" 1", None), ("M-17", None),
    ],
)  # fmt: skip
def test_a_row_number_is_read_or_refused(typed: str, number: int | None) -> None:
    assert read_id(typed) == number


def test_a_misspelt_setting_gets_a_suggestion() -> None:
    assert list(setting_hints(["MUSTER_PUBLICURL", "MUSTER_DATABASE", "muster_smtp_ulr", "PUBLIC_URL"])) == [
        "MUSTER_DATABASE is no setting and is ignored. Did you mean MUSTER_DATABASE_URL?",
        "MUSTER_PUBLICURL is no setting and is ignored. Did you mean MUSTER_PUBLIC_URL?",
        "muster_smtp_ulr is no setting and is ignored. Did you mean MUSTER_SMTP_URL?",
    ]


def test_right_and_foreign_settings_get_no_hint() -> None:
    kubernetes = ["MUSTER_SERVICE_HOST", "MUSTER_PORT", "MUSTER_PORT_8000_TCP", "MUSTER_PORT_8000_TCP_ADDR"]
    assert list(setting_hints(["MUSTER_PUBLIC_URL", "muster_log_format", "MUSTER_SUPERVISOR", *kubernetes])) == []


def test_hints_come_before_the_output_and_for_files_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MUSTER_LOGFORMAT=json\n")
    done = subprocess.run(
        [*MUSTER, "people", "count"], env=environment(MUSTER_TIMEZONE="UTC"), cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr.splitlines()[:2] == [
        "Note: MUSTER_LOGFORMAT is no setting and is ignored. Did you mean MUSTER_LOG_FORMAT?",
        "Note: MUSTER_TIMEZONE is no setting and is ignored. Did you mean MUSTER_TIME_ZONE?",
    ]


def test_asking_creates_no_files_in_a_folder_without_a_muster(tmp_path: Path) -> None:
    for words in (["people", "count"], ["user", "list"], ["campaign", "list"], ["serve"], ["worker"]):
        done = subprocess.run(
            [*MUSTER, *words], env=environment(), cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert f"There is no Muster in {tmp_path / '.muster'}." in done.stderr
        assert "muster run" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_shell_completes_commands() -> None:
    variables = environment(COMP_WORDS="muster campaign la", COMP_CWORD="2", _MUSTER_COMPLETE="bash_complete")
    done = subprocess.run(MUSTER, env=variables, capture_output=True, text=True, check=False)
    assert "launch" in done.stdout, done.stderr


def test_a_failure_exits_with_1_and_a_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MUSTER_LOG_FORMAT", "xml")
    assert status_of("migrate") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Error: MUSTER_LOG_FORMAT: ")
    assert "docs/settings.md" in captured.err


def test_errors_are_printed_with_problems_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_error(InputError("2 rows are wrong.", problems=["line 3: a", "line 9: b"], remedy="Mend them.")) == 1
    assert capsys.readouterr().err == "Error: 2 rows are wrong.\n  line 3: a\n  line 9: b\nMend them.\n"
    assert show_error(Conflict("Not now.")) == 1
    assert capsys.readouterr().err == "Error: Not now.\n"


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_text('"Hello"\n' * 20_000)
    with lines.open() as standard_input:
        muster = subprocess.Popen(
            [*MUSTER, "check", "sms", "--json", "-"],
            stdin=standard_input, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
        )  # fmt: skip
        assert muster.stdout is not None
        assert muster.stderr is not None
        muster.stdout.readline()
        muster.stdout.close()
        words = muster.stderr.read()
        muster.stderr.close()
        muster.wait(30)
    assert words == b""


def test_an_interrupt_exits_with_130_and_no_traceback() -> None:
    # tests that were started with "&" ignore it, and so would the child
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        muster = subprocess.Popen(
            [*MUSTER, "check", "sms", "--json", "-"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True,
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)
    assert muster.stdin is not None
    muster.stdin.write('"Hello"\n')
    muster.stdin.flush()
    deadline = time.monotonic() + 5  # where the kernel does not tell, it is there long before
    while "pipe_read" not in waiting_in(muster.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    muster.send_signal(signal.SIGINT)
    _, words = muster.communicate(timeout=30)
    assert muster.returncode == 130, words
    assert "Traceback" not in words


def waiting_in(pid: int) -> str:
    """Which function of the kernel a process sleeps in, as far as the kernel tells."""
    try:
        return Path(f"/proc/{pid}/wchan").read_text()
    except OSError:
        return ""
