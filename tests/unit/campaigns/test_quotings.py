"""An answer says the same beside our message as alone, wherever it stands and however the message is quoted."""

from __future__ import annotations

import pytest

from campaigns.replies.classification import REPEATED, classify_reply
from campaigns.replies.classification.quotation import Quotation
from campaigns.replies.classification.rules import load_rules
from tests.support.quotings import MENU, OUTLOOK, OWN, PRESSED, WROTE, Told, all_cases, email, text_message, told
from tests.support.reply_cases import Case
from webhooks.email.inbound_mail.own_words import own_words

REMINDER = text_message("ballot-reminder")
MAIL = email("ballot-reminder")
LINES = MAIL.text.strip().split("\n")
QUESTION = "Have you posted yours?"
CUT = "Hi Amy, The Union here. Have you posted your ballot paper? Reply 1 posted, "


@pytest.fixture(scope="module")
def sample() -> list[Told]:
    """Answers in words of ours in each ninth place, and each fifth of the labelled ones in one place or two."""
    found = list[Told]()
    for number, case in enumerate(all_cases()):
        if number < len(OWN):
            found += told(case, 9, number)
        elif number % 5 == 0:
            found += told(case, 131, number * 29)
    return found


def test_our_quoted_words_have_no_effect_of_their_own(sample: list[Told]) -> None:
    assert [(told_case.what, told_case.text, told_case.read) for told_case in sample if told_case.wrong] == []


def test_an_answer_says_the_same_beside_our_message_as_alone(sample: list[Told]) -> None:
    assert len({told_case.what for told_case in sample}) > 100
    same = sum(told_case.read == told_case.alone for told_case in sample)
    assert same / len(sample) >= 0.97, [
        (told_case.what, told_case.text, told_case.read) for told_case in sample if told_case.read != told_case.alone
    ][:20]


@pytest.mark.parametrize(("what", "own"), [
    ("email: ballot-reminder, marked, first, below", "Not posted it yet"),
    ("email: ballot-reminder, first, below", "No ballot paper has come to me"),
    ("email: ballot-reminder, shown, straight below", "Posted it this morning"),
    ("email: ballot-reminder, shown, above", "Never fear, I've voted"),
    ("email: ballot-reminder, outlook shown, above", "3 none came"),
    ("email: ballot-reminder, marked, last, above", "My ballot paper never came"),
    ("email: ballot-last-days, one line, above", "I have not voted yet"),
    ("text: ballot-last-days, sent cut, beside", "2 not yet"),
    ("text: ballot-last-days, last, above, apart", "My ballot paper never came"),
    ("text: ballot-reminder, last, above", "3"),
    ("text: ballot-reminder, last, below, apart", "I've not yet voted"),
    ("text: ballot-reminder, first, above", "3"),
    ("text: ballot-reminder, first, above, apart", "Already voted"),
    ("email: ballot-last-days, last, above", "No ballot paper has come to me"),
    ("email: ballot-last-days, last, below", "I have voted"),
])  # fmt: skip
def test_an_answer_says_the_same_where_little_tells_it_from_ours(what: str, own: str) -> None:
    (found,) = told(Case(own, None, ""), only=what)
    assert found.read == found.alone != "unclear", found.text


def words(text: str) -> str:
    return own_words(text, {"amy"}, MAIL.forms)


def quoted(lines: list[str]) -> str:
    return "\n".join(f"> {line}" for line in lines)


@pytest.mark.parametrize(
    "own", ["I have no ballot paper", "No ballot paper", "My ballot paper never came", "Not yet voted"]
)
def test_no_word_of_theirs_is_taken_from_below_a_quotation(own: str) -> None:
    for lines in (LINES, LINES[:7], LINES[-12:]):
        assert words(f"{WROTE}\n\n{quoted(lines)}\n\n{own}") == own
        assert words(f"{own}\n\n{WROTE}\n\n{quoted(lines)}") == own


@pytest.mark.parametrize(
    "cut",
    [
        "Hi Amy, The Union here. Have you posted your ballot paper? Reply 1 posted",
        "Hi Amy, The Union here. Have you posted your ballot paper? Reply 1 posted...",
        "“Hi Amy, The Union here. Have you posted your ballot paper? Reply 1 posted…”",
        "You sent: Hi Amy, The Union here. Have you posted your ballot paper? Reply 1 posted …",
    ],
)
@pytest.mark.parametrize(
    "own", ["2 not yet posted it", "2 not yet", "2", "not yet, posted tomorrow", "Opt out", "STOP"]
)
def test_an_answer_begins_on_its_own_line_even_like_our_text(cut: str, own: str) -> None:
    alone = classify_reply(own, MENU, REMINDER.forms).reading
    assert classify_reply(f"{cut}\n{own}", MENU, REMINDER.forms).reading == alone


@pytest.mark.parametrize("own", ["I have voted", "Not yet", "1", "No", "I will not vote"])
@pytest.mark.parametrize("cut", ["3 No ballot", "STOP"])
def test_a_line_of_ours_that_is_cut_short_is_no_answer(cut: str, own: str) -> None:
    sent = (
        "Hi Amy, it is the union. Have you voted in this ballot?\nReply:\n1 I have voted\n2 Not yet\n3 No ballot paper"
        "\nSTOP to opt out"
    )
    text = f"{sent[: sent.index(cut)]}{cut} {own}"
    assert classify_reply(text, MENU, (sent,)).reading == "unclear"


@pytest.mark.parametrize("own", ["2 not yet posted it", "2 not yet, posted it", "2 not yet have voted"])
def test_an_unclear_end_of_our_text_goes_to_staff(own: str) -> None:
    read = classify_reply(f"{CUT}{own}", MENU, REMINDER.forms)
    assert (read.reading, read.rule) == ("unclear", REPEATED)


@pytest.mark.parametrize(("text", "reading"), [
    (f"{CUT}stop texting me", "opt_out"), (f"{CUT}STOP", "opt_out"),
    (f"{CUT}I have voted, please stop texting me", "opt_out"),
    ("STOP\n\nText STOP to opt out", "opt_out"), ("2 not yet, stop texting me\n\nText STOP to opt out", "opt_out"),
    ("not yet stop\n\nText STOP to opt out", "unclear"), (f"{CUT}not yet stop", "unclear"),
    ("I have voted\n\nText STOP to opt out", "unclear"),
])  # fmt: skip
def test_beside_words_that_may_be_ours_a_plain_opt_out_counts_and_nothing_else(text: str, reading: str) -> None:
    read = classify_reply(text, MENU, REMINDER.forms)
    assert (read.reading, read.also, read.version) == (reading, None, load_rules().version)
    assert (read.rule == REPEATED) == (reading == "unclear")


@pytest.mark.parametrize(
    ("said", "reading"),
    [
        (f"{QUESTION}\n\nPLEASE STOP EMAILING ME", "opt_out"),
        (f"{QUESTION} PLEASE STOP EMAILING ME", "opt_out"),
        (f"{QUESTION}\nI have not posted it, and you would not believe what my week was", "unclear"),
    ],
)
@pytest.mark.parametrize("begin", [OUTLOOK, f"{WROTE}\n", f"-----Original Message-----\n{OUTLOOK}"])
def test_an_answer_written_into_our_mail_is_read_and_shown(said: str, reading: str, begin: str) -> None:
    own = said.removeprefix(QUESTION).strip()
    found = words(f"See my reply below\n\n{begin}\n" + MAIL.text.replace(QUESTION, said))
    assert found == f"See my reply below\n\n{own}"
    assert classify_reply(found).reading == reading
    assert words(f"Hi,\n\n{begin}\n" + MAIL.text.replace(QUESTION, said)).endswith(own)


def test_text_of_somebody_else_in_between_is_not_the_members() -> None:
    bob = "From: Bob <bob@member.example.org>\nSent: 23 November 2026 10:05\nTo: Amy\nSubject: Re: ballot\n"
    text = f"See what Bob says\n\n{bob}\nI have voted, please stop emailing me\n\n{OUTLOOK}\n{MAIL.text}"
    assert words(text) == "See what Bob says"


def test_a_gateways_warning_in_our_mail_hides_no_answer() -> None:
    assert words(f"I have voted\n\n{OUTLOOK}\nUnknown sender, take care with this one\n\n{MAIL.text}") == "I have voted"


@pytest.mark.parametrize(
    "footer",
    [
        "Choose what we send you · Unsubscribe",
        "Choose what we send you <https://safe.example/?u=1>\nUnsubscribe <https://safe.example/?u=2>",
        "-- \nYou get this email because The Union is asking its members about something.\nUnsubscribe",
    ],
)
@pytest.mark.parametrize(
    "body", ["", QUESTION + "\n", MAIL.text[: MAIL.text.index("Thank you")].replace("ballot", "bal-lot")]
)
def test_our_footer_in_another_form_is_no_wish(footer: str, body: str) -> None:
    for text in ("Thanks", "I have posted it"):
        assert classify_reply(words(f"{text}\n\n{body}{footer}")).reading != "opt_out"


def test_words_stay_apart_where_our_text_between_them_is_removed() -> None:
    assert Quotation(((3, 14),)).lines(["My ballot ... never came", "  not  yet "]) == ["My never came", "  not  yet "]


@pytest.mark.parametrize("text", [
    (
        "Thank you for letting me know\n\nAlready posted it, or no paper ever came? The same page lets you say\n"
        "so, and we will not ask again. We never ask how you voted.  Thank you,"
    ),
    "Unsubscribe: https://vote.example.org/unsxxxxxxxxxx\n\nSorry I am on holiday",
    "Thanks.\n\n3. Post it today, then let us know:",
    "Who is this?\n\nPost it today, then let us know",
])  # fmt: skip
def test_a_few_words_of_ours_without_marks_are_no_claim(text: str) -> None:
    assert own_words(text, {"amy"}, email("ballot-last-days").forms) == ""


@pytest.mark.parametrize(("text", "reading"), [
    ("Unsubscribe: https://vote.example.org/unsxxxxxxxxxx", "opt_out"),
    ("Unsubscribe: https://vote.example.org/unsxxxxxxxxxx\nplease", "opt_out"),
    ("Unsubscribe: https://vote.example.org/unsxxxxxxxxxx\n\nI have voted", "voted"),
    ("Unsubscribe: https://vote.example.org/unsxxxxxxxxxx\n\nSTOP", "opt_out"),
    ("No paper ever came", "no_ballot_paper"),
    ("I will post it today", "will_vote"),
])  # fmt: skip
def test_words_beside_or_like_ours_are_read(text: str, reading: str) -> None:
    assert classify_reply(own_words(text, {"amy"}, email("ballot-last-days").forms)).reading == reading


@pytest.mark.parametrize(("text", "reading"), [
    ("I have voted\nNot yet\nI have no ballot paper", "unclear"),
    ("I have voted\n\nNot yet", "unclear"),
    ("Tell us with one press:\nI have voted\nNot yet\nI have no ballot paper", "unclear"),
    ("I have voted\nNot yet\nI have no ballot paper\n\nPosted mine yesterday", "voted"),
    ("Not yet\nI have no ballot paper", "no_ballot_paper"),
    ("I have no ballot paper", "no_ballot_paper"),
    ("I have voted", "voted"),
    ("Not yet", "not_voted"),
])  # fmt: skip
def test_the_links_we_offer_are_no_answer(text: str, reading: str) -> None:
    assert classify_reply(own_words(text, {"amy"}, (PRESSED,))).reading == reading


@pytest.mark.parametrize(("text", "reading"), [
    ("I have posted my ballot paper", "voted"), ("I have posted my ballot paper\nNot yet", "unclear"),
    ("I have posted my ballot paper\nNot yet\nYour Union", "unclear"), ("Not yet\nYour Union", "not_voted"),
])  # fmt: skip
def test_one_choice_of_a_list_of_ours_is_an_answer_and_two_are_none(text: str, reading: str) -> None:
    sent = "Hi Amy\nHave you voted?\nI have posted my ballot paper\nNot yet\nYour Union"
    assert classify_reply(text, None, (sent,)).reading == reading


@pytest.mark.parametrize(("above", "below", "words"), [
    ("See my question below.", "Where do I post it to?", ""),
    ("One thing", "Is the address on the envelope the right one?", ""),
    ("Thanks", "Amy", "Thanks"),
    ("Thanks", "This email is confidential and intended only for the addressee.", "Thanks"),
    ("Thanks", "Sent from my iPhone", "Thanks"),
    ("I have voted", "Where do I post it to?", "I have voted"),
])  # fmt: skip
def test_words_below_a_quotation_without_marks_are_seen_by_somebody(above: str, below: str, words: str) -> None:
    ours = PRESSED.partition("\n")[2]
    assert own_words(f"{above}\n\n{OUTLOOK}\n{ours}\n\n{below}", {"amy"}, (PRESSED,)) == words


@pytest.mark.parametrize(("text", "reading"), [
    ("Hi Amy\nvoted", "voted"), ("Hello Your Union\nI have voted", "voted"), ("Hello Unison,\n\nDone", "voted"),
    ("Dear Sir or Madam\nI have voted", "voted"), ("Hi Will, posted it", "voted"), ("Hi Amy\nnot yet", "not_voted"),
    ("Annwyl Undeb\nDwi wedi pleidleisio", "voted"), ("Hi STOP\nAmy", "opt_out"), ("Hi Stop\nAmy", "opt_out"),
    ("Hi team voted", "unclear"), ("Hi\nEveryone voted", "unclear"), ("Hi My Wife\nVoted", "unclear"),
    ("Hi Nobody\nvoted", "unclear"), ("Hi Amy voted", "unclear"), ("Hi Amy\nvoted for Dave in the election", "unclear"),
])  # fmt: skip
def test_a_greeted_name_beside_a_vote_is_no_third_person(text: str, reading: str) -> None:
    assert classify_reply(text).reading == reading
