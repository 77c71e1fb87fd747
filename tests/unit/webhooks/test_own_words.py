"""Our own words are never the member's: quotations, reactions, and what they write beside them."""

from __future__ import annotations

import json

import pytest

from campaigns.replies.classification import classify_reply
from campaigns.replies.classification.own import own_text
from tests.support.own_words import DATA, MENU, TEXT, sent_email


def given_in(name: str) -> list[tuple[str, str]]:
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()[1:]
    return [(json.loads(text), right) for text, right in (line.split("\t") for line in lines)]


@pytest.mark.parametrize(("text", "right"), given_in("replies_reactions.tsv"))
def test_a_reaction_is_no_answer_whatever_it_repeats(text: str, right: str) -> None:
    assert right == "unclear"
    for sent in ((), (text.strip("> \u200b"),)):
        assert classify_reply(text, MENU, sent).reading in {"reaction", "unclear"}


@pytest.mark.parametrize(
    "text",
    [
        "Liked “Have you voted? Reply STOP to opt out”",
        "Loved an image",
        "Reacted 😂 to your message",
        "Removed 👍 from “Have you voted?”",
        "\u200a👍\u200a to \u200a“Have you voted? STOP to opt out”",
        "Hat mit 👍 auf „Have you voted?“ reagiert",
        "A réagi avec 👍 à « Have you voted? »",
        "N’a pas aimé « Reply STOP to opt out »",
        "Le encantó “Have you voted?”",
        "Ha messo mi piace a “Have you voted?”",
        "Vindt “Have you voted?” leuk",
        "Gillade “Have you voted?”",
        "Reagerade med ❤️ på “Have you voted?”",
        "「Have you voted?」にハートを付けました",
        "Zareagowano 👍 na „Have you voted?”",
        "Liked “Have you voted? Reply STOP to opt o",
        '👍 "I have voted. Reply 1 if you have, t',
        "👍\n\nAmy Jones reacted via Gmail",
        'Emphasised "Reply STOP to opt out"',
        "Páči sa mi „Reply STOP to opt out“",
        "Všeč mi je »Reply STOP to opt out«",
        "Ne sviđa mi se „Reply STOP to opt out“",
        "Μου άρεσε «Reply STOP to opt out»",
        "Хареса „Reply STOP to opt out“",
        "Patiko „Reply STOP to opt out“",
        "Patīk “Reply STOP to opt out”",
        "Apreciat „Reply STOP to opt out”",
        "“Reply STOP to opt out” को पसंद किया",
        "“Reply STOP to opt out” ਨੂੰ ਪਸੰਦ ਕੀਤਾ",
        "“Reply STOP to opt out” کو پسند کیا",
        "“Reply STOP to opt out” பிடித்தது",
        "Đã thích “Reply STOP to opt out”",
        "Menyukai “Reply STOP to opt out”",
        "ถูกใจ “Reply STOP to opt out”",
        "Nagustuhan ang “Reply STOP to opt out”",
        "أُعجب بـ “Reply STOP to opt out”",
        "J’aime « Reply STOP to opt out »",
    ],
)
def test_reactions_of_many_telephones_are_known(text: str) -> None:
    assert classify_reply(text, MENU).reading == "reaction"


GMAIL = "https://www.google.com/gmail/about/?utm_source=gmail-in-product&utm_campaign=emojireactionemail#app"


@pytest.mark.parametrize("text", [
    "Loved an image", "Reacted 😂 to your message", "👍\n\nAmy Jones reacted via Gmail", "Liked “Ballot”",
    f"👍 Amy Jones a réagi avec Gmail <{GMAIL}>", f"👍 Amy Jones a réagi avec Gmail\n{GMAIL}",
])  # fmt: skip
def test_what_only_programs_write_is_a_reaction_whatever_it_repeats(text: str) -> None:
    for sent in ((), (TEXT,), sent_email()):
        assert classify_reply(text, MENU, sent).reading == "reaction"


@pytest.mark.parametrize("text", [
    f"Voted Amy Jones, please ring me <{GMAIL}>", "Like “Reply 1 if you have voted”?", "👍 “Reply 1 to say so” ?",
])  # fmt: skip
def test_what_a_person_asks_or_adds_is_no_reaction(text: str) -> None:
    assert classify_reply(text, MENU).reading != "reaction"


def test_a_reaction_repeats_four_words_of_the_message_or_more() -> None:
    sent = ("Stop texting me now, they say. What do you say?",)
    assert classify_reply("Liked “Stop texting me now”", MENU, sent).reading == "reaction"
    assert classify_reply("Liked “Stop texting me”", MENU, sent).reading != "reaction"


@pytest.mark.parametrize(
    "text",
    [
        "Voted “Have you posted it?”",
        "I like “STOP”",
        "J’aime « STOP »",
        "Suka “STOP”",
        "I have voted 👍",
        "Who is this? “Have you voted?”",
        "STOP",
        "“STOP”",
        "Liked it, and voted",
        "👍",
        "Love it",
        "“STOP” 🛑",
        '"STOP" 🙏',
        "🙏 «STOP»",
        "“Stop texting me” 😡",
        "😡 “Take me off your list",
        '"no ballot paper" 😡',
        '"not voted" 😢',
        'mis "STOP"',
        "no “STOP” 🛑",
        "Reacted 😡 to “stop texting me please”",
        "Disliked “unsubscribe”",
        "“Wrong number” 🙄",
    ],
)
def test_a_members_own_words_are_no_reaction(text: str) -> None:
    for sent in ((), (TEXT,), sent_email()):
        assert classify_reply(text, MENU, sent).reading != "reaction"


@pytest.mark.parametrize(
    "text",
    [
        "“STOP” 🛑",
        '"STOP" 🙏',
        "“Stop texting me” 😡",
        "😡 “Take me off your list",
        "“unsubscribe me” 👋",
        '😡 "Stop texting me. Text STOP to opt out',
    ],
)
def test_stop_in_quotation_marks_is_obeyed(text: str) -> None:
    for sent in ((), (TEXT,), sent_email()):
        assert classify_reply(text, MENU, sent).reading == "opt_out"


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        (f"👍 to “{TEXT}”", TEXT),
        (f"“{TEXT}” 👍", TEXT),
        (f"Liked “{TEXT[:60]}…", TEXT),
        ("Loved “Have you voted?\nSTOP”", "Have you voted?\nSTOP"),
        ("👍 to “No ballot paper? Ring us”", "No ballot paper? Ring us"),
        ("Laughed at “Last week's message, which is another one”", TEXT),
    ],
)
def test_a_reaction_that_repeats_the_message_is_recognised(text: str, sent: str) -> None:
    assert classify_reply(text, MENU, (sent,)).reading == "reaction"


def test_a_picture_beside_other_words_is_shown_to_staff() -> None:
    assert classify_reply("“You lot are useless” 😡", MENU, (TEXT,)).reading == "unclear"


@pytest.mark.parametrize("indent", ["", "    ", "\t", " \u00a0 "])
@pytest.mark.parametrize("above", ["Thanks", "Thanks\n", "  Thanks  \n\nsee below", "You sent:", "“"])
@pytest.mark.parametrize("own", ["STOP please", "stop", "Not voted yet"])
def test_words_below_our_text_are_whole_however_lines_are_indented(above: str, indent: str, own: str) -> None:
    for text in (f"{above}\n{indent}see below {TEXT}\n{own}", f"{indent}{above}\n{indent}{TEXT}\n{indent}{own}"):
        assert own_text(text, (TEXT,)).text.split("\n")[-1].strip() == own
    assert classify_reply(f"\n{indent}{TEXT}\n{own}", sent=(TEXT,)).reading == classify_reply(own).reading != "unclear"


@pytest.mark.parametrize(("text", "own"), [
    ("Not yet\n > I have voted", "Not yet"),
    ("“Have you voted yet, Amy?” I have voted", "I have voted"),
    ("I have voted “Have you voted yet, Amy?” thanks “Vote before Friday, please”", "I have voted  thanks"),
    ("“Hi Amy, you told us “not yet”. Reply STOP to opt out” I have voted", "I have voted"),
    ("I have voted. “Please stop texting me today”", "I have voted."),
    ("I said “Please stop texting me”", "I said “Please stop texting me”"),
    ("Thanks\n\nReply STOP to opt out of these texts from us\n\nI have voted", "Thanks\n\nI have voted"),
])  # fmt: skip
def test_words_of_others_are_left_out_although_the_message_is_unknown(text: str, own: str) -> None:
    found = own_text(text)
    assert (found.text, found.doubtful) == (own, False)


@pytest.mark.parametrize(("text", "reading"), [
    ("Reply STOP to opt out", "unclear"), ("I have voted. Text STOP to opt out.", "unclear"),
    ("I have voted. Text STOP to unsubscribe", "unclear"), ("I have voted\nReply STOP to end", "unclear"),
    ("Voted. Reply STOP to opt out of these texts", "unclear"),
    ("Voted. Reply STOP to\nunsubscribe from our updates", "unclear"),
    ("I have voted. Please reply\n\nSTOP to opt out", "unclear"), ("Reply:\n\nSTOP to opt out", "unclear"),
    ("I have voted\n\nReply STOP to opt out of texts", "unclear"),
    ("I have voted\n\nReply STOP to opt out of our texts", "voted"),
    ("Reply STOP to opt out\nstop", "opt_out"), ("Reply STOP to\nstop", "opt_out"),
    ("To opt out reply STOP\nstop", "opt_out"), ("To opt out, reply STOP\nstop these texts", "opt_out"),
    ("To opt out, reply STOP\nOpt out of all texts", "opt_out"), ("Stop texting me. Text STOP to opt out", "opt_out"),
    ("Please stop texting me. Please reply\n\nSTOP to opt out", "opt_out"),
])  # fmt: skip
def test_an_instruction_of_an_unknown_message_is_no_wish_and_hides_none(text: str, reading: str) -> None:
    assert classify_reply(text, MENU).reading == reading


def test_beside_an_instruction_their_own_words_are_kept_as_doubtful() -> None:
    own = own_text("Stop texting me. Text STOP to unsubscribe")
    assert (own.text, own.repeats, own.doubtful) == ("Stop texting me.", True, True)


@pytest.mark.parametrize(("text", "right"), given_in("replies_repeated.tsv"))
def test_a_word_beside_our_text_counts(text: str, right: str) -> None:
    for sent in ((), (TEXT,)):
        assert classify_reply(text, MENU, sent).reading in right.split(" or ")


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        (f"Voted. {TEXT}", "voted"),
        (f"{TEXT} not yet", "not_voted"),
        (f"{TEXT}\n1", "voted"),
        (f"STOP {TEXT}", "opt_out"),
        (f'"{TEXT}" stop', "opt_out"),
        (f"> {TEXT}\nI have voted", "voted"),
        (TEXT, "unclear"),
        (TEXT.upper(), "unclear"),
        (TEXT.replace(" ", "\n"), "unclear"),
        (TEXT[:70] + "...", "unclear"),
        (f"Re: {TEXT[10:]}\n\nstop texting me", "opt_out"),
        ("3 none came", "no_ballot_paper"),
        ("none came", "no_ballot_paper"),
        ("posted", "voted"),
        ("2 not yet", "not_voted"),
        ("No ballot paper has come", "no_ballot_paper"),
    ],
)
def test_with_the_text_known_only_their_own_word_is_read(text: str, reading: str) -> None:
    assert classify_reply(text, MENU, (TEXT,)).reading == reading


@pytest.mark.parametrize(("text", "right"), [*given_in("replies_stop.tsv"), *given_in("replies_menu.tsv")])
def test_a_reason_beside_stop_and_the_words_of_the_menu_are_read(text: str, right: str) -> None:
    assert classify_reply(text, MENU).reading == right


@pytest.mark.parametrize(
    "text",
    [
        "2 stop",
        "Stop wrong person",
        "stop my husband died",
        "I have left the union stop",
        "Stop not interested",
        "STOP GMB",
        "stop who is this",
        "stop he has passed away",
        "Hi please stop I am retired",
        "Stopiwch dwi wedi gadael yr undeb",
        "ffs stop",
        "I have told you to stop",
    ],
)
def test_neighbours_of_stop_are_opt_outs(text: str) -> None:
    assert classify_reply(text, MENU).reading == "opt_out"


@pytest.mark.parametrize(
    "text",
    [
        *(text for text, _ in given_in("replies_stop_controls.tsv")),
        "how do we stop these cuts",
        "Stop my pay being cut",
        "when will it stop",
        "I want management to stop",
        "Stop I think the offer is fair",
        "make them stop",
        "we need to stop this",
        "Stop this nonsense",
    ],
)
def test_a_wish_for_something_else_to_stop_is_no_opt_out(text: str) -> None:
    assert classify_reply(text, MENU).reading != "opt_out"


def test_a_vote_beside_stop_counts() -> None:
    assert classify_reply("stop ive voted").also == classify_reply("Please stop I already voted").also == "voted"
