"""Phone numbers and email addresses in the one form everything else keys by.

A register's cell goes in; an E.164 number or a plain ASCII mailbox comes out, or an `AddressError` whose code says why
not:

| code | of | meaning |
| --- | --- | --- |
| `empty` | both | nothing there |
| `several` | both | more than one address in the cell |
| `not_a_number` | phone | words, or no digits |
| `too_short`, `too_long` | phone | digits are missing, or too many |
| `lost_digits` | phone | a spreadsheet rounded it: `7.7009E+09` |
| `landline` | phone | a landline where a mobile is needed |
| `not_a_mobile` | phone | a freephone, premium, personal or other number that is no mobile |
| `unknown_country` | phone | a country code that does not exist |
| `unassigned` | phone | nobody has such numbers |
| `not_an_email` | email | not of the form name@domain |
| `bad_domain` | email | the part after the @ cannot be a domain |
| `reserved_domain` | email | `.invalid`, `.local` and other domains that no mail reaches |
| `too_long` | email | longer than mail systems carry |

A number whose prefix is written twice or in the wrong order (`044 7700 …`, `+44 44 7700 …`, zeros before it) is mended
where it can mean one number only, and refused otherwise: the result is never another number than the one meant.

The common shapes take a short path, because a member file has 120,000 of each. A property test checks that the short
path gives the same results as `phonenumbers` and `email-validator`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Final

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult

from core.errors import AddressError
from core.mailbox_notation import bare_mailbox

_PUNCTUATION: Final = str.maketrans("", "", " \t\u00a0()-.\u2010\u2011\u2012\u2013'")
# Ofcom's numbering plan gives 071-075 and 077-079 to mobiles as a whole. Ranges open faster than any metadata is
# updated, and refusing a member costs more than one undelivered text. It also takes in the numbers set aside for drama.
_GB_MOBILE: Final = re.compile(r"7[1-57-9][0-9]{8}")
_GB_MOBILE_TYPED: Final = re.compile(r"(?:(?:\+|00)?44)?0?(7[1-57-9][0-9]{8})")
_GB_LANDLINE: Final = re.compile(r"(?:(?:\+|00)?44)?0?[12][0-9]{9}")
_GB_CODE: Final = 44
_FLOAT: Final = re.compile(r"(\+?[0-9]+)[.,]0+")
_SCIENTIFIC: Final = re.compile(r"\+?([0-9](?:[.,][0-9]+)?)[eE]\+?([0-9]{1,2})")
_THOUSANDS: Final = re.compile(r"\+?[0-9]{1,3}(?:,[0-9]{3}){2,}")
_NUMERAL: Final = re.compile(r"\+?[0-9]+")
_ENOUGH_DIGITS: Final = 7
_MAX_DIGITS: Final = 15
"""Most digits of an E.164 number, country code included."""
_MAX_CELL_LENGTH: Final = 200
"""Characters; a longer cell is no list of numbers."""
_MOBILE: Final = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}

_MAILBOX: Final = re.compile(
    r"([a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@([a-z0-9.-]*[a-z0-9-])"
)
MISSPELT_ENDS: Final = {
    **dict.fromkeys(("con", "cmo", "ocm", "vom", "xom", "comm", "coom", "conm", "cpm", "clm", "cim"), "com"),
    **dict.fromkeys(("ukk", "ukl", "ul"), "uk"),
    **dict.fromkeys(("nte", "ent", "met", "nett"), "net"),
    **dict.fromkeys(("ogr", "rog", "orgg", "prg"), "org"),
}
"""Misspelt domain endings, which would bounce for ever, each with the one that was meant."""
_MAX_SHOWN_LENGTH: Final = 100
"""Characters of a domain that an error repeats."""
_MAX_LOCAL_PART_LENGTH: Final = 64
_MAX_EMAIL_LENGTH: Final = 254


def normalise_phone(text: str, *, region: str = "GB", mobile: bool = True) -> str:
    """Normalise a phone number to E.164, however a person, a form or a spreadsheet wrote it.

    Args:
        text: `07700 900123`, `0044 7700-900-123`, `+44 (0)7700 900123`, `7700900123.0` …
        region: country whose way of writing is assumed if there is no `+` (ISO 3166, two letters).
        mobile: texts need a mobile; False accepts every number that can be called.

    Raises:
        AddressError: with a code of the table above.
    """
    if region == "GB":
        plain = text.translate(_PUNCTUATION)
        if match := _GB_MOBILE_TYPED.fullmatch(plain):
            return f"+44{match[1]}"
        if mobile and _GB_LANDLINE.fullmatch(plain):
            raise _landline()
    typed = _as_typed(text)
    try:
        return _one_number(typed, region, mobile=mobile)
    except AddressError as error:
        if len(set(numbers := _numbers_in(typed, region))) > 1:
            raise AddressError(
                "several", "There is more than one phone number; give each a column of its own."
            ) from None
        if len(numbers) > 1:  # the same one, written twice
            return _one_number(numbers[0], region, mobile=mobile)
        raise error from None


def normalise_email(text: str) -> str:
    """Normalise a mailbox to lower case and plain ASCII (an international domain in its `xn--` form).

    The local part is lower-cased too: no provider people use tells `Amy@` from `amy@`, and one person must not be two.

    Args:
        text: content of a cell or field, also as mail programs and pages write it: `Amy Jones <amy@example.org>`,
            `mailto:amy@example.org?subject=Hello`, `amy@example.org;`.

    Raises:
        AddressError: with a code of the table above.
    """
    mailbox = text.strip().lower()
    match = _MAILBOX.fullmatch(mailbox)
    if match is None:
        return _normalise_odd_email(mailbox)
    if len(match[1]) > _MAX_LOCAL_PART_LENGTH or len(mailbox) > _MAX_EMAIL_LENGTH:
        raise AddressError("too_long", "An email address has at most 64 characters before the @ and 254 in all.")
    return f"{match[1]}@{_domain(match[2])}"


def _as_typed(text: str) -> str:
    """Strip what programs put around a number: invisible characters, `tel:`, a spreadsheet's decimals."""
    number = "".join(char for char in text if unicodedata.category(char) != "Cf").strip().lstrip("'").strip()
    number = re.sub(r"^tel:\s*", "", number, flags=re.IGNORECASE)
    if not number:
        raise AddressError("empty", "There is no phone number.")
    if match := _FLOAT.fullmatch(number):
        return match[1]
    if _THOUSANDS.fullmatch(number):
        return number.replace(",", "")
    if match := _SCIENTIFIC.fullmatch(number):
        return _from_scientific(match[1].replace(",", "."), int(match[2]))
    return number


def _from_scientific(mantissa: str, exponent: int) -> str:
    if len(mantissa.replace(".", "")) <= exponent:
        raise AddressError(
            "lost_digits", "A spreadsheet has rounded this number; format the column as text and export it again."
        )
    return str(int(Decimal(mantissa).scaleb(exponent)))


def _one_number(typed: str, region: str, *, mobile: bool) -> str:
    """Return the one number that was typed, as E.164.

    Raises:
        AddressError: the text is no number, or could be several.
    """
    number = _parse(typed, region)
    if len(number.extension or "") >= _ENOUGH_DIGITS:
        raise _too_long()  # no extension, but another number
    assert number.country_code is not None
    readings = _readings(typed, {number.country_code, phonenumbers.country_code_for_region(region)})
    if _exists(number):
        others = {e164 for e164, coded in readings.items() if coded and _is_mobile(phonenumbers.parse(e164))}
        if others - {_e164(number)}:
            raise AddressError(
                "unassigned", "That number can be read in two ways; write it with + and its country code."
            )
    elif len(readings) == 1:
        number = phonenumbers.parse(next(iter(readings)))
    else:
        _complain_about_length(number, mobile=mobile)
        raise AddressError("unassigned", "Nobody has a number like that; a digit may be wrong.")
    if len(e164 := _e164(number)) > _MAX_DIGITS + 1:
        raise _too_long()
    if mobile and not _is_mobile(number):
        if phonenumbers.number_type(number) == PhoneNumberType.FIXED_LINE:
            raise _landline()
        raise AddressError("not_a_mobile", "That number cannot receive texts.")
    return e164


def _parse(typed: str, region: str) -> PhoneNumber:
    if any(map(str.isalpha, typed)) or not any(map(str.isdigit, typed)):
        raise AddressError("not_a_number", "That is not a phone number.")
    try:
        if _digits(typed).startswith("000"):  # padded; no way to call abroad begins so
            return phonenumbers.parse(f"+{phonenumbers.country_code_for_region(region)}{_digits(typed)}")
        return phonenumbers.parse(typed, region)
    except NumberParseException as error:
        readings = _readings(typed, {phonenumbers.country_code_for_region(region)})
        if len(readings) == 1:
            return phonenumbers.parse(next(iter(readings)))
        match error.error_type:
            case NumberParseException.INVALID_COUNTRY_CODE:
                raise AddressError("unknown_country", "No country has that code.") from None
            case NumberParseException.TOO_LONG:
                raise _too_long() from None
            case _:  # it has digits, so what is left is too few of them
                raise _too_short() from None


def _digits(typed: str) -> str:
    return "".join(str(unicodedata.digit(char)) for char in typed if char.isdigit())


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _exists(number: PhoneNumber) -> bool:
    return phonenumbers.is_valid_number(number) or _is_gb_mobile(number)


def _is_mobile(number: PhoneNumber) -> bool:
    return _is_gb_mobile(number) or phonenumbers.number_type(number) in _MOBILE


def _is_gb_mobile(number: PhoneNumber) -> bool:
    if number.country_code != _GB_CODE or number.italian_leading_zero:
        return False
    return bool(_GB_MOBILE.fullmatch(str(number.national_number)))


def _readings(typed: str, countries: Iterable[int]) -> dict[str, bool]:
    """List the numbers that may be behind zeros and country codes, written once, twice or in the wrong order.

    A country code of one digit counts once only: a second one may as well be a slip of the finger. After the `00` of
    calls abroad there must be one.

    Returns:
        Numbers that exist, as E.164, each with whether its country code was written at all.
    """
    digits = _digits(typed)
    abroad = digits.startswith("00") and not digits.startswith("000")
    numbers: dict[str, bool] = {}
    for country in countries:
        code = str(country)
        twice = 2 if len(code) > 1 else 1
        starts, seen = {(0, 0)}, {(0, 0)}
        while starts:
            start, times = starts.pop()
            if 0 < start < len(digits) and times >= abroad and (e164 := _existing(f"+{code}{digits[start:]}")):
                numbers[e164] = numbers.get(e164, False) or times > 0
            steps = {(start + 1, times)} if digits.startswith("0", start) else set()
            if digits.startswith(code, start) and times < twice:
                steps.add((start + len(code), times + 1))
            starts |= steps - seen
            seen |= steps
    return numbers


def _existing(international: str) -> str:
    """Return the number as E.164; empty if no such number exists."""
    try:
        number = phonenumbers.parse(international)
    except NumberParseException:
        return ""
    return _e164(number) if _exists(number) else ""


def _numbers_in(typed: str, region: str) -> list[str]:
    """Split a cell into the numbers it is made of, whatever separates them; empty if it is not made of numbers."""
    numerals = _NUMERAL.findall(typed) if len(typed) <= _MAX_CELL_LENGTH else []
    if sum(map(len, numerals)) < 2 * _ENOUGH_DIGITS:
        return []
    parts = [*numerals] if len(numerals) > 1 else list(numerals[0])
    return _split(tuple(parts), region, {})


def _split(parts: tuple[str, ...], region: str, known: dict[tuple[str, ...], list[str]]) -> list[str]:
    """Find the first way to make whole numbers of all these parts in a row."""
    if parts in known:
        return known[parts]
    known[parts] = []
    for end in range(1, len(parts) + 1):
        head = "".join(parts[:end])
        if not _ENOUGH_DIGITS <= len(head) <= _MAX_DIGITS + 4:
            continue
        try:
            first = _one_number(head, region, mobile=False)
        except AddressError:
            continue
        rest = _split(parts[end:], region, known)
        if rest or end == len(parts):
            known[parts] = [first, *rest]
            break
    return known[parts]


def _complain_about_length(number: PhoneNumber, *, mobile: bool) -> None:
    """Raise an error where digits are missing or too many. Some landlines are shorter than mobiles."""
    length = (
        phonenumbers.is_possible_number_for_type_with_reason(number, PhoneNumberType.MOBILE)
        if mobile
        else phonenumbers.is_possible_number_with_reason(number)
    )
    if length == ValidationResult.TOO_LONG:
        raise _too_long()
    if length != ValidationResult.IS_POSSIBLE:
        raise _too_short()


def _landline() -> AddressError:
    return AddressError("landline", "That is a landline; texts need a mobile number.")


def _too_short() -> AddressError:
    return AddressError("too_short", "Digits are missing from the phone number.")


def _too_long() -> AddressError:
    return AddressError("too_long", "The phone number has too many digits.")


def _normalise_odd_email(mailbox: str) -> str:
    """Normalise what the short path does not know: international domains, quoted local parts, and anything invalid."""
    shown = "".join(char for char in mailbox if unicodedata.category(char) != "Cf").strip()
    mailbox = bare_mailbox(shown)
    if shown in {"", "mailto:"}:
        raise AddressError("empty", "There is no email address.")
    if sum("@" in part for part in re.split(r"[\s;,/|]+", mailbox)) > 1:
        raise AddressError("several", "There is more than one email address; give each a column of its own.")
    local, _, domain = mailbox.rpartition("@")
    try:
        checked = validate_email(mailbox, check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError as error:
        if local and not local.endswith("@") and _domain_is_at_fault(domain):
            _domain(domain)
        raise AddressError("not_an_email", _why_no_mailbox(local, str(error))) from None
    _domain(checked.domain)
    assert checked.ascii_email is not None  # allow_smtputf8 is off
    return checked.ascii_email.lower()


def _why_no_mailbox(local: str, error: str) -> str:
    """Say why something is no mailbox, in words for the person who wrote it."""
    if not local:
        return "That is not an email address: there must be a name, an @ and a domain, as in amy@example.org."
    if "@" in local:
        return "There is more than one @ in it; a mailbox has one, as in amy@example.org."
    return error


def _domain_is_at_fault(domain: str) -> bool:
    try:
        _domain(domain)
    except AddressError:
        return True
    return False


@lru_cache(maxsize=4096)
def _domain(domain: str) -> str:
    """Return the domain as DNS writes it. Cached, because a whole union uses only a few hundred domains."""
    try:
        checked = validate_email(f"x@{domain}", check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        if domain.rpartition(".")[2] in SPECIAL_USE_DOMAIN_NAMES:
            raise AddressError("reserved_domain", "No mail reaches that domain.") from None
        shown = f"“{domain[:_MAX_SHOWN_LENGTH]}” is not a domain that mail goes to, such as example.org."
        words = shown if domain else "There is nothing after the @; a domain belongs there, such as example.org."
        raise AddressError("bad_domain", words) from None
    host, _, end = checked.ascii_domain.rpartition(".")
    if end in MISSPELT_ENDS:
        raise AddressError("bad_domain", f"There is no domain that ends in .{end}. Is it {host}.{MISSPELT_ENDS[end]}?")
    return checked.ascii_domain
