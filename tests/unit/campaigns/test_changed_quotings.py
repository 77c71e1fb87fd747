"""An answer counts beside our message, and ours never does, if words of it were lost or changed on the way back."""

from __future__ import annotations

import json

import pytest

from campaigns.replies.classification import classify_reply
from tests.support.own_words import DATA, TEXT, sent_email
from tests.support.quotings import MENU, PRESSED, email, text_message

NUDGE = "Have you posted your ballot paper? Reply 1 posted, 2 not yet. Reply STOP to opt out."
LISTED = (
    "Hi Amy, it is the union. Have you voted in this ballot?\nReply:\n1 I have voted\n2 Not yet\n3 No ballot paper\n"
    "STOP to opt out"
)
LINKED = (
    "Hi Amy. Your vote closes on Friday at noon.\nTell us here: https://link.invalid/\n"
    "Unsubscribe: https://link.invalid/u\nYour Union"
)
SENT = {
    "nudge": (NUDGE,),
    "text": (TEXT,),
    "pressed": (PRESSED,),
    "listed": (LISTED,),
    "linked": (LINKED,),
    "reminder": text_message("ballot-reminder").forms,
    "last days": text_message("ballot-last-days").forms,
    "asked by email": sent_email(),
    "reminder by email": email("ballot-reminder").forms,
    "last days by email": email("ballot-last-days").forms,
}
CHANGED = [line.split("\t") for line in (DATA / "replies_changed.tsv").read_text(encoding="utf-8").splitlines()[1:]]


@pytest.mark.parametrize(("name", "text", "own"), CHANGED)
def test_an_answer_beside_what_is_left_of_our_message_says_the_same(name: str, text: str, own: str) -> None:
    alone = classify_reply(own, MENU, SENT[name]).reading
    assert own in json.loads(text)
    assert classify_reply(json.loads(text), MENU, SENT[name]).reading == alone != "unclear"


@pytest.mark.parametrize(("text", "reading"), [
    ("Voted\nyour ballot paper? Reply 1 posted, 2 not yet. Reply STOP to opt out.", "voted"),
    ("Voted your ballot paper? Reply 1 posted, 2 not yet. Reply STOP to opt out.", "unclear"),
    ("I have voted your ballot paper? Reply 1 posted, 2 not yet. Reply STOP to opt out.", "unclear"),
    ("Thanks\nI have voted your ballot paper? Reply 1 posted, 2 not yet. Reply STOP to opt out.", "unclear"),
    ("Have you posted your ballot paper? Reply 1 posted, 2 not yet. I have voted", "voted"),
    ("Have you posted your ballot paper? Reply 1 posted, 2 not yet I have voted", "unclear"),
    ("Have you posted your ballot paper? Reply 1 posted, I have voted", "unclear"),
])  # fmt: skip
def test_words_that_a_sentence_of_ours_may_go_on_with_are_for_a_person(text: str, reading: str) -> None:
    assert classify_reply(text, MENU, (NUDGE,)).reading == reading
