"""SMS providers: those found, those set up, and the setting MUSTER_SMS_PROVIDERS."""

from __future__ import annotations

import pytest

from core.errors import SettingsError
from core.settings import Settings
from messaging.channels.providers import PROVIDERS, has_sms, sms_costs
from messaging.provider_names import SMS_PROVIDERS
from messaging.settings import AllSettings, load_settings
from webhooks.sms.providers import WEBHOOKS

TWILIO = {"twilio_account_sid": "AC1", "twilio_auth_token": "token"}
VONAGE = {
    "vonage_api_key": "abcd1234",
    "vonage_api_secret": "secret",
    "vonage_signature_secret": "new secret, old secret",
}


@pytest.mark.parametrize(("given", "costs"), [
    (TWILIO, {"twilio": 0.0}),
    (VONAGE, {"vonage": 0.0}),
    (TWILIO | VONAGE, {"twilio": 0.0, "vonage": 0.0}),
    (TWILIO | VONAGE | {"sms_providers": "vonage, twilio"}, {"vonage": 0.0, "twilio": 0.0}),
    (TWILIO | VONAGE | {"sms_providers": "Twilio=0.0463,vonage = 0.0405"}, {"twilio": 0.0463, "vonage": 0.0405}),
    (TWILIO | VONAGE | {"sms_providers": "twilio"}, {"twilio": 0.0}),
])  # fmt: skip
def test_providers_and_their_prices_are_read_from_settings(given: dict[str, str], costs: dict[str, float]) -> None:
    settings = Settings(_env_file=None, sms_from="+447480111111", **given)  # type: ignore[arg-type]
    assert has_sms(settings)
    assert list(sms_costs(settings).items()) == list(costs.items())


@pytest.mark.parametrize(("providers", "problem"), [
    ("messagebird", "messagebird is none of twilio and vonage"),
    ("twilio,twilio=1", "names a provider twice"),
    ("twilio=0.04,vonage", "at every provider, or at none"),
    ("twilio=cheap", "cheap is not what a segment costs"),
    ("twilio=-1", "cannot cost that"),
    ("twilio=inf", "cannot cost that"),
    ("twilio=nan", "cannot cost that"),
])  # fmt: skip
def test_wrong_providers_are_named(providers: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_SMS_PROVIDERS", providers)
    with pytest.raises(SettingsError, match=problem):
        load_settings()


@pytest.mark.parametrize("lacking", list(VONAGE))
def test_vonage_is_not_set_up_without_all_three(lacking: str) -> None:
    given = {name: value for name, value in VONAGE.items() if name != lacking}
    settings = Settings(_env_file=None, sms_from="+447480111111", **given)  # type: ignore[arg-type]
    assert not PROVIDERS["vonage"].is_set_up(settings)
    assert not has_sms(settings)


def test_each_folder_describes_the_provider_of_its_name_and_has_webhooks() -> None:
    assert sorted(PROVIDERS) == list(SMS_PROVIDERS)
    assert [provider.name for provider in PROVIDERS.values()] == list(PROVIDERS)
    assert list(WEBHOOKS) == list(SMS_PROVIDERS)
    sources = [source for webhook in WEBHOOKS.values() for source in webhook.handlers]
    assert len(sources) == len(set(sources))


@pytest.mark.parametrize("name", SMS_PROVIDERS)
def test_a_providers_settings_begin_with_its_name_and_are_read(name: str) -> None:
    own = PROVIDERS[name].settings
    fields = list(own.model_fields) if own is not None else []
    assert all(field.startswith(f"{name}_") and field in AllSettings.model_fields for field in fields)
