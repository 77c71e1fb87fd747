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
