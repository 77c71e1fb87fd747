"""Settings are documented, read as documented, and refused in words."""

from __future__ import annotations

import base64
import random
import re
import string
import uuid
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.setting_types import is_guessable
from core.settings import ROOT, check_for_production
from messaging.channels import has_sms
from messaging.settings import AllSettings, load_settings
from tools.settings_page import PAGE, page

RELIED_ON = [
    "HOME",
    "DATABASE_URL",
    "REDIS_URL",
    "PUBLIC_URL",
    "SECRET_KEY",
    "LISTEN",
    "SMTP_URL",
    "EMAIL_FROM",
    "BOUNCE_DOMAIN",
    "SMS_FROM",
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_BASE_URL",
]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in AllSettings.model_fields:
        monkeypatch.delenv(f"MUSTER_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_page_agrees_with_the_settings() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: make docs"


@pytest.mark.parametrize("name", AllSettings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    assert AllSettings.model_fields[name].description
    assert f"### `MUSTER_{name.upper()}`" in PAGE.read_text(encoding="utf-8")


def test_no_document_names_a_setting_that_does_not_exist() -> None:
    known = {f"MUSTER_{name.upper()}" for name in AllSettings.model_fields}
    known.add("MUSTER_PICTURES")  # of the browser tests, not of Muster
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    named = {name for path in pages for name in re.findall(r"\bMUSTER_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8"))}
    assert named <= known, named - known


@pytest.mark.parametrize("name", RELIED_ON)
def test_names_that_other_programs_rely_on_are_kept(name: str) -> None:
    assert name.lower() in AllSettings.model_fields


def test_no_setting_is_required() -> None:
    settings = load_settings()
    check_for_production(settings)
    assert settings.database_url is None
    assert not has_sms(settings)
    assert not settings.has_email


def test_a_file_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("MUSTER_ORGANISATION=From the file\nMUSTER_CONTACT=file\nOTHER=1\n")
    monkeypatch.setenv("MUSTER_CONTACT", "environment")
    settings = load_settings()
    assert (settings.organisation, settings.contact) == ("From the file", "environment")


def test_secrets_may_be_lists_while_rotating(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_SECRET_KEY", "the newest secret of all, the one before that")
    monkeypatch.setenv("MUSTER_TWILIO_AUTH_TOKEN", "one")
    settings = load_settings()
    assert [secret.get_secret_value() for secret in settings.secret_key] == [
        "the newest secret of all",
        "the one before that",
    ]
    assert [secret.get_secret_value() for secret in settings.twilio_auth_token] == ["one"]
    assert "newest" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MUSTER_SECRET_KEY", "too short"),
        ("MUSTER_PUBLIC_URL", "vote.example.org"),
        ("MUSTER_TIME_ZONE", "Mars/Olympus"),
        ("MUSTER_LOG_FORMAT", "xml"),
        ("MUSTER_SMS_CONNECTIONS", "many"),
    ],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as refused:
        load_settings()
    if name == "MUSTER_SECRET_KEY":
        assert value not in str(refused.value)


@pytest.mark.parametrize("missing", ["MUSTER_SECRET_KEY", "MUSTER_REDIS_URL", "MUSTER_PUBLIC_URL"])
def test_own_servers_need_what_has_no_safe_default(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    complete = {
        "MUSTER_DATABASE_URL": "postgresql://db.example.org/muster",
        "MUSTER_SECRET_KEY": "a quiet river of nine green otters at dawn",
        "MUSTER_REDIS_URL": "redis://db.example.org",
        "MUSTER_PUBLIC_URL": "https://vote.example.org",
    }
    for name, value in complete.items():
        monkeypatch.setenv(name, value)
    check_for_production(load_settings())
    monkeypatch.delenv(missing)
    with pytest.raises(SettingsError, match=missing):
        check_for_production(load_settings())


CLOUDFLARE = [
    "173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22", "141.101.64.0/18", "108.162.192.0/18",
    "190.93.240.0/20", "188.114.96.0/20", "197.234.240.0/22", "198.41.128.0/17", "162.158.0.0/15", "104.16.0.0/13",
    "104.24.0.0/14", "172.64.0.0/13", "131.0.72.0/22", "2400:cb00::/32", "2606:4700::/32", "2803:f800::/32",
    "2405:b500::/32", "2405:8100::/32", "2a06:98c0::/29", "2c0f:f248::/32",
]  # fmt: skip
AKAMAI = [
    "2.16.0.0/13", "23.0.0.0/12", "23.32.0.0/11", "23.64.0.0/14", "23.72.0.0/13", "23.192.0.0/11", "69.192.0.0/16",
    "72.246.0.0/15", "88.221.0.0/16", "92.122.0.0/15", "95.100.0.0/15", "96.6.0.0/15", "96.16.0.0/15", "104.64.0.0/10",
    "118.214.0.0/16", "173.222.0.0/15", "184.24.0.0/13", "184.50.0.0/15", "184.84.0.0/14", "2600:1400::/24",
    "2405:9600::/32", "2a02:26f0::/29",
]  # fmt: skip
FASTLY = [
    "23.235.32.0/20", "43.249.72.0/22", "103.244.50.0/24", "103.245.222.0/23", "103.245.224.0/24", "104.156.80.0/20",
    "140.248.64.0/18", "140.248.128.0/17", "146.75.0.0/17", "151.101.0.0/16", "157.52.64.0/18", "167.82.0.0/17",
    "167.82.128.0/20", "167.82.160.0/20", "167.82.224.0/20", "172.111.64.0/18", "185.31.16.0/22", "199.27.72.0/21",
    "199.232.0.0/16", "2a04:4e40::/32", "2a04:4e42::/32",
]  # fmt: skip
CLOUDFRONT = [
    "3.160.0.0/14", "3.164.0.0/18", "3.164.64.0/18", "3.164.128.0/17", "3.165.0.0/16", "3.166.0.0/15", "3.168.0.0/14",
    "3.172.0.0/18", "13.32.0.0/15", "13.35.0.0/16", "13.224.0.0/14", "13.249.0.0/16", "15.158.0.0/16", "18.64.0.0/14",
    "18.68.0.0/16", "18.154.0.0/15", "18.160.0.0/15", "18.164.0.0/15", "18.172.0.0/15", "18.238.0.0/15",
    "18.244.0.0/15", "52.46.0.0/18", "52.82.128.0/19", "52.84.0.0/15", "52.124.128.0/17", "52.222.128.0/17",
    "54.182.0.0/16", "54.192.0.0/16", "54.230.0.0/17", "54.230.128.0/18", "54.230.200.0/21", "54.230.208.0/20",
    "54.230.224.0/19", "54.239.128.0/18", "54.239.192.0/19", "54.240.128.0/18", "64.252.64.0/18", "64.252.128.0/18",
    "65.8.0.0/16", "65.9.0.0/17", "65.9.128.0/18", "70.132.0.0/18", "71.152.0.0/17", "99.84.0.0/16", "99.86.0.0/16",
    "108.138.0.0/15", "108.156.0.0/14", "130.176.0.0/17", "130.176.128.0/18", "130.176.192.0/19", "130.176.224.0/20",
    "143.204.0.0/16", "144.220.0.0/16", "204.246.176.0/20", "205.251.208.0/20", "216.137.32.0/19",
    "2600:9000:1000::/36", "2600:9000:2000::/36",
]  # fmt: skip
"""As each publishes them."""
PRODUCTION = {
    "MUSTER_DATABASE_URL": "postgresql://db.example.org/muster",
    "MUSTER_SECRET_KEY": "a quiet river of nine green otters at dawn",
    "MUSTER_REDIS_URL": "redis://db.example.org",
    "MUSTER_PUBLIC_URL": "https://vote.example.org",
}


def start_with(monkeypatch: pytest.MonkeyPatch, **other: str) -> None:
    for name, value in (PRODUCTION | other).items():
        monkeypatch.setenv(name, value)
    check_for_production(load_settings())


@pytest.mark.parametrize("secret", [
    "aaaaaaaaaaaaaaaa", "a" * 64, "ababababababababababababababababab", "0123456789abcdef", "password" * 8,
    "abcdefghij" * 4, "0123456789" * 4, "password1234" * 3, "changemechangeme-changeme1234567890",
    "qwertyuiopasdfghjklzxcvbnm123456", "1qaz2wsx3edc4rfv!QAZ@WSX#EDC$RFV", "zyxwvutsrqponmlkjihgfedcba9876543210",
    "this-is-my-secret-key-change-in-production", "Password!Password!Password!Admin1",
    "11223344556677889911223344556677", "aaabbbcccdddeeefffggghhhiiijjjkk", "ppaasssswwoorrdd" * 2,
    "fedcba9876543210" * 2, "deadbeef" * 4, "0123456789abcdef0123456789abcdef", "thirty-one characters: not yet.",
    "correct horse battery staple correct", "correct-horse-battery-staple-1234",
    "aaaaaaaaaaaaaaaa,a quiet river of nine green otters at dawn",
])  # fmt: skip
def test_a_secret_that_can_be_guessed_does_not_start(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    with pytest.raises(SettingsError, match=r"MUSTER_SECRET_KEY can be guessed.*at least 32") as refused:
        start_with(monkeypatch, MUSTER_SECRET_KEY=secret)
    assert "secrets.token_urlsafe(32)" in refused.value.remedy
    assert secret not in str(refused.value)


def test_the_command_that_makes_a_secret_is_not_accepted_as_one() -> None:
    for taken in ("python3 -c 'import secrets; print(secrets.token_urlsafe(32))'", "print(secrets.token_urlsafe(32))"):
        assert is_guessable(taken)


def test_a_former_secret_is_not_checked_for_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    start_with(monkeypatch, MUSTER_SECRET_KEY="a quiet river of nine green otters at dawn,aaaaaaaaaaaaaaaa")
    start_with(monkeypatch, MUSTER_SECRET_KEY="pbQmXS4J-8lwcZ5sB1Vt_dYh3uEoNgR7kTfA2zKeWqI,aaaaaaaaaaaaaaaa")


def test_a_secret_of_a_generator_is_not_guessable() -> None:
    """Of 9 different digits, as once in 10,000 times."""
    assert not is_guessable("090dd9950ad5909aceddc244004c2444")
    chance = random.Random(2026)
    for _ in range(1000):
        sixteen, thirty_two = chance.randbytes(16), chance.randbytes(32)
        for made in (
            sixteen.hex(), thirty_two.hex(), sixteen.hex().upper(), str(uuid.UUID(bytes=sixteen, version=4)),
            uuid.UUID(bytes=sixteen, version=4).hex, base64.urlsafe_b64encode(thirty_two).decode().rstrip("="),
            base64.urlsafe_b64encode(thirty_two[:24]).decode(), base64.b64encode(thirty_two).decode(),
            "".join(chance.choices(string.ascii_letters + string.digits, k=32)),
        ):  # fmt: skip
            assert not is_guessable(made), made


@pytest.mark.parametrize("address", [
    "http://vote.example.org", "http://93.184.216.34", "http://93.184.216.34:8000", "http://[2606:2800:220:1::1]",
    "http://localhost.example.org", "http://vote", "http://0.0.0.0", "http://contest",
])  # fmt: skip
def test_an_address_that_anybody_can_listen_to_does_not_start(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    with pytest.raises(SettingsError, match="MUSTER_PUBLIC_URL begins with http://") as refused:
        start_with(monkeypatch, MUSTER_PUBLIC_URL=address)
    assert "https://" in refused.value.remedy
    assert "MUSTER_INSECURE=1" in refused.value.remedy
    start_with(monkeypatch, MUSTER_PUBLIC_URL=address, MUSTER_INSECURE="1")


@pytest.mark.parametrize("address", [
    "https://vote.example.org", "https://vote.example.org/", "http://127.0.0.1:8000", "http://localhost:8000",
    "http://10.0.0.7", "http://192.168.1.4:8000", "http://[::1]:8000", "http://[fd00::7]", "http://muster.internal",
    "http://muster.test",
])  # fmt: skip
def test_https_and_inner_addresses_start(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    start_with(monkeypatch, MUSTER_PUBLIC_URL=address)


@pytest.mark.parametrize("address", [
    "https://vote.example.org/?a=1", "https://vote.example.org?", "https://vote.example.org/#top", "https://vote.example.org#",
    "https://vote.example.org/../other", "https://vote.example.org/a/..", "https://vote.example.org/%2e%2e/a", "https://",
    "https://user:secret@vote.example.org", "https://vote.example.org:port", "https://vote example.org",
    "https://vote.example.org/\na", "https://[::1", "https:///path", "https://-", "https://.example.org", "https://a..org",
    "https://-a.org", "https://a-.org", "https://*.example.org", "https://.", "https://vote.example.org:99999",
])  # fmt: skip
def test_an_address_to_which_links_cannot_be_added_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    with pytest.raises(SettingsError, match="MUSTER_PUBLIC_URL: ") as refused:
        start_with(monkeypatch, MUSTER_PUBLIC_URL=address)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://vote.example.org:443", "https://vote.example.org"),
        ("https://vote.example.org:443/", "https://vote.example.org"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("https://[2001:db8::1]:443", "https://[2001:db8::1]"),
        ("https://[2001:db8::443]", "https://[2001:db8::443]"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://vote.example.org:", "https://vote.example.org"),
        ("https://vote.example.org:80", "https://vote.example.org:80"),
        ("http://127.0.0.1:443", "http://127.0.0.1:443"),
        ("https://vote.example.org", "https://vote.example.org"),
        ("https://vote.example.org:8443/", "https://vote.example.org:8443"),
    ],
)
def test_the_usual_port_is_left_out_of_an_address_as_browsers_do(
    monkeypatch: pytest.MonkeyPatch, typed: str, kept: str
) -> None:
    monkeypatch.setenv("MUSTER_PUBLIC_URL", typed)
    assert load_settings().public_url == kept


def test_the_embedded_servers_need_none_of_this(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_PUBLIC_URL", "http://vote.example.org")
    monkeypatch.setenv("MUSTER_SECRET_KEY", "a" * 16)
    check_for_production(load_settings())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("templates", "/nowhere", "there is no folder /nowhere/messages"),
        ("sms_region", "XX", "XX is not a country"),
        ("time_zone", "Europe/Nowhere", "is not a time zone"),
        *(
            ("proxies", value, "so wide that members are in")
            for value in (
                "0.0.0.0/0",
                "10.0.3.0/24,0.0.0.0/1",
                "128.0.0.0/1",
                "64.0.0.0/7",
                "8.0.0.0/8",
                "104.16.0.0/12",
                "11.0.0.0/10",
                "9.0.0.0/8,10.0.0.0/8",
                "86.128.0.0/13",
                "86.128.0.0/14",
                "86.0.0.0/14,86.4.0.0/14,86.8.0.0/14,86.12.0.0/14",
                "86.9.0.0/16,86.7.0.0/16,86.8.0.0/16",
                ",".join(f"86.{second}.0.0/17" for second in range(0, 34, 2)),
                "100.64.0.0/10",
                "2a00:23c0::/29",
                "2a02:c7c::/30",
                "2a00:23c0::/32,2a00:23c1::/32",
                ",".join(f"2a00:23{last:02x}::/32" for last in range(0, 36, 2)),
                "172.0.0.0/9",
                ",".join(f"{first}.0.0.0/10" for first in range(11, 16)),
                ",".join(f"{first}.{second}.0.0/16" for first in (81, 82) for second in range(150)),
                ",".join(f"{first}.0.0.0/16" for first in range(11, 223)),
                ",".join(f"{first}.{second}.0.0/16" for first in range(11, 20) for second in range(8)),
                ",".join(f"2a{second:02x}::/20" for second in range(5)),
                "2a00::/12",
                "2600:9000::/27",
                ",".join(f"2a{second:02x}::/28" for second in range(5)),
                "::/0",
                "2000::/3",
                "::ffff:0:0/96",
                "::ffff:0.0.0.0/97",
            )
        ),
        *(
            ("proxies", value, "stands for IPv4 addresses: name their networks as IPv4")
            for value in (
                "2002:800::/24",
                "2002::/16",
                "2001::/32",
                "2001:0:800::/40",
                "64:ff9b::800:0/104",
                "::/64",
            )
        ),
        ("proxies", "10.0.3.5/24", "has host bits set"),
        ("proxies", "the balancer", "does not appear to be"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"MUSTER_{name.upper()}", value)
    with pytest.raises(SettingsError, match=f"MUSTER_{name.upper()}: .*{words}"):
        load_settings()


@pytest.mark.parametrize(
    ("given", "networks"),
    [
        ("10.0.0.0/8", ["10.0.0.0/8"]),
        *((",".join(published), published) for published in (CLOUDFLARE, AKAMAI, FASTLY, CLOUDFRONT)),
        (",".join(all_four := CLOUDFLARE + AKAMAI + FASTLY + CLOUDFRONT), all_four),
        (",".join(CLOUDFLARE + CLOUDFLARE), CLOUDFLARE + CLOUDFLARE),
        ("104.64.0.0/10,23.32.0.0/11", ["104.64.0.0/10", "23.32.0.0/11"]),
        ("172.16.0.0/12,100.64.0.0/16,192.168.0.0/16", ["172.16.0.0/12", "100.64.0.0/16", "192.168.0.0/16"]),
        ("104.64.0.0/10,104.64.0.0/10", ["104.64.0.0/10", "104.64.0.0/10"]),
        ("86.0.0.0/16,86.1.0.0/16", ["86.0.0.0/16", "86.1.0.0/16"]),
        ("::ffff:10.0.0.0/104", ["10.0.0.0/8"]),
        ("::ffff:10.0.3.7", ["10.0.3.7/32"]),
        ("fc00::/7,2600:9000::/28", ["fc00::/7", "2600:9000::/28"]),
    ],
)
def test_proxies_are_networks_as_addresses_are_compared_with_them(
    monkeypatch: pytest.MonkeyPatch, given: str, networks: list[str]
) -> None:
    monkeypatch.setenv("MUSTER_PROXIES", given)
    assert list(map(str, load_settings().proxies)) == networks


def test_a_frequency_cap_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_FREQUENCY_CAP", "1 in 1 day, 3 in 7 days")
    assert [str(cap) for cap in load_settings().frequency_cap] == ["1 in 1 day", "3 in 7 days"]
    monkeypatch.setenv("MUSTER_FREQUENCY_CAP", "thrice")
    with pytest.raises(SettingsError, match="MUSTER_FREQUENCY_CAP: write the most messages in a time"):
        load_settings()


def test_vonages_address_has_to_be_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_VONAGE_BASE_URL", "https://api-eu.vonage.com/")
    assert load_settings().vonage_base_url == "https://api-eu.vonage.com"
    monkeypatch.setenv("MUSTER_VONAGE_BASE_URL", "api-eu.vonage.com")
    with pytest.raises(SettingsError, match="MUSTER_VONAGE_BASE_URL: it must start with http"):
        load_settings()


def test_the_error_for_a_short_secret_says_how_long_it_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_SECRET_KEY", "short")
    with pytest.raises(SettingsError, match="the secret that signs needs at least 32 characters") as refused:
        load_settings()
    assert "16" in str(refused.value)
