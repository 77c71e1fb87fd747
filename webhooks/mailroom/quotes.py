"""The words a person wrote in a mail, without the mail they answer.

Where a quoted mail begins is known by its shape, in any language: a line with a date and an address that leads on to
it, or a block of labelled lines (`quotes.toml` has words that help). The words of the message that is answered are
known besides, and are never the person's. What stands above a quotation is theirs, and below one whose every line is
marked.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from campaigns.reading import read_reply
from campaigns.reading.quotation import find_quotation
from webhooks.mailroom.endings import without_banners, without_ending

LONGEST: Final = 20_000
"""Characters that are looked at."""
LONGEST_LINE: Final = 500
"""Longer lines are no beginning of a quoted mail."""
LONGEST_NAMED: Final = 120
"""Characters of such a line with a name and no date in it."""
MOST_LINES: Final = 4
"""Lines over which a program may break the line before a quoted mail."""
MOST_BEGINNINGS: Final = 50
"""Quoted mails inside quoted mails that are looked for."""
WHOLE: Final = 0.8
"""How much of our message is enough to know the rest of its quotation for the person's, however much that is."""

WORDS: Final = Path(__file__).with_name("quotes.toml")

_ADDRESS: Final = re.compile(r"[\w.+'=-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}")
_BRACKETED: Final = re.compile(r"[<(\[]\s?(?:mailto:)?[\w.+'=-]{1,64}@[\w.-]{1,150}\s?[>)\]]")
_DATE: Final = re.compile(
    r"\b(?:19|20)\d\d(?!\d)|\b\d{1,2}[./-] ?\d{1,2}[./-] ?(?:\d{4}|\d\d)\b|\d{1,4} ?[年년]|\d{1,2} ?[月월] ?\d{1,2}"
)
_TIME: Final = re.compile(r"\b\d{1,2}[:.h時时] ?[0-5]\d(?!\d)|\b\d{1,2} ?[ap]\.?m\b", re.IGNORECASE)
_LEADS_ON: Final = re.compile(r"[:\uff1a]\W{0,3}$")
_GOES_ON: Final = re.compile(r"[:\uff1a]\s{1,3}\s+(?=\S)")
_NAMED: Final = re.compile(r"[<(\[]\s?(?:mailto:)?[\w.+'=-]{1,64}@[\w.-]{1,150}\s?[>)\]]\s?[:\uff1a]\W{0,3}$")
_ENDS: Final = re.compile(r"^\W{0,12}$|[\w.+'=-]{1,64}@[\w.-]{1,150}\W{0,4}$")
_GROUPWISE: Final = re.compile(r">{2,4} .{1,300}\d\d.{1,60} >{2,4}")
_SPEAKER: Final = re.compile(r"\W{0,3}(?:i|we|you|he|she|they|my|fi|dwi)\b", re.IGNORECASE)
"""How a sentence begins that somebody wrote, and no program."""
_LABELLED: Final = re.compile(
    r"[*_ ]{0,4}([^\W\d_][^\W\d_]{0,19}(?:[ '.\u2019-][^\W\d_]{1,15}){0,3})[ \u00a0]?[*_]{0,2}[:\uff1a][*_]{0,2}"
    r"(?:\s+(.*)|)$"
)
_LABEL: Final = re.compile(r"(?:^|[\s>-])([^\W\d_]{1,12}(?: [^\W\d_]{1,10})?) ?:\s")
_LINE: Final = re.compile(r"[_*=]{15,}")
_DASHES: Final = re.compile(r"[-_*=\u2010-\u2015]{3,}\s{0,3}([^\W\d_].{2,60}?)\s{0,3}[-_*=\u2010-\u2015]{3,}(.*)")
_GREETING: Final = re.compile(
    r"\W{0,3}(?:hi|hello|hey|hiya|dear|good (?:morning|afternoon|evening)|morning|afternoon|helo|annwyl|bore da)"
    r"\b[^\n.?]{0,40}\W{0,3}",
    re.IGNORECASE,
)
_PICTURE: Final = re.compile(r"(?:\[[^\[\]]{1,80}\]\W{0,3})+")
_GAPS: Final = re.compile(r"\n{3,}")
_NAMES: Final = re.compile(r"[^\W\d_]+")
_RE: Final = re.compile(
    r"(?:\s*(?:re|aw|sv|vs|atb|ateb|fw|fwd|wg|rif|odp|ynt|antw|tr|res|enc)\s*(?:\[\d{1,3}\])?\s*[:\uff1a])+\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Words:
    """Words of mail programs.

    Attributes:
        wrote: "wrote", wherever it stands.
        labels: of headers.
        titles: "original message".
        opens: how the line before a quoted mail begins.
    """

    wrote: re.Pattern[str]
    labels: frozenset[str]
    titles: re.Pattern[str]
    opens: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Parts:
    """A mail's lines, parted at what is quoted.

    Attributes:
        above: the numbers of the lines above what is quoted, and between lines that are marked as quoted.
        below: those below the beginning of a quoted mail whose lines are not marked: its own, or an answer after it.
        marked: whether anything is marked as quoted, or begins as a quoted mail does.
    """

    above: tuple[int, ...]
    below: tuple[int, ...]
    marked: bool


def own_words(text: str, names: Collection[str] = (), sent: Sequence[str] = ()) -> str:
    """Take the person's own words out of a mail.

    Args:
        text: a mail's text.
        names: what they are called: words of the From line, in any case.
        sent: the message it answers, in each of its forms, where it is known: its words are not theirs.

    Returns:
        Their words, stripped; "" where all of it is quoted.
    """
    lines = _lines(text)
    quoted = find_quotation("\n".join(lines), sent)
    left = quoted.lines(lines)
    parts = parted(_without_ours(lines, left))
    above = _joined(left, parts.above)
    inside = _written_inside(lines, left, parts.below, names, quoted.share)
    if inside is None:  # whose it is cannot be told: the words above it count where they are an answer
        return "" if read_reply(above).reading == "unclear" else _without_additions(above, names)
    between, after = inside
    says_more = _NAMES.search(above) is not None and _GREETING.fullmatch(above) is None
    if says_more and read_reply(_joined(left, after)).reading == "unclear":
        after = ()
    kept = (*parts.above, *between, *after)
    words = _without_additions(_joined(left, kept), names)
    said = "\n".join(lines)
    doubtful = any(said.count("\n", 0, at) in kept for at in quoted.doubts)
    return "" if doubtful and read_reply(words).reading != "opt_out" else words


def _without_ours(lines: Sequence[str], left: Sequence[str]) -> list[str]:
    """The lines, but nothing of those that are all ours, which would look like a quoted mail's beginning."""
    return [line if rest else ">" * line.startswith(">") for line, rest in zip(lines, left, strict=True)]


def _without_additions(text: str, names: Collection[str]) -> str:
    return without_ending(without_banners(text), {name.casefold() for name in names})


def _joined(lines: Sequence[str], numbers: Iterable[int]) -> str:
    return _GAPS.sub("\n\n", "\n".join(lines[number] for number in numbers)).strip()


def _written_inside(
    lines: Sequence[str], left: Sequence[str], below: Sequence[int], names: Collection[str], share: float
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Find what a person wrote into a mail of ours that they quote without marks, and below it.

    Args:
        lines: of their mail.
        left: the same without our words.
        below: the numbers of the lines below where the quoted mail begins.
        names: what they are called.
        share: how much of our message is repeated.

    Returns:
        The numbers of the lines between lines of ours, and of those after them; None where there are such lines, and
        too little of our message is known to say that they are not ours, or they may be somebody else's.
    """
    said = _without_ours(lines, left)
    start = below[0] if below else len(lines)
    while (first := next((number for number in range(start, len(lines)) if lines[number]), None)) is not None:
        start, goes_on = first, _beginning(said, first)
        if goes_on is None:
            break
        start = goes_on
    end = next((number for number in range(start, len(lines)) if _beginning(said, number) is not None), len(lines))
    section = [number for number in range(start, end) if not lines[number].startswith(">")]
    ours = [number for number in section if left[number] != lines[number]]
    if not ours:
        return (), ()
    known = {name.casefold() for name in names}
    theirs = [number for number in section if not lines[number] or _is_said(left[number], known)]
    before = _joined(left, (number for number in theirs if number < ours[0]))
    between = tuple(number for number in theirs if ours[0] <= number <= ours[-1])
    after = tuple(number for number in theirs if number > ours[-1])
    written = sum(len(left[number].split()) for number in (*between, *after))
    quoted = sum(len(lines[number].split()) - len(left[number].split()) for number in ours)
    if (share < WHOLE and written > quoted / 2) or read_reply(before).reading != "unclear":
        return None
    return between, after


def _is_said(line: str, names: Collection[str]) -> bool:
    """Whether what is left of a line may be somebody's words: not only a name, nor what stands for a picture."""
    words = {word.casefold() for word in _NAMES.findall(line)}
    return bool(words - set(names)) and _PICTURE.fullmatch(line) is None


def marks_quotation(text: str) -> bool:
    """Whether a mail's text shows where it quotes another."""
    return parted(_lines(text)).marked


def words_of_subject(subject: str) -> str:
    """Take what a subject says of its own; "" where it only repeats that of a mail."""
    return "" if _RE.match(subject) else subject.strip()


def without_re(subject: str) -> str:
    """A subject without the `Re:` before it, of which there may be several."""
    found = _RE.match(subject)
    return subject if found is None else subject[found.end() :]


def names_of(*said: str) -> set[str]:
    """The words of a name, or of what stands before the @ of an address."""
    return {word.casefold() for text in said for word in _NAMES.findall(text.partition("@")[0]) if len(word) > 1}


def parted(lines: Sequence[str]) -> Parts:
    """Part a mail's lines at what is quoted in it.

    Args:
        lines: stripped.
    """
    above = list[int]()
    number, marked, found = 0, False, 0
    while number < len(lines):
        if lines[number].startswith(">") and not _GROUPWISE.fullmatch(lines[number]):
            marked = True
            number += 1
            continue
        end = _beginning(lines, number) if found < MOST_BEGINNINGS else None
        if end is None:
            above.append(number)
            number += 1
            continue
        found += 1
        marked = True
        following = next((one for one in range(end, len(lines)) if lines[one]), len(lines))
        if following == len(lines) or not lines[following].startswith(">"):
            return Parts(tuple(above), tuple(range(end, len(lines))), marked)
        number = following
    return Parts(tuple(above), (), marked)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text[:LONGEST].replace("\u00a0", " ").split("\n")]


def _beginning(lines: Sequence[str], number: int) -> int | None:
    """Where the mail that begins to be quoted at a line goes on; None where none begins there."""
    line = lines[number]
    if not line or len(line) > LONGEST_LINE:
        return None
    if _is_announced(line, has_headers=_headers(lines, number + 1) is not None):
        return number + 1
    return _headers(lines, number) or _attribution(lines, number)


def _is_announced(line: str, *, has_headers: bool) -> bool:
    """Whether a line of its own announces a quoted mail: drawn across, titled, or with all its headers in one."""
    if _LINE.fullmatch(line) or _GROUPWISE.fullmatch(line):
        return True
    titled = _DASHES.match(line)
    if titled is not None:
        return _words().titles.search(titled[1]) is not None or (not titled[2].strip() and has_headers)
    if line.endswith((":", "\uff1a")) and _words().titles.match(line):
        return True
    return len(_LABEL.findall(line)) >= 3 and _ADDRESS.search(line) is not None and _DATE.search(line) is not None


def _headers(lines: Sequence[str], first: int) -> int | None:
    """Where a block of labelled lines ends that are a quoted mail's headers.

    Two with labels that are known, or three of which one names an address and another a date, or four with either; an
    empty line or a value on a line of its own may stand between.
    """
    labels, known, dated, addressed = 0, 0, False, False
    number = end = first
    while number < len(lines) and number - first < 24:
        line = lines[number]
        label = _LABELLED.match(line) if len(line) <= LONGEST_LINE else None
        if label is not None:
            labels += 1
            known += label[1].casefold() in _words().labels
            value = label[2] or ""
        elif number == first or (line and lines[number - 1]):
            value = line
            if not (
                labels and line and _LABELLED.match(lines[number - 1]) and (_ADDRESS.search(line) or _DATE.search(line))
            ):
                break
        elif line:
            break
        else:
            number += 1
            continue
        dated = dated or (_DATE.search(value) is not None and label is not None)
        addressed = addressed or _ADDRESS.search(value) is not None
        number += 1
        end = number
    enough = known >= 2 or (labels >= 3 and dated and addressed) or (labels >= 4 and (dated or addressed))
    return end if enough else None


def _attribution(lines: Sequence[str], first: int) -> int | None:
    """Where the line ends, broken or not, that says who wrote the mail quoted below it and when."""
    for end in range(first + 1, min(first + MOST_LINES, len(lines)) + 1):
        if not lines[end - 1] or lines[end - 1].startswith(">"):
            return None
        said = " ".join(lines[first:end])
        if len(said) > LONGEST_LINE:
            return None
        if _is_attribution(said, lines[first], _follows(lines, end)):
            return end
    return None


def _is_attribution(said: str, opening: str, follows: str) -> bool:
    goes_on = _GOES_ON.search(said)  # a program that quotes on the same line
    if goes_on is not None:
        said = said[: goes_on.end()].rstrip()
    leads_on = _LEADS_ON.search(said) is not None
    if _SPEAKER.match(said):
        return False
    wrote = _words().wrote.search(said)
    dated, timed = _DATE.search(said) is not None, _TIME.search(said) is not None
    addressed = _ADDRESS.search(said) is not None
    if not (dated or timed):  # "The Union wrote:" leads on only to lines that are marked
        named = _NAMED.search(said) is not None and len(said) <= LONGEST_NAMED
        return leads_on and (named or (wrote is not None and (addressed or follows.startswith(">"))))
    starts = _DATE.search(opening) or _TIME.search(opening) or _ADDRESS.search(opening) or _words().opens.match(opening)
    if not starts:
        return False
    if addressed and leads_on:
        return True
    if wrote is not None and dated and (leads_on or (addressed and _ENDS.search(said[wrote.end() :]))):
        return (
            addressed
            or (timed and leads_on)
            or _words().opens.match(said) is not None
            or _DATE.match(said.lstrip("-* ")) is not None
        )
    return _BRACKETED.search(said) is not None and dated and timed and said.rstrip().endswith((">", ")", "]"))


def _follows(lines: Sequence[str], end: int) -> str:
    return next((line for line in lines[end : end + 3] if line), "")


@cache
def _words() -> _Words:
    data = tomllib.loads(WORDS.read_text(encoding="utf-8"))
    joined = "|".join(data["wrote_joined"])
    return _Words(
        re.compile(rf"(?<!\w)(?:{_longest_first(data['wrote'])})(?!\w)|{joined}", re.IGNORECASE),
        frozenset(data["labels"]),
        re.compile(_longest_first(data["titles"]), re.IGNORECASE),
        re.compile(
            rf"\W{{0,6}}(?:(?:{_longest_first(data['openings'])})(?!\w)|[^\W\d_]{{2,12}}[.,]|\d{{1,4}}\W)",
            re.IGNORECASE,
        ),
    )


def _longest_first(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))
