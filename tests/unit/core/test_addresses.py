"""Phone numbers and email addresses: one form each, and a code where there is none."""

from itertools import combinations
from pathlib import Path

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from core.address_masks import mask_apart
from core.addresses import MISSPELT_ENDS, normalise_email, normalise_phone
from core.errors import AddressError
from tests.support.effort import effort_of

CASES = [
    line.split("\t")
    for line in (Path(__file__).parents[2] / "data/phones.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


def judged_phone(text: str, *, region: str = "GB", mobile: bool = True) -> str:
    try:
        return normalise_phone(text, region=region, mobile=mobile)
    except AddressError as error:
        return error.code


def judged_email(text: str) -> str:
    try:
        return normalise_email(text)
    except AddressError as error:
        return error.code


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_the_agreed_phone_cases_hold(text: str, expected: str) -> None:
    assert judged_phone(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7700900123.0", "+447700900123"),
        ("447700900123.00", "+447700900123"),
        ("7.700900123E+09", "+447700900123"),
        ("4.47700900123e11", "+447700900123"),
        ("7.7009E+09", "lost_digits"),
        ("'07700900123", "+447700900123"),
        ("\u202a+447700900123\u202c", "+447700900123"),
        ("tel:+44-7700-900123", "+447700900123"),
        ("０７７００９００１２３", "+447700900123"),
        ("07700 900123 / 07700 900124", "several"),
        ("07700900123;07700900124", "several"),
        ("07700 9OO123", "not_a_number"),
        ("07700 900123 (work)", "not_a_number"),
        ("--", "not_a_number"),
        ("\u00a0", "empty"),
        ("0", "too_short"),
        ("112", "too_short"),
        ("0770090012", "too_short"),
        ("+447700 900 123 4", "too_long"),
        ("+999 123 4567", "unknown_country"),
        ("070 1234 5678", "not_a_mobile"),
        ("0800 001066", "not_a_mobile"),
        ("076 12345678", "unassigned"),
        ("07624 123456", "+447624123456"),
        ("+44 20 7946 0991", "landline"),
        ("+33 1 23 45 67 89", "landline"),
        ("+1 212 555 0123", "+12125550123"),
        ("+353 87 123 4567", "+353871234567"),
    ],
)
def test_phones_as_people_and_spreadsheets_write_them_are_read(text: str, expected: str) -> None:
    assert judged_phone(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0447700900123", "+447700900123"),
        ("044 7700 900123", "+447700900123"),
        ("+44 44 7700 900123", "+447700900123"),
        ("44 44 7700 900123", "+447700900123"),
        ("+44 00 7700 900123", "+447700900123"),
        ("+44 0044 7700 900123", "+447700900123"),
        ("044 07700 900123", "+447700900123"),
        ("00 0447700900123", "+447700900123"),
        ("0007700900123", "+447700900123"),
        ("0 (44) 7700 900123", "+447700900123"),
        ("+44 (0) 07700 900123", "+447700900123"),
        ("+33 0033 6 12 34 56 78", "+33612345678"),
        ("044 020 7946 0991", "landline"),
        ("007700900123", "too_short"),  # 00 and +7: somewhere in Russia, were it longer
        ("+447700900123000000", "too_long"),
        ("+49 151 2345678901234", "too_long"),
        ("+44 33 6 12 34 56 78", "too_long"),
        ("7,700,900,123", "+447700900123"),
    ],
)
@pytest.mark.parametrize("mobile", [True, False])
def test_a_prefix_written_wrongly_is_mended_or_refused(text: str, expected: str, *, mobile: bool) -> None:
    judged = judged_phone(text, mobile=mobile)
    assert judged == expected or (not mobile and expected == "landline" and judged == "+442079460991")


@pytest.mark.parametrize("mobile", [True, False])
def test_no_countrys_number_ever_becomes_another(*, mobile: bool) -> None:
    forms = (
        "{code}{code}{rest}", "+{code}{code}{rest}", "0{code}{rest}", "00{code}{code}{rest}", "+{code}00{rest}",
        "+{code}00{code}{rest}", "0{code}0{rest}", "000{rest}", "0({code}){rest}", "+{code}{code}0{rest}",
    )  # fmt: skip
    mended = 0
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if example is None:
            continue
        right = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        code = str(example.country_code)
        for form in forms:
            judged = judged_phone(form.format(code=code, rest=right[1 + len(code) :]), region=region, mobile=mobile)
            assert judged == right or judged.isidentifier(), (region, form, right, judged)
            mended += judged == right
    assert mended > 2000, "most are mended"


@pytest.mark.parametrize(
    "text",
    [
        "07700900123 ::: 07700900124", "07700 900123:07700 900124", "07700 900123 - 07700 900124",
        "07700 900123 + 07700 900124", "07700 900123 07700 900124", "+447700900123 +447700900124",
        "07700 900123 then 07700 900124", "07700 900123 – 07700 900124", "0770090012307700900124",
        "07700900123x07700900124", "020 7946 0991 / 07700 900123", "+33612345678 00447700900123",
        "07700 900123, 07700 900124, 07700 900125", "07700900123;07700900124",
    ],
)  # fmt: skip
def test_several_numbers_in_a_cell_are_reported_whatever_separates_them(text: str) -> None:
    assert judged_phone(text) == "several"


def test_one_number_written_twice_is_one() -> None:
    assert judged_phone("07700 900123 / +44 7700 900123") == "+447700900123"


def test_a_landline_is_fine_where_no_mobile_is_needed() -> None:
    assert normalise_phone("020 7946 0991", mobile=False) == "+442079460991"


def test_a_number_without_plus_is_read_in_the_region_given() -> None:
    assert judged_phone("087 123 4567", region="IE") == "+353871234567"
    assert judged_phone("+44 7700 900123", region="IE") == "+447700900123"


def test_an_error_says_what_is_wrong_in_words() -> None:
    with pytest.raises(AddressError, match="landline") as caught:
        normalise_phone("02079460991")
    assert caught.value.code == "landline"


PREFIXES = st.sampled_from(["", "0", "+44", "44", "0044", "+44 (0)", "+440", "00440"])
NATIONAL = st.one_of(
    st.integers(10**9, 10**10 - 1).map(str),
    st.integers(0, 10**9 - 1).map("7{:09d}".format),
    st.integers(0, 10**9 - 1).map("1{:09d}".format),
)


@given(PREFIXES, NATIONAL)
def test_the_short_path_agrees_with_phonenumbers(prefix: str, national: str) -> None:
    number = phonenumbers.parse(prefix + national, "GB")
    if not phonenumbers.is_valid_number(number):
        return
    judged = judged_phone(prefix + national)
    match phonenumbers.number_type(number):
        case phonenumbers.PhoneNumberType.MOBILE | phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE:
            assert judged == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        case phonenumbers.PhoneNumberType.FIXED_LINE:
            assert judged == "landline"
        case _:
            assert judged == "not_a_mobile"


@given(st.text() | st.text(alphabet="0123456789+() -eE.,"))
def test_any_text_gives_a_number_or_a_code_and_a_number_stays_what_it_is(text: str) -> None:
    judged = judged_phone(text)
    assert judged.startswith("+") or judged.isidentifier()
    if judged.startswith("+"):
        assert normalise_phone(judged) == judged


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Amy.Jones@EXAMPLE.com ", "amy.jones@example.com"),
        ("mailto:amy@example.com", "amy@example.com"),
        ("amy@\u200bexample.com", "amy@example.com"),
        *(
            (dressed, "amy@example.com")
            for dressed in (
                "Amy Jones <amy@example.com>",
                "<amy@example.com>",
                '"Jones, Amy" <Amy@example.com>',
                "amy@example.com;",
                "Mary O'Brien <amy@example.com>",
                "'amy@example.com' <amy@example.com>",
                "amy@example.com (Amy Jones)",
                "amy@example.com,",
                "mailto:amy@example.com?subject=x",
                "<mailto:amy@example.com>",
                '"amy@example.com"',
                "Amy Jones [mailto:amy@example.com]",
                "“amy@example.com”",
                "mailto:amy%40example.com",
            )
        ),
        ("o'neill+union@example.co.uk", "o'neill+union@example.co.uk"),
        ("amy@exämple.com", "amy@xn--exmple-cua.com"),
        ("amy@union.test", "amy@union.test"),
        ("", "empty"),
        ("none", "not_an_email"),
        ("@example.com", "not_an_email"),
        ("amy.@example.com", "not_an_email"),
        ("amy jones@example.com", "not_an_email"),
        ("josé@example.com", "not_an_email"),
        ("amy＠example.com", "not_an_email"),
        ("amy@example.com; bob@example.com", "several"),
        ("Amy <amy@example.com>; Bob <bob@example.com>", "several"),
        ("bob@example.com <amy@example.com>", "several"),
        ("mailto:amy@example.com,bob@example.com", "several"),
        ("Amy Jones <>", "not_an_email"),
        ("mailto:?subject=x", "not_an_email"),
        ("<amy@example.com", "not_an_email"),
        ("Amy <amy@example.con>", "bad_domain"),
        ("amy@", "bad_domain"),
        ("amy@example", "bad_domain"),
        ("amy@example..com", "bad_domain"),
        ("amy@example.com.", "amy@example.com"),
        ("amy@localhost", "reserved_domain"),
        ("amy@example.invalid", "reserved_domain"),
        ("x" * 65 + "@example.com", "too_long"),
    ],
)
def test_emails_as_people_write_them_are_read(text: str, expected: str) -> None:
    assert judged_email(text) == expected


@given(st.emails() | st.from_regex(r"[a-z0-9.'+-]{1,8}@[a-z0-9.-]{1,12}\.[a-z]{2,4}", fullmatch=True))
def test_the_short_path_agrees_with_email_validator(text: str) -> None:
    mailbox = text.lower()
    try:
        expected = validate_email(mailbox, check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError:
        assert "@" not in judged_email(text)
    else:
        is_misspelt = mailbox.rpartition(".")[2] in MISSPELT_ENDS  # we refuse these besides
        assert judged_email(text) == ("bad_domain" if is_misspelt else expected.ascii_email)


@given(st.text())
def test_any_text_gives_a_mailbox_or_a_code(text: str) -> None:
    judged = judged_email(text)
    assert "@" in judged or judged.isidentifier()


def test_a_whole_register_costs_little_to_normalise() -> None:
    def normalise() -> None:
        for number in range(120_000):
            normalise_phone(f"07700 9{number % 100_000:05d}")
            normalise_email(f"Amy.{number}@branch{number % 300}.example.org")

    assert effort_of(normalise) < 300


@pytest.mark.parametrize(
    ("addresses", "shown"),
    [
        (["max@x.test", "amy@x.test"], ["m•••@x.test", "a•••@x.test"]),
        (["max@x.test", "max2@x.test"], ["m•••x@x.test", "m•••2@x.test"]),
        (["max@x.test", "mmax@x.test"], ["•••ax@x.test", "m•••ax@x.test"]),
        (["m@x.test", "ma@x.test"], ["m•••@x.test", "•••a@x.test"]),
        (["ab@x.test", "ac@x.test"], ["•••b@x.test", "•••c@x.test"]),
        (["ab@x.test", "ac@x.test", "a@x.test"], ["•••b@x.test", "•••c@x.test", "a•••@x.test"]),
        (["abc@x.test", "acc@x.test"], ["•••bc@x.test", "•••cc@x.test"]),
        (["maximilian-a1@x.test", "maximilian-b1@x.test"], ["m•••a1@x.test", "m•••b1@x.test"]),
        (["max@x.test", "max@y.test"], ["m•••@x.test", "m•••@y.test"]),
        (["+447700900126", "+447700901126"], ["+44 ••• 0126", "+44 ••• 1126"]),
        (["+447700900126", "max@x.test"], ["+44 ••• 126", "m•••@x.test"]),
        ([], []),
    ],
)
def test_masks_of_one_persons_addresses_are_told_apart(addresses: list[str], shown: list[str]) -> None:
    assert mask_apart(addresses) == dict(zip(addresses, shown, strict=True))


@given(st.sets(st.from_regex(r"[ab]{1,4}@[xy]", fullmatch=True), max_size=8))
def test_masks_are_never_the_same_and_hide_something_of_any_two(addresses: set[str]) -> None:
    shown = mask_apart(addresses)
    assert len(set(shown.values())) == len(addresses)
    for pair in combinations(addresses, 2):
        assert not set(mask_apart(pair).values()) & addresses
