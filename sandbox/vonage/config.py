"""Configuration of the simulated Vonage account and of the reliability of its networks."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.delays import Delay


@dataclass(frozen=True, slots=True)
class VonageConfig:
    """Configuration of one simulated account.

    Attributes:
        api_key: user name of the API.
        api_secret: password of the API.
        signature_secret: signs every webhook.
        inbound_url: URL to which texts from members are posted; None: nowhere.
        reports: whether the account has paid for the Reports API.
        reported_after: seconds until a message is among the records.
        seed: the same seed gives the same delays and losses.
        submitted_after: time from acceptance to `submitted`.
        delivered_after: time from `submitted` to `delivered`.
        late_after: how much later a late webhook comes.
        retry_after: seconds before a webhook that was not taken is posted again.
        retries: most retries of a webhook; Vonage goes on for 24 hours.
        repeated: share of status webhooks that are posted twice.
        unreachable: share of phone numbers that nobody can reach.
        busy: share of creates answered with 429.
        broken: share of creates answered with 500, nothing stored.
        dropped: share of creates that are accepted and stored before the connection is dropped.
        webhooks_at_once: most webhook requests open at the same time.
    """

    api_key: str = "sandbox0"
    api_secret: str = field(default="sandbox-api-secret", repr=False)
    signature_secret: str = field(default="sandbox-signature-secret-of-32-or-more", repr=False)
    inbound_url: str | None = None
    reports: bool = True
    reported_after: float = 0.0
    seed: int = 1
    submitted_after: Delay = (0.0, 0.05)
    delivered_after: Delay = (0.05, 0.8)
    late_after: Delay = (1.0, 4.0)
    retry_after: float = 0.2
    retries: int = 5
    repeated: float = 0.03
    unreachable: float = 0.0
    busy: float = 0.0
    broken: float = 0.0
    dropped: float = 0.0
    webhooks_at_once: int = 32
