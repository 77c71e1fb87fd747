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

The common shapes take a short path (a member file has 120,000 of each); a property test holds it to what `phonenumbers`
and `email-validator` say.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from functools import lru_cache
from typing import Final

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult

from messaging.errors import AddressError

_PUNCTUATION: Final = str.maketrans("", "", " \t\u00a0()-.\u2010\u2011\u2012\u2013'")
# Ofcom's numbering plan gives 071-075 and 077-079 to mobiles as a whole. Ranges open faster than any metadata is
# updated, and refusing a member costs more than one undelivered text. It also takes in the numbers set aside for drama.
_GB_MOBILE: Final = re.compile(r"(?:(?:\+|00)?44)?0?(7[1-57-9][0-9]{8})")
_GB_LANDLINE: Final = re.compile(r"(?:(?:\+|00)?44)?0?[12][0-9]{9}")
_GB: Final = 44
_FLOAT: Final = re.compile(r"(\+?[0-9]+)[.,]0+")
_SCIENTIFIC: Final = re.compile(r"\+?([0-9](?:[.,][0-9]+)?)[eE]\+?([0-9]{1,2})")
_BETWEEN: Final = re.compile(r"[/;,|&\n\r]+|\bor\b|\band\b", re.IGNORECASE)
_ENOUGH_DIGITS: Final = 7
_MOBILE: Final = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}

_MAILBOX: Final = re.compile(r"([a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@([a-z0-9.-]+)")
_LONGEST_LOCAL_PART: Final = 64
_LONGEST_EMAIL: Final = 254


def normalise_phone(text: str, *, region: str = "GB", mobile: bool = True) -> str:
    """A phone number as E.164, however a person, a form or a spreadsheet wrote it.

    Args:
        text: `07700 900123`, `0044 7700-900-123`, `+44 (0)7700 900123`, `7700900123.0` …
        region: country whose way of writing is assumed where there is no `+` (ISO 3166, two letters).
        mobile: texts need a mobile; False accepts every number that can be called.

    Raises:
        AddressError: with a code of the table above.
    """
    if region == "GB":
        plain = text.translate(_PUNCTUATION)
        if found := _GB_MOBILE.fullmatch(plain):
            return f"+44{found[1]}"
        if mobile and _GB_LANDLINE.fullmatch(plain):
            raise _landline()
    number = _parse(_as_typed(text), region)
    _check(number, mobile=mobile)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def normalise_email(text: str) -> str:
    """A mailbox in lower case and plain ASCII (an international domain in its `xn--` form).

    The local part is lower-cased too: no provider people use tells `Amy@` from `amy@`, and one person must not be two.

    Args:
        text: what the cell or form holds; a leading `mailto:` is dropped.

    Raises:
        AddressError: with a code of the table above.
    """
    mailbox = text.strip().lower()
    found = _MAILBOX.fullmatch(mailbox)
    if found is None:
        return _normalise_odd_email(mailbox)
    if len(found[1]) > _LONGEST_LOCAL_PART or len(mailbox) > _LONGEST_EMAIL:
        raise AddressError("too_long", "An email address has at most 64 characters before the @ and 254 in all.")
    return f"{found[1]}@{_domain(found[2])}"


def mask(address: str) -> str:
    """An address that can be recognised but not used: `+44 ••• 123`, `a•••@union.example`."""
    if "@" in address:
        mailbox, _, host = address.partition("@")
        return f"{mailbox[:1]}•••@{host}"
    return f"{address[:3]} ••• {address[-3:]}" if len(address) > 8 else "•••"


def _as_typed(text: str) -> str:
    """The number without what programs put around it: invisible marks, `tel:`, a spreadsheet's decimals."""
    number = "".join(char for char in text if unicodedata.category(char) != "Cf").strip().lstrip("'").strip()
    number = re.sub(r"^tel:\s*", "", number, flags=re.IGNORECASE)
    if not number:
        raise AddressError("empty", "There is no phone number.")
    if found := _FLOAT.fullmatch(number):
        return found[1]
    if found := _SCIENTIFIC.fullmatch(number):
        return _from_scientific(found[1].replace(",", "."), int(found[2]))
    return number


def _from_scientific(mantissa: str, exponent: int) -> str:
    if len(mantissa.replace(".", "")) <= exponent:
        raise AddressError(
            "lost_digits", "A spreadsheet has rounded this number; format the column as text and export it again."
        )
    return str(int(Decimal(mantissa).scaleb(exponent)))


def _parse(number: str, region: str) -> PhoneNumber:
    parts = [part for part in _BETWEEN.split(number) if sum(map(str.isdigit, part)) >= _ENOUGH_DIGITS]
    if len(parts) > 1:
        raise AddressError("several", "There is more than one phone number; give each a column of its own.")
    if any(map(str.isalpha, number)) or not any(map(str.isdigit, number)):
        raise AddressError("not_a_number", "That is not a phone number.")
    try:
        return phonenumbers.parse(number, region)
    except NumberParseException as error:
        match error.error_type:
            case NumberParseException.INVALID_COUNTRY_CODE:
                raise AddressError("unknown_country", "No country has that code.") from None
            case NumberParseException.TOO_LONG:
                raise _too_long() from None
            case _:  # it has digits, so what is left is too few of them
                raise _too_short() from None


def _check(number: PhoneNumber, *, mobile: bool) -> None:
    if not phonenumbers.is_valid_number(number):
        if number.country_code == _GB and _GB_MOBILE.fullmatch(str(number.national_number)):
            return
        _complain_about_length(number, mobile=mobile)
        raise AddressError("unassigned", "Nobody has a number like that; a digit may be wrong.")
    if not mobile:
        return
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.FIXED_LINE:
        raise _landline()
    if kind not in _MOBILE:
        raise AddressError("not_a_mobile", "That number cannot receive texts.")


def _complain_about_length(number: PhoneNumber, *, mobile: bool) -> None:
    """Raise where digits are missing or too many. Some landlines are shorter than mobiles: it depends on the need."""
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
    """What the short path does not know: international domains, quoted local parts, and everything that is wrong."""
    mailbox = "".join(char for char in mailbox if unicodedata.category(char) != "Cf").removeprefix("mailto:").strip()
    if not mailbox:
        raise AddressError("empty", "There is no email address.")
    if sum("@" in part for part in re.split(r"[\s;,/|]+", mailbox)) > 1:
        raise AddressError("several", "There is more than one email address; give each a column of its own.")
    try:
        checked = validate_email(mailbox, check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError as error:
        local, _, domain = mailbox.rpartition("@")
        if local and _domain_is_at_fault(domain):
            _domain(domain)
        raise AddressError("not_an_email", str(error)) from None
    assert checked.ascii_email is not None  # allow_smtputf8 is off
    return checked.ascii_email.lower()


def _domain_is_at_fault(domain: str) -> bool:
    try:
        _domain(domain)
    except AddressError:
        return True
    return False


@lru_cache(maxsize=4096)
def _domain(domain: str) -> str:
    """The domain as DNS writes it. Cached: a whole union writes from a few hundred domains."""
    try:
        checked = validate_email(f"x@{domain}", check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        if domain.rpartition(".")[2] in SPECIAL_USE_DOMAIN_NAMES:
            raise AddressError("reserved_domain", "No mail reaches that domain.") from None
        raise AddressError("bad_domain", str(error)) from None
    return checked.ascii_domain
