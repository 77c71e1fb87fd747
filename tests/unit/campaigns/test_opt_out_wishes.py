"""A wish for no more messages is an opt-out; words about other things that are not sent are none."""

from __future__ import annotations

import pytest

from campaigns.replies.classification import classify_reply


@pytest.mark.parametrize("text", [
    "Do not send mail to this address again",
    "Do not send anything to this address again",
    "Please do not send any more post",
    "Do not post anything to me again",
    "never send to this email again",
    "I have not asked for this, do not send again",
    "Don't post to this address again",
    "Please don't send any letters to me",
    "don't you dare send me any more",
    "Kindly do not write to this address again",
    "I told you not to send anything to this address again",
    "I asked you not to send me anything",
    "I would rather you did not send me any more",
    "Would you please not send anything else to me",
    "You have no right to send to this address",
    "I don't want anything sent to this address",
    "I don't want post",
    "I don't want emails",
    "No more post please",
    "no further mailings to this address please",
    "Nothing else to this address ever again",
    "Please send nothing more to this address",
    "please send no more",
    "Stop posting things to me",
    "please stop sending letters here",
    "I have voted. Please don't send any more",
    "I have not voted and do not send me any more",
    "Peidiwch â phostio dim i mi eto",
    "dim mwy o bost",
])  # fmt: skip
def test_a_member_who_wants_nothing_sent_is_opted_out(text: str) -> None:
    assert classify_reply(text).reading == "opt_out"


@pytest.mark.parametrize("text", [
    "Don't send",
    "not send again",
    "do not send mail to my work address",
    "Do not send here, send to my new address 4 High St",
    "Do not send my ballot paper to this address again, I have moved",
    "Do not send another ballot paper, I found mine",
    "Please don't send me a replacement",
    "You never send anything to me",
    "they do not send anything to this address",
    "people don't want texts about this",
    "did you not send anything to this address",
    "why didn't you send anything to me",
    "I do not want my ballot sent here",
    "Stop sending mixed messages to us",
    "Should I not post it to this address?",
    "I won't post it again",
    "Do not post anything on Facebook about this again",
])  # fmt: skip
def test_an_unclear_wish_is_read_by_staff(text: str) -> None:
    assert classify_reply(text).reading == "unclear"


@pytest.mark.parametrize("text", [
    "I did not send it yet",
    "I have not posted it to this address",
    "never posted it",
    "there was no more post today so I have not posted it",
    "I was told not to send it until Friday",
    "I do not send my vote by post",
])  # fmt: skip
def test_words_that_are_not_ours_still_count(text: str) -> None:
    assert classify_reply(text).reading == "not_voted"


KIN = ["mum", "husband", "late wife", "neighbours", "employer", "dad's phone"]
OTHER_LISTS = ["list of reps", "list for the magazine", "mailing list for the magazine", "list of picket captains"]
OTHER_WAYS = ["ring", "ring me", "please call", "phone me", "give me a call", "just ring me", "call me instead"]


@pytest.mark.parametrize("text", [
    *(f"{wish} my {kin}" for wish in ("stop texting", "Unsubscribe", "please stop messaging") for kin in KIN),
    *(f"{wish} the {named}" for wish in ("remove me from", "take me off", "delete me from") for named in OTHER_LISTS),
    *(
        f"{wish}{gap}{way}"
        for wish in ("dont text me", "Don't text", "Please do not message me", "do not contact me")
        for gap in (", ", ". ", " ", " but ", " - ") for way in OTHER_WAYS
    ),
    "stop texting me all at once",
])  # fmt: skip
def test_a_wish_for_another_or_for_something_else_is_for_a_person(text: str) -> None:
    assert classify_reply(text).reading != "opt_out"


@pytest.mark.parametrize("text", [
    "Unsubscribe me and my husband", "stop texting me and my wife", "remove me from the list", "take me off your list",
    "remove me from the mailing list for UNISON", "dont text or ring me",
    "do not text me or phone me", "Don't text me. Don't call me.", "stop texting me, all of you",
])  # fmt: skip
def test_a_wish_for_the_writer_and_everything_is_obeyed(text: str) -> None:
    assert classify_reply(text).reading == "opt_out"


@pytest.mark.parametrize("word", ["S.T.O.P", "s.t.o.p.", "S-T-O-P", "S. T. O. P.", "S*T*O*P", "s_t_o_p"])
def test_a_stop_spelt_letter_by_letter_is_one(word: str) -> None:
    for text in (word, f"{word} please", f"Please {word}"):
        assert classify_reply(text).reading == "opt_out", text
    for text in (f"Voted. Thanks. {word}", f"{word} voted", f"I have voted. {word}"):
        read = classify_reply(text)
        assert (read.reading, read.also) == ("opt_out", "voted"), text
    for text in ("S.T.O.P.S", "S. Toper", "a.s.t.o.p", "s.t.a.r"):
        assert classify_reply(text).reading == "unclear", text
