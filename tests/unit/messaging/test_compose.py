"""An email as the outbox composes it: its sender, the addresses of answers and bounces, the same on every try."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

import asyncpg
import pytest
from pydantic import SecretStr

from core.errors import SettingsError
from core.keyring import Keyring
from core.settings import Settings
from messaging.channels.channel import OutboundEmail
from messaging.content.template_files import load_template
from messaging.outbox.claim import ClaimedMessage
from messaging.outbox.compose import Composer

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
KEYRING = Keyring((SecretStr("a secret for tests only"),))


def compose(
    *, at: datetime = AT, email_from: str = "ballot@union.test", name: str = "The Union", **more: Any
) -> OutboundEmail:
    settings = Settings(_env_file=None, email_from=f"{name} <{email_from}>", public_url="https://vote.test", **more)
    ballot = {"title": "Pay 2026", "closes": "Friday 4 December", "last_posting": "", "replacement_by": ""}
    step = {
        "content": load_template(settings.template_roots, "ballot-reminder").to_json(), "send_before": None,
        "constants": {"ballot": ballot}, "secret": KEYRING.current, "step_id": 12, "campaign_id": 3,
        "email_name": name, "email_from": email_from,
    }  # fmt: skip
    composer = Composer(settings, KEYRING, cast("asyncpg.Record", step), "email")
    outbound = composer.compose(ClaimedMessage(1_000_000, 1, "ann@x.test", {"first_name": "Siân"}, 1, 1), at).outbound
    assert isinstance(outbound, OutboundEmail)
    return outbound


def read(outbound: OutboundEmail) -> EmailMessage:
    message = message_from_bytes(outbound.content, policy=default)
    assert not message.defects
    return message


def test_a_retry_differs_in_its_date_alone() -> None:
    first, second = read(compose()), read(compose(at=AT + timedelta(hours=5)))
    assert first["Message-ID"] == second["Message-ID"] == "<ygj0-fv3hf88x@union.test>"
    assert first["Date"] != second["Date"]
    del first["Date"], second["Date"]
    assert first.as_bytes() == second.as_bytes()


def test_each_message_has_its_own_links_and_addresses() -> None:
    outbound = compose()
    message = read(outbound)
    assert outbound.envelope == "b+ygj0-fv3hf88x@union.test"
    assert message["List-Unsubscribe"] == "<https://vote.test/u/5g505eq1k5mxj9c0tzzhx45p82j3vngv>"
    assert message["List-ID"] == "<campaign-3.union.test>"
    assert message["Feedback-ID"] == "step12:campaign3:email:muster"
    body = message.get_body(("plain",))
    assert body is not None
    assert "https://vote.test/5jh8cnpe6vst5ew9mbv8dsytqaxwv3mg" in body.get_content()


def test_answers_go_to_the_mailbox_of_the_settings() -> None:
    assert read(compose())["Reply-To"] is None
    reply_to = read(compose(email_reply_to="Swyddfa Siân <office@union.test>"))["Reply-To"].addresses[0]
    assert (reply_to.display_name, reply_to.addr_spec) == ("Swyddfa Siân", "office@union.test")
    with pytest.raises(SettingsError):
        compose(email_reply_to="nobody")


def test_an_international_domain_is_written_in_punycode() -> None:
    outbound = compose(email_from="ballot@bücher.test")
    message = read(outbound)
    assert outbound.envelope.endswith("@xn--bcher-kva.test")
    assert message["From"].addresses[0].addr_spec == "ballot@xn--bcher-kva.test"
    assert message["Message-ID"].endswith("@xn--bcher-kva.test>")
    assert compose(bounce_domain="straße.test").envelope.endswith("@xn--strae-oqa.test")
    with pytest.raises(SettingsError, match="not a domain"):
        compose(bounce_domain="ü..test")


@pytest.mark.parametrize("name", ["Undeb Llŷn", 'The "Pay" \\ Union, Ltd.', "x" * 150, "Union <evil@x.test>"])
def test_a_sender_has_the_name_of_its_settings(name: str) -> None:
    sender = read(compose(name=name, email_from="a@union.test"))["From"].addresses
    assert len(sender) == 1
    assert sender[0].addr_spec == "a@union.test"
    assert sender[0].display_name.replace(" ", "") == name.replace(" ", "")
