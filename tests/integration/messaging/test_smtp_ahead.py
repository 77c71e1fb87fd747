"""The next envelope behind a text: it sends nothing, and whatever becomes of it, no mail is lost or doubled."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from pathlib import Path

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messaging.channels.channel import Accepted, OutboundEmail, Refused, Retry, SendResult, Unknown, Withheld
from messaging.channels.smtp import channel as smtp_channel
from messaging.reasons import Reason
from tests.support.mail_relay import EVERYTHING, HANG_UP, USUAL, Relay, channel_to, numbered, send_in_turn, serving

pytestmark = pytest.mark.both_loops


def kinds(results: list[SendResult]) -> list[str]:
    return [type(result).__name__ for result in results]


@pytest.mark.parametrize("torn", [False, True])
async def test_the_next_envelope_goes_with_the_text(*, torn: bool) -> None:
    async with serving(Relay(lazy=True, torn=torn)) as relay, channel_to(relay.url) as channel:
        mails = numbered(5)
        assert kinds(await send_in_turn(channel, mails)) == ["Accepted"] * 5
        assert (relay.connections, relay.behind) == (1, 4)
        assert relay.taken == [mail.content for mail in mails]
        assert [word for word in relay.commands if word.startswith("RCPT")] == [f"RCPT TO:<{m.to}>" for m in mails]
        assert len(channel._idle) == 1
        assert not channel._announced


async def test_it_goes_encrypted_after_starttls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with (
        serving(Relay(context=context)) as relay,
        channel_to(relay.url, smtp_ca_file=tmp_path / "ca.pem") as channel,
    ):
        assert kinds(await send_in_turn(channel, numbered(5))) == ["Accepted"] * 5
        assert relay.behind
        assert {command.split()[0] for command in relay.clear} <= {"EHLO", "STARTTLS"}


async def test_a_relay_without_pipelining_is_told_nothing_ahead() -> None:
    async with serving(Relay(offers=["8BITMIME"])) as relay, channel_to(relay.url) as channel:
        assert kinds(await send_in_turn(channel, numbered(3))) == ["Accepted"] * 3
        assert (relay.early, relay.behind) == ([], 0)


async def test_the_last_mail_of_a_connection_has_none_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_channel, "MAILS_PER_CONNECTION", 3)
    async with serving(Relay()) as relay, channel_to(relay.url) as channel:
        assert kinds(await send_in_turn(channel, numbered(7))) == ["Accepted"] * 7
        assert (relay.connections, relay.behind) == (3, 4)


async def test_a_refused_text_does_not_touch_the_next_mail() -> None:
    async with serving(Relay(answers={"BODY": [b"554 5.7.1 spam\r\n"]})) as relay, channel_to(relay.url) as channel:
        assert kinds(await send_in_turn(channel, numbered(3))) == ["Refused", "Accepted", "Accepted"]
        assert (relay.connections, len(relay.taken)) == (1, 2)


async def test_a_recipient_refused_behind_a_text_fails_alone() -> None:
    answers = {"RCPT": [USUAL, b"550 5.1.1 nobody\r\n"]}
    async with serving(Relay(answers=answers)) as relay, channel_to(relay.url) as channel:
        results = await send_in_turn(channel, numbered(4))
        assert kinds(results) == ["Accepted", "Refused", "Accepted", "Accepted"]
        assert isinstance(results[1], Refused)
        assert results[1].reason is Reason.HARD_BOUNCED
        assert (relay.connections, relay.count("RSET"), len(relay.taken)) == (1, 1, 3)


async def test_a_relay_that_waits_for_the_text_of_a_refused_mail_is_hung_up_on() -> None:
    answers = {"RCPT": [USUAL, b"450 4.2.0 greylisted\r\n"], "DATA": [USUAL, b"354 go on\r\n"]}
    async with serving(Relay(answers=answers)) as relay, channel_to(relay.url) as channel:
        assert kinds(await send_in_turn(channel, numbered(3))) == ["Accepted", "Retry", "Accepted"]
        assert (relay.connections, relay.count("RSET")) == (2, 0)
        assert len(relay.texts) == len(relay.taken) == 2  # not even an empty one for the refused


@pytest.mark.parametrize(
    "answer", [b"421 4.7.0 too many mails on this connection\r\n", HANG_UP, b"nonsense\r\n", b"354 go on\r\n"]
)
async def test_a_mail_whose_envelope_found_a_closed_door_takes_another_connection(answer: bytes) -> None:
    answers = {"MAIL": [USUAL, answer]}
    async with serving(Relay(answers=answers)) as relay, channel_to(relay.url) as channel:
        assert kinds(await send_in_turn(channel, numbered(3))) == ["Accepted"] * 3
        assert (relay.connections, len(relay.taken)) == (2, 3)


async def test_a_mail_whose_connection_breaks_before_its_text_asks_for_the_same_next_one() -> None:
    async with serving(Relay()) as relay, channel_to(relay.url) as channel:
        first, second, third, fourth = numbered(4)
        asked: list[int] = []

        def following() -> OutboundEmail:
            asked.append(third.message_id)
            if len(asked) == 1:  # the server hangs up at this moment
                channel._announced.clear()
                session.connection.close()
            return third

        first.following = lambda: second
        second.following = following
        assert isinstance(await channel.send(first), Accepted)
        (session,) = channel._announced.values()
        assert isinstance(await channel.send(second), Accepted)
        assert asked == [3, 3]
        assert list(channel._announced) == [3]
        assert isinstance(await channel.send(third), Accepted)
        assert isinstance(await channel.send(fourth), Accepted)
        assert relay.taken == [mail.content for mail in (first, second, third, fourth)]


async def test_a_connection_cut_instead_of_an_answer_leaves_only_the_mail_before_unknown() -> None:
    async with serving(Relay(answers={"BODY": [HANG_UP]})) as relay, channel_to(relay.url) as channel:
        assert kinds(await send_in_turn(channel, numbered(3))) == ["Unknown", "Accepted", "Accepted"]
        assert (relay.connections, len(relay.taken)) == (2, 2)


async def test_a_mail_said_ahead_may_still_be_withheld() -> None:
    async with serving(Relay()) as relay, channel_to(relay.url) as channel:
        mails = numbered(3)
        mails[1].still_ours = lambda: False
        assert kinds(await send_in_turn(channel, mails)) == ["Accepted", "Withheld", "Accepted"]
        assert relay.connections == 2
        assert relay.texts == [mails[0].content, mails[2].content]


async def test_a_mail_said_ahead_may_be_dropped() -> None:
    async with serving(Relay()) as relay, channel_to(relay.url) as channel:
        first, second, third = numbered(3)
        first.following = lambda: second
        assert isinstance(await channel.send(first), Accepted)
        channel.give_up_announced(second)
        channel.give_up_announced(third)  # was not said ahead
        assert not channel._announced
        assert isinstance(await channel.send(third), Accepted)
        assert (relay.connections, len(relay.texts)) == (2, 2)


async def test_closing_the_channel_ends_connections_that_wait_for_a_text() -> None:
    async with serving(Relay()) as relay:
        async with channel_to(relay.url) as channel:
            first, second = numbered(2)
            first.following = lambda: second
            assert isinstance(await channel.send(first), Accepted)
        assert not channel._announced
        assert len(relay.texts) == 1


async def test_a_next_mail_that_cannot_be_prepared_does_not_harm_the_present_one() -> None:
    async with serving(Relay(offers=(*EVERYTHING[:3], "SIZE 100"))) as relay, channel_to(relay.url) as channel:
        first, second, third = numbered(3)
        second.content += b"x" * 100 + b"\r\n"
        assert kinds(await send_in_turn(channel, [first, second, third])) == ["Accepted", "Refused", "Accepted"]
        assert (relay.connections, len(relay.taken)) == (1, 2)
        fourth, fifth = numbered(2, first=4)
        fifth.envelope = "b+ü@union.test"
        fourth.following = lambda: fifth
        assert isinstance(await channel.send(fourth), Accepted)
        assert not channel._announced


async def test_a_relay_that_loses_envelopes_behind_a_text_is_told_none_any_more() -> None:
    async with serving(Relay(forgetful=True)) as relay, channel_to(relay.url, timeout=0.3) as channel:
        assert kinds(await send_in_turn(channel, numbered(6))) == ["Accepted", "Retry"] + ["Accepted"] * 4
        assert (relay.connections, relay.behind, len(relay.taken)) == (2, 1, 5)


@pytest.mark.parametrize(("loses", "cuts", "second"), [
    ((0,), 0, "Accepted"),
    ((0, 1), 0, "Accepted"),
    ((1,), 0, "Accepted"),
    ((2,), 0, "Retry"),
    ((), 3, "Accepted"),
    ((), 30, "Accepted"),
])  # fmt: skip
async def test_a_relay_that_loses_a_part_of_an_envelope_behind_a_text_refuses_nobody(
    loses: tuple[int, ...], cuts: int, second: str
) -> None:
    """The reply to one command would be taken for that to another, and the sender or the recipient for refused."""
    async with (
        serving(Relay(loses=loses, cuts=cuts)) as relay,
        channel_to(relay.url, timeout=0.5) as channel,
    ):
        assert kinds(await send_in_turn(channel, numbered(6))) == ["Accepted", second] + ["Accepted"] * 4
        assert (relay.connections, relay.behind) == (2, 1)


async def test_a_size_limit_that_is_no_number_is_none() -> None:
    offers = ("PIPELINING", "8BITMIME", "SIZE " + "9" * 5000)
    async with serving(Relay(offers=offers)) as relay, channel_to(relay.url) as channel:
        assert kinds(await send_in_turn(channel, numbered(2))) == ["Accepted", "Accepted"]


async def test_a_cancelled_send_leaves_no_connection_behind() -> None:
    endless = {"BODY": [b"250-not\r\n"], **{verb: [USUAL, b"250-yet\r\n"] for verb in ("MAIL", "RCPT")}}
    endless["DATA"] = [USUAL, b"250-nor now\r\n"]
    async with serving(Relay(answers=endless)) as relay, channel_to(relay.url) as channel:
        first, second = numbered(2)
        first.following = lambda: second
        sending = asyncio.create_task(channel.send(first))
        async with asyncio.timeout(20):
            while not relay.texts:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert not channel._announced
        assert not channel._idle
        assert isinstance(await channel.send(second), Accepted)


LATER, ENOUGH = b"451 4.3.0 later\r\n", b"421 4.7.0 enough\r\n"
GO_ON, TAKEN = b"354 go on\r\n", b"250 taken\r\n"
ANSWERS = {
    "MAIL": [USUAL, USUAL, LATER, ENOUGH, HANG_UP, GO_ON],
    "RCPT": [USUAL, USUAL, b"550 5.1.1 nobody\r\n", b"450 4.2.0 greylisted\r\n", ENOUGH, HANG_UP],
    "DATA": [USUAL, USUAL, GO_ON, b"354-go\r\n354 on\r\n", LATER, ENOUGH, HANG_UP],
    "BODY": [
        *(TAKEN, TAKEN, b"250-tak\r\n250 en\r\n", b"550 5.7.1 no\r\n", b"452 4.2.2 full\r\n", ENOUGH),
        *(HANG_UP, TAKEN + ENOUGH, TAKEN + TAKEN, b"nonsense\r\n"),
    ],
}


@given(st.fixed_dictionaries({verb: st.lists(st.sampled_from(said), max_size=8) for verb, said in ANSWERS.items()}))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
async def test_no_mail_is_lost_or_doubled_whatever_the_relay_says(answers: dict[str, list[bytes]]) -> None:
    async with serving(Relay(answers={verb: list(said) for verb, said in answers.items()})) as relay:
        async with channel_to(relay.url, timeout=2) as channel:
            mails = numbered(8)
            halves = await asyncio.gather(send_in_turn(channel, mails[:4]), send_in_turn(channel, mails[4:]))
            assert not channel._announced
        taken, seen = Counter(relay.taken), Counter(relay.texts)
        for outbound, result in zip(mails, [*halves[0], *halves[1]], strict=True):
            judge(outbound, result, taken[outbound.content], seen[outbound.content])


def judge(outbound: OutboundEmail, result: SendResult, taken: int, seen: int) -> None:
    """What the channel says about a mail is so."""
    assert seen <= 1, outbound
    if isinstance(result, Accepted):
        assert taken == 1, outbound
    elif isinstance(result, Refused | Retry | Withheld):
        assert taken == 0, (outbound, result)
    else:
        assert isinstance(result, Unknown)
