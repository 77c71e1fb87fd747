"""Logging: structlog to stderr, without telephone numbers, addresses or secrets."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from core.sign_in_links import mask_credentials

_SECRET: Final = re.compile(r"secret|password|token|authorization|cookie|api_key|signature", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[\w.+%-]+@(?=[\w-]+\.[\w.-]+)")
_PHONE: Final = re.compile(
    r"\+[1-9][\d ()-]{6,17}\d"  # international, anywhere
    r"|(?<![\w.:/+-])0\d[\d ()-]{6,15}\d(?![\w:-])"  # national, as people write it
)
_PASSWORD_IN_URL: Final = re.compile(r"(?<=://)[^/@\s]+@")
_HIDDEN: Final = "(hidden)"


def configure_logs(form: str = "text", *, level: int = logging.INFO) -> None:
    """Send every log line of Muster and of its libraries to stderr, in one format.

    Args:
        form: `text` for people, `json` for programs (one object a line).
        level: lines below this level are dropped.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.format_exc_info,
        hide_people_and_secrets,
    ]
    end: Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=40, exception_formatter=structlog.dev.plain_traceback
        )
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, end]
        )
    )
    top = logging.getLogger()
    top.handlers[:] = [handler]
    top.setLevel(level)
    for chatty in ("arq", "aiohttp.access", "asyncio", "mail.log", "twilio", "aiosmtplib"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def hide_people_and_secrets(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Hide telephone numbers and email addresses at info and above, and secrets at every level."""
    people_too = method != "debug"
    return {key: _HIDDEN if _SECRET.search(key) else _hide(value, people_too) for key, value in event.items()}


def _hide(value: Any, people_too: bool) -> Any:
    if isinstance(value, str):
        text = mask_credentials(_PASSWORD_IN_URL.sub("…@", value))
        return hide_people(text) if people_too else text
    if isinstance(value, dict):
        return {key: _HIDDEN if _SECRET.search(str(key)) else _hide(part, people_too) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_hide(part, people_too) for part in value]
    return value


def hide_people(text: str) -> str:
    """Cut every telephone number in a text to its end and every email address to its domain."""
    return _PHONE.sub(_short_number, _EMAIL.sub("…@", text))


def _short_number(match: re.Match[str]) -> str:
    return "…" + "".join(char for char in match[0] if char.isdigit())[-3:]
