"""The made-up union is the same every time, and nobody in it can be reached by accident."""

import csv
import re
from pathlib import Path

from core.addresses import normalise_email, normalise_phone
from core.errors import AddressError
from sandbox.demo.member_file import MAGIC_PHONES
from sandbox.demo.union import write_union
from sandbox.postmaster import QUIRKS
from sandbox.twilio.magic import TO
from tests.support.effort import effort_of


def column(path: Path, name: str) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row[name] for row in csv.DictReader(file) if row[name]]


def test_the_same_seed_writes_the_same_file(tmp_path: Path) -> None:
    first, again, other = (
        write_union(tmp_path / f"{n}.csv", members=400, branches=30, seed=seed) for n, seed in enumerate((1, 1, 2))
    )
    assert first.path.read_bytes() == again.path.read_bytes() != other.path.read_bytes()
    assert {**first.to_json(), "path": ""} == {**again.to_json(), "path": ""}


def test_phones_are_from_ranges_that_ring_nowhere(tmp_path: Path) -> None:
    union = write_union(tmp_path / "union.csv", members=2000)
    numbers = set()
    for cell in column(union.path, "Mobile  Phone"):
        try:
            numbers.add(normalise_phone(cell))
        except AddressError:
            continue
    assert len(numbers) > 1000
    assert all(re.fullmatch(r"\+4477009\d{5}", number) for number in numbers)
    drama = {number for number in numbers if number.startswith("+447700900")}
    assert drama == {normalise_phone(number) for number in MAGIC_PHONES}
    assert drama <= set(TO)


def test_emails_are_at_domains_kept_for_examples(tmp_path: Path) -> None:
    union = write_union(tmp_path / "union.csv", members=2000)
    mailboxes = []
    for cell in column(union.path, "e-mail address"):
        try:
            mailboxes.append(normalise_email(cell))
        except AddressError:
            continue
    assert len(mailboxes) > 1000
    assert all(re.fullmatch(r".+@\w+\.example\.(org|com)", mailbox) for mailbox in mailboxes)
    bouncing = {mailbox for mailbox in mailboxes if mailbox.partition(".")[0] in QUIRKS}
    assert len(bouncing) == union.bouncing > 0
    assert all(mailbox.startswith("bounce.") for mailbox in bouncing)


def test_more_members_than_the_first_block_has_numbers_for_get_one(tmp_path: Path) -> None:
    union = write_union(tmp_path / "union.csv", members=180_000)
    assert union.shared_phone < union.with_mobile / 5


def test_each_of_many_members_takes_no_longer_than_each_of_few(tmp_path: Path) -> None:
    few, many = (
        effort_of(lambda count=count: write_union(tmp_path / "union.csv", members=count)) / count  # type: ignore[misc]
        for count in (20_000, 180_000)
    )
    assert many < 3 * few
