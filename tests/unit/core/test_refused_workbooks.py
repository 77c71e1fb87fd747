"""Workbooks that are refused: too large, broken, protected, or no workbooks."""

import os
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import chdir, suppress
from pathlib import Path

import pytest

from core.errors import InputError
from core.files.readers import open_table
from core.files.spreadsheets import open_spreadsheet
from core.files.tables import RawRow
from tests.support.office_files import rows_xml, write_ods, write_xlsx
from tests.support.workbook_files import HEADER, JUDGE, ods_cell, ods_row, read


def read_apart(path: Path) -> tuple[list[str], list[RawRow], list[str]]:
    """As the import reads it."""
    with open_table(path, JUDGE) as table:
        return table.header, list(table.records), table.notices


def test_rows_repeated_without_end_are_refused_at_once(tmp_path: Path) -> None:
    rows = ods_row(*map(ods_cell, HEADER)) + ods_row(
        ods_cell("M1"), attributes='table:number-rows-repeated="100000000"'
    )
    with pytest.raises(InputError, match="further out than Muster reads"):
        read(write_ods(tmp_path / "m.ods", f'<table:table table:name="T">{rows}</table:table>'))


ENTITIES = '<!DOCTYPE worksheet [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def test_a_file_that_declares_entities_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="declares XML entities"):
        read_apart(write_xlsx(tmp_path / "m.xlsx", rows_xml([HEADER, ["&b;"]]), prolog=ENTITIES))


def test_a_small_file_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "m.xlsx", rows_xml([HEADER]), shared=f"<sst><si><t>{'a' * 50_000_000}</t></si></sst>")
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="unpacks to 50 MB"):
        read(path)


def test_a_workbook_that_takes_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "m.xlsx", rows_xml([HEADER]), shared="<sst/>")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("xl/sharedStrings.xml", f"<sst>{('<si><t>' + 'a' * 40_000 + '</t></si>') * 3_000}</sst>")
    with (
        pytest.raises(InputError, match="takes more memory or time to read than any member file does"),
        open_spreadsheet(path, memory=180_000_000),
    ):
        pass


def test_a_tag_without_an_end_is_refused_before_it_is_read_again_and_again(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is damaged"):
        read(write_xlsx(tmp_path / "m.xlsx", f"<sheetData><{'y' * 15_000_000}"))


def protected_xlsx() -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1016) + "EncryptedPackage".encode("utf-16-le") + bytes(1000)


def test_a_protected_workbook_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "m.xlsx"
    path.write_bytes(protected_xlsx())
    with pytest.raises(InputError, match="protected by a password"):
        read_apart(path)
    with zipfile.ZipFile(path := tmp_path / "m.ods", "w") as file:
        file.writestr("content.xml", b"\x00\x01")
        file.writestr(
            "META-INF/manifest.xml",
            "<m xmlns:m='m'><m:file-entry><m:encryption-data/></m:file-entry></m>",
        )
    with pytest.raises(InputError, match="protected by a password"):
        read(path)


@pytest.mark.parametrize(
    ("part", "words"), [("xl/workbook.bin", "XLSB"), ("word/document.xml", "is an archive, and not a spreadsheet")]
)
def test_other_archives_are_refused_by_what_they_are(tmp_path: Path, part: str, words: str) -> None:
    with zipfile.ZipFile(path := tmp_path / "m.xlsx", "w") as file:
        file.writestr(part, "x")
    with pytest.raises(InputError, match=words):
        read(path)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, cut: float) -> None:
    path = write_xlsx(tmp_path / "m.xlsx", rows_xml([HEADER, *([str(n), f"Amy{n}", ""] for n in range(500))]))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * cut)])
    with pytest.raises(InputError, match="is damaged"):
        read(path)


def test_a_sheet_that_is_not_well_formed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is damaged"):
        read(write_xlsx(tmp_path / "m.xlsx", rows_xml([HEADER, ["1", "<><v>1</w>"]])))


def test_no_module_is_imported_from_the_working_folder(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "members.xlsx", rows_xml([HEADER, ["M1", "Ann", "07700900123"]]))
    (tmp_path / "core.py").write_text("raise SystemExit('not ours')", encoding="utf-8")

    with chdir(tmp_path):
        header, _, _ = read_apart(tmp_path / "members.xlsx")

    assert header == HEADER


def test_the_reading_process_ends_with_its_parent(tmp_path: Path) -> None:
    rows = rows_xml([HEADER, *([str(n), f"Amy{n}", ""] for n in range(30_000))])
    path = write_xlsx(tmp_path / "m.xlsx", rows)
    starts = (
        "import subprocess,sys,os,time\n"
        f"f=open({str(path)!r},'rb')\n"
        "p=subprocess.Popen([sys.executable,'-m','core.files.workbooks.reader',str(f.fileno()),'1000000000'],"
        "stdin=subprocess.PIPE,stdout=subprocess.PIPE,pass_fds=(f.fileno(),))\n"
        "p.stdout.readline(); print(p.pid,flush=True); time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", starts], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    reader = int(parent.stdout.readline())  # it fills its pipe now, and waits
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while is_running(reader):
        assert time.monotonic() < deadline, "the reader outlived its parent"
        os.sched_yield()


def is_running(process: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
