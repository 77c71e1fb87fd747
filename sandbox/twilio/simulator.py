"""Simulated Twilio account: accepts messages, moves them through their statuses, posts receipts and members' texts."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Final
from zlib import crc32

from messaging.content import segments
from sandbox.twilio.config import TwilioConfig
from sandbox.twilio.journeys import plan_journey, plan_notices
from sandbox.twilio.magic import FROM, TO, Trick
from sandbox.twilio.messages import Message, MessageStage, MessageStore, new_sid
from sandbox.twilio.optouts import ANSWERS, OptOuts
from sandbox.twilio.refusals import Refusal
from sandbox.twilio.webhooks import TwilioWebhooks, done_date, read_twiml

Handset = Callable[[Message], None]
"""Function called with every text at once when it reaches its phone; must not block."""

PLAIN: Final = Trick("an ordinary number")
MAX_BODY_LENGTH: Final = 1600
"""Characters of a text; a longer one is refused (error 21617)."""
_PHONE: Final = re.compile(r"\+[1-9]\d{6,14}")
_SENDER: Final = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}")
_SERVICE: Final = re.compile(r"MG[0-9a-f]{32}", re.IGNORECASE)
_URL: Final = re.compile(r"https?://[^\s/]+")


class Twilio:
    """Account of the simulated Twilio, without its HTTP API.

    Args:
        config: its configuration.
    """

    def __init__(self, config: TwilioConfig) -> None:
        self.config = config
        self.inbound_url = config.inbound_url
        self.messages = MessageStore()
        self.opt_outs = OptOuts()
        self.webhooks = TwilioWebhooks(config.auth_token, at_once=config.webhooks_at_once)
        self.handsets: list[Handset] = []
        self.refused: Counter[int] = Counter()
        """Count of error responses by code."""
        self.rng = Random(config.seed)  # noqa: S311  # random failures, not secrets
        self._tried: Counter[str] = Counter()

    async def idle(self) -> None:
        """Wait until every text has arrived and every webhook has been posted."""
        await self.webhooks.agenda.idle()

    async def close(self) -> None:
        """Stop posting."""
        await self.webhooks.close()

    def trick(self, form: Mapping[str, str]) -> Trick:
        """Return the trick of a message's number for this request.

        `once` tricks affect the first of every two tries.
        """
        trick = FROM.get(form.get("From", "")) or TO.get(form.get("To", ""))
        if trick is None:
            return PLAIN
        if trick.once:
            self._tried[form["To"]] += 1
            return trick if self._tried[form["To"]] % 2 else PLAIN
        return trick

    def create(self, form: Mapping[str, str], trick: Trick) -> Message:
        """Accept a message.

        Args:
            form: the parameters of the create.
            trick: the trick of its number.

        Raises:
            Refusal: a parameter is wrong, or the recipient may not be texted.
        """
        to, sender, service = self._addresses(form)
        body = form.get("Body", "")
        callback = form.get("StatusCallback") or None
        if not body:
            raise Refusal(21602)
        if len(body) > MAX_BODY_LENGTH:
            raise Refusal(21617)
        if callback is not None and not _URL.match(callback):
            raise Refusal(21609, callback)
        if trick.refuse is not None:
            raise Refusal(trick.refuse, sender if trick.refuse in {21212, 21606} else to)
        if (service or sender, to) in self.opt_outs:
            raise Refusal(21610)
        validity = form.get("ValidityPeriod", "14400")
        if not validity.isdecimal() or not 1 <= int(validity) <= 36000:
            raise Refusal(20001, "ValidityPeriod must be between 1 and 36000 seconds")
        now = time.time()
        journey = plan_journey(
            to=to,
            service=service is not None,
            trick=trick,
            starts=_start(form),
            now=now,
            config=self.config,
            rng=self.rng,
        )
        size = segments.count(body).segments
        message = Message(new_sid(), "outbound-api", to, sender, service, body, size, callback, journey)
        self.messages.add(message)
        self._set_out(message, trick, now)
        return message

    def _addresses(self, form: Mapping[str, str]) -> tuple[str, str, str | None]:
        """Read the recipient, the number it is sent from, and the messaging service."""
        to, sender = form.get("To", ""), form.get("From", "")
        service = form.get("MessagingServiceSid") or (sender if sender.startswith("MG") else None)
        if not to:
            raise Refusal(21604)
        if not _PHONE.fullmatch(to):
            raise Refusal(21211, to)
        if service is not None:
            if not _SERVICE.fullmatch(service):
                raise Refusal(21701, service)
            numbers = self.config.service_numbers
            return to, numbers[crc32(to.encode()) % len(numbers)], service
        if not sender:
            raise Refusal(21603)
        if not _SENDER.fullmatch(sender):
            raise Refusal(21212, sender)
        if sender == to:
            raise Refusal(21266, to)
        return to, sender, None

    def _set_out(self, message: Message, trick: Trick, now: float) -> None:
        """Schedule a message's status callbacks and its arrival, if anything handles them."""
        agenda = self.webhooks.agenda
        if message.callback:
            for notice in plan_notices(message.journey, trick.receipts, self.config, self.rng):
                agenda.later(notice.at - now, self._notify, message, notice.stage)
        arrival = message.journey[-1]
        if self.handsets and arrival.status == "delivered":
            agenda.later(arrival.at - now, self._ring, message)

    async def notify_early(self, message: Message) -> None:
        """Post the first status callback now, before the response to the create."""
        if message.callback:
            now = time.time()
            message.journey[1] = MessageStage(now, *message.journey[1][1:])
            await self._notify(message, message.journey[1])

    async def _notify(self, message: Message, stage: MessageStage) -> None:
        if stage not in message.journey or message.callback is None:
            return  # cancelled in the meantime
        form = {
            "AccountSid": self.config.account_sid,
            "ApiVersion": "2010-04-01",
            "From": message.sender,
            "MessageSid": message.sid,
            "MessageStatus": stage.status,
            "SmsSid": message.sid,
            "SmsStatus": stage.status,
            "To": message.to,
        }
        if message.service is not None:
            form["MessagingServiceSid"] = message.service
        if stage.code is not None:
            form["ErrorCode"] = str(stage.code)
        if stage.status in {"delivered", "undelivered"}:
            form["RawDlrDoneDate"] = done_date(stage.at)
        await self.webhooks.post(message.callback, form)

    async def _ring(self, message: Message) -> None:
        if message.journey[-1].status == "delivered":  # not cancelled in the meantime
            for handset in self.handsets:
                handset(message)

    async def receive(self, phone: str, message: Message, body: str) -> bool:
        """Send a member's answer to a text.

        Args:
            phone: the member's number.
            message: the text that is answered.
            body: the answer.

        Returns:
            Whether our webhook accepted it; true if none is configured.

        Raises:
            Refusal: the text came from an alphanumeric sender, which cannot be answered.
        """
        if not message.sender.lstrip("+").isdigit():
            raise Refusal(21612, message.sender)
        size = segments.count(body).segments
        journey = [MessageStage(time.time(), "received")]
        inbound = Message(new_sid(), "inbound", message.sender, phone, message.service, body, size, None, journey)
        self.messages.add(inbound)
        word = self.opt_outs.heard(message.channel_key, phone, body)
        if word is not None:
            self._answer(inbound, ANSWERS[word])
        if not self.inbound_url:
            return True
        form = self._inbound_form(inbound)
        if word is not None and self.config.advanced_opt_out:
            form["OptOutType"] = word
        answer = await self.webhooks.post(self.inbound_url, form)
        if word != "STOP":  # nothing is sent to a phone that has just opted out
            for text in read_twiml(answer.text):
                self._answer(inbound, text)
        return answer.ok

    def _inbound_form(self, inbound: Message) -> dict[str, str]:
        form = {
            "AccountSid": self.config.account_sid,
            "ApiVersion": "2010-04-01",
            "Body": inbound.body,
            "From": inbound.sender,
            "FromCity": "",
            "FromCountry": "GB" if inbound.sender.startswith("+44") else "",
            "FromState": "",
            "FromZip": "",
            "MessageSid": inbound.sid,
            "NumMedia": "0",
            "NumSegments": str(inbound.segments),
            "SmsMessageSid": inbound.sid,
            "SmsSid": inbound.sid,
            "SmsStatus": "received",
            "To": inbound.to,
            "ToCity": "",
            "ToCountry": "GB" if inbound.to.startswith("+44") else "",
            "ToState": "",
            "ToZip": "",
        }
        if inbound.service is not None:
            form["MessagingServiceSid"] = inbound.service
        return form

    def _answer(self, inbound: Message, body: str) -> None:
        """Send the answer of Twilio itself, or of a webhook's TwiML."""
        now = time.time()
        size = segments.count(body).segments
        journey = plan_journey(
            to=inbound.sender, service=False, trick=PLAIN, starts=None, now=now, config=self.config, rng=self.rng
        )
        message = Message(
            new_sid(), "outbound-reply", inbound.sender, inbound.to, inbound.service, body, size, None, journey
        )
        self.messages.add(message)

    def cancel(self, message: Message) -> None:
        """Stop a message that has not been sent.

        Raises:
            Refusal: it has been.
        """
        now = time.time()
        if message.direction != "outbound-api" or message.stage(now).status not in {"accepted", "queued", "scheduled"}:
            raise Refusal(30409)
        message.journey[:] = [*(stage for stage in message.journey if stage.at <= now), MessageStage(now, "canceled")]
        message.updated = now


def _start(form: Mapping[str, str]) -> float | None:
    """Read the time for which a message is scheduled; None for now."""
    if form.get("ScheduleType") != "fixed":
        return None
    try:
        at = datetime.fromisoformat(form.get("SendAt", ""))
    except ValueError:
        raise Refusal(35114) from None
    if not form.get("MessagingServiceSid"):
        raise Refusal(35114)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
