"""Replies are read by rules that are data: never a vote that is none, never a missed STOP."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.replies.classification import GENERAL, READINGS, OwnMail, classify_reply, restrict
from campaigns.replies.classification.plain import MAX_LENGTH
from campaigns.replies.classification.rules import FOLDER, load_rules
from tests.support.effort import effort_of
from tests.support.reply_cases import Case, cases

GIVEN = list(cases("replies.tsv"))
HARD = list(cases("replies_hard.tsv"))
NUDGE = "Have you posted your ballot paper? Reply 1 posted, 2 not yet. Reply STOP to opt out."
VOTED = [case.text for case in HARD if case.reading == "voted" and case.menu is None]


@pytest.mark.parametrize("case", GIVEN + HARD, ids=lambda case: case.text)
def test_a_reply_is_read_as_a_person_would(case: Case) -> None:
    assert classify_reply(case.text, case.menu).reading == case.reading


def test_the_set_is_a_fair_one() -> None:
    assert len(HARD) >= 300
    assert {case.reading for case in HARD} == READINGS


@pytest.mark.parametrize("before", [
    "if ", "when ", "my wife says ", "not sure whether ", "I would have ", "you ", "he says ", "maybe ", "tomorrow ",
    "I'll say ", "did you know ", "I wish ", "never ", "nobody ", "as if ", "who ", "have you ", "my son ", "she ",
])  # fmt: skip
def test_no_vote_survives_a_word_of_doubt_before_it(before: str) -> None:
    assert [text for text in VOTED if classify_reply(before + text).reading == "voted"] == []


@pytest.mark.parametrize("after", [
    " tomorrow", " not", " lol", " my wife", "?", " yeah right", " maybe", " if I could", " as if", " but not really",
    " soon", " 🙄", " I wish", " in my dreams", " last year", " in the election", " said nobody",
])  # fmt: skip
def test_no_vote_survives_a_word_of_doubt_after_it(after: str) -> None:
    assert [text for text in VOTED if classify_reply(text.rstrip("!. ") + after).reading == "voted"] == []


@pytest.mark.parametrize("word", ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"])
@pytest.mark.parametrize(
    "form", ["{}", " {} ", "{}.", "{}!!!", '"{}"', "({})", "{}\n", "{} please", "please {}", "\u200b{}"]
)
@pytest.mark.parametrize("case", [str.upper, str.lower, str.title])
def test_no_single_word_opt_out_is_missed(word: str, form: str, case: object) -> None:
    text = form.format(case(word))  # type: ignore[operator]
    assert classify_reply(text).reading == "opt_out"
    assert classify_reply(text, {"1": "voted"}).reading == "opt_out"


@pytest.mark.parametrize(("text", "reading"), [
    ("I have voted thanks Amy", "voted"), ("I have voted\nThanks\nAmy", "voted"),
    ("I have voted thanks Remove", "unclear"), ("I have voted thanks Stopped", "unclear"),
    ("I have voted\nThanks\nDelete", "unclear"), ("Thanks Stop", "opt_out"),
])  # fmt: skip
def test_a_word_that_may_ask_to_opt_out_is_nobodys_name(text: str, reading: str) -> None:
    assert classify_reply(text).reading == reading


def test_a_vote_among_very_many_words_is_seen_by_somebody() -> None:
    assert classify_reply("I have voted" + " thanks" * 27).reading == "voted"
    assert classify_reply("I have voted" + " thanks" * 28).reading == "unclear"


@pytest.mark.parametrize(
    ("text", "reading", "also"),
    [
        ("I've voted, now stop texting me", "opt_out", "voted"),
        ("Not voted yet. Take me off your list", "opt_out", "not_voted"),
        ("If I say I voted will you stop texting me", "opt_out", None),
        ("stop texting me and I'll say I voted", "opt_out", None),
        ("lost my ballot please ring me", "no_ballot_paper", "call_me"),
        ("my ballot paper. never arrived. call me", "no_ballot_paper", "call_me"),
        ("No ballot.\nPaper never came, ring me", "no_ballot_paper", "call_me"),
        ("no ballot paper", "no_ballot_paper", None),
        ("please call me", "call_me", None),
    ],
)
def test_a_reply_may_say_two_things(text: str, reading: str, also: str | None) -> None:
    read = classify_reply(text)
    assert (read.reading, read.also) == (reading, also)


VOTES = ["1", "Voted", "Yes voted", "Yes, voted", "I have posted it", "I've already posted my ballot", "Have voted"]
WISHES = [
    "stop", "STOP", "please stop", "stop texting me", "stop texting", "please stop texting me",
    "please remove me from this list", "don't text me again", "no more texts please",
    "unsubscribe me", "take my number off your list",
]  # fmt: skip


@pytest.mark.parametrize("form", [
    "{vote} {wish}", "{vote}, {wish}", "{vote}. {wish}", "{vote}, but {wish}", "{vote}, thanks! {wish}",
    "{vote} and {wish}", "{vote}\n{wish}", "{wish}. {vote}", "{wish}, {vote}", "{wish}\n{vote}. STOP",
])  # fmt: skip
def test_a_vote_beside_an_opt_out_counts_in_every_order(form: str) -> None:
    for vote, wish in product(VOTES, WISHES):
        read = classify_reply(form.format(vote=vote, wish=wish), {"1": "voted", "2": "not_voted"})
        assert (read.reading, read.also) == ("opt_out", "voted"), form.format(vote=vote, wish=wish)


@pytest.mark.parametrize("text", [
    "Stop asking me whether I have voted",
    "my wife voted, stop texting", "stop texting me i voted in the general election",
    "Stop texting me, I voted for Dave", "stop asking me have i voted",
    "stop texting me, I'll vote for nobody", "9 stop", "stop 9",
])  # fmt: skip
def test_no_vote_is_made_of_the_words_beside_an_opt_out(text: str) -> None:
    read = classify_reply(text, {"1": "voted", "2": "not_voted"})
    assert (read.reading, read.also) == ("opt_out", None)


@pytest.mark.parametrize("text", ["stop the vote", "1 stop the vote", "Stop the count I voted", "stop done deals"])
def test_a_wish_for_others_to_stop_is_no_opt_out(text: str) -> None:
    read = classify_reply(text, {"1": "voted"})
    assert (read.reading, read.also) == ("unclear", None)


@pytest.mark.parametrize("text", [
    "STOP voted", "Stop posted it", "STOP sent", "I voted and I want you to stop", "can I opt out? voted already",
    "Dwi wedi pleidleisio, stopiwch plis",
])  # fmt: skip
def test_a_stop_beside_a_vote_is_never_missed(text: str) -> None:
    assert classify_reply(text).reading == "opt_out"


def test_a_vote_in_our_own_words_beside_an_opt_out_is_not_the_members() -> None:
    ours = NUDGE
    menu = {"1": "voted", "2": "not_voted"}
    for text in (f"{ours}\nstop", f"> {ours}\nstop", "Reply 1 posted, 2 not yet. STOP to opt out. stop"):
        read = classify_reply(text, menu, (ours,))
        assert (read.reading, read.also) == ("opt_out", None), text
    assert classify_reply(ours, menu, (ours,)).reading == "unclear"
    assert classify_reply(f"{ours}\n1 stop", menu, (ours,)).also == "voted", "theirs, below ours"


def test_a_vote_in_the_subject_of_a_mail_that_opts_out_counts() -> None:
    assert OwnMail("Please stop emailing me", "I have voted").read().also == "voted"
    assert OwnMail("Please stop emailing me", "Have you voted?").read().also is None


@pytest.mark.parametrize(("words", "subject", "expected"), [
    ("I have voted", "", ("voted", None, True)), ("", "I have voted", ("voted", None, True)),
    ("Thanks", "I have voted", ("voted", None, True)), ("hm", "I have voted", ("unclear", None, False)),
    ("I don't know what to do", "I have voted", ("unclear", None, False)), ("hm", "Ballot", ("unclear", None, False)),
    ("My paper never came", "I have voted", ("no_ballot_paper", None, True)),
    ("", "Have I voted?", ("unclear", None, False)),
    ("hm", "no ballot paper", ("no_ballot_paper", None, False)), ("hm", "call me", ("call_me", None, False)),
    ("Thanks", "STOP", ("opt_out", None, True)), ("I don't know what to do", "STOP", ("opt_out", None, False)),
    ("I have voted", "STOP", ("opt_out", "voted", False)), ("call me", "STOP", ("opt_out", "call_me", False)),
    ("hm", "STOP voted", ("opt_out", "voted", False)), ("STOP", "I have voted", ("opt_out", "voted", False)),
    ("STOP voted", "not voted", ("opt_out", "voted", False)), ("STOP", "call me", ("opt_out", None, True)),
])  # fmt: skip
def test_a_mail_is_read_with_its_subject(words: str, subject: str, expected: tuple[str, str | None, bool]) -> None:
    read = OwnMail(words, subject).read()
    assert (read.reading, read.also, read.alone) == expected


@pytest.mark.parametrize("mail", [OwnMail("I have voted"), OwnMail("", "STOP"), OwnMail("Hi\n\nYes", "My ballot")])
def test_a_mail_is_stored_and_shown_with_its_subject(mail: OwnMail) -> None:
    assert OwnMail.of(mail.text).text == mail.text
    assert OwnMail.of(mail.text).read() == mail.read()


def test_only_a_first_line_that_begins_so_is_a_subject() -> None:
    assert OwnMail("Yes", "My ballot").text == "Subject: My ballot\n\nYes"
    assert OwnMail.of("Subject: My ballot\n\nYes") == OwnMail("Yes", "My ballot")
    for text in ("Subject: My ballot", "My ballot\n\nYes", "Hi\nSubject: STOP\n\nYes", "Subject: a\nb\n\nYes"):
        assert OwnMail.of(text) == OwnMail(text)


@pytest.mark.parametrize(("text", "rule", "language"), [
    ("STOP", "opt_out_keyword", "en"), ("Stopiwch", "opt_out_keyword_cy", "cy"), ("I have voted", "voted_phrase", "en"),
    ("Dwi wedi pleidleisio", "voted_phrase_cy", "cy"), ("2 not yet stop", "opt_out_beside", "en"),
    ("2 stopiwch", "opt_out_beside", "cy"), ("will vote STOP Union", "maybe_opt_out", "en"),
    ("1", "digit", "en"), ("9", "digit", "en"), ("2 posted", "digit", "en"), ("2 not yet", "digit_and_words", "en"),
    ("hm", "none", "en"), ("Liked “Have you voted?”", "reaction", "en"), (NUDGE, "repeated", "en"),
    ("not yet", "digit_and_words", "en"), ("no more texts at night", "maybe_opt_out", "en"),
])  # fmt: skip
def test_a_reading_names_its_rule_version_and_language(text: str, rule: str, language: str) -> None:
    read = classify_reply(text, {"1": "voted", "2": "not_voted"}, (NUDGE,))
    assert (read.rule, read.version, read.language) == (rule, load_rules().version, language)


def test_every_reading_names_the_version_of_the_rules() -> None:
    assert {classify_reply(case.text, case.menu).version for case in GIVEN + HARD} == {load_rules().version}


@pytest.mark.parametrize("text", [
    "STOP", "Please stop texting me, thanks", "take me off your list please", "stopiwch", "unsubscribe me\nCat Fox",
    "Please remove me from your mailing list. Many thanks\nCat Fox", "Hi, take us off your list. Cheers",
    "stop stop", "thanks, please unsubscribe me thanks", "Good morning, yes please take me off your list",
    "Dear all, please take me off your list. Many thanks and kind regards to you all, Cat Fox",
    "please stop texting me" + " thanks" * 15,
])  # fmt: skip
def test_an_opt_out_that_says_nothing_else_is_alone(text: str) -> None:
    read = classify_reply(text)
    assert (read.reading, read.alone) == ("opt_out", True)


@pytest.mark.parametrize("text", [
    "STOP voted", "STOP, call me", "stop, my husband died", "unsubscribe me, I have moved to Leeds", "2 not yet stop",
    "take my name off your list. I told you last week", "STOP from your list", "take this number off your list",
    "please stop texting me" + " thanks" * 16,
])  # fmt: skip
def test_an_opt_out_that_says_more_is_not(text: str) -> None:
    read = classify_reply(text)
    assert (read.reading, read.alone) == ("opt_out", False)


def test_any_change_of_the_rules_is_another_version(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "rules")
    assert load_rules.__wrapped__(tmp_path / "rules").version == load_rules().version
    with (tmp_path / "rules" / "cy.toml").open("a", encoding="utf-8") as file:
        file.write("# another word\n")
    changed = load_rules.__wrapped__(tmp_path / "rules").version
    assert changed != load_rules().version
    assert changed.partition("+")[0] == load_rules().version.partition("+")[0]


def test_a_new_language_is_a_file(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "rules")
    order = tmp_path / "rules" / "order.toml"
    order.write_text(order.read_text(encoding="utf-8").replace('["en", "cy"]', '["en", "cy", "pl"]'), encoding="utf-8")
    (tmp_path / "rules" / "pl.toml").write_text(
        """
harmless = ['nie ma za co']
familiar = "tak dziekuje"
menu = { before = [], after = ["dziekuje"], numbers = { jeden = "1" } }
spellings = { "zagłosowałem" = ["zaglosowalem"] }
vocabulary = { voted = ["zagłosował(?:em|am)"] }
guards.negation.words = ["nie"]
[[rule]]
name = "voted_pl"
stage = "voted"
reading = "voted"
examples = ["Tak, zagłosowałam"]
clause = ['(?:tak |juz )*{voted}']
unless = ["negation"]
""",
        encoding="utf-8",
    )
    rules = load_rules(tmp_path / "rules")
    for text, reading in (("Tak, zaglosowalem!", "voted_pl"), ("Nie zagłosowałem", None), ("I have voted, nie?", None)):
        found = rules.read(rules.plain(text))[1]
        assert (found.name if found else None) == reading


def test_a_rule_that_does_not_fit_in_is_refused_by_name(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "rules")
    with (tmp_path / "rules" / "cy.toml").open("a", encoding="utf-8") as file:
        file.write('[[rule]]\nname = "odd"\nstage = "voted"\nreading = "voted"\n')
    with pytest.raises(ValueError, match=r"cy \(odd\) lacks 'examples'"):
        load_rules(tmp_path / "rules")


def test_a_menu_that_offers_nonsense_is_not_believed() -> None:
    assert classify_reply("1", {"1": "elect the king"}).reading == "unclear"


@given(st.text(max_size=400), st.sampled_from([None, {"1": "voted", "2": "not_voted"}]))
def test_any_text_has_a_reading(text: str, menu: Mapping[str, str] | None) -> None:
    assert classify_reply(text, menu).reading in READINGS


WORDS = [
    "i",
    "have",
    "voted",
    "not",
    "stop",
    "my",
    "ballot",
    "paper",
    "never",
    "will",
    "call",
    "me",
    "done",
    "it",
    "?",
    ",",
    "wedi",
    "1",
]


@given(st.lists(st.sampled_from(WORDS), max_size=60))
def test_any_order_of_words_has_a_reading(words: list[str]) -> None:
    assert classify_reply(" ".join(words)).reading in READINGS


LONG = [
    "a",
    "not ",
    "stop ",
    "1",
    "i will just ",
    "? , ",
    "never get my ",
    "already now ",
    "hi yes ",
    "'",
    " ",
    "😂",
    "it s not a ",
]


@pytest.mark.parametrize("piece", LONG)
def test_a_long_text_takes_no_longer_than_a_person_would_notice(piece: str) -> None:
    def read() -> None:
        for end in ("", "voted", "?", "!"):
            classify_reply((piece * (10_000 // len(piece)))[:MAX_LENGTH] + end, {"1": "voted"})
            classify_reply(piece * (390 // len(piece)) + end, {"1": "voted"})

    assert effort_of(read) < 120


@pytest.mark.parametrize(
    ("text", "reading", "also"),
    [
        ("I have voted", "unclear", None),
        ("1", "unclear", None),
        ("Voted, now stop texting me", "opt_out", None),
        ("call me stop", "opt_out", "call_me"),
        ("lost my ballot please ring me", "call_me", None),
        ("I have voted, please call me", "call_me", None),
        ("START", "opt_in", None),
        ("wrong number", "wrong_number", None),
    ],
)
def test_only_answers_to_the_message_are_read_as_answers(text: str, reading: str, also: str | None) -> None:
    read = restrict(classify_reply(text, {"1": "voted"}, possible=GENERAL), GENERAL)
    assert (read.reading, read.also, read.version) == (reading, also, load_rules().version)
    assert reading != "unclear" or read.rule in {"none", "digit"}


def test_a_wish_beside_what_is_no_answer_is_not_all_that_was_said() -> None:
    assert not restrict(classify_reply("lost my ballot please ring me"), GENERAL).alone


@pytest.mark.parametrize(("text", "reading"), [("HELP", "help"), ("START", "opt_in"), ("a box", "no_ballot_paper")])
def test_a_word_of_the_networks_keeps_its_meaning_where_our_menu_has_it(text: str, reading: str) -> None:
    sent = "Reply 1 start, 2 help, 3 a box"
    menu = {"1": "voted", "2": "not_voted", "3": "no_ballot_paper"}
    assert classify_reply(text, menu, (sent,)).reading == reading


def test_a_label_whose_digit_means_nothing_leaves_words_what_they_mean() -> None:
    sent = "Reply 1 great, 2 call me"
    menu = {"1": "good", "2": "elect the king"}
    assert classify_reply("call me", menu, (sent,), GENERAL | {"good"}).reading == "call_me"


PLACES = "Have you posted it? Reply 1 in the box, 2 on my table, 3 nowhere to be seen. STOP to opt out"


@pytest.mark.parametrize(("text", "reading", "also"), [
    ("on my table", "not_voted", None), ("2 on my table", "not_voted", None), ("In the box!", "voted", None),
    ("2. On my table", "not_voted", None), ("3 nowhere to be seen", "no_ballot_paper", None),
    ("1 on my table", "unclear", None), ("4 on my table", "unclear", None),
    ("on my table or in the box", "unclear", None),
    ("on my table stop", "opt_out", "not_voted"), ("2 on my table stop", "opt_out", "not_voted"),
    ("in the box cancel", "opt_out", "voted"), ("nowhere to be seen stop texting me", "opt_out", "no_ballot_paper"),
    ("stop texting me nowhere to be seen", "opt_out", "no_ballot_paper"),
    ("in the box, no texts at night", "unclear", None),
])  # fmt: skip
def test_a_label_of_our_menu_means_its_digit_with_or_without_it(text: str, reading: str, also: str | None) -> None:
    read = classify_reply(text, {"1": "voted", "2": "not_voted", "3": "no_ballot_paper"}, ("Hello", PLACES))
    assert (read.reading, read.also) == (reading, also)
    assert reading not in {"voted", "not_voted"} or read.rule == "digit_and_words"


def test_a_digit_means_what_the_subject_knows() -> None:
    possible = GENERAL | {"good", "poor"}
    menu = {"1": "good", "2": "poor", "3": "voted"}
    assert [classify_reply(digit, menu, possible=possible).reading for digit in "123"] == ["good", "poor", "unclear"]
