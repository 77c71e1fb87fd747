"""A person's own words: quoted mails in English and Welsh are removed, and no possible answer is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.replies.classification import classify_reply
from tests.support.effort import effort_of
from webhooks.email.inbound_mail.markup import MAX_TAGS, read_html
from webhooks.email.inbound_mail.own_words import own_words
from webhooks.email.inbound_mail.quoted_text import MAX_LENGTH, names_in, words_of_subject

QUOTED = "> Dear Ann,\n> have you voted?\n> Reply STOP to stop."
NAMES = names_in("Ann Jones", "ann.jones@member.test")


@pytest.mark.parametrize("text", [
    f"I have voted\n\nOn Sun, 22 Nov 2026 at 12:00, The Union <ballot@union.test> wrote:\n\n{QUOTED}",
    f"I have voted\n\nOn Sun, 22 Nov 2026 at 12:00, The Union\n<ballot@union.test> wrote:\n{QUOTED}",
    f"I have voted\n\n> On 22 Nov 2026, at 12:00, The Union <ballot@union.test> wrote:\n> \n{QUOTED}",
    "I have voted\n\nFrom: The Union <ballot@union.test>\nSent: 22 November 2026\nTo: Ann\nSubject: Voted?\n\nSTOP",
    "I have voted\r\n\r\n-----Original Message-----\r\nFrom: The Union\r\nSent: Sunday\r\n\r\nhave you voted?",
    "I have voted\n________________________________\nFrom: The Union\nSent: Sunday\n\nhave you voted?",
    f"I have voted\n\nAr Sul, 22 Tach 2026 am 12:00, Yr Undeb <ballot@union.test> ysgrifennodd:\n\n{QUOTED}",
    f"I have voted\n\nYsgrifennodd Yr Undeb <ballot@union.test>:\n{QUOTED}",
    "I have voted\n\nOddi wrth: Yr Undeb\nAnfonwyd: 22 Tachwedd 2026\nAt: Ann\nPwnc: Pleidlais\n\nstopiwch",
    "I have voted\n\n-----Neges Wreiddiol-----\nstopiwch",
    f"On Sun, 22 Nov 2026 at 12:00, The Union <ballot@union.test> wrote:\n{QUOTED}\n\nI have voted",
    f"{QUOTED}\nI have voted",
    "I have voted\n\nSent from my iPhone",
    "I have voted\n\nGet Outlook for Android",
    "I have voted\n\nAnfonwyd o fy iPhone",
    "I have voted\n-- \nAnn Jones\nUnit 7, 0800 123, not yet open",
    "I have voted\n\nMany thanks,\nAnn",
    "I have voted\n\nCofion gorau\n\nAnn Jones",
    "I have voted\nAnn Jones",
    "I have voted\n\nThis email and any attachments are confidential and intended for the addressee. Do not vote.",
    "I have voted\n\nDISCLAIMER: I do not speak for my employer.",
])  # fmt: skip
def test_quoted_text_and_signatures_are_removed(text: str) -> None:
    assert own_words(text, NAMES) == "I have voted"


@pytest.mark.parametrize("text", [
    "I've voted\nThanks\nnot really",
    "Voted?\nThanks, but I have not",
    "Thanks, I have voted",
    "Ann",
    "Voted\nAnn has not",
    "Best",
    "Regards,\nAnn Jones voted",
    "Hi,\n\nNot voted yet. My post is late.\nOn Monday I will.\nWrote: nothing",
    "- voted\n- posted it",
    "To: whom it may concern, I have voted",
])  # fmt: skip
def test_a_possible_answer_is_kept(text: str) -> None:
    assert own_words(text, NAMES) == text


@pytest.mark.parametrize(("text", "reading"), [
    (f"STOP\n\nOn Sun, 22 Nov 2026 at 12:00, The Union <b@union.test> wrote:\n{QUOTED}", "opt_out"),
    (f"Rwyf wedi pleidleisio\n\nAr Sul, 22 Tach 2026, Yr Undeb <b@u.test> ysgrifennodd:\n{QUOTED}", "voted"),
    (f"Voted!\n\nThanks,\nAnn\n\nOn Sun, 22 Nov 2026 at 12:00, The Union <b@union.test> wrote:\n{QUOTED}", "voted"),
    (f"On Sun, 22 Nov 2026 at 12:00, The Union <b@union.test> wrote:\n{QUOTED}", "unclear"),
    ("I have voted\nThanks\nnot really", "unclear"),
])  # fmt: skip
def test_a_stripped_mail_is_classified_like_a_text(text: str, reading: str) -> None:
    assert classify_reply(own_words(text, NAMES)).reading == reading


def test_a_subject_counts_only_where_it_is_the_persons_own() -> None:
    assert words_of_subject("STOP") == "STOP"
    assert words_of_subject("Re: Please reply STOP to stop") == words_of_subject("ATB: x") == ""


@pytest.mark.parametrize(("html", "text"), [
    ("<p>I have voted</p><div class='gmail_quote'><blockquote>STOP</blockquote></div>", "I have voted"),
    ("<div>I have voted<br></div><blockquote type='cite'>STOP</blockquote>", "I have voted"),
    ("<div>I have voted</div><div id='divRplyFwdMsg'>From: x</div><div>STOP</div>", "I have voted"),
    ("<style>p{}</style><script>STOP</script><p>I have&nbsp;voted</p><!-- STOP -->", "I have voted"),
    ("<blockquote>have you?</blockquote><p>I have voted</p>", "I have voted"),
    ("<title>x</title><p>a &lt;b&gt; c", "a <b> c"),
])  # fmt: skip
def test_html_is_read_as_a_person_sees_it(html: str, text: str) -> None:
    assert read_html(html).text == text


def test_html_made_to_be_slow_is_cut() -> None:
    assert read_html("<br>" * (MAX_TAGS - 1) + "<p>STOP").text == "STOP"
    assert read_html("<li><ul>" * MAX_TAGS + "STOP").text == ""


BOMBS = {
    "on": "On " * 5000 + "wrote",
    "lines of on": ("On " * 50 + "\n") * 200,
    "from": "From: a\n" * 3000,
    "from and spaces": ("From:" + " " * 150 + "\n") * 100,
    "headers without end": "From: " + "* " * 3000,
    "ar": ("Ar " * 50 + "\n") * 200,
    "quotes": "> " * 5000,
    "dashes": "-" * 10_000,
    "legal": "this email " * 1000,
    "welsh headers": "At: \n" * 2000,
    "one line": "a" * 1_000_000,
    "empty lines": "\n" * 100_000,
    "farewell": "with " * 2000 + "\n" + "kind " * 2000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_text_made_to_be_slow_is_read_quickly(name: str) -> None:
    assert effort_of(lambda: own_words(BOMBS[name], NAMES)) < 300  # thousands, where lines are not bounded


@given(st.text(alphabet="OnArwote: \n>-_FrmTSubjc,<>@i", max_size=600))
def test_own_words_are_lines_of_the_mail(text: str) -> None:
    words = own_words(text, NAMES)
    assert len(words) <= MAX_LENGTH
    lines = {line.strip() for line in text.split("\n")}
    assert all(line in lines or any(line in result for result in lines) for line in words.split("\n"))
