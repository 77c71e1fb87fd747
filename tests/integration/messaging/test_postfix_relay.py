"""Postfix as the relay: greylisting, connections that it closes, encryption, and no pipelining."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from messaging.channels.channel import OutboundEmail, SendResult
from messaging.channels.smtp.channel import SmtpChannel
from messaging.reasons import Reason
from tests.support.mail_relay import channel_to, numbered, send_in_turn
from tests.support.policy_server import few_mails, greylisting, open_policy_server
from tests.support.postfix import Postfix, open_postfix
from tests.support.waiting import until

STRICT = """
default_transport = discard:
# a client that says more than it may at once is sent away
smtpd_data_restrictions = reject_unauth_pipelining
"""
CONNECTIONS = 4


@pytest.fixture
def ports(unused_tcp_port_factory: Callable[[], int]) -> tuple[int, int]:
    return unused_tcp_port_factory(), unused_tcp_port_factory()


async def send(channel: SmtpChannel, mails: list[OutboundEmail]) -> list[SendResult]:
    """Send them as a pipeline with a few connections does."""
    turns = await asyncio.gather(*(send_in_turn(channel, mails[n::CONNECTIONS]) for n in range(CONNECTIONS)))
    results: list[SendResult] = [turns[n % CONNECTIONS][n // CONNECTIONS] for n in range(len(mails))]
    return results


async def delivered(postfix: Postfix, count: int) -> Counter[str]:
    """How often Postfix delivered to each recipient, once it has delivered so many."""
    found: Counter[str] = Counter()

    async def is_enough() -> bool:
        found.clear()
        found.update(re.findall(r"to=<(m\d+@x\.test)>.*status=sent", postfix.log))
        return found.total() >= count

    await until(is_enough, seconds=40)
    return found


def once(mails: list[OutboundEmail]) -> Counter[str]:
    return Counter(mail.to for mail in mails)


def connections(postfix: Postfix) -> int:
    return len(re.findall(r"smtpd\[\d+\]: connect from", postfix.log))


async def test_greylisted_recipients_wait_and_all_others_go(ports: tuple[int, int]) -> None:
    async with open_policy_server(greylisting(share=3)) as policy:
        more = f"smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{policy}\n"
        async with (
            open_postfix(*ports, more=STRICT + more) as postfix,
            channel_to(f"smtp://127.0.0.1:{postfix.submission}?starttls=never") as channel,
        ):
            mails = numbered(60)
            first = await send(channel, mails)
            waiting = [mail for mail, result in zip(mails, first, strict=True) if type(result).__name__ == "Retry"]
            assert [mail.message_id for mail in waiting] == list(range(3, 61, 3))
            assert {getattr(result, "reason", None) for result in first} == {None, Reason.BUSY}
            assert not any(getattr(result, "slow", False) for result in first)
            assert {type(result).__name__ for result in await send(channel, waiting)} == {"Accepted"}
            assert await delivered(postfix, 60) == once(mails)
            assert connections(postfix) == CONNECTIONS  # none had to be given up


async def test_a_connection_that_is_closed_after_some_mails_costs_nothing(ports: tuple[int, int]) -> None:
    async with open_policy_server(few_mails(5)) as policy:
        more = f"smtpd_delay_reject = no\nsmtpd_sender_restrictions = check_policy_service inet:127.0.0.1:{policy}\n"
        async with (
            open_postfix(*ports, more=STRICT + more) as postfix,
            channel_to(f"smtp://127.0.0.1:{postfix.submission}?starttls=never") as channel,
        ):
            mails = numbered(60)
            assert {type(result).__name__ for result in await send(channel, mails)} == {"Accepted"}
            assert await delivered(postfix, 60) == once(mails)
            assert connections(postfix) == 60 // 5


async def test_mail_goes_encrypted(ports: tuple[int, int], tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "relay.pem")
    more = f"smtpd_tls_security_level = encrypt\nsmtpd_tls_chain_files = {tmp_path / 'relay.pem'}\n"
    async with (
        open_postfix(*ports, more=STRICT + more) as postfix,
        channel_to(
            f"smtp://127.0.0.1:{postfix.submission}?starttls=always", smtp_ca_file=tmp_path / "ca.pem"
        ) as channel,
    ):
        mails = numbered(40)
        mails[7].content += b"x" * 70 * 10 + b"\r\n" + b"long text\r\n" * 20_000
        assert {type(result).__name__ for result in await send(channel, mails)} == {"Accepted"}
        assert await delivered(postfix, 40) == once(mails)


async def test_without_pipelining_nothing_is_said_ahead(ports: tuple[int, int]) -> None:
    more = "smtpd_discard_ehlo_keywords = pipelining\n"
    async with (
        open_postfix(*ports, more=STRICT + more) as postfix,
        channel_to(f"smtp://127.0.0.1:{postfix.submission}?starttls=never") as channel,
    ):
        mails = numbered(20)
        assert {type(result).__name__ for result in await send(channel, mails)} == {"Accepted"}
        assert await delivered(postfix, 20) == once(mails)
        assert "improper command pipelining" not in postfix.log
