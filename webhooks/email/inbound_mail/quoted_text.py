"""Beginning of a quoted mail inside a mail, recognised by its form, in any language.

That is a line with a date and an address that introduces it, or a block of labelled lines (`quotes.toml` has words that
help).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from webhooks.email.inbound_mail.added_lines import any_of, is_greeting, speaks_for_itself, without_added

MAX_LENGTH: Final = 20_000
"""Characters that are read."""
MAX_LINE_LENGTH: Final = 500
"""Characters of a line; longer ones do not begin a quoted mail."""
MAX_NAMED_LENGTH: Final = 120
"""Characters of an introducing line with a name and no date in it."""
MAX_LINES: Final = 4
"""Lines over which a program may break the line that introduces a quoted mail."""
MAX_HEADERS: Final = 24
"""Lines of a quoted mail's headers."""
MAX_ABOVE: Final = 40
"""Lines above a drawn line that are searched for words."""
MAX_REMEMBERED: Final = 4096
"""Lines whose form is remembered, because each is looked at again for every line around it that may begin a quoted
mail."""
MAX_MAILS: Final = 8
"""Mails whose parts are remembered, because the same lines are asked for several times."""
MAX_BEGINNINGS: Final = 50
"""Quoted mails inside quoted mails that are searched for."""

WORDS: Final = Path(__file__).with_name("quotes.toml")

_ADDRESS: Final = re.compile(r"[\w.+'=-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}")
_BRACKETED: Final = re.compile(r"[<(\[]\s?(?:mailto:)?[\w.+'=-]{1,64}@[\w.-]{1,150}\s?[>)\]]")
_DATE: Final = re.compile(
    r"\b(?:19|20)\d\d(?!\d)|\b\d{1,2}[./-] ?\d{1,2}[./-] ?(?:\d{4}|\d\d)\b|\d{1,4} ?[年년]|\d{1,2} ?[月월] ?\d{1,2}"
)
_DIGIT: Final = re.compile(r"\d")
_TIME: Final = re.compile(r"\b\d{1,2}[:.h時时] ?[0-5]\d(?!\d)|\b\d{1,2} ?[ap]\.?m\b", re.IGNORECASE)
_LEADS_ON: Final = re.compile(r"[:\uff1a]\W{0,3}$")
_GOES_ON: Final = re.compile(r"[:\uff1a]\s{1,3}\s+(?=\S)")
_NAMED: Final = re.compile(r"[<(\[]\s?(?:mailto:)?[\w.+'=-]{1,64}@[\w.-]{1,150}\s?[>)\]]\s?[:\uff1a]\W{0,3}$")
_ENDS: Final = re.compile(r"^\W{0,12}$|[\w.+'=-]{1,64}@[\w.-]{1,150}\W{0,4}$")
_GROUPWISE: Final = re.compile(r">{2,4} .{1,300}\d\d.{1,60} >{2,4}")
_SPEAKER: Final = re.compile(r"\W{0,3}(?:i|we|you|he|she|they|my|fi|dwi)\b", re.IGNORECASE)
"""Beginnings of sentences that only people write, not programs."""
_LABELLED: Final = re.compile(
    r"[*_ ]{0,4}([^\W\d_][^\W\d_]{0,19}(?:[ '.\u2019-][^\W\d_]{1,15}){0,3})[ \u00a0]?[*_]{0,2}[:\uff1a][*_]{0,2}"
    r"(?:\s+(.*)|)$"
)
_LABEL: Final = re.compile(r"(?:^|[\s>-])([^\W\d_]{1,12}(?: [^\W\d_]{1,10})?) ?:\s")
DRAWN: Final = re.compile(r"[_*=]{15,}")
"""A line drawn across."""
_DASHES: Final = re.compile(r"[-_*=\u2010-\u2015]{3,}\s{0,3}([^\W\d_].{2,60}?)\s{0,3}[-_*=\u2010-\u2015]{3,}(.*)")
NAMES: Final = re.compile(r"[^\W\d_]+")
"""Words of letters alone."""
_RE: Final = re.compile(
    r"(?:\s*(?:re|aw|sv|vs|vb|vl|atb|ateb|yml|fw|fwd|wg|rif|odp|pd|ynt|i\u0307?lt|antw|antwort|doorst|tr|res|enc|rv|r[e\u00e9]f|r[e\u00e9]p|r|ang"
    r"|v[a\u00e1]|tov\u00e1bb\u00edt\u00e1s|ats|bls|trs|fs|\u03b1\u03c0|\u03c3\u03c7\u03b5\u03c4|\u03c0\u03c1\u03b8|\u043e\u0442\u0432|\u0431\u0430|\u56de\u590d|\u56de\u8986|\u7b54\u590d|\u7b54\u8986|\u8f6c\u53d1|\u8f49\u5bc4|\u8fd4\u4fe1|\u8ee2\u9001"
    r"|\ud68c\uc2e0|\uc804\ub2ec|\u05ea\u05d2\u05d5\u05d1\u05d4|\u05d4\u05e9\u05d1|\u0631\u062f)\s*(?:\[\d{1,3}\]|\(\d{1,3}\)|\^\d{1,3})?\s*[:\uff1a])+\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Words:
    """Words of mail programs.

    Attributes:
        wrote: "wrote", wherever it stands.
        labels: labels of headers.
        senders: labels of the header that names the sender.
        details: labels that people use for details about themselves.
        titles: "original message".
        opens: beginnings of the line that introduces a quoted mail.
    """

    wrote: re.Pattern[str]
    labels: frozenset[str]
    senders: frozenset[str]
    details: frozenset[str]
    titles: re.Pattern[str]
    opens: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Parts:
    """Lines of a mail, split by what is quoted.

    Attributes:
        above: the numbers of the lines above the quotation, and between lines that are marked as quoted.
        below: the numbers of the lines after the beginning of an unmarked quoted mail: its own lines, or an answer
            below it.
        marked: whether anything is marked as quoted, or begins as a quoted mail does.
    """

    above: tuple[int, ...]
    below: tuple[int, ...]
    marked: bool


def marks_quotation(text: str) -> bool:
    """Tell whether a mail's text shows where it quotes another."""
    return parted(lines_of(text)).marked


def words_of_subject(subject: str) -> str:
    """Return a subject's own words; "" if it only repeats another mail's subject."""
    return "" if _RE.match(subject) else subject.strip()


def without_re(subject: str) -> str:
    """Return a subject without one or more `Re:` before it."""
    mark = _RE.match(subject)
    return subject if mark is None else subject[mark.end() :]


def names_in(*texts: str) -> set[str]:
    """Return the words of names, or of the local parts of addresses."""
    return {word.casefold() for text in texts for word in NAMES.findall(text.partition("@")[0]) if len(word) > 1}


def parted(lines: Sequence[str], names: Collection[str] = ()) -> Parts:
    """Split a mail's lines by what is quoted.

    Args:
        lines: stripped.
        names: the words of the writer's name, in lower case: a letterhead with their own name is theirs.
    """
    return _parted(tuple(lines), _own_head(lines, names))


@lru_cache(MAX_MAILS)
def _parted(lines: tuple[str, ...], number: int) -> Parts:
    """Do the same from the line on that follows the writer's own letterhead."""
    marked, count, headed = False, 0, _headed(lines)
    above = list(range(number))
    while number < len(lines):
        if lines[number].startswith(">") and not _GROUPWISE.fullmatch(lines[number]):
            marked = True
            number += 1
            continue
        end = beginning(lines, number, headed=number in headed) if count < MAX_BEGINNINGS else None
        if end is None:
            above.append(number)
            number += 1
            continue
        count += 1
        marked = True
        following = next((below for below in range(end, len(lines)) if lines[below]), len(lines))
        if following == len(lines) or not lines[following].startswith(">"):
            return Parts(tuple(above), tuple(range(end, len(lines))), marked)
        number = following
    return Parts(tuple(above), (), marked)


def lines_of(text: str) -> list[str]:
    """Split a text into lines, without added ones: a drawn line below a banner begins no quotation."""
    return list(_lines_of(text[:MAX_LENGTH]))


@lru_cache(MAX_MAILS)
def _lines_of(text: str) -> tuple[str, ...]:
    return tuple(without_added([line.strip() for line in text.replace("\u00a0", " ").split("\n")]))


def _headed(lines: Sequence[str]) -> set[int]:
    """Return the lines at which a quoted mail's headers may begin: a date or a mailbox stands in the lines below."""
    marks = [number for number, line in enumerate(lines) if (form := _form(line)).dated or form.addressed]
    return {number for mark in marks for number in range(mark - MAX_HEADERS + 1, mark + 1)}


def beginning(lines: Sequence[str], number: int, *, headed: bool = True) -> int | None:
    """Return where the introduction of the quoted mail that begins at a line ends; None if none begins there.

    Args:
        lines: of a mail, stripped.
        number: the line.
        headed: whether a quoted mail's headers may begin there.
    """
    line = lines[number]
    if not line or len(line) > MAX_LINE_LENGTH:
        return None
    if DRAWN.fullmatch(line):
        return _drawn(lines, number)
    if _is_announced(lines, number):
        return number + 1
    return (_headers(lines, number) if headed else None) or _attribution(lines, number)


def _drawn(lines: Sequence[str], number: int) -> int | None:
    """Do the same for a drawn line. People draw lines too, so its next lines have to say whose mail it is.

    A single header is enough only if it names a sender and stands below words: below a banner, a person's own mail may
    begin so.
    """
    first = next((below for below in range(number + 1, min(number + 3, len(lines))) if lines[below]), None)
    if first is None:
        return None
    end = _headers(lines, first) or _attribution(lines, first)
    if end is None and _form(lines[first]).label in _words().senders:
        above = lines[max(0, number - MAX_ABOVE) : number]
        end = first + 1 if any(not line.startswith(">") and not is_greeting(line) for line in above) else None
    return end


def _is_announced(lines: Sequence[str], number: int) -> bool:
    """Tell whether a line by itself introduces a quoted mail: by a title, or with all its headers in one line."""
    line = lines[number]
    if _GROUPWISE.fullmatch(line):
        return True
    titled = _DASHES.match(line)
    if titled is not None:
        return _words().titles.search(titled[1]) is not None or (
            not titled[2].strip() and _headers(lines, number + 1) is not None
        )
    if line.endswith((":", "\uff1a")) and _words().titles.match(line):
        return True
    labels = [label.casefold() for label in _LABEL.findall(line)]
    return (
        len(labels) >= 3
        and sum(label in _words().labels for label in labels) >= 2
        and any(label in _words().senders for label in labels)
        and _ADDRESS.search(line) is not None
        and _DATE.search(line) is not None
    )


class _Form(NamedTuple):
    """Form of a line.

    Attributes:
        label: the label it begins with, in lower case; None if it has none.
        dated: whether a date stands behind its label, or in it.
        timed: whether a date with a time does.
        addressed: whether a mailbox does.
    """

    label: str | None
    dated: bool
    timed: bool
    addressed: bool


@lru_cache(MAX_REMEMBERED)
def _form(line: str) -> _Form:
    """Return the form of a line."""
    labelled = _LABELLED.match(line) if len(line) <= MAX_LINE_LENGTH else None
    value = line if labelled is None else labelled[2] or ""
    dated = _DATE.search(value) is not None
    return _Form(
        None if labelled is None else labelled[1].casefold(),
        dated,
        dated and _TIME.search(value) is not None,
        _ADDRESS.search(value) is not None,
    )


def _headers(lines: Sequence[str], first: int) -> int | None:
    """Return where a block of labelled lines ends that are a quoted mail's headers.

    Either two of its labels are known, one of them the sender's, and it has an address or a date; or it has three
    labels of any kind, an address, and a date with a time. An empty line, or a value on a line of its own, may stand in
    between. Details that people give about themselves ("Date of birth: …") look similar, so no block begins or goes on
    at such a label.
    """
    words = _words()
    labels, known, sender, dated, timed, addressed = 0, 0, False, False, False, False
    number = end = first
    while number < len(lines) and number - first < MAX_HEADERS:
        line, form = lines[number], _form(lines[number])
        if form.label is not None:
            if form.label in words.details:
                if lines[number - 1]:
                    return None
                break
            labels += 1
            known += form.label in words.labels
            sender = sender or form.label in words.senders
        elif not line and number > first:
            number += 1
            continue
        elif not (labels and _is_value(lines, number)):
            break
        dated, timed, addressed = dated or form.dated, timed or form.timed, addressed or form.addressed
        number += 1
        end = number
    enough = (known >= 2 and sender and (dated or addressed)) or (labels >= 3 and timed and addressed)
    return end if enough and not _follows_details(lines, first) else None


def _is_value(lines: Sequence[str], number: int) -> bool:
    """Tell whether a line without a label may be the value of the label on the line above it."""
    form = _form(lines[number])
    return _form(lines[number - 1]).label is not None and (form.addressed or form.dated)


def _own_head(lines: Sequence[str], names: Collection[str]) -> int:
    """Return where a person's own letterhead ends, "From: Ann Jones", "To: the union"; 0 if there is none."""
    first = next((number for number, line in enumerate(lines[:MAX_ABOVE]) if not is_greeting(line)), 0)
    end = _headers(lines, first) or 0
    for line in lines[first:end]:
        labelled = _LABELLED.match(line)
        if labelled is not None and labelled[1].casefold() in _words().senders:
            own_names = names_in(labelled[2] or "")
            return end if own_names and own_names <= set(names) else 0
    return 0


def _follows_details(lines: Sequence[str], number: int) -> bool:
    """Tell whether a line continues somebody's details about themselves."""
    for above in range(number - 1, max(number - MAX_HEADERS, 0) - 1, -1):
        label = _form(lines[above]).label
        if label is None or label in _words().details:
            return label is not None
    return False


def _attribution(lines: Sequence[str], first: int) -> int | None:
    """Return the end of the line, perhaps broken, that says who wrote the quoted mail below it and when."""
    for end in range(first + 1, min(first + MAX_LINES, len(lines)) + 1):
        if not lines[end - 1] or lines[end - 1].startswith(">"):
            return None
        joined = " ".join(lines[first:end])
        if len(joined) > MAX_LINE_LENGTH:
            return None
        if _is_attribution(joined, lines, first, end):
            # a date, an address and a person's statement between them: not a program's line
            return end if end == first + 1 or not any(map(speaks_for_itself, lines[first:end])) else None
    return None


def _is_attribution(joined: str, lines: Sequence[str], first: int, end: int) -> bool:
    """Tell whether the lines from one to another, joined, say who wrote what is below them."""
    goes_on = _GOES_ON.search(joined)  # the program puts the quotation on the same line
    if goes_on is not None:
        joined = joined[: goes_on.end()].rstrip()
    leads_on, digits = _LEADS_ON.search(joined) is not None, _DIGIT.search(joined) is not None
    if not (leads_on or digits) or _SPEAKER.match(joined):
        return False
    dated, timed = digits and _DATE.search(joined) is not None, digits and _TIME.search(joined) is not None
    addressed = "@" in joined and _ADDRESS.search(joined) is not None
    if not (dated or timed):  # "The Union wrote:" introduces only marked lines
        named = addressed and _NAMED.search(joined) is not None and len(joined) <= MAX_NAMED_LENGTH
        quotes = addressed or _follows(lines, end).startswith(">")
        return leads_on and (named or (quotes and _words().wrote.search(joined) is not None))
    opening = lines[first]
    starts = _DATE.search(opening) or _TIME.search(opening) or _ADDRESS.search(opening) or _words().opens.match(opening)
    if not starts or not (dated or (addressed and leads_on)):
        return False
    if addressed and leads_on:
        return True
    wrote = _words().wrote.search(joined) if leads_on or addressed else None
    if wrote is not None and (leads_on or _ENDS.search(joined[wrote.end() :])):
        return (
            addressed
            or (timed and leads_on)
            or _words().opens.match(joined) is not None
            or _DATE.match(joined.lstrip("-* ")) is not None
        )
    return timed and joined.rstrip().endswith((">", ")", "]")) and _BRACKETED.search(joined) is not None


def _follows(lines: Sequence[str], end: int) -> str:
    return next((line for line in lines[end : end + 3] if line), "")


@cache
def _words() -> _Words:
    data = tomllib.loads(WORDS.read_text(encoding="utf-8"))
    joined = "|".join(data["wrote_joined"])
    return _Words(
        re.compile(rf"(?<!\w)(?:{any_of(data['wrote'])})(?!\w)|{joined}", re.IGNORECASE),
        frozenset(data["labels"]),
        frozenset(data["senders"]),
        frozenset(data["details"]),
        re.compile(any_of(data["titles"]), re.IGNORECASE),
        re.compile(
            rf"\W{{0,6}}(?:(?:{any_of(data['openings'])})(?!\w)|[^\W\d_]{{2,12}}[.,]|\d{{1,4}}\W)",
            re.IGNORECASE,
        ),
    )
