"""Members' own words in a mail that quotes ours: above it, below it, and beside footers and banners."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.replies.classification import classify_reply
from campaigns.replies.classification.own import own_text
from campaigns.replies.classification.quotation import find_quotation
from tests.support.effort import effort_of
from tests.support.own_words import DATA, MENU, TEXT, sent_email
from tests.support.quotings import email
from webhooks.email.inbound_mail.markup import read_html
from webhooks.email.inbound_mail.own_words import own_words
from webhooks.email.inbound_mail.quoted_text import names_in

MAILS: list[dict[str, Any]] = [
    json.loads(line) for line in (DATA / "mail" / "replies.jsonl").read_text(encoding="utf-8").splitlines()
]

BEGINNINGS: list[str] = [
    json.loads(line) for line in (DATA / "mail" / "beginnings.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail["name"])
def test_quoted_mails_of_many_programs_are_known(mail: dict[str, Any]) -> None:
    text = read_html(mail["body"]).text if mail["kind"] == "html" else mail["body"]
    words = own_words(text, names_in(mail["from_name"]))
    assert mail["words"] in {None, words}
    assert classify_reply(words).reading == mail["reading"]


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_beginning_is_known_in_any_language_and_by_any_program(beginning: str) -> None:
    for words in ("I have voted", "I have voted\n\nAmy"):
        for gap in ("\n", "\n\n"):
            assert own_words(f"{words}{gap}{beginning}{gap}Stop these emails\n\nUnion", {"amy"}) == "I have voted"


@pytest.mark.parametrize(
    "text",
    [
        "I got an email from amy@example.org on 28/11/2026 at 10:15 about this. Not voted yet",
        "I posted it on 28/11/2026 at 10:15",
        "I wrote to ballot@union.example.org on 12 November 2026: no answer",
        "Hi, on 28 November 2026 at 10:15 I voted",
        "Name: Amy Jones\nMember: 1234\nEmail: amy@example.org\nI have voted",
        "Voted at 10:15 on 28/11/2026. My rep said: well done",
        "On 28 November my ballot came:\nvoted today",
    ],
)
def test_a_date_and_an_address_in_what_a_member_writes_begin_no_mail(text: str) -> None:
    assert own_words(text, {"zed"}) == text


@pytest.mark.parametrize("form", [0, 1])
@pytest.mark.parametrize(
    ("words", "reading"),
    [("I have voted", "voted"), ("Thanks", "unclear"), ("No ballot paper has come", "no_ballot_paper")],
)
def test_our_message_is_recognised_without_a_line_that_introduces_it(words: str, reading: str, form: int) -> None:
    own = own_words(f"{words}\n\n{sent_email()[form]}", {"amy"}, sent_email())
    assert own == words
    assert classify_reply(own).reading == reading


@pytest.mark.parametrize(
    "change",
    [
        lambda sent: sent.replace(" ", "\n"),
        lambda sent: sent.replace("\n", "\n> "),
        lambda sent: sent.replace("'", "&#39;"),
        lambda sent: sent.replace("won't", "won’t").replace("\n\n", "\n* "),
        lambda sent: sent.replace("https://link.invalid/", "https://safe.example/?url=x"),
        lambda sent: sent.upper(),
    ],
)
def test_our_message_is_recognised_however_it_was_wrapped_and_marked(change: Any) -> None:
    for form in sent_email():
        words = own_words(f"Not voted yet\n\n{change(form)}", {"amy"}, sent_email())
        assert classify_reply(words).reading == "not_voted"
        assert classify_reply(own_words(change(form), {"amy"}, sent_email())).reading == "unclear"


def test_our_message_cut_within_its_words_leaves_the_answer_to_a_person() -> None:
    text, _ = ("\n".join(form[at : at + 40] for at in range(0, len(form), 40)) for form in sent_email())
    assert classify_reply(own_words(f"Not voted yet\n\n{text}", {"amy"}, sent_email())).reading == "unclear"
    assert classify_reply(own_words(text, {"amy"}, sent_email())).reading == "unclear", "never an answer of ours"


def test_scraps_of_our_footer_below_a_quotation_are_ours() -> None:
    first, last = sent_email()[0].split("Thank you,", 1)
    text = f"{first}\nAmy Jones wrote this\n{last.strip()}"
    assert "Stop" not in own_words(text, {"amy"}, sent_email())


def test_a_greeting_above_a_mail_that_is_not_marked_hides_no_answer_below_it() -> None:
    quoted = f"On Sun, 22 Nov 2026 at 11:59, Union <b@union.example> wrote:\n\n{sent_email()[0]}"
    text = f"Hi,\n\n{quoted}\n\nPlease stop emailing me"
    assert classify_reply(own_words(text, {"amy"}, sent_email())).reading == "opt_out"


@pytest.mark.parametrize(
    "below",
    [
        "Amy Jones\nSenior Porter, Ward 7\nLeeds Teaching Hospitals\nT: 0113 496 0000",
        "Amy Jones (she/her)\nWard Manager",
        "Kind regards,\n\nAmy Jones RGN\nStaff Nurse",
        "To unsubscribe from our mailing list click here",
        "If you no longer wish to receive these emails, click here to unsubscribe",
        "Unsubscribe | Privacy policy | Contact us",
        "You are receiving this because you are subscribed to Staff News. Unsubscribe here",
        "This email has been scanned for viruses",
        "Von meinem iPhone gesendet",
        "Opt out | Privacy",
        "Privacy | Terms | Opt out",
        "Don't want these emails? Unsubscribe",
        "No longer wish to hear from us? You can unsubscribe",
        "Please consider the environment before printing this email.",
    ],
)
def test_text_below_the_words_is_no_wish(below: str) -> None:
    read = classify_reply(own_words(f"I have voted\n\n{below}", {"amy", "jones"}))
    assert (read.reading, read.also) == ("voted", None)


@pytest.mark.parametrize("below", [
    "Kind regards\nCat Fox\n\nPS: please stop emailing me", "Kind regards\nCat\n\nPlease stop emailing me",
    "Best wishes\n\nCat Fox\n07700 900123\n\nPlease remove me from this list.",
    "Yours sincerely\nCat Fox (Mrs)\nStaff Nurse\n\nP.S. no more emails please", "Regards,\nCat Fox\nSTOP",
    "Cofion\nCat\n\nPS: stopiwch plis", "Cheers\nThe Foxes\n\nunsubscribe me",
])  # fmt: skip
def test_an_opt_out_below_a_signature_hides_no_vote(below: str) -> None:
    for claim, also in (("I have voted", "voted"), ("Not voted yet", "not_voted")):
        read = classify_reply(own_words(f"{claim}\n\n{below}", {"cat", "fox"}))
        assert (read.reading, read.also) == ("opt_out", also)


def test_a_name_below_thanks_may_be_whom_it_is_about() -> None:
    text = "I've told you\n\nThanks\nDave Smith\nhas voted"
    assert own_words(text, {"cat"}) == text


@pytest.mark.parametrize(
    "label", ["Unsubscribe:\n{link}", "Unsubscribe: {link}", "Unsubscribe:", "Unsubscribe:\n<{link}>"]
)
def test_our_footer_is_no_wish_however_it_is_wrapped(label: str) -> None:
    footer = label.format(link="https://vote.example.org/u/qv2tmmba4jf3m")
    for text in ("Thanks Cat", "I have voted"):
        read = classify_reply(own_words(f"{text}\n\n{footer}", {"cat"}, email("ballot-reminder").forms))
        assert read.reading == classify_reply(text).reading


def test_a_link_of_ours_below_a_request_is_what_they_ask_for() -> None:
    text = "Please\n\nUnsubscribe:\nhttps://vote.example.org/u/qv2tmmba4jf3m"
    assert classify_reply(own_words(text, {"cat"}, email("ballot-reminder").forms)).reading == "opt_out"


@pytest.mark.parametrize("ours", [
    "I have voted, not yet or no ballot paper has come", "No ballot paper? You can ask for another one",
    "Thanks.\n\nI have voted, not yet or no ballot paper has come",
    "to be sure that it arrives in time. No ballot paper?",
])  # fmt: skip
def test_a_piece_of_our_mail_is_no_claim(ours: str) -> None:
    assert classify_reply(own_words(ours, {"amy"}, email("ballot-reminder").forms)).reading == "unclear"


@pytest.mark.parametrize(("theirs", "right"), [
    ("No ballot paper? Please send another one", "no_ballot_paper"), ("I have voted", "voted"),
    ("no ballot paper has come", "no_ballot_paper"), ("Not yet, or no", "not_voted"),
])  # fmt: skip
def test_words_that_our_mail_has_too_stay_theirs(theirs: str, right: str) -> None:
    assert classify_reply(own_words(theirs, {"amy"}, email("ballot-reminder").forms)).reading == right


@pytest.mark.parametrize(
    "above",
    [
        "[EXTERNAL EMAIL]",
        "[EXTERNAL]",
        "*** EXTERNAL EMAIL ***",
        "CAUTION: This email originated from outside of the organisation. Do not click links.",
        "You don't often get email from amy@example.org. Learn why this is important",
        "This message originated outside the council.",
    ],
)
def test_an_employers_banner_is_not_read(above: str) -> None:
    assert own_words(f"{above}\n\nI have voted", {"amy"}) == "I have voted"


@pytest.mark.parametrize(
    "text",
    [
        "I have voted\n\nAmy\nnot really",
        "Amy\nNot Voted",
        "Please unsubscribe me from your list",
        "To unsubscribe me would be kind",
        "stop emailing me, click nothing",
        "Name: Amy\nVoted: yes",
        "On Monday I wrote to you: not voted yet",
    ],
)
def test_a_possible_answer_is_left(text: str) -> None:
    assert own_words(text, {"amy"}) == text


@given(st.text(alphabet="abcd \n", max_size=200), st.text(alphabet="abcd \n", max_size=200))
def test_only_words_of_the_message_are_taken_out(text: str, sent: str) -> None:
    quoted = find_quotation(text, (sent,))
    left = " ".join(quoted.around(text))
    assert set(left.split()) <= set(text.split())
    if not quoted.spans:
        assert left.strip() == text.strip()


HOSTILE = {
    "our own words for ever": f"{TEXT} " * 200,
    "one word of ours": "posted " * 3000,
    "pieces of ours": "have you posted your " * 1000,
    "passages": '"' * 9000,
    "passages of words": "“a b c d ” " * 1800,
    "unclosed": "“" * 9000,
    "instructions": "reply 1 " * 2500,
    "attributions": "On 1 Jan 2026 at 10:00,\n" * 800,
    "addresses": "a@b.cd <" * 2500,
    "address without end": "a" * 64 + "@" + "b." * 9000,
    "labels": "Ab: c\n" * 3000,
    "labels in a line": "a: b " * 100 + "\n",
    "dashes": ("--- a" + "-" * 400 + "\n") * 40,
    "banners": ("[" * 100 + "external" + " " * 300 + "\n") * 40,
    "lists": ("to unsubscribe " * 30 + "\n") * 40,
    "names": "Amy\n" * 5000,
    "posts": "Amy\n" + "Post Post Post\n" * 1000,
    "entities": "&amp;" * 4000,
    "links": "https://a.b " * 1600,
    "punctuation": ".,;:" * 5000,
    "quotes and beginnings": "> a\nOn 1 Jan 2026, a <a@b.cd> wrote:\n" * 500,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_mail_made_to_be_slow_is_read_quickly(name: str) -> None:
    def read() -> None:
        words = own_words(HOSTILE[name], {"amy"}, (TEXT, *sent_email()))
        classify_reply(words, MENU, (TEXT,))
        classify_reply(HOSTILE[name], MENU, (TEXT,))

    assert effort_of(read) < 300  # thousands, where a pattern goes over it again and again


@pytest.mark.parametrize("text", [
    "Text STOP\n\nI have a question about the ballot.", "Reply STOP\n\nto unsubscribe", "Txt STOP\n\nto opt out please",
    "Reply STOP\n\n\nto stop these texts\n\nvoted", "text stop\n \nI have voted",
])  # fmt: skip
def test_an_instruction_over_two_paragraphs_is_shown_to_staff(text: str) -> None:
    assert own_text(text).doubtful
    assert classify_reply(text, MENU).reading in {"unclear", "opt_out"}, "no vote is counted"


def test_stop_in_a_paragraph_of_its_own_is_obeyed() -> None:
    assert classify_reply("STOP\n\nI have a question about the ballot.", MENU).reading == "opt_out"
