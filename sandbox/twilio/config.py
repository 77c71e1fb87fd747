"""Configuration of the simulated Twilio account and of the reliability of its networks."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.delays import Delay


@dataclass(frozen=True, slots=True)
class TwilioConfig:
    """Configuration of one simulated account.

    Attributes:
        account_sid: user name of the API.
        auth_token: password of the API; also signs every webhook.
        inbound_url: URL to which texts from members are posted, as configured on the numbers; None: nowhere.
        service_numbers: the numbers a messaging service `MG…` sends from; a recipient always sees the same one.
        advanced_opt_out: whether webhooks carry `OptOutType`, as they do once Advanced Opt-Out is switched on.
        seed: the same seed gives the same delays, losses and orders, message by message.
        latency: response time of the API.
        sent_after: time from acceptance to `sent`.
        delivered_after: time from `sent` to `delivered`.
        late: share of status callbacks that come late, by `late_after`.
        lost: share of status callbacks that never come.
        repeated: share of status callbacks that are posted again.
        repeats: how often those are.
        shuffled: share of messages whose status callbacks come in another order.
        unreachable: share of phone numbers that nobody can reach (30003, 30005, 30006, 30008), always the same ones.
        busy: share of creates answered with 429.
        broken: share of creates answered with 500, nothing stored.
        dropped: share of creates that are accepted and stored before the connection is dropped.
        silent: share of creates that are accepted and stored and never answered: after `silence` the connection drops.
        silence: seconds.
        rate: most creates a second before it answers 429; None: no limit.
        webhooks_at_once: most webhook requests open at the same time.
    """

    account_sid: str = "AC00000000000000000000000000000000"
    auth_token: str = field(default="sandbox-auth-token", repr=False)
    inbound_url: str | None = None
    service_numbers: tuple[str, ...] = ("+447480000001", "+447480000002", "+447480000003")
    advanced_opt_out: bool = True
    seed: int = 1
    latency: Delay = (0.0, 0.0)
    sent_after: Delay = (0.02, 0.2)
    delivered_after: Delay = (0.05, 0.8)
    late: float = 0.02
    late_after: Delay = (1.0, 4.0)
    lost: float = 0.0
    repeated: float = 0.03
    repeats: int = 1
    shuffled: float = 0.05
    unreachable: float = 0.0
    busy: float = 0.0
    broken: float = 0.0
    dropped: float = 0.0
    silent: float = 0.0
    silence: float = 60.0
    rate: float | None = None
    webhooks_at_once: int = 32
