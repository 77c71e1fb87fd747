"""`muster check` answers every line with one line, and never stops at a bad one."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from core.addresses import normalise_email
from core.errors import AddressError

COMMAND = [sys.executable, "-c", "from muster.cli import main; main()", "check"]
DATA = Path(__file__).parents[2] / "data"


def check(what: str, lines: bytes, *options: str) -> tuple[int, list[str]]:
    done = subprocess.run([*COMMAND, what, *options, "-"], input=lines, capture_output=True, check=False, timeout=60)
    return done.returncode, done.stdout.decode().splitlines()


def judged(what: str, *inputs: object) -> list[Any]:
    status, lines = check(what, b"\n".join(map(orjson.dumps, inputs)), "--json")
    assert status == 0
    return [orjson.loads(line) for line in lines]


def test_phones_are_checked_as_agreed() -> None:
    cases = [
        line.split("\t")
        for line in (DATA / "phones.tsv").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    expected = [{"e164": answer} if answer.startswith("+") else {"error": answer} for _, answer in cases]
    assert judged("phone", *(text for text, _ in cases)) == expected


def test_emails_are_checked() -> None:
    assert judged("email", "Amy@Example.org", "nonsense", "") == [
        {"email": "amy@example.org"},
        {"error": "not_an_email"},
        {"error": "empty"},
    ]


def test_texts_are_counted_and_sanitised() -> None:
    plain, curly, welsh = judged("sms", "Vote now", "It\u2019s time", "ŵ" * 71)
    assert plain == {"segments": 1, "encoding": "gsm7", "replaced": []}
    assert curly == {"segments": 1, "encoding": "gsm7", "replaced": [{"found": "\u2019", "put": "'", "times": 1}]}
    assert welsh == {"segments": 2, "encoding": "ucs2", "replaced": []}


def test_replies_are_classified_with_and_without_a_menu() -> None:
    answers = judged("reply", "STOP", {"text": "1", "menu": {"1": "voted"}}, {"text": "haven't voted yet"})
    assert [answer["reading"] for answer in answers if isinstance(answer, dict)] == ["opt_out", "voted", "not_voted"]
    assert all(isinstance(answer, dict) and set(answer) == {"reading", "rule"} for answer in answers)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"07700 900123", "not_json"),
        (b"", "not_json"),
        (b'"\xff"', "not_json"),
        (b"7", "not_text"),
        (b"null", "not_text"),
        (b'{"words": "x"}', "not_text"),
        (b'{"text": "x", "menu": [1]}', "not_a_menu"),
        (b'{"text": "x", "menu": {"1": 2}}', "not_a_menu"),
    ],
)
def test_a_line_that_cannot_be_judged_says_so_and_the_next_is_judged(line: bytes, error: str) -> None:
    status, lines = check("phone", line + b'\n"07700 900123"', "--json")
    assert status == 1
    assert [orjson.loads(answer) for answer in lines] == [{"error": error}, {"e164": "+447700900123"}]


def test_without_json_the_answer_is_in_words() -> None:
    status, lines = check("phone", b"07700 900123\n020 7946 0991\r\n")
    assert (status, lines) == (
        0,
        ["+447700900123", "no: That is a landline; texts need a mobile number. (landline)"],
    )
    gsm, ucs2 = check("sms", "It\u2019s…\nŵ\n".encode())[1]
    assert gsm == "1 segment of GSM-7; “\u2019” becomes “'” (once); “…” becomes “...” (once)"
    assert ucs2 == "1 segment of UCS-2, because of ŵ"
    read, wish = check("reply", b"voted\nplease stop\n")[1]
    assert read.startswith("voted (rule: ")
    assert wish.startswith("opt out (rule: ")


def test_the_claim_beside_an_opt_out_is_named() -> None:
    both = {"text": "1 stop", "menu": {"1": "voted"}}
    assert [answer.get("also") for answer in judged("reply", "Voted, stop texting", both, "STOP")] == [
        "voted",
        "voted",
        None,
    ]
    assert check("reply", b"Voted but please stop texting me\n")[1][0].startswith("opt out, and voted besides (rule: ")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("amy@gmail.con", "There is no domain that ends in .con. Is it gmail.com? (bad_domain)"),
        ("mailto:amy@btinternet.co.ukk", "There is no domain that ends in .ukk. Is it btinternet.co.uk? (bad_domain)"),
        ("eve@@example", "There is more than one @ in it; a mailbox has one, as in amy@example.org. (not_an_email)"),
        ("amy@example", "“example” is not a domain that mail goes to, such as example.org. (bad_domain)"),
        ("amy@", "There is nothing after the @; a domain belongs there, such as example.org. (bad_domain)"),
        ("amy", "there must be a name, an @ and a domain, as in amy@example.org. (not_an_email)"),
    ],
)
def test_the_error_in_a_mailbox_is_reported(address: str, words: str) -> None:
    with pytest.raises(AddressError) as wrong:
        normalise_email(address)
    assert f"{wrong.value.message} ({wrong.value.code})".endswith(words)


def test_another_program_can_write_and_read_in_turn() -> None:
    with subprocess.Popen([*COMMAND, "phone", "--json", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in ("07700 900123", "07700 900124"):
            process.stdin.write(orjson.dumps(number) + b"\n")
            process.stdin.flush()
            assert orjson.loads(process.stdout.readline()) == {"e164": "+44" + number[1:].replace(" ", "")}
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_a_file_is_read_too_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "phones.txt"
    path.write_bytes(b'"07700 900123"\n')
    done = subprocess.run([*COMMAND, "phone", "--json", str(path)], capture_output=True, check=True, timeout=60)
    assert done.stdout == b'{"e164":"+447700900123"}\n'
    for missing in (tmp_path / "none", tmp_path):
        failed = subprocess.run([*COMMAND, "phone", str(missing)], capture_output=True, check=False, timeout=60)
        assert failed.returncode == 1
        assert b"cannot be read" in failed.stderr
    assert subprocess.run([*COMMAND, "fax", str(path)], capture_output=True, check=False, timeout=60).returncode == 2


def test_a_reader_that_has_enough_is_no_failure() -> None:
    with subprocess.Popen(
        [*COMMAND, "phone", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(b"07700 900123\n" * 10)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 0
