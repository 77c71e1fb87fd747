"""Simulated texts on their way, and the order of their receipts."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from sandbox.twilio.config import TwilioConfig
from sandbox.twilio.journeys import plan_journey, plan_notices
from sandbox.twilio.magic import FROM, TO, Receipts, Trick
from sandbox.twilio.messages import FINAL, MessageStage
from sandbox.twilio.optouts import OptOuts
from sandbox.twilio.refusals import ENDINGS, MESSAGES
from sandbox.twilio.webhooks import Retries, read_twiml, sign_form

PLAIN = Trick("ordinary")
receipts_kinds = st.sampled_from(["usual", "none", "reversed", "twice", "late", "early"])


def journey(
    *, service: bool = False, trick: Trick = PLAIN, seed: int = 1, unreachable: float = 0.0
) -> list[MessageStage]:
    config = TwilioConfig(seed=seed, unreachable=unreachable)
    return plan_journey(
        to="+447700900123",
        service=service,
        trick=trick,
        starts=None,
        now=1000.0,
        config=config,
        rng=Random(seed),
    )


@given(seed=st.integers(), service=st.booleans(), unreachable=st.sampled_from([0.0, 1.0]))
def test_a_journey_goes_forward_and_comes_to_an_end(seed: int, service: bool, unreachable: float) -> None:
    stages = journey(service=service, seed=seed, unreachable=unreachable)
    assert stages[0] == MessageStage(1000.0, "accepted" if service else "queued")
    assert [stage.at for stage in stages] == sorted(stage.at for stage in stages)
    assert stages[-1].status in FINAL
    assert (stages[-1].code is None) == (stages[-1].status == "delivered")


@given(seed=st.integers(), kind=receipts_kinds, service=st.booleans(), share=st.sampled_from([0.0, 0.5, 1.0]))
def test_no_receipt_is_sent_before_its_stage(seed: int, kind: Receipts, service: bool, share: float) -> None:
    config = TwilioConfig(seed=seed, late=share, repeated=share, shuffled=share)
    stages = journey(service=service, seed=seed)
    notices = plan_notices(stages, kind, config, Random(seed))
    assert all(notice.at >= notice.stage.at for notice in notices)
    told = {notice.stage for notice in notices}
    expected = {"none": set(), "early": set(stages[2:])}.get(kind, set(stages[1:]))
    assert told == expected


def test_reversed_receipts_come_last_stage_first() -> None:
    stages = journey(service=True)
    quiet = TwilioConfig(late=0, repeated=0)
    notices = plan_notices(stages, "reversed", quiet, Random(1))
    assert [notice.stage for notice in sorted(notices)] == list(reversed(stages[1:]))


def test_with_every_message_shuffled_most_come_out_of_order() -> None:
    config = TwilioConfig(shuffled=1, late=0, repeated=0)
    disordered = 0
    for seed in range(100):
        stages = journey(service=True, seed=seed)
        notices = sorted(plan_notices(stages, "usual", config, Random(seed)))
        disordered += [notice.stage for notice in notices] != stages[1:]
    assert disordered > 50


def test_unreachable_numbers_stay_unreachable() -> None:
    config = TwilioConfig(unreachable=0.3)
    fates = []
    for draw in (1, 2):
        rng = Random(draw)
        fates.append(
            [
                plan_journey(
                    to=f"+4477{number:08}", service=False, trick=PLAIN, starts=None, now=0.0, config=config, rng=rng
                )[-1][1:]
                for number in range(500)
            ]
        )
    assert fates[0] == fates[1]
    dead = [code for status, code in fates[0] if status == "undelivered"]
    assert 100 < len(dead) < 200
    assert set(dead) == {30003, 30005, 30006, 30008}


def test_every_code_a_magic_number_uses_has_words() -> None:
    for trick in (*TO.values(), *FROM.values()):
        assert trick.refuse is None or trick.refuse in MESSAGES
        assert trick.ending is None or trick.ending[1] in ENDINGS


@given(
    st.dictionaries(st.text("ABCabc_", min_size=1), st.text(max_size=20), max_size=6),
    st.sampled_from(["https://muster.test/webhooks/twilio/status?m=1", "http://127.0.0.1:8000/in"]),
)
def test_signatures_are_the_ones_the_official_sdk_accepts(form: dict[str, str], url: str) -> None:
    signature = sign_form("secret token", url, form)
    assert signature == RequestValidator("secret token").compute_signature(url, form)
    assert RequestValidator("secret token").validate(url, form, signature)
    assert not RequestValidator("another token").validate(url, form, signature)


def test_only_start_lifts_an_opt_out() -> None:
    opt_outs = OptOuts()
    assert opt_outs.heard("MG1", "+44", " stop ") == "STOP"
    assert ("MG1", "+44") in opt_outs
    assert ("MG2", "+44") not in opt_outs
    assert opt_outs.heard("MG1", "+44", "voted") is None
    assert opt_outs.heard("MG1", "+44", "stop it please") is None
    assert opt_outs.heard("MG1", "+44", "HELP") == "HELP"
    assert ("MG1", "+44") in opt_outs
    assert opt_outs.heard("MG1", "+44", "start") == "START"
    assert ("MG1", "+44") not in opt_outs


@pytest.mark.parametrize(
    ("fragment", "failure", "count", "covered"),
    [("", "ct", 1, True), ("", "5xx", 1, False), ("rc=3&rp=all", "5xx", 3, True), ("rc=9&rp=4xx,rt", "5xx", 5, False)],
)
def test_retries_are_read_from_the_urls_fragment(fragment: str, failure: str, count: int, covered: bool) -> None:
    retries = Retries.parse(fragment)
    assert (retries.count, retries.covers(failure)) == (count, covered)


def test_twiml_says_what_to_text_back() -> None:
    assert read_twiml("<Response><Message>Hi</Message><Message><Body>You &amp; me</Body></Message></Response>") == [
        "Hi",
        "You & me",
    ]
    assert read_twiml("<Response/>") == []
    assert read_twiml("OK") == []
    assert read_twiml("<broken") == []
