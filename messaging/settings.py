"""What can be configured: environment variables that start with MUSTER_, or a `.env` file in the working directory."""

from __future__ import annotations

import math
import os
import re
from datetime import time
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import idna
import phonenumbers
from pydantic import Field, FilePath, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from messaging.errors import SettingsError
from messaging.outbox.caps import Cap, parse_caps

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds the packages and `templates/`, in a checkout and when installed."""

SMS_PROVIDERS = ("twilio", "vonage")
"""Who can send texts, in the order they are preferred where nobody says otherwise."""

Network = IPv4Network | IPv6Network

SecretList = Annotated[tuple[SecretStr, ...], NoDecode]
TextList = Annotated[tuple[str, ...], NoDecode]
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")


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
    redis_url: str | None = Field(
        None,
        description="Redis to use instead of the embedded one: `redis://:password@host:6379/0`, `rediss://…`, or with sentinels `redis+sentinel://:password@one:26379,two:26379,three:26379/service/0`.",
    )
    public_url: str = Field(
        "http://127.0.0.1:8000", description="The address members' links start with, as the outside sees it."
    )
    listen: str = Field("127.0.0.1:8000", description="`host:port` the web server listens on.")
    metrics_token: SecretStr | None = Field(
        None,
        description="Who asks for `/metrics` must send it: `Authorization: Bearer …`. Without it, `/metrics` answers this machine and private networks only, and nobody who comes from elsewhere through a proxy.",
    )
    secret_key: SecretList = Field(
        (),
        description="Secret for links and sign-in, at least 16 characters; a comma-separated list while rotating: the first signs, all verify. Made and kept in MUSTER_HOME when the embedded database is used.",
    )

    email_from: str = Field("Muster <muster@example.org>", description="The From of emails: `Name <address>`.")
    email_reply_to: str | None = Field(
        None, description="Where replies to emails go, if not to MUSTER_EMAIL_FROM: `Name <address>`."
    )
    bounce_domain: str | None = Field(
        None,
        description="Domain of the envelope sender (`b+…@domain`), where bounces come back. Default: the domain of MUSTER_EMAIL_FROM.",
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="The mail relay: `smtp://user:password@host:587?starttls=always`, `smtps://…`; `starttls` is `never`, `always`, or `auto` (default): where the relay offers it, and always where there is a password.",
    )
    smtp_ca_file: FilePath | None = Field(
        None,
        description="A file of certificates (PEM) of the authorities to trust for the mail relay, instead of the system's. Certificates are always checked.",
    )
    dkim_domain: str | None = Field(
        None,
        description="Sign emails for this domain (DKIM), where the relay does not: the domain of MUSTER_EMAIL_FROM or one it lies under. Needs MUSTER_DKIM_SELECTOR and MUSTER_DKIM_KEY_FILE.",
    )
    dkim_selector: str | None = Field(
        None, description="Which key: `selector._domainkey.domain` in DNS holds its public half."
    )
    dkim_key_file: FilePath | None = Field(
        None, description="The private key: RSA (PEM, at least 1,024 bits, better 2,048) or Ed25519 (PEM or base64)."
    )
    smtp_connections: int = Field(16, ge=1, le=200, description="Connections a worker keeps open to the mail relay.")

    email_domain_pace: str = Field(
        "",
        description="Emails a second to the mailboxes of a provider, by its domains: `gmail.com+googlemail.com:50,outlook.com:20`; `*:100` for each other domain. Shared by all workers.",
    )
    email_unanswered: Literal["retry", "hold"] = Field(
        "retry",
        description="What to do with an email the relay never said it took: `retry` sends it again with the same Message-ID, by which receivers know a copy; `hold` waits for a person.",
    )

    reply_domain: str | None = Field(
        None,
        description="Domain that replies to emails go to (`r+…@domain`), where the mailroom or a provider's inbound webhook reads them. Default: none; replies go to MUSTER_EMAIL_REPLY_TO or MUSTER_EMAIL_FROM, for people to read.",
    )
    mailroom_lmtp: str | None = Field(
        None, description="Where `muster mailroom` listens for LMTP: `host:port`, or `unix:/path/of/socket`."
    )
    mailroom_smtp: str | None = Field(None, description="Where `muster mailroom` listens for SMTP: the same.")
    mailroom_largest: int = Field(10, ge=1, le=50, description="Largest mail that is taken, in MB.")
    email_provider: Literal["", "sendgrid", "mailgun", "postmark", "ses"] = Field(
        "",
        description="Whose relay `MUSTER_SMTP_URL` is: `sendgrid`, `mailgun`, `postmark` or `ses`. Each email then carries our id in the header which that provider gives back with its events. Empty for a relay of your own.",
    )
    sendgrid_webhook_key: TextList = Field(
        (),
        description="SendGrid's public keys (base64), with which the signatures of its event webhook and of inbound parse are verified; a comma-separated list: any of them verifies.",
    )
    mailgun_webhook_key: SecretList = Field(
        (),
        description="Mailgun's HTTP webhook signing key; a comma-separated list while rotating: all verify.",
    )
    postmark_webhook_auth: SecretList = Field(
        (),
        description="`user:password` that Postmark's webhooks carry in their address, at least 16 characters of password; a comma-separated list while rotating: all are let in.",
    )
    ses_topic_arn: TextList = Field(
        (),
        description="The SNS topics Amazon SES tells its events to, `arn:aws:sns:…`; a comma-separated list. Nothing from any other topic is believed.",
    )
    ses_configuration_set: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="The configuration set of Amazon SES that emails are sent with, which publishes the events.",
    )

    sms_from: str | None = Field(
        None, description="Sender of texts: a number, an alphanumeric name, or a messaging service `MG…`."
    )
    twilio_account_sid: str | None = Field(None, description="Twilio account, `AC…`.")
    twilio_auth_token: SecretList = Field(
        (), description="Twilio auth token; a comma-separated list while rotating: the first signs, all verify."
    )
    twilio_base_url: str | None = Field(None, description="Where Twilio's API is; set for the sandbox and for tests.")
    twilio_catch_up: int = Field(
        15,
        ge=0,
        le=1440,
        description="Minutes between two looks into Twilio's own list for texts that did not reach us, as while we were down. 0: never.",
    )
    vonage_api_key: str | None = Field(None, description="Vonage account: the API key, 8 characters.")
    vonage_api_secret: SecretStr | None = Field(None, description="Vonage API secret.")
    vonage_signature_secret: SecretList = Field(
        (),
        description="Vonage signature secret, with which it signs what it tells us, at least 32 characters; a comma-separated list while rotating: all verify.",
    )
    vonage_sms_from: str | None = Field(
        None,
        description="Sender of texts that go by Vonage: a number or an alphanumeric name. Default: MUSTER_SMS_FROM, which is right only where Vonage is the one provider.",
    )
    vonage_base_url: str | None = Field(None, description="Where Vonage's API is; set for the sandbox and for tests.")
    sms_providers: str = Field(
        "",
        description="Who sends texts: `twilio`, `vonage`, or both with a comma. The first that is well sends; with what a segment costs at each, `twilio=0.0463,vonage=0.0405`, the cheapest that is well. Default: those that are set up, Twilio first.",
    )
    sms_connections: int = Field(
        32, ge=1, le=500, description="Requests a worker has open to the SMS provider at once."
    )
    sms_region: str = Field(
        "GB", description="Country whose way of writing phone numbers is assumed when there is no +."
    )

    frequency_cap: Annotated[tuple[Cap, ...], NoDecode] = Field(
        (),
        description="The most messages one person gets, from all campaigns and by both channels together, such as `3 in 7 days`; several separated by commas. `3 marketing in 7 days` counts and holds back marketing messages only. A campaign may add caps of its own, or be exempt.",
    )

    outgoing_allow: Annotated[tuple[Network, ...], NoDecode] = Field(
        (),
        description="Networks that webhooks and exports may be sent to although they are not public, separated by commas: `10.20.0.0/16,127.0.0.1`. Only these can be reached by plain `http://`. Default: public addresses alone, by `https://`.",
    )
    webhook_include: Annotated[tuple[Literal["addresses", "texts"], ...], NoDecode] = Field(
        (),
        description="What webhooks may tell beside ids, where a subscription asks for it: `addresses` (phone numbers and mailboxes), `texts` (what members wrote), or both with a comma.",
    )
    keep_events: int = Field(
        30,
        ge=4,
        description="Days that events for webhooks, and the log of their deliveries, are kept: how far back a stream can be replayed.",
    )

    turnout_export_to: str | None = Field(
        None,
        description="Where turnout is exported to by the clock: a folder that every worker has, or an address (`https://…`) that files are PUT under; see docs/turnout.md.",
    )
    turnout_export_at: Annotated[tuple[time, ...], NoDecode] = Field(
        (time(7), time(19)), description="When: times of day in MUSTER_TIME_ZONE, separated by commas: `07:00,19:00`."
    )
    turnout_export_format: Literal["csv", "parquet"] = Field(
        "csv", description="As what: `csv`, or `parquet`, which needs `pip install muster[parquet]`."
    )
    turnout_export_token: SecretStr | None = Field(
        None, description="What the address is shown as `Authorization: Bearer …`, where it asks for that."
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

    @field_validator("frequency_cap", mode="before")
    @classmethod
    def _caps(cls, value: object) -> object:
        return parse_caps(value) if isinstance(value, str) else value

    @field_validator("turnout_export_at", mode="before")
    @classmethod
    def _times(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(sorted({time.fromisoformat(part.strip()) for part in value.split(",")}))
        except ValueError:
            raise ValueError(f"{value} is no list of times such as 07:00,19:00") from None

    @field_validator("turnout_export_to")
    @classmethod
    def _export_to(cls, value: str | None) -> str | None:
        if value is not None and "://" in value and not value.startswith(("https://", "http://")):
            raise ValueError(f"{value} is neither a folder nor an address such as https://files.example.org/turnout")
        return value.rstrip("/") if value is not None and value != "/" else value

    @field_validator(
        "secret_key",
        "twilio_auth_token",
        "vonage_signature_secret",
        "sendgrid_webhook_key",
        "mailgun_webhook_key",
        "postmark_webhook_auth",
        "ses_topic_arn",
        "webhook_include",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("outgoing_allow", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        listed = cls._split(value)
        return tuple(ip_network(one) for one in listed) if isinstance(listed, tuple) else listed

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(secret.get_secret_value()) < 16 for secret in value):
            raise ValueError("each secret needs at least 16 characters")
        return value

    @field_validator("sendgrid_webhook_key")
    @classmethod
    def _public_keys(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        from messaging.channels.email_headers import read_public_key

        for key in value:
            read_public_key(key)
        return value

    @field_validator("postmark_webhook_auth")
    @classmethod
    def _user_and_password(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(secret.get_secret_value().partition(":")[2]) < 16 for secret in value):
            raise ValueError("it must be user:password, with at least 16 characters of password")
        return value

    @field_validator("ses_topic_arn")
    @classmethod
    def _topics(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [arn for arn in value if not _TOPIC.fullmatch(arn)]
        if wrong:
            raise ValueError(f"{wrong[0]} is not a topic such as arn:aws:sns:eu-west-2:123456789012:muster")
        return value

    @field_validator("sms_providers")
    @classmethod
    def _costs(cls, value: str) -> str:
        costs = _read_costs(value)
        unknown = [name for name, _ in costs if name not in SMS_PROVIDERS]
        if unknown:
            raise ValueError(f"{unknown[0]} is none of {' and '.join(SMS_PROVIDERS)}")
        if len({name for name, _ in costs}) < len(costs):
            raise ValueError("it names a provider twice")
        if len({cost is None for _, cost in costs}) > 1:
            raise ValueError("say what a segment costs at every provider, or at none")
        return value

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("it must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("vonage_base_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return value if value is None else cls._public(value)

    @field_validator("templates")
    @classmethod
    def _folder(cls, value: Path | None) -> Path | None:
        if value is not None and not (value / "messages").is_dir():
            raise ValueError(f"there is no folder {value / 'messages'}")
        return value

    @field_validator("email_domain_pace")
    @classmethod
    def _paces(cls, value: str) -> str:
        from messaging.outbox.domains import read_groups

        read_groups(value)
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
        """Domain bounces come back to, as DNS writes it (IDNA).

        Raises:
            SettingsError: it cannot be a domain.
        """
        return _in_dns(self.bounce_domain or self.email_from.rpartition("@")[2].rstrip("> "), "MUSTER_BOUNCE_DOMAIN")

    @property
    def reply_host(self) -> str | None:
        """Domain replies come to, as DNS writes it; None where people read them elsewhere.

        Raises:
            SettingsError: it cannot be a domain.
        """
        return _in_dns(self.reply_domain, "MUSTER_REPLY_DOMAIN") if self.reply_domain else None

    @property
    def has_sms(self) -> bool:
        """Whether texts can be sent."""
        return bool(self.sms_from and any(self.is_set_up(name) for name in SMS_PROVIDERS))

    @property
    def sms_costs(self) -> dict[str, float]:
        """What a segment costs, by provider, in order of preference; 0 where nobody said."""
        named = _read_costs(self.sms_providers)
        if named:
            return {name: cost or 0.0 for name, cost in named}
        return dict.fromkeys((name for name in SMS_PROVIDERS if self.is_set_up(name)), 0.0)

    def is_set_up(self, provider: str) -> bool:
        """Whether there is everything that a provider of texts needs."""
        if provider == "twilio":
            return bool(self.twilio_account_sid and self.twilio_auth_token)
        return bool(self.vonage_api_key and self.vonage_api_secret and self.vonage_signature_secret)

    @property
    def has_email(self) -> bool:
        """Whether emails can be sent."""
        return self.smtp_url is not None


def _in_dns(host: str, setting: str) -> str:
    try:
        return host if host.isascii() else idna.encode(host, uts46=True).decode()
    except UnicodeError as error:
        raise SettingsError(f"“{host}” is not a domain.", remedy=f"See {setting}.") from error


def _read_costs(text: str) -> list[tuple[str, float | None]]:
    """`twilio=0.0463,vonage=0.0405`, or the names alone."""
    costs: list[tuple[str, float | None]] = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, said, cost = part.partition("=")
        try:
            costs.append((name.strip().lower(), float(cost) if said else None))
        except ValueError:
            raise ValueError(f"{cost.strip()} is not what a segment costs") from None
    if any(cost is not None and not 0 <= cost < math.inf for _, cost in costs):
        raise ValueError("a segment cannot cost that")
    return costs


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
