"""Logs name nobody and give nothing away."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from muster.logs import configure_logs, hide_people, hide_people_and_secrets


@pytest.fixture
def _as_before() -> Iterator[None]:
    top = logging.getLogger()
    handlers, level = top.handlers[:], top.level
    yield
    top.handlers[:] = handlers
    top.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("sent to +447700900123", "sent to …123"),
        ("sent to +44 7700 900 123.", "sent to …123."),
        ("from 07700 900123 and 0044 7700 900124", "from …123 and …124"),
        ("ada@union.example.org wrote", "…@union.example.org wrote"),
        ("RCPT TO:<ada.l+x@union.example.org>", "RCPT TO:<…@union.example.org>"),
        ("postgresql://muster@/muster?host=/tmp/x", "postgresql://muster@/muster?host=/tmp/x"),
        ("message 123456 of 120000", "message 123456 of 120000"),
        ("2026-11-22T06:05:37.616812+00:00", "2026-11-22T06:05:37.616812+00:00"),
        ("2026-11-22 06:05:37", "2026-11-22 06:05:37"),
        ("127.0.0.1:8000", "127.0.0.1:8000"),
        ("SM0123456789abcdef0123456789abcdef", "SM0123456789abcdef0123456789abcdef"),
    ],
)
def test_people_are_hidden_in_logs_and_nothing_else_is(text: str, hidden: str) -> None:
    assert hide_people(text) == hidden


@given(st.from_regex(r"\+[1-9][0-9]{9,13}", fullmatch=True), st.text("abc ,:;<>\n", max_size=10))
def test_no_number_in_international_form_survives(number: str, around: str) -> None:
    assert number not in hide_people(f"{around}{number}{around}")


def test_secrets_are_hidden_at_every_level_and_people_from_info_up() -> None:
    event = {
        "event": "calling +447700900123",
        "auth_token": "t0ps3cret",
        "request": {"Authorization": "Basic abc", "to": "ada@union.example.org"},
        "url": "postgresql://muster:t0ps3cret@db/muster",
        "n": 3,
    }
    for level in ("debug", "info", "error"):
        output = str(hide_people_and_secrets(None, level, dict(event)))
        assert "t0ps3cret" not in output
        assert "Basic abc" not in output
        assert ("ada@" in output) == (level == "debug")
        assert ("+447700900123" in output) == (level == "debug")


@pytest.mark.usefixtures("_as_before")
def test_json_is_one_object_a_line_from_us_and_from_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json")
    structlog.get_logger("muster.test").info("sent", to="ada@union.example.org", message_id=7)
    logging.getLogger("somebody.else").warning("cannot reach %s", "+447700900123")
    try:
        int("+447700900123 is no number")
    except ValueError:
        structlog.get_logger("muster.test").exception("it failed")
    logging.getLogger("aiohttp.access").info("GET /secret-token-of-a-member")
    captured = capsys.readouterr()
    assert captured.out == ""
    ours, theirs, failed = [json.loads(line) for line in captured.err.splitlines()]
    assert (ours["event"], ours["message_id"], ours["level"]) == ("sent", 7, "info")
    assert ours["to"] == "…@union.example.org"
    assert theirs["event"] == "cannot reach …123"
    assert theirs["logger"] == "somebody.else"
    assert "ValueError" in failed["exception"]
    assert "900123" not in captured.err


@pytest.mark.usefixtures("_as_before")
def test_text_is_a_line_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("text")
    structlog.get_logger("muster.test").warning("a server is away", error="refused")
    line = capsys.readouterr().err
    assert "a server is away" in line
    assert "error=refused" in line
    assert line.count("\n") == 1
    try:
        int("+447700900123 is no number")
    except ValueError:
        structlog.get_logger("muster.test").exception("it failed")
    output = capsys.readouterr().err
    assert "ValueError" in output
    assert "900123" not in output
