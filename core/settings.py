"""Settings: environment variables that start with MUSTER_, or a `.env` file in the working directory."""

from __future__ import annotations

import os
from datetime import time
from pathlib import Path
from typing import Final, Literal, TypeVar

import idna
from pydantic import Field, FilePath, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import SettingsError
from core.member_link_lifetime import ARCHIVE_DELAY, LINK_LIFETIME
from core.setting_types import (
    DEFAULT_ZONE,
    NEAR_PROXIES,
    STRONG_SECRET,
    Address,
    Caps,
    Costs,
    Country,
    DomainRates,
    Extras,
    LongSecrets,
    Networks,
    Place,
    Proxies,
    PublicAddress,
    PublicKeys,
    SecretList,
    TemplateFolder,
    Times,
    Topics,
    UsersAndPasswords,
    Zone,
    is_guessable,
    is_inside,
)

ROOT: Final = Path(__file__).resolve().parent.parent
"""The folder that holds the packages, in a checkout and when installed."""
_IN_WHEEL: Final = ROOT / "muster" / "templates"
TEMPLATES: Final = _IN_WHEEL if _IN_WHEEL.is_dir() else ROOT / "templates"
"""The folder of the templates that Muster brings: in a wheel inside the package `muster`, in a checkout at the top."""


class Settings(BaseSettings):
    """Settings, typed, each with its default. `docs/settings.md` is generated from here."""

    model_config = SettingsConfigDict(
        env_prefix="MUSTER_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    home: Path = Field(Path(".muster"), description="Where the embedded servers keep their data.")
    database_url: str | None = Field(
        None,
        description="PostgreSQL to use instead of the embedded one, for the login `muster_worker`: `postgresql://muster_worker:password@host:5432/muster`. The logins `muster_staff` and `muster_staff_all` use the same address and password, with their own names (docs/logins.md).",
    )
    owner_database_url: SecretStr | None = Field(
        None,
        description="The same database for `muster migrate`, as the login that owns its tables: `postgresql://muster_owner:another-password@host:5432/muster`. Default: MUSTER_DATABASE_URL with that user name, where it has no password. Nothing else uses it; keep it out of the servers' environment and of their `.env`, where they would read it.",
    )
    admin_database_url: SecretStr | None = Field(
        None,
        description="The same database for `muster migrate` the first time, as a superuser, or as its owner with CREATEROLE: makes and mends Muster's logins, with the passwords of the other two addresses. Without it the SQL for that is written, to be run by an administrator. Nothing else uses it; keep it out of the servers' environment and of their `.env`, where they would read it.",
    )
    redis_url: str | None = Field(
        None,
        description="Redis to use instead of the embedded one: `redis://:password@host:6379/0`, `rediss://…`, or with sentinels `redis+sentinel://:password@one:26379,two:26379,three:26379/service/0`.",
    )
    public_url: PublicAddress = Field(
        "http://127.0.0.1:8000",
        description="The address members' links start with, as the outside sees it: `https://` and a host name of its own, without a path. On servers of your own `http://` is refused, but for this machine, private networks and names that only resolve inside your network.",
    )
    insecure: bool = Field(
        False,
        description="Start with an `http://` MUSTER_PUBLIC_URL all the same; links and cookies can then be read on the way.",
    )
    listen: str = Field("127.0.0.1:8000", description="`host:port` the web server listens on.")
    proxies: Proxies = Field(
        NEAR_PROXIES,
        description="Networks of the proxies that stand before Muster, separated by commas: `10.0.3.0/24,203.0.113.0/24`; a load balancer and a CDN in front of it are both to be named. Each must append the address of its client to `X-Forwarded-For`, which is read from its end for as long as the address is in one of these networks; from any other address the header is ignored. Rate limits for unknown links and slow uploads use the client address found this way.",
    )
    web_connections: int = Field(
        8192,
        ge=64,
        description="Most connections to one `muster serve`, as far as the system gives it files for them (`ulimit -Hn`). When there are so many, the connection that has waited for its client for longest is closed.",
    )
    web_connections_per_network: int = Field(
        256,
        ge=8,
        description="Most connections to one `muster serve` from one network (/24 of IPv4, /48 of IPv6). Private addresses are not limited: a proxy beside us holds everybody's.",
    )
    metrics_token: SecretStr | None = Field(
        None,
        description="Clients of `/metrics` must send it: `Authorization: Bearer …`. Without it, `/metrics` answers this machine and private networks only, asked by an address, `localhost` or the name in MUSTER_PUBLIC_URL, and nobody who comes from elsewhere through a proxy.",
    )
    secret_key: LongSecrets = Field(
        (),
        description=f"Secret for links and sign-in, at least 32 characters, 7 of them different, neither words nor repetitions; a comma-separated list while rotating: the first signs, all verify (a former one may be as short as 16). Made and kept in MUSTER_HOME when the embedded database is used. Keep a former one until {LINK_LIFETIME.days} days after the last ballot or campaign it was used for has ended: without it the links of emails that were sent with it lead nowhere (`muster check links` counts them), which are good for unsubscribing even after that; within an hour a worker has encrypted with the first what is stored (authenticator apps, secrets of webhooks).",
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
        description="The mail relay: `smtp://user:password@host:587?starttls=always`, `smtps://…`; `starttls` is `never`, `always`, or `auto` (default): if the relay offers it, and always where there is a password.",
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

    email_domain_pace: DomainRates = Field(
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
    email_provider: str = Field(
        "",
        description="The provider whose relay `MUSTER_SMTP_URL` is: `sendgrid`, `mailgun`, `postmark` or `ses`. Each email then carries our id in the header which that provider gives back with its events. Empty for a relay of your own.",
    )
    sendgrid_webhook_key: PublicKeys = Field(
        (),
        description="SendGrid's public keys (base64), with which the signatures of its event webhook and of inbound parse are verified; a comma-separated list: any of them verifies.",
    )
    mailgun_webhook_key: SecretList = Field(
        (),
        description="Mailgun's HTTP webhook signing key; a comma-separated list while rotating: all verify.",
    )
    postmark_webhook_auth: UsersAndPasswords = Field(
        (),
        description="`user:password` that Postmark's webhooks carry in their address, at least 16 characters of password; a comma-separated list while rotating: all are let in.",
    )
    ses_topic_arn: Topics = Field(
        (),
        description="The SNS topics Amazon SES publishes its events to, `arn:aws:sns:…`; a comma-separated list. Messages from other topics are refused.",
    )
    ses_configuration_set: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="The configuration set of Amazon SES that emails are sent with, which publishes the events.",
    )

    sms_from: str | None = Field(
        None,
        description="Sender of texts: a number, an alphanumeric name, or a messaging service `MG…`. Without it no texts are sent; Vonage needs it, too.",
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
    vonage_base_url: Address | None = Field(
        None, description="Where Vonage's API is; set for the sandbox and for tests."
    )
    sms_providers: Costs = Field(
        "",
        description="The providers that send texts: `twilio`, `vonage`, or both with a comma. The first working one sends; with prices per segment, `twilio=0.0463,vonage=0.0405`, the cheapest working one. Default: those that are set up, Twilio first.",
    )
    sms_connections: int = Field(
        32, ge=1, le=500, description="Requests a worker has open to the SMS provider at once."
    )
    sms_region: Country = Field(
        "GB", description="Country whose way of writing phone numbers is assumed when there is no +."
    )

    frequency_cap: Caps = Field(
        (),
        description="The most messages one person gets, from all campaigns and by both channels together, such as `3 in 7 days`; several separated by commas. `3 marketing in 7 days` counts and holds back marketing messages only. A campaign may add caps of its own, or be exempt.",
    )

    outgoing_allow: Networks = Field(
        (),
        description="Networks that webhooks and exports may be sent to although they are not public, separated by commas: `10.20.0.0/16,127.0.0.1`. Only these can be reached by plain `http://`. Default: public addresses alone, by `https://`.",
    )
    webhook_include: Extras = Field(
        (),
        description="What webhooks may tell beside ids, where a subscription asks for it: `addresses` (phone numbers and mailboxes), `texts` (what members wrote), or both with a comma.",
    )
    keep_events: int = Field(
        30,
        ge=4,
        description="Days that events for webhooks, and the log of their deliveries, are kept: how far back a stream can be replayed.",
    )

    turnout_export_to: Place | None = Field(
        None,
        description="Where turnout is exported to by the clock: a folder that every worker has, or an address (`https://…`) that files are PUT under; see docs/turnout.md.",
    )
    turnout_export_at: Times = Field(
        (time(7), time(19)), description="When: times of day in MUSTER_TIME_ZONE, separated by commas: `07:00,19:00`."
    )
    turnout_export_format: Literal["csv", "parquet"] = Field(
        "csv", description="As what: `csv`, or `parquet`, which needs `pip install 'pyarrow>=21'`."
    )
    turnout_export_token: SecretStr | None = Field(
        None, description="What the address is shown as `Authorization: Bearer …`, if it asks for that."
    )

    templates: TemplateFolder | None = Field(
        None, description="A folder of your own with `messages/<name>/`, looked in before the ones Muster brings."
    )
    time_zone: Zone = Field(
        DEFAULT_ZONE, description="Time zone of people who have none of their own, and of times in files."
    )
    organisation: str = Field("Your organisation", description="The organisation that asks, as members see it.")
    contact: str = Field(
        "", description="How members reach you: a phone number, address or web page for the foot of every email."
    )
    archive_after: int = Field(
        90,
        ge=ARCHIVE_DELAY.days,
        description="Days until the messages of a campaign that is over move into the archive, counted from the close of its ballot, or from its own end if it is about nothing that closes; see docs/retention.md.",
    )
    keep_inbound: int = Field(
        30,
        ge=2,
        description="Days that what came in (receipts, texts, presses of buttons, mails) is kept as it came, once it has been processed; but a reply by email with attachments is deleted as soon as it has been read. Providers repeat themselves for some hours, and must be recognised.",
    )
    log_format: str = Field("text", pattern="^(text|json)$", description="`text` for people, `json` for programs.")

    @property
    def organisation_name(self) -> str:
        """Return the organisation's name; empty if it is not set: no page shows the default, “Your organisation”."""
        return self.organisation if "organisation" in self.model_fields_set else ""

    @property
    def is_https(self) -> bool:
        """Tell whether browsers reach Muster by HTTPS, as they do everywhere but in development."""
        return self.public_url.startswith("https://")

    @property
    def template_roots(self) -> tuple[Path, ...]:
        """List the folders templates are looked up in, first match wins."""
        own = (self.templates,) if self.templates else ()
        return (*own, TEMPLATES)

    @property
    def bounce_host(self) -> str:
        """Return the domain that bounces come back to, as DNS writes it (IDNA).

        Raises:
            SettingsError: it cannot be a domain.
        """
        return _in_dns(self.bounce_domain or self.email_from.rpartition("@")[2].rstrip("> "), "MUSTER_BOUNCE_DOMAIN")

    @property
    def reply_host(self) -> str | None:
        """Return the domain that replies come to, as DNS writes it; None if people read them elsewhere.

        Raises:
            SettingsError: it cannot be a domain.
        """
        return _in_dns(self.reply_domain, "MUSTER_REPLY_DOMAIN") if self.reply_domain else None

    @property
    def has_email(self) -> bool:
        """Tell whether emails can be sent."""
        return self.smtp_url is not None


Kind = TypeVar("Kind", bound=Settings)


def _in_dns(host: str, setting: str) -> str:
    try:
        return host if host.isascii() else idna.encode(host, uts46=True).decode()
    except UnicodeError as error:
        raise SettingsError(f"“{host}” is not a domain.", remedy=f"See {setting}.") from error


def read_settings(kind: type[Kind]) -> Kind:
    """Read settings from the environment.

    Args:
        kind: the class to read: `messaging.settings.load_settings` reads every setting, those of providers too.

    Raises:
        SettingsError: a value cannot be right; the message has a line for each such setting.
    """
    try:
        return kind()
    except ValidationError as error:
        lines = [
            f"MUSTER_{str(problem['loc'][0]).upper()}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        ]
        raise SettingsError("; ".join(lines) + ".", remedy="See docs/settings.md.") from None


def check_for_production(settings: Settings) -> None:
    """Refuse to start on an external database without the secrets and the address that make it safe.

    Raises:
        SettingsError: names what is missing or unsafe, and how to make it right.
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
    if is_guessable(settings.secret_key[0].get_secret_value()):
        least, different = STRONG_SECRET
        raise SettingsError(
            f"MUSTER_SECRET_KEY can be guessed: it needs at least {least} characters, {different} of them different, and"
            " neither words nor repetitions.",
            remedy="Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'. Where links were sent with"
            " the present one, put the new one in front: MUSTER_SECRET_KEY=new,present.",
        )
    if settings.public_url.startswith("http://") and not is_inside(settings.public_url) and not settings.insecure:
        raise SettingsError(
            "MUSTER_PUBLIC_URL begins with http://, so that members' links and the staff's cookies could be read on the way.",
            remedy="Begin it with https:// and put a proxy with a certificate in front (docs/proxy.md); to serve it like"
            " this all the same, set MUSTER_INSECURE=1.",
        )
