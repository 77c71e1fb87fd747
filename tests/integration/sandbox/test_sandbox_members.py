"""Simulated members and scanners, against a page that asks as Muster's does: nonces, second questions, undo."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import aiohttp
import aiosmtplib
import pytest
from aiohttp import web

from core.keyring import ALPHABET, TOKEN_LENGTH
from sandbox import Profile, Sandbox, SandboxConfig, TwilioConfig, open_sandbox
from sandbox.scanners import KINDS

TWILIO = TwilioConfig(sent_after=(0.0, 0.01), delivered_after=(0.0, 0.01))
FAST: dict[str, Any] = {"speed": 1e6, "scanner_speed": 1e4}
QUIET = {"email": {}, "sms": {}, "scanned": 0.0, **FAST}


@dataclass
class Asker:
    """A web server that asks, and notes what it was answered."""

    url: str = ""
    answers: dict[str, str] = field(default_factory=dict)
    out: dict[str, str] = field(default_factory=dict)
    asks_again: bool = False
    fails: int = 0
    trapped: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    nonces: dict[str, int] = field(default_factory=dict)

    def form(self, stage: int, buttons: list[str], action: str = "") -> str:
        nonce = secrets.token_hex(4)
        self.nonces[nonce] = stage
        buttons = ["trap", *buttons] if stage == 1 else buttons
        rows = "".join(
            f'<button {"hidden" if button == "trap" else ""} name="answer" value="{button}">{button}</button>'
            for button in buttons
        )
        return f'<form method="post" action="{action}"><input type="hidden" name="nonce" value="{nonce}">{rows}</form>'

    async def ask(self, request: web.Request) -> web.Response:
        self.requests[request.method] += 1
        if self.fails:
            self.fails -= 1
            return web.Response(status=503)
        return page(self.form(1, ["voted", "not_yet", "no_ballot_paper", "call_me", "stop"]))

    async def hear(self, request: web.Request) -> web.Response:
        self.requests["POST"] += 1
        body = await request.post()
        token, answer, stage = request.match_info["token"], str(body["answer"]), self.nonces.pop(str(body["nonce"]))
        if answer == "trap":
            self.trapped += 1
            return page("Nothing happened.")
        if stage == 1 and self.asks_again:
            return page(self.form(2, [answer, "back"]))
        if answer == "undo":
            self.answers.pop(token)
            return page("Taken back.")
        self.answers[token] = answer
        return page(self.form(3, ["undo"]))

    async def ask_to_stop(self, request: web.Request) -> web.Response:
        return page(self.form(1, ["stop"]))

    async def stop(self, request: web.Request) -> web.Response:
        body = await request.post()
        one_click = body.get("List-Unsubscribe") == "One-Click"
        assert one_click or self.nonces.pop(str(body["nonce"])) == 1
        self.out[request.match_info["token"]] = "one_click" if one_click else "page"
        return page("You will hear no more.")


def page(body: str) -> web.Response:
    return web.Response(text=f"<!doctype html><title>x</title><body>{body}", content_type="text/html")


@pytest.fixture
async def asker() -> AsyncIterator[Asker]:
    made = Asker()
    app = web.Application()
    app.router.add_get("/{token}", made.ask)
    app.router.add_post("/{token}", made.hear)
    app.router.add_get("/u/{token}", made.ask_to_stop)
    app.router.add_post("/u/{token}", made.stop)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


def token() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(TOKEN_LENGTH))


async def mail(sandbox: Sandbox, asker: Asker, people: int) -> None:
    """Send everybody a mail with their links."""
    port = int(sandbox.smtp_url.partition("?")[0].rpartition(":")[2])
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as smtp:
        for number in range(people):
            mail, confirm, out = EmailMessage(), token(), token()
            mail["Subject"], mail["Message-ID"] = "Vote", f"<m{number}@union.test>"
            mail["List-Unsubscribe"] = f"<{asker.url}/u/{out}>"
            mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
            mail.set_content(f"Voted? {asker.url}/{confirm}\nStop: {asker.url}/u/{out}")
            mail.add_alternative(f'<a href="{asker.url}/{confirm}">Voted?</a>', subtype="html")
            await smtp.send_message(mail, sender="b@union.test", recipients=[f"m{number}@example.test"])


async def text(sandbox: Sandbox, asker: Asker, people: int, *, sender: str = "+447480000001") -> None:
    """Text everybody their link."""
    config = sandbox.config.twilio
    url = f"{sandbox.twilio_base_url}/2010-04-01/Accounts/{config.account_sid}/Messages.json"
    headers = {"Authorization": aiohttp.encode_basic_auth(config.account_sid, config.auth_token)}
    async with aiohttp.ClientSession(headers=headers) as http:
        for number in range(people):
            form = {"To": f"+4477001{number:05}", "From": sender, "Body": f"Voted? {asker.url}/{token()}"}
            async with http.post(url, data=form) as answer:
                assert answer.status == 201


def opened(**profile: object) -> SandboxConfig:
    return SandboxConfig(twilio=TWILIO, members=Profile(**{**QUIET, **profile}))


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("answer", ["voted", "not_yet", "no_ballot_paper", "call_me"])
async def test_members_press_the_button_they_mean(asker: Asker, answer: str, again: bool) -> None:
    asker.asks_again = again
    async with open_sandbox(opened(email={f"press:{answer}": 1.0}, undo=0.0)) as sandbox:
        await mail(sandbox, asker, 5)
        await sandbox.idle()
        assert list(asker.answers.values()) == [answer] * 5
        final_answers = {answer.token: answer.answer for answer in sandbox.record.final_answers()}
        assert final_answers == asker.answers
        assert sandbox.record.summary()["asked_again"] == (5 if again else 0)


async def test_members_retract_their_answers(asker: Asker) -> None:
    async with open_sandbox(opened(email={"press:voted": 1.0}, undo=1.0)) as sandbox:
        await mail(sandbox, asker, 3)
        await sandbox.idle()
        assert asker.answers == {}
        assert sandbox.record.confirmed() == []
        assert sandbox.record.summary()["undone"] == 3


async def test_members_opt_out_by_page_and_by_one_click(asker: Asker) -> None:
    async with open_sandbox(opened(email={"unsubscribe_page": 0.5, "one_click": 0.5})) as sandbox:
        await mail(sandbox, asker, 20)
        await sandbox.idle()
        routes = Counter(
            "one_click" if route == "one_click" else "page" for route in sandbox.record.opted_out().values()
        )
        assert routes == Counter(asker.out.values())
        assert sum(routes.values()) == 20
        assert len(routes) == 2


async def test_members_who_only_look_answer_nothing(asker: Asker) -> None:
    async with open_sandbox(opened(email={"open": 1.0})) as sandbox:
        await mail(sandbox, asker, 3)
        await sandbox.idle()
        assert (asker.requests["GET"], asker.requests["POST"]) == (3, 0)
        assert sandbox.record.summary()["opened"] == 3


async def test_members_try_again_when_a_page_does_not_load(asker: Asker) -> None:
    asker.fails = 2
    async with open_sandbox(opened(email={"press:voted": 1.0}, undo=0.0)) as sandbox:
        await mail(sandbox, asker, 1)
        await sandbox.idle()
        assert len(sandbox.record.confirmed()) == 1


async def test_an_answer_nobody_took_is_recorded_as_failed(asker: Asker) -> None:
    asker.fails = 99
    async with open_sandbox(opened(email={"press:voted": 1.0})) as sandbox:
        await mail(sandbox, asker, 1)
        await sandbox.idle()
        assert sandbox.record.confirmed() == []
        assert sandbox.record.summary()["failed"] == {"link": {"0": 1}}


async def test_members_answer_by_text(asker: Asker) -> None:
    habits = {"reply:voted": 0.5, "reply:opt_out": 0.3, "press:voted": 0.2}
    async with open_sandbox(opened(sms=habits, undo=0.0)) as sandbox:
        await text(sandbox, asker, 40)
        await sandbox.idle()
        routes = Counter(answer.route for answer in sandbox.record.confirmed())
        assert routes["link"] == len(asker.answers) > 0
        inbound = [message for message in sandbox.twilio.messages if message.direction == "inbound"]
        stopped = sum(text.body.upper() in {"STOP", "UNSUBSCRIBE"} for text in inbound)
        assert stopped == len(sandbox.record.opted_out()) == len(sandbox.twilio.opt_outs) > 0
        assert routes["sms_reply"] == len(inbound) - stopped > 0


async def test_a_text_from_a_name_is_not_answered(asker: Asker) -> None:
    async with open_sandbox(opened(sms={"reply:voted": 1.0})) as sandbox:
        await text(sandbox, asker, 3, sender="MyUnion")
        await sandbox.idle()
        assert sandbox.record.summary()["ignored"] == 3


async def test_the_same_seed_makes_the_same_people_do_the_same(asker: Asker) -> None:
    did = []
    for _ in range(2):
        config = SandboxConfig(twilio=TWILIO, members=Profile(seed=9, scanned=0.0, undo=0.0, **FAST))
        async with open_sandbox(config) as sandbox:
            await mail(sandbox, asker, 60)
            await sandbox.idle()
            did.append(sorted((act.address, act.did, act.route, act.answer) for act in sandbox.record.acts))
    assert did[0] == did[1]
    assert len({act[1] for act in did[0]}) > 2


async def test_scanners_look_at_everything_and_confirm_nothing_they_are_asked_twice(asker: Asker) -> None:
    asker.asks_again = True
    async with open_sandbox(opened(scanned=1.0)) as sandbox:
        await mail(sandbox, asker, 40)
        await text(sandbox, asker, 40)
        await sandbox.idle()
        hits = sandbox.record.hits
        assert {hit.kind for hit in hits} == {kind.name for kind in KINDS}
        assert {hit.method for hit in hits} == {"HEAD", "GET", "POST"}
        assert {hit.status for hit in hits} == {200}
        assert {hit.kind for hit in hits if hit.method == "POST"} == {"form_filler", "button_presser"}
        assert asker.trapped > 0
        assert asker.requests["POST"] > 0
        assert asker.answers == {}
        assert sandbox.record.final_answers() == []


async def test_nobody_reads_anything_unless_asked_to(asker: Asker) -> None:
    async with open_sandbox(SandboxConfig(twilio=TWILIO)) as sandbox:
        await mail(sandbox, asker, 3)
        await sandbox.idle()
        assert asker.requests == {}
        assert sandbox.record.acts == []
