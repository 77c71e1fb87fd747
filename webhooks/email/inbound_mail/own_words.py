"""Own words of a mail's writer, without the message they answer.

The words of the answered message are known, and never count as the writer's. Words above a quotation are the writer's,
and so are words below it if every quoted line is marked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from campaigns.replies.classification import classify_reply
from campaigns.replies.classification.quotation import find_quotation
from webhooks.email.inbound_mail.added_lines import is_greeting
from webhooks.email.inbound_mail.endings import without_ending
from webhooks.email.inbound_mail.marked_lines import own_marked, unmarked
from webhooks.email.inbound_mail.quoted_text import DRAWN, NAMES, beginning, lines_of, parted

WHOLE_MESSAGE_SHARE: Final = 0.8
"""Share of our message that a mail must repeat for the rest of its quotation to count as the writer's own words."""

_PICTURE: Final = re.compile(r"(?:\[[^\[\]]{1,80}\]\W{0,3})+")
_LINK: Final = re.compile(r"\s?[<(\[]?(?:https?://|www\.)[^\s<>\"]{1,500}[>)\]]?")
_REQUEST: Final = re.compile(r"\b(?:please|pl[sz]|plse|kindly|plis|os gwelwch yn dda)\b", re.IGNORECASE)
_GAPS: Final = re.compile(r"\n{3,}")


def own_words(text: str, names: Collection[str] = (), sent: Sequence[str] = ()) -> str:
    """Extract the writer's own words from a mail.

    Args:
        text: a mail's text.
        names: the words of their name in the From line, in any case.
        sent: the message it answers, in each of its forms, where it is known: its words are not theirs.

    Returns:
        Their words, stripped; "" if everything is quoted.
    """
    lines = lines_of(text)
    names = {name.casefold() for name in names}
    if _are_all_own_or_marked(lines, names):  # then marked lines may be the writer's own
        for number in own_marked(lines, sent):
            lines[number] = unmarked(lines[number])
    quoted = find_quotation("\n".join(lines), sent)
    left = quoted.lines(lines)
    parts = parted(_without_ours(lines, left), names)
    above = _joined(left, (number for number in parts.above if not DRAWN.fullmatch(left[number])))
    inside = _written_inside(lines, left, parts.below, names, quoted.share)
    if inside is None:  # the author is uncertain: the words above count only if they are an answer
        return "" if classify_reply(above).reading == "unclear" else without_ending(above, names)
    between, after = inside
    if not is_greeting(above) and classify_reply(_joined(left, after)).reading == "unclear":
        if _goes_on(above, _joined(left, after), names):
            return ""
        after = ()
    kept = (*parts.above, *between, *after)
    words = without_ending(_joined(left, (number for number in kept if not DRAWN.fullmatch(left[number]))), names)
    joined = "\n".join(lines)
    doubtful = any(joined.count("\n", 0, at) in kept for at in quoted.doubts)
    if doubtful and classify_reply(words).reading != "opt_out":
        return ""
    rest = _without_footer(words, sent)
    if rest == words or classify_reply(rest).reading != "unclear":
        return rest
    # with "please" beside it, and nothing else, the link may be their request; else a person has to see the whole mail
    return words if _REQUEST.search(rest) and classify_reply(f"STOP\n{rest}").alone else ""


def _goes_on(above: str, below: str, names: Collection[str]) -> bool:
    """Tell whether unclear words go on below a quotation: then a person has to see the whole mail."""
    if classify_reply(above).reading != "unclear":
        return False
    return without_ending(f"{above}\n\n{below}", names) != without_ending(above, names)


def _without_footer(words: str, sent: Sequence[str]) -> str:
    """Remove lines of our footer that came back with their link, "Unsubscribe: https://…", on one line or two.

    A label with its colon is ours even if the link was lost. If a mail has nothing but such lines, none is removed: a
    person who sends only the link may want what it offers.
    """
    ours = {_LINK.sub("", line).strip() for form in sent for line in form.split("\n") if _LINK.search(line)} - {""}
    lines = words.split("\n")
    left, below_ours = list[str](), False
    for line in lines:
        label, linked = _LINK.sub("", line).strip(), _LINK.search(line) is not None
        is_ours = label in ours and (linked or label.endswith(":"))
        below_ours = is_ours or (below_ours and linked and not label)
        if not below_ours:
            left.append(line)
    if len(left) == len(lines) or not any(map(str.strip, left)):
        return words
    return _GAPS.sub("\n\n", "\n".join(left)).strip()


def _are_all_own_or_marked(lines: Sequence[str], names: Collection[str]) -> bool:
    """Tell whether no line introduces a quoted mail or stands in one, apart from marked lines."""
    return len(parted(lines, names).above) + sum(line.startswith(">") for line in lines) == len(lines)


def _without_ours(lines: Sequence[str], left: Sequence[str]) -> list[str]:
    """Blank the lines that are entirely ours, which would look like the beginning of a quoted mail."""
    return [line if rest else ">" * line.startswith(">") for line, rest in zip(lines, left, strict=True)]


def _joined(lines: Sequence[str], numbers: Iterable[int]) -> str:
    return _GAPS.sub("\n\n", "\n".join(lines[number] for number in numbers)).strip()


def _written_inside(
    lines: Sequence[str], left: Sequence[str], below: Sequence[int], names: Collection[str], share: float
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Find what a person wrote inside and below an unmarked quotation of our message.

    Args:
        lines: the lines of their mail.
        left: the same lines without our words.
        below: the numbers of the lines below where the quoted mail begins.
        names: the words of their name.
        share: the share of our message that is repeated.

    Returns:
        The numbers of the lines between lines of ours, and of those after them. None if there are such lines, and too
        little of our message is known to be sure that they are neither ours nor somebody else's.
    """
    own = _without_ours(lines, left)
    start = below[0] if below else len(lines)
    while (first := next((number for number in range(start, len(lines)) if lines[number]), None)) is not None:
        start, goes_on = first, beginning(own, first)
        if goes_on is None:
            break
        start = goes_on
    end = next((number for number in range(start, len(lines)) if beginning(own, number) is not None), len(lines))
    section = [number for number in range(start, end) if not lines[number].startswith(">")]
    ours = [number for number in section if left[number] != lines[number]]
    if not ours:
        return (), ()
    theirs = [number for number in section if not lines[number] or _is_said(left[number], names)]
    before = _joined(left, (number for number in theirs if number < ours[0]))
    between = tuple(number for number in theirs if ours[0] <= number <= ours[-1])
    after = tuple(number for number in theirs if number > ours[-1])
    written = sum(len(left[number].split()) for number in (*between, *after))
    quoted = sum(len(lines[number].split()) - len(left[number].split()) for number in ours)
    if (share < WHOLE_MESSAGE_SHARE and written > quoted / 2) or classify_reply(before).reading != "unclear":
        return None
    return between, after


def _is_said(line: str, names: Collection[str]) -> bool:
    """Tell whether the rest of a line may be a person's words: not only a name, nor the placeholder of a picture."""
    words = {word.casefold() for word in NAMES.findall(line)}
    return bool(words - set(names)) and _PICTURE.fullmatch(line) is None
