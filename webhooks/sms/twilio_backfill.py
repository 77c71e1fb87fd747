"""Backfill of texts that reached Twilio while our webhook was down, from Twilio's own list.

They go into the inbound log like any other text, under the same key, so that repetitions are recognised. Each look
covers everything since the last successful look, and an hour before that. It covers nothing older than the inbound log
remembers, because that would be processed again. If all senders are numbers, Twilio is queried for each number, because
its list is of the whole account, and most of it are messages we sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import aiohttp
import structlog
from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from core.db import load_queries
from core.errors import Unavailable
from core.runtime import Runtime
from messaging.channels.twilio.client import UNREADABLE, open_client
from messaging.channels.twilio.provider import PROVIDER
from webhooks.inbound_log.inbound_log import Intake
from webhooks.sms.twilio_texts import INBOUND, inbound_row

SQL: Final = load_queries(__file__)

MAX_LIST_DELAY: Final = timedelta(hours=1)
"""Maximum delay until a text appears in Twilio's list."""
LOG_MARGIN: Final = timedelta(days=1)
"""Time before the inbound log forgets a text in which Twilio's list is not read: it would come in a second time."""
READ_SPAN: Final = timedelta(hours=6)
"""Time span that is read at once: a week of missed texts is not held in memory together."""
PAGE_SIZE: Final = 500
"""Messages in one answer of Twilio's."""

log = structlog.get_logger(__name__)


async def backfill(runtime: Runtime) -> int:
    """Store the texts that Twilio has and we lack, if a look is due; one worker at a time does it.

    Returns:
        How many texts were new to us.

    Raises:
        Unavailable: Twilio's list cannot be read, or the database does not answer; the next look covers the time again.
    """
    settings, now = runtime.settings, runtime.clock()
    if not PROVIDER.is_set_up(settings) or not settings.twilio_catch_up:
        return 0
    every = timedelta(minutes=settings.twilio_catch_up)
    through = await runtime.pool.fetchval(SQL["begin_look"], INBOUND, now, every)
    if through is None:
        return 0
    client = open_client(settings, runtime.http)
    senders = {row["address"] for row in await runtime.pool.fetch(SQL["list_senders"])} | {settings.sms_from}
    remembered = now - timedelta(days=settings.keep_inbound) + LOG_MARGIN
    if through < remembered:
        log.warning("older texts are not fetched again; they may have been processed", since=through, before=remembered)
    intake, stored, start = Intake(), 0, max(through - MAX_LIST_DELAY, remembered)
    while start < now:
        end = min(start + READ_SPAN, now)
        for listed in await _listed(client, _numbers(senders), start, end):
            row = _row(listed, senders, settings.sms_from)
            if row is not None:
                stored += await intake.store(runtime, **row, at=min(listed.date_sent, now)) is not None
        await runtime.pool.execute(SQL["store_position"], INBOUND, end, runtime.clock())
        start = end
    if stored:
        log.warning("texts that had not arrived by webhook were fetched", texts=stored, since=through.isoformat())
    return stored


def _numbers(senders: set[str | None]) -> list[str | None]:
    """Return the numbers to filter Twilio's list by; [None], for no filter, unless all senders are numbers."""
    numbers = sorted(sender for sender in senders if sender)
    return [*numbers] if numbers and all(number.startswith("+") for number in numbers) else [None]


async def _listed(client: Client, numbers: list[str | None], start: datetime, end: datetime) -> list[Any]:
    """List the inbound texts of a time span, oldest first."""
    records: list[Any] = []
    try:
        for number in numbers:
            to = {} if number is None else {"to": number}
            listed = await client.messages.stream_async(
                date_sent_after=start, date_sent_before=end, page_size=PAGE_SIZE, **to
            )
            records += [
                record async for record in listed if record.direction == "inbound" and record.date_sent is not None
            ]
    except (TwilioException, aiohttp.ClientError, TimeoutError, OSError, *UNREADABLE) as error:
        raise Unavailable(
            f"Twilio's list of texts could not be read ({type(error).__name__}).", remedy="It will be tried again."
        ) from error
    return sorted(records, key=lambda record: record.date_sent)


def _row(listed: Any, senders: set[str | None], sms_from: str | None) -> dict[str, Any] | None:
    """Build the inbound log's row for a text; None if it went to another number or service of the same account."""
    service = listed.messaging_service_sid
    if service is None and (sms_from or "").startswith("MG"):
        service = sms_from  # the list does not say by which service a text came, nor which numbers it has
    if not {listed.to, service} & senders:
        return None
    form = {
        "MessageSid": listed.sid,
        "From": listed.from_,
        "To": listed.to,
        "Body": listed.body or "",
        "NumMedia": str(listed.num_media or 0),
        "NumSegments": str(listed.num_segments or 1),
    }
    return inbound_row({name: value.replace("\0", "\ufffd") for name, value in form.items()} | _named(service))


def _named(service: str | None) -> dict[str, str]:
    return {"MessagingServiceSid": service} if service else {}
