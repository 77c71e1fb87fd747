"""An opt-out and a claim in one reply: both count, in any order and however they are joined."""

from __future__ import annotations

from itertools import product

import pytest

from campaigns.replies.classification import OwnMail, classify_reply

MENU = {"1": "voted", "2": "not_voted", "3": "no_ballot_paper"}
STOPS = [
    "STOP", "please stop", "stop it", "Stop all", "STOPALL", "unsubscribe", "unsubscribe me", "opt out", "I opt out",
    "remove me", "take me off your list", "leave me alone", "stop texting me", "no more texts", "stop these messages",
    "do not contact me", "stopiwch", "plis stop", "dim mwy o negeseuon",
]  # fmt: skip
SHORT_STOPS = ["END", "cancel", "quit", "diwedd"]
CLAIMS = {
    "I have voted": "voted", "Posted mine yesterday": "voted", "wedi pleidleisio": "voted", "1": "voted",
    "not voted": "not_voted", "I haven't voted yet": "not_voted", "not got round to it": "not_voted",
    "not yet": "not_voted", "still to post mine": "not_voted", "2 not yet": "not_voted",
    "heb bleidleisio eto": "not_voted",
    "will vote": "will_vote", "I'll post it on Friday": "will_vote", "gonna do it tonight": "will_vote",
    "bydda i'n pleidleisio fory": "will_vote", "no ballot paper": "no_ballot_paper",
    "my paper never arrived": "no_ballot_paper", "3 none came": "no_ballot_paper", "dim papur": "no_ballot_paper",
    "wrong number": "wrong_number", "this isn't Dave's phone": "wrong_number", "call me": "call_me",
    "please ring me": "call_me", "ffoniwch fi": "call_me", "not voting": None, "yes": None, "not a member": None,
}  # fmt: skip
JOINED = ["{} {}", "{}\n{}", "{}. {}", "{}, {}", "{} - {}", "{} and {}", "{} & {}", "{}; {}", "{}... {}", "{}! {}"]
BECAUSE = ["{} because {}", "{} as {}", "{} but {}", "{} so {}", "{} cos {}", "{} a {}", "{}, plus {}", "{} ond {}"]


def both_ways() -> list[tuple[str, str | None]]:
    """A part of all stops beside all claims, small enough to be quick, and what the claim is."""
    every = [
        (form.format(*parts), CLAIMS[claim])
        for stop, claim, form in product(STOPS, CLAIMS, JOINED + BECAUSE)
        for parts in ((stop, claim), (claim, stop))
    ]
    short = [
        (form.format(*parts), CLAIMS[claim])
        for stop, claim, form in product(SHORT_STOPS, CLAIMS, JOINED)
        if not claim.startswith(("my ", "this "))  # "cancel my paper"
        for parts in ((stop, claim), (claim, stop))
    ]
    return every[::17] + short[::7]


def test_a_stop_beside_any_claim_is_obeyed_and_the_claim_counts() -> None:
    wrong = []
    for text, claim in both_ways():
        read = classify_reply(text, MENU)
        if (read.reading, read.also) != ("opt_out", claim):
            wrong.append((text, read.reading, read.also, claim))
    assert [failure for failure in wrong if failure[1] not in {"opt_out", "unclear"}] == [], "the stop is lost"
    assert len(wrong) <= len(both_ways()) / 100, wrong


@pytest.mark.parametrize(("text", "also"), [
    ("Will vote STOP", "will_vote"), ("STOP not voted", "not_voted"), ("I didn't vote stop", "not_voted"),
    ("I'll vote at the weekend now stop", "will_vote"), ("heb bleidleisio stopiwch", "not_voted"),
    ("Never received a ballot paper so stop", "no_ballot_paper"), ("call me stop", "call_me"),
    ("I've voted so you can stop now", "voted"), ("voted cancel", "voted"), ("quit voted", "voted"),
    ("I haven't. Stop texting me", "not_voted"), ("I have not. Leave me alone", "not_voted"),
    ("STOP. I will vote if I get a paper", "no_ballot_paper"), ("Haven't yet, sorry, stop", "not_voted"),
    ("will vote on Monday stop\nCat Fox", "will_vote"), ("stop stop stop not voted", "not_voted"),
    ("Voted. Cheers, Bob. P.S. stop texting me", "voted"), ("I voted\nThanks\nCat Fox\n\nNo more texts", "voted"),
    ("2 not yet stop", "not_voted"), ("stop 2 not yet", "not_voted"), ("3 no ballot paper, stop", "no_ballot_paper"),
    ("will vote. Stop Dave", "will_vote"), ("not voted. STOP Amy Lee", "not_voted"),
    ("diwedd ta, not voted", "not_voted"),
    ("I haven't voted because work tomorrow stop", "not_voted"), ("no more\ntexts\nwill vote", "will_vote"),
    ("stop texting me. 2 not yet stop", "not_voted"), ("no more texts please. not yet cancel", "not_voted"),
    ("no more texts at night. not voted stop", "not_voted"), ("not voted stop. no emails at night", "not_voted"),
])  # fmt: skip
def test_both_parts_of_a_reply_are_read(text: str, also: str) -> None:
    for menu in (MENU, None):
        read = classify_reply(text, menu)
        assert (read.reading, read.also) == ("opt_out", also)


@pytest.mark.parametrize("text", [
    "the post stopped coming", "the letters stopped coming so no ballot paper", "I will post it at the bus stop",
    "will post it at the next stop tomorrow", "voted on my way to the tram stop", "I can't stop thinking about voting",
    "I couldn't stop it, not voted yet", "don't stop, I will vote", "please don't stop I voted", "never stop! voted",
    "we won't stop until we win, voted", "I'll stop by the post office and post it", "will vote to stop this",
    "Voted to stop the cuts", "I will vote to stop them closing us", "I'll vote by the end of the week",
    "will vote end of this week", "not voted yet, will do it at the end of my shift",
    "I will vote when I stop for lunch",
    "I haven't voted, had to cancel my trip", "no ballot paper, I had to cancel the last one", "I will not stop",
    "please cancel my old ballot paper and send another", "They should stop pestering members. Not voted",
    "will vote non stop", "the dog won't stop chewing my ballot paper", "full stop. I will vote", "will vote, end of",
    "I quit smoking and will vote", "stop worrying, I will vote", "Stop worrying I've voted", "call me when you stop",
    "I will vote once you stop", "I'll vote if you stop", "Not voted because the bus does not stop near a post box",
    "end this dispute, will vote", "I'm going to vote then quit this rotten job", "cancel the strike not voted",
    "stop the vote I will post it", "1 stop the vote", "I did not stop", "the Oak Street stop is where I'll post it",
    "wedi pleidleisio wrth y bws stop", "bydda i'n pleidleisio diwedd yr wythnos", "peidiwch stopio, wedi pleidleisio",
    "I'll post it at the Oak Street stop. Not voted yet", "Not voted. I'll post it at the Oak Street stop",
    "Amy stop. will vote", "Not voted. Sue quit", "not voted. Thanks Dave cancel", "Thank you Amy stop, not yet",
    "methu stopio meddwl, heb bleidleisio", "Do not send letters, email only", "Do not send reminders on a Sunday",
])  # fmt: skip
def test_a_claim_that_holds_such_a_word_opts_nobody_out(text: str) -> None:
    assert classify_reply(text, MENU).reading != "opt_out"


@pytest.mark.parametrize("text", [
    "I'll post it at the Oak Street stop", "I will vote, I need these to stop",
    "Not voted. Dave Stop", "Not voted\nAmy Stop", "not voted. dave stop",
    "will vote Oak stop", "I'll post it at Asda stop",
    "S T O P not voted", "Not voted no more letters please", "not voted go away",
    "will vote STOP Union", "not voted Please send no more",
])  # fmt: skip
def test_a_claim_beside_a_word_that_may_be_meant_is_for_a_person(text: str) -> None:
    read = classify_reply(text)
    assert (read.reading, read.rule) == ("unclear", "maybe_opt_out")


@pytest.mark.parametrize(
    "text", ["I will vote tomorrow", "I'll post it at the bus stop", "not voted yet, non stop work"]
)
def test_a_claim_that_asks_for_nothing_stays_one(text: str) -> None:
    assert classify_reply(text).reading in {"will_vote", "not_voted"}


@pytest.mark.parametrize("subject", ["STOP", "STOP voted", "Voted, please stop", "Stop emailing me about this ballot"])
def test_an_opt_out_in_a_subject_is_obeyed_whatever_the_words_below_say(subject: str) -> None:
    for words, also in (("I have voted", "voted"), ("I have not voted", "not_voted"), ("Please ring me", "call_me")):
        read = OwnMail(words, subject).read()
        assert (read.reading, read.also, read.alone) == ("opt_out", also, False)


def test_the_language_of_the_wish_is_that_of_its_confirmation() -> None:
    assert classify_reply("will vote stopiwch").language == "cy"
    assert classify_reply("heb bleidleisio, unsubscribe").language == "en"
