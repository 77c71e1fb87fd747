"""Types of settings: the notation of each value in the environment, and the errors about it.

Each name here is a type for a field of `Settings`; errors are worded for the person who wrote the value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import time
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import groupby
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

import phonenumbers
from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode
from yarl import URL

from core.cdn_networks import is_published
from core.domain_groups import read_groups
from core.frequency_caps import Cap, parse_caps
from core.public_keys import read_public_key

MIN_SECRET: Final = 16
"""Fewest characters of a secret."""
STRONG_SECRET: Final = (32, 7)
"""Characters of a strong secret, and how many of them differ: guesses can be tried offline against members' links.

Of 32 random hexadecimal digits, less than seven differ once in 5,000,000,000 times: C(16, 6) * (6 / 16) ** 32.
"""
_MIN_SURPRISES: Final = 16
"""Fewest characters of a strong secret that do not follow from the characters before …"""
_SURPRISES_OF_SINGLES: Final = 12
"""… and those without doubled ones (`112233`). Of 32 random characters, fewer do so less than once in 1,000,000,000."""
_BY_CHANCE: Final = 3
_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyzabc 01234567890123 qwertyuiop asdfghjkl zxcvbnm qwertzuiop yxcvbnm azertyuiop qsdfghjklm"
    " wxcvbn !@#$%^&*() !qaz@wsx#edc$rfv%tgb 1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p"
)
_WORDS: Final = (
    "python3 -c", "import secrets", "print(secrets.token_urlsafe(32))", "openssl rand", "password", "passwort",
    "passphrase", "secret", "change", "changeme", "please", "replace", "insert", "here", "this", "that", "with",
    "your", "random", "string", "admin", "administrator", "root", "user", "test", "testing", "example", "sample",
    "default", "demo", "muster", "union", "ballot", "vote", "member", "welcome", "letmein", "login", "hello",
    "world", "dragon", "monkey", "master", "football", "iloveyou", "sunshine", "princess", "production",
    "development", "staging", "server", "database", "django", "insecure", "supersecret", "super", "very", "long",
    "enough", "must", "least", "characters", "chars", "import", "print", "python", "secrets", "token", "urlsafe",
    "openssl", "rand", "base64", "todo", "fixme", "none", "null", "undefined", "key", "value", "only", "for", "and",
    "the", "not", "use", "is", "my", "in", "to", "of", "it", "correct", "horse", "battery", "staple",
)  # fmt: skip
_NEVER_PUBLIC: Final = ("localhost", "test", "local", "internal", "home.arpa")
"""Endings of host names that lead nowhere from the outside (RFC 6761, 6762, 8375; ICANN for `internal`)."""

Network = IPv4Network | IPv6Network

_USUAL_PORTS: Final = {"http": 80, "https": 443}
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_WIDEST: Final = {4: 1 << 17, 6: 1 << 96}
"""Most public addresses in an unbroken run (a /15; IPv6: a /32), in one network or several …"""
_MAX_PUBLIC: Final = {4: 1 << 19, 6: 1 << 100}
"""… and in a whole list; wider ones that CDNs publish are not counted."""
_EMBEDDING: Final = (_MAPPED, IPv6Network("2002::/16"), IPv6Network("2001::/32"), IPv6Network("64:ff9b::/96"))
"""Networks in which IPv6 addresses stand for IPv4 ones: mapped, 6to4, Teredo, NAT64."""
_INSIDE_IPV4: Final = tuple(
    map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16"))
)
_INSIDE_IPV6: Final = tuple(map(IPv6Network, ("::1/128", "fc00::/7", "fe80::/10")))
"""Networks of a company, a cluster or a machine, not of a carrier (100.64.0.0/10): no member comes from there."""
NEAR_PROXIES: Final[tuple[Network, ...]] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
"""Loopback networks: only a proxy on this machine connects from there."""

_HOST: Final = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?|[0-9a-f:.]*:[0-9a-f:.]*"
)
"""Name of a host as in DNS, or an IPv6 address."""
_TOPIC: Final = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")


def read_costs(text: str) -> list[tuple[str, float | None]]:
    """Read the SMS providers and what a segment costs at each.

    Args:
        text: `twilio=0.0463,vonage=0.0405`, or the names alone.

    Raises:
        ValueError: a cost is no valid number.
    """
    costs: list[tuple[str, float | None]] = []
    for part in split(text):
        name, equals, cost = part.partition("=")
        try:
            costs.append((name.strip().lower(), float(cost) if equals else None))
        except ValueError:
            raise ValueError(f"{cost.strip()} is not what a segment costs") from None
    if any(cost is not None and not 0 <= cost < math.inf for _, cost in costs):
        raise ValueError("a segment cannot cost that")
    return costs


def split(text: str) -> tuple[str, ...]:
    """Split a text at its commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _split(value: object) -> object:
    return split(value) if isinstance(value, str) else value


def _networks(value: object) -> object:
    return tuple(map(_network, split(value))) if isinstance(value, str) else value


def _network(text: str) -> Network:
    """Read a network in the form addresses are compared in: IPv4 written as IPv6 (`::ffff:10.0.0.0/104`) is IPv4."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        address = network.network_address.ipv4_mapped
        return ip_network((int(address or 0), network.prefixlen - _MAPPED.prefixlen))
    return network


def _proxies(value: tuple[Network, ...]) -> tuple[Network, ...]:
    """Refuse networks in which clients are as well: such clients would all share one limit."""
    public = [network for network in value if not _is_inside(network) and not is_published(network)]
    for network in public:
        embedding = [special for special in _EMBEDDING if network.version == 6 and network.overlaps(special)]
        if embedding and (
            network.num_addresses <= _WIDEST[6] or any(network.prefixlen >= special.prefixlen for special in embedding)
        ):
            raise ValueError(f"{network} stands for IPv4 addresses: name their networks as IPv4, such as 10.0.3.0/24")
    for version in (4, 6):
        runs = _runs([network for network in public if network.version == version])
        for first, count in runs:
            if count > _WIDEST[version]:
                raise _too_wide(f"the networks from {first} on are so wide that members are in them")
        if (count := sum(count for _, count in runs)) > _MAX_PUBLIC[version]:
            raise _too_wide(f"together, the networks are so wide that members are in them ({count:,} public addresses)")
    return value


def _runs(networks: Sequence[Network]) -> list[tuple[str, int]]:
    """Join networks that overlap or adjoin into runs: the first address of each, and its number of addresses."""
    runs: list[tuple[Network, int, int]] = []
    for network in sorted(networks, key=lambda network: (int(network.network_address), network.prefixlen)):
        start, end = int(network.network_address), int(network.broadcast_address) + 1
        if runs and start <= runs[-1][2]:
            first, begin, until = runs.pop()
            runs.append((first, begin, max(until, end)))
        else:
            runs.append((network, start, end))
    return [(str(first.network_address), until - begin) for first, begin, until in runs]


def _is_inside(network: Network) -> bool:
    if isinstance(network, IPv4Network):
        return any(map(network.subnet_of, _INSIDE_IPV4))
    return any(map(network.subnet_of, _INSIDE_IPV6))


def _too_wide(what: str) -> ValueError:
    return ValueError(
        f"{what}, not just proxies: name the networks of your proxies, such as 10.0.3.0/24; of a CDN, those that it"
        " publishes, one by one and as they are, not a wider one around them"
    )


def _caps(value: object) -> object:
    return parse_caps(value) if isinstance(value, str) else value


def _times(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(sorted({time.fromisoformat(part.strip()) for part in value.split(",")}))
    except ValueError:
        raise ValueError(f"{value} is no list of times such as 07:00,19:00") from None


def _long_enough(value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if any(len(secret.get_secret_value()) < MIN_SECRET for secret in value):
        raise ValueError(
            f"the secret that signs needs at least {STRONG_SECRET[0]} characters, a former one after it {MIN_SECRET}"
        )
    return value


def _users_and_passwords(value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if any(len(secret.get_secret_value().partition(":")[2]) < MIN_SECRET for secret in value):
        raise ValueError(f"it must be user:password, with at least {MIN_SECRET} characters of password")
    return value


def _public_keys(value: tuple[str, ...]) -> tuple[str, ...]:
    for key in value:
        read_public_key(key)
    return value


def _topics(value: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [arn for arn in value if not _TOPIC.fullmatch(arn)]
    if wrong:
        raise ValueError(f"{wrong[0]} is not a topic such as arn:aws:sns:eu-west-2:123456789012:muster")
    return value


def _costs(value: str) -> str:
    costs = read_costs(value)
    if len({name for name, _ in costs}) < len(costs):
        raise ValueError("it names a provider twice")
    if len({cost is None for _, cost in costs}) > 1:
        raise ValueError("say what a segment costs at every provider, or at none")
    return value


def _address(value: str) -> str:
    scheme, colon, rest = value.partition(":")
    value = f"{scheme.lower()}{colon}{rest}"
    if not value.startswith(("http://", "https://")):
        raise ValueError("it must start with http:// or https://")
    try:
        parts = urlsplit(value)
        named = bool(parts.hostname) and parts.port != 0
        if named:
            parts = parts._replace(netloc=_as_in_dns(parts))
            named = _HOST.fullmatch(parts.hostname or "") is not None
    except ValueError:  # also of idna
        named = False
    if not named or parts.username is not None or not value.isprintable() or " " in value:
        raise ValueError("it must be http:// or https:// and a host, such as https://vote.example.org")
    if "?" in value or "#" in value or ".." in parts.path.split("/") or "%" in parts.path:
        raise ValueError("what is put behind it must stay there: it can have no ?, # or %, and no .. in its path")
    if not parts.path.isascii():
        raise ValueError("its path can only have English letters: one other letter makes a text cost twice as much")
    return _without_usual_port(parts).rstrip("/")


def _public_address(value: str) -> str:
    address = _address(value)
    if urlsplit(address).path:
        raise ValueError(
            "it can have no path: pages, forms and redirects begin at the root. Give Muster a host name of its own,"
            " such as https://vote.example.org"
        )
    return address


def _as_in_dns(parts: SplitResult) -> str:
    """Return the host as DNS has it: an address is in every text, and one letter beyond ASCII makes it cost double."""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else URL.build(scheme="http", host=host).raw_host or ""
    login, at, _ = parts.netloc.rpartition("@")
    return f"{login}{at}{host}" + (f":{parts.port}" if parts.port else "")


def _without_usual_port(parts: SplitResult) -> str:
    """Return the address as browsers write it: `https://vote.example.org:443` has no port in `Origin`."""
    host = parts.netloc
    if not host.endswith("]") and parts.port in {None, _USUAL_PORTS[parts.scheme]}:
        host = host.partition(":")[0] if host[0] != "[" else host.rpartition(":")[0]
    return f"{parts.scheme}://{host}{parts.path}"


def is_guessable(secret: str) -> bool:
    """Tell whether a secret is short, has few different characters, or is made of what people think of first."""
    return (
        len(secret) < STRONG_SECRET[0]
        or len(set(secret)) < STRONG_SECRET[1]
        or _surprises(secret) < _MIN_SURPRISES
        or _surprises("".join(character for character, _ in groupby(secret.lower()))) < _SURPRISES_OF_SINGLES
    )


def _surprises(secret: str) -> int:
    """Count the characters of a secret that do not follow from earlier ones; a repetition, run or word counts once."""
    text = secret.lower()
    place = surprises = 0
    while place < len(text):
        place += max(_repeated(text, place), _run(text, place), _word(text, place), 1)
        surprises += 1
    return surprises


def _repeated(text: str, place: int) -> int:
    """Count the next characters that repeat an earlier part of the text; three in a row can by chance."""
    length = 0
    while place + length < len(text) and text[place : place + length + 1] in text[: place + length]:
        length += 1
    return length if length > _BY_CHANCE else 0


def _run(text: str, place: int) -> int:
    """Count how far the text runs on, forwards or backwards: an alphabet, numbers, a row of keys, one character."""
    length = 0
    while length < len(text) - place:
        piece = text[place : place + length + 1]
        if not (piece in _ROWS or piece[::-1] in _ROWS or len(set(piece)) == 1):
            break
        length += 1
    return length if length > _BY_CHANCE else 0


def _word(text: str, place: int) -> int:
    return max((len(word) for word in _WORDS if text.startswith(word, place)), default=0)


def is_inside(address: str) -> bool:
    """Tell whether a web address leads to this machine or a private network, not to a host elsewhere."""
    host = (urlsplit(address).hostname or "").rstrip(".")
    try:
        place = ip_address(host)
    except ValueError:
        return any(host == end or host.endswith(f".{end}") for end in _NEVER_PUBLIC)
    return place.is_private and not place.is_unspecified


def _place(value: str) -> str:
    if "://" in value and not value.startswith(("https://", "http://")):
        raise ValueError(f"{value} is neither a folder nor an address such as https://files.example.org/turnout")
    return value.rstrip("/") if value != "/" else value


def _folder(value: Path) -> Path:
    if not (value / "messages").is_dir():
        raise ValueError(f"there is no folder {value / 'messages'}")
    return value


def _domain_rates(value: str) -> str:
    read_groups(value)
    return value


def _country(value: str) -> str:
    if value not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{value} is not a country such as GB")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{value} is not a time zone such as Europe/London") from error
    return value


SecretList = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]
LongSecrets = Annotated[SecretList, AfterValidator(_long_enough)]
UsersAndPasswords = Annotated[SecretList, AfterValidator(_users_and_passwords)]
PublicKeys = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_public_keys)]
Topics = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_topics)]
Extras = Annotated[tuple[Literal["addresses", "texts"], ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]
Proxies = Annotated[Networks, AfterValidator(_proxies)]
Caps = Annotated[tuple[Cap, ...], NoDecode, BeforeValidator(_caps)]
Times = Annotated[tuple[time, ...], NoDecode, BeforeValidator(_times)]
Costs = Annotated[str, AfterValidator(_costs)]
DomainRates = Annotated[str, AfterValidator(_domain_rates)]
Address = Annotated[str, AfterValidator(_address)]
PublicAddress = Annotated[str, AfterValidator(_public_address)]
Place = Annotated[str, AfterValidator(_place)]
TemplateFolder = Annotated[Path, AfterValidator(_folder)]
Country = Annotated[str, AfterValidator(_country)]
Zone = Annotated[str, AfterValidator(_zone)]
DEFAULT_ZONE: Final = "Europe/London"
