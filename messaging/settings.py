"""What can be configured: environment variables that start with MUSTER_, or a `.env` file in the working directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import phonenumbers
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from messaging.errors import SettingsError

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds the packages and `templates/`, in a checkout and when installed."""

SecretList = Annotated[tuple[SecretStr, ...], NoDecode]


class Settings(BaseSettings):
    """Every setting, typed, with its default. `docs/settings.md` is generated from here."""

    model_config = SettingsConfigDict(
        env_prefix="MUSTER_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    home: Path = Field(Path(".muster"), description="Where the embedded servers keep their data.")
    database_url: str | None = Field(
        None,
        description="PostgreSQL to use instead of the embedded one: `postgresql://user:password@host:5432/muster`.",
    )
    redis_url: str | None = Field(None, description="Redis to use instead of the embedded one: `redis://host:6379/0`.")
    public_url: str = Field(
        "http://127.0.0.1:8000", description="The address members' links start with, as the outside sees it."
    )
    listen: str = Field("127.0.0.1:8000", description="`host:port` the web server listens on.")
    secret_key: SecretList = Field(
        (),
        description="Secret for links and sign-in, at least 16 characters; a comma-separated list while rotating: the first signs, all verify. Made and kept in MUSTER_HOME when the embedded database is used.",
    )

    email_from: str = Field("Muster <muster@example.org>", description="The From of emails: `Name <address>`.")
    bounce_domain: str | None = Field(
        None,
        description="Domain of the envelope sender (`b+…@domain`), where bounces come back. Default: the domain of MUSTER_EMAIL_FROM.",
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="The mail relay: `smtp://user:password@host:587?starttls=always`, `smtps://…`; `starttls` is `never`, `auto` (default) or `always`.",
    )
    smtp_connections: int = Field(16, ge=1, le=200, description="Connections a worker keeps open to the mail relay.")

    email_unanswered: Literal["retry", "hold"] = Field(
        "retry",
        description="What to do with an email the relay never said it took: `retry` sends it again with the same Message-ID, by which receivers know a copy; `hold` waits for a person.",
    )

    sms_from: str | None = Field(
        None, description="Sender of texts: a number, an alphanumeric name, or a messaging service `MG…`."
    )
    twilio_account_sid: str | None = Field(None, description="Twilio account, `AC…`.")
    twilio_auth_token: SecretList = Field(
        (), description="Twilio auth token; a comma-separated list while rotating: the first signs, all verify."
    )
    twilio_base_url: str | None = Field(None, description="Where Twilio's API is; set for the sandbox and for tests.")
    sms_connections: int = Field(
        32, ge=1, le=500, description="Requests a worker has open to the SMS provider at once."
    )
    sms_region: str = Field(
        "GB", description="Country whose way of writing phone numbers is assumed when there is no +."
    )

    templates: Path | None = Field(
        None, description="A folder of your own with `messages/<name>/`, looked in before the ones Muster brings."
    )
    time_zone: str = Field(
        "Europe/London", description="Time zone of people who have none of their own, and of times in files."
    )
    organisation: str = Field("Your organisation", description="Who is asking, as members see it.")
    contact: str = Field(
        "", description="How members reach you: a phone number, address or web page for the foot of every email."
    )
    archive_after: int = Field(
        90,
        ge=61,
        description="Days after its ballot closed until the messages of a campaign that is over move into the archive; see docs/retention.md.",
    )
    keep_inbox: int = Field(
        30,
        ge=2,
        description="Days that what came in (receipts, texts, presses of buttons) is kept as it came, once it has been processed. Providers repeat themselves for some hours, and must be recognised.",
    )
    log_format: str = Field("text", pattern="^(text|json)$", description="`text` for people, `json` for programs.")

    @field_validator("secret_key", "twilio_auth_token", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(secret.get_secret_value()) < 16 for secret in value):
            raise ValueError("each secret needs at least 16 characters")
        return value

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("it must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("templates")
    @classmethod
    def _folder(cls, value: Path | None) -> Path | None:
        if value is not None and not (value / "messages").is_dir():
            raise ValueError(f"there is no folder {value / 'messages'}")
        return value

    @field_validator("sms_region")
    @classmethod
    def _country(cls, value: str) -> str:
        if value not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(f"{value} is not a country such as GB")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{value} is not a time zone such as Europe/London") from error
        return value

    @property
    def template_roots(self) -> tuple[Path, ...]:
        """The folders templates are looked up in, first match wins."""
        own = (self.templates,) if self.templates else ()
        return (*own, ROOT / "templates")

    @property
    def bounce_host(self) -> str:
        """Domain bounces come back to."""
        return self.bounce_domain or self.email_from.rpartition("@")[2].rstrip("> ")

    @property
    def has_sms(self) -> bool:
        """Whether texts can be sent."""
        return bool(self.twilio_account_sid and self.twilio_auth_token and self.sms_from)

    @property
    def has_email(self) -> bool:
        """Whether emails can be sent."""
        return self.smtp_url is not None


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: a value cannot be right; names every such setting in one line each.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"MUSTER_{str(problem['loc'][0]).upper()}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        ]
        raise SettingsError("; ".join(lines) + ".", remedy="See docs/settings.md.") from None


def check_for_production(settings: Settings) -> None:
    """Refuse to start on servers of one's own without the secrets that make it safe.

    Raises:
        SettingsError: naming what is missing.
    """
    if settings.database_url is None:
        return
    missing = [
        name
        for name, present in (
            ("MUSTER_SECRET_KEY", bool(settings.secret_key)),
            ("MUSTER_REDIS_URL", settings.redis_url is not None),
            ("MUSTER_PUBLIC_URL", "MUSTER_PUBLIC_URL" in os.environ or "public_url" in settings.model_fields_set),
        )
        if not present
    ]
    if missing:
        raise SettingsError(
            f"MUSTER_DATABASE_URL is set, but {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not.",
            remedy="On servers of your own these have no safe default; see docs/settings.md.",
        )
