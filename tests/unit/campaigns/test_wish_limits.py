"""Words of opting out that ask for nothing, or for less than no more at all; and votes beside those that do ask."""

from __future__ import annotations

from itertools import product

import pytest

from campaigns.replies.classification import classify_reply
from campaigns.replies.classification.rules import load_rules

MENU = {"1": "voted", "2": "not_voted", "3": "no_ballot_paper"}
IDIOMS = [
    "bus stop", "at the bus stop", "tram stop", "non-stop", "non stop", "full stop", "stop press", "pit stop",
    "don't stop", "please don't stop", "please do not stop", "never stop", "can't stop", "cannot stop", "won't stop",
    "I can't stop", "not stopping", "stop at nothing", "stop by later", "stop off at Tesco", "stop worrying",
    "stop the cuts", "stop the war", "stop them", "stop him", "make it stop raining", "when will it stop",
    "end of story", "end of", "the end", "in the end", "no end", "end of the week", "cancel Monday", "cancel my gym",
    "quit smoking", "quit my job", "I quit", "cancel that", "end this dispute", "please don't take me off the list",
    "do not unsubscribe me", "don't opt me out", "my boss should stop texting me", "I told my ex to stop texting me",
    "peidiwch stopio", "peidiwch â stopio", "methu stopio", "bws stop", "heb stop", "stopiwch y toriadau",
    "peidiwch poeni", "peidiwch â phoeni", "diwedd y stori", "diwedd yr wythnos", "canslo dydd Llun",
]  # fmt: skip
"""Texts with such a word that are no wish, alone and beside claims."""
ON_BALLOT = [
    "voted STOP on the ballot", "I voted STOP on my paper", "voted STOP on it", "wrote STOP on the form",
    "put STOP in the box", 'voted "STOP" on the ballot', "wedi pleidleisio STOP ar y papur",
    "pleidleisiais STOP ar y papur",
]  # fmt: skip
LESS = [
    "no more texts", "no texts", "no more emails please", "stop texting me", "stop emailing", "don't text me",
    "do not email", "please stop messaging me", "no more messages",
]  # fmt: skip
LIMITS = [
    "on Sundays", "on a Sunday", "on Sunday", "at night", "at the weekend", "at weekends", "before 9", "after 6pm",
    "until Monday", "during the day", "in the evenings", "at work", "so early", "so often", "this week", "today",
    "when I'm at work", "between 9 and 5", "for now", ", email only", ", use post", ", letters are fine",
    "but letters are ok", ", I prefer letters", ", post instead",
]  # fmt: skip
LIMITED = [
    "do not email, text me", "do not email text me", "don't text, email me", "don't text, email",
    "text me, don't email",
    "text me don't email me", "email only, no more texts", "stop texting and email me", "stop texts, keep emails",
    "stop texts but not emails", "stop emailing my work address", "stop emailing my work address, use home",
    "stop texting this phone, use my other one", "stop sending to my old address", "on Sundays no more texts",
    "unsubscribe me from texts but keep the emails", "peidiwch ag e-bostio, tecstiwch fi",
    "peidiwch â thecstio ar ddydd Sul", "dim mwy o negeseuon ar ddydd Sul", "dim mwy o decstiau yn y nos",
    "dim mwy o negeseuon gyda'r nos", "peidiwch â thecstio cyn 9", "dim mwy o decstiau, ebost yn unig",
    "stopiwch decstio, defnyddiwch ebost",
]  # fmt: skip
QUALIFIED = [
    "for a couple of weeks", "till I get back", "until after christmas", "until my paper comes", "so many times a day",
    "every day", "at 6 in the morning", "at silly o'clock", "in English", "except about the ballot", "unless urgent",
    "about pensions", "on this number, use my mobile", "while I'm on shift", ", at weekends", ", before 8am",
    ", after 10pm", ", at work", ", during lectures", "tra dwi yn y gwaith", "heblaw am y bleidlais",
]  # fmt: skip
"""Words that limit any wish and that no list of limits has."""
OTHER_THINGS = [
    "Opt out of the political fund how?", "opt me out of the lottery please", "unsubscribe me from the newsletter only",
    "unsubscribe me from the branch rep list but keep me on ballots", "Remove me from the whatsapp group",
    "take me off the picket rota", "Remove me as a rep please", "stop sending me duplicates",
    "Opt me out of the paper mail, keep emails", "stop sending reminders until my paper arrives",
    "please stop the replacement ballot", "peidiwch ag anfon papur arall", "tynnwch fy hen rif", "dim mwy o lythyrau",
    "No more post please, email only", "don't post letters to me, text instead", "at weekends, stop texting me",
    "peidiwch a tecstio fi e-bost yn iawn", "peidiwch a tecstio fi ond cadwch yr e-byst",
]  # fmt: skip
PLAIN = [
    "stop texting me now", "stop texting me, please", "stop texting me ever again", "stop texting me ffs",
    "for fuck's sake stop texting me", "I'm sick of it, stop texting me!", "how many times, stop texting me",
    "stop texting me you useless muppets", "stop texting me or I will report you", "no more texts, ever",
    "take me off your mailing list asap", "unsubscribe me from all your emails", "remove me", "take my number off",
    "don't contact me by any means", "opt me out of these texts", "STOP, you muppets", "STOP ALL", "STOP, thanks",
    "peidiwch a thecstio fi eto plis", "tynnwch fi oddi ar y rhestr", "dadtanysgrifio", "Stahp",
]  # fmt: skip
CLAIMS = {
    "voted": "voted", "I have voted": "voted", "posted mine": "voted", "1": "voted", "wedi pleidleisio": "voted",
    "not voted": "not_voted", "I haven't voted yet": "not_voted", "heb bleidleisio eto": "not_voted",
    "will vote": "will_vote", "I'll post it tonight": "will_vote", "no ballot paper": "no_ballot_paper",
    "wrong number": "wrong_number",
}  # fmt: skip
JOINED = ["{} {}", "{}, {}", "{}. {}", "{}! {}", "{}\n{}", "{}: {}", "{} - {}", "{} and {}", "{} so {}", "{}, but {}"]
STOPS = [
    "STOP", "Stop", "please stop", "St0p", "stop it", "STOP ALL", "unsubscribe", "opt out", "remove me",
    "stop texting me", "no more texts", "do not text", "leave me alone", "stopiwch", "stopwch",
]  # fmt: skip
SIGNED = [
    "{} {} thanks Dave", "{} {} thanks dave", "{} {}. Thanks Dave", "{} {}, many thanks, Dave", "{} {} cheers Amy Lee",
    "{} {} regards Dave", "{} {}. Dave", "{} {}\nDave", "{}\n{}\n\nKind regards\nAnn Lee",
    "Hello, {}, {}. Thank you Dave",
    "Thanks {}, {}. Dave", "Thanks, {} {}", "{}! But {}", "{}. So {}", "{}! And {}", "{} but {}, ta Dave",
    "{} {} diolch Dafydd", "{}, {}. Cofion Dafydd", "{}! Ond {}",
]  # fmt: skip


def beside(phrases: list[str], claims: list[str]) -> list[str]:
    """Each phrase alone, and beside each claim in both orders, however joined."""
    both = [
        form.format(*parts)
        for phrase, claim, form in product(phrases, claims, JOINED)
        for parts in ((phrase, claim), (claim, phrase))
    ]
    return phrases + both


def test_words_of_opting_out_in_something_else_opt_nobody_out() -> None:
    texts = beside(IDIOMS, [*CLAIMS])[::11] + IDIOMS
    assert [text for text in texts if classify_reply(text, MENU).reading == "opt_out"] == []


@pytest.mark.parametrize("text", ON_BALLOT)
def test_words_written_on_the_ballot_are_no_wish_and_the_vote_waits(text: str) -> None:
    for said in (text, f"{text}, thanks", f"Hi, {text}"):
        assert classify_reply(said, MENU).reading == "unclear"


def test_a_wish_for_less_than_no_more_at_all_is_for_a_person() -> None:
    limited = [f"{wish} {limit}".replace(" ,", ",") for wish, limit in product(LESS, LIMITS)] + LIMITED
    claims = ["voted", "not voted", "will vote", "wedi pleidleisio"]
    texts = limited[::3] + LIMITED + beside(limited, claims)[::53]
    assert [(text, read.reading) for text in texts if (read := classify_reply(text, MENU)).reading != "unclear"] == []


def test_a_sentence_that_says_more_than_a_wish_is_for_a_person() -> None:
    wishes = ["Stop texting me", "no more texts", "don't contact me", "peidiwch a tecstio fi"]
    texts = [f"{wish} {more}".replace(" ,", ",") for wish, more in product(wishes, QUALIFIED)] + OTHER_THINGS
    texts += [f"Voted. {text}" for text in texts[::5]]
    assert [(text, read.reading) for text in texts if (read := classify_reply(text, MENU)).reading != "unclear"] == []


def test_a_wish_with_courtesy_anger_or_a_name_around_it_is_obeyed() -> None:
    assert [text for text in PLAIN if classify_reply(text, MENU).reading != "opt_out"] == []


@pytest.mark.parametrize(("text", "also"), [
    ("Voted, thanks Amy. Stop texting me", "voted"), ("I've voted. Cheers Dave. No more texts", "voted"),
    ("I have voted. Regards Amy. Please stop.", "voted"), ("voted thanks dave. stop", "voted"),
    ("No ballot paper. Diolch. Stopio", "no_ballot_paper"), ("No ballot paper. Regards. STOPIO", "no_ballot_paper"),
    ("I haven't had a ballot paper. Thanks Amy. STOPIO", "no_ballot_paper"), ("Voted. Thanks. Stahp", "voted"),
    ("Voted. Thanks. Dadtanysgrifio", "voted"),
])  # fmt: skip
def test_a_claim_counts_beside_a_stop_behind_a_name_that_is_thanked(text: str, also: str) -> None:
    read = classify_reply(text, MENU)
    assert (read.reading, read.also) == ("opt_out", also)


@pytest.mark.parametrize("text", [
    "Voted. Thanks. Stopped", "Voted. Thanks. Stops", "Voted. Thanks. Delete", "Voted. Regards. Removed",
    "Not voted yet. Removed", "will vote. Stopped", "not voted. Delete", "2 not voted. Stops",
    "No longer need a replacement", "cancel my replacement ballot request please, the first one came",
])  # fmt: skip
def test_a_word_of_opting_out_is_no_name_and_a_paper_not_needed_is_not_missing(text: str) -> None:
    assert classify_reply(text, MENU).reading == "unclear"


@pytest.mark.parametrize(("text", "also"), [
    ("stop texting me I voted on Sunday", "voted"), ("no more texts I voted on Sunday", "voted"),
    ("voted on Sunday no more texts", "voted"), ("posted it on Monday at work, stop texting me", "voted"),
    ("I have voted by post so stop texting", "voted"), ("stop! voted by post", "voted"),
    ("stop texting, call me", "call_me"),
    ("No more texts at night. STOP", None), ("no more texts or emails please", None),
    ("do not text or email me", None), ("don't text, email or call me", None), ("stop emailing and texting me", None),
    ("no more texts, emails or letters", None), ("do not text", None),
    ("STOP thanks Dave", None), ("Stop thank you Dave", None), ("END. will send it Monday", "will_vote"),
    ("Stop! I already voted though", "voted"), ("voted thanks stop", "voted"), ("1 STOP thanks Dave", "voted"),
])  # fmt: skip
def test_a_wish_with_no_limit_is_obeyed_whatever_else_is_said(text: str, also: str | None) -> None:
    read = classify_reply(text, MENU)
    assert (read.reading, read.also) == ("opt_out", also)


def test_a_claim_counts_beside_a_stop_with_thanks_and_a_name() -> None:
    wrong = [
        (text, read.reading, read.also)
        for number, (stop, claim, form) in enumerate(product(STOPS, CLAIMS, SIGNED))
        for text in (form.format(stop, claim), form.format(claim, stop))
        if number % 7 == 0
        if ((read := classify_reply(text, MENU)).reading, read.also) != ("opt_out", CLAIMS[claim])
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "text", ["St0p", "5top", "STOP 12345", "S T O P", "s.t.o.p", "STOP\N{OCTAGONAL SIGN}", "stopwch"]
)
def test_a_stop_that_is_written_oddly_opts_out(text: str) -> None:
    assert classify_reply(text).reading == "opt_out"


@pytest.mark.parametrize("sign", [
    "\N{OCTAGONAL SIGN}", "\N{NO ENTRY}", "\N{RAISED HAND}", "halt", "desist", "enough", "block me", "spam",
    "STOP 12345", "cancel Monday", "digon",
])  # fmt: skip
def test_a_possible_wish_never_closes_a_reply(sign: str) -> None:
    for text in (sign, f"not voted {sign}", f"will vote {sign}", f"voted {sign}", f"not voted. {sign}"):
        assert classify_reply(text).reading in {"unclear", "opt_out"}, text
    beside = classify_reply(f"2 not voted {sign}", MENU)
    assert beside.reading == "unclear"
    assert beside.rule == ("digit" if sign == "cancel Monday" else "maybe_opt_out")
    assert beside.version == load_rules().version


@pytest.mark.parametrize("text", [
    "I sent thanks cards", "posted thanks note", "voted thanks to the wife", "voted thanks Not", "voted thanks nobody",
    "thanks Dave", "done thanks Will you",
])  # fmt: skip
def test_a_name_behind_thanks_makes_no_vote_of_other_words(text: str) -> None:
    assert classify_reply(text).reading != "voted"


@pytest.mark.parametrize("text", ["Voted thanks Dave", "Posted mine yesterday, many thanks, Dave", "done thanks Dave"])
def test_a_vote_counts_above_thanks_and_a_name(text: str) -> None:
    assert classify_reply(text).reading == "voted"
