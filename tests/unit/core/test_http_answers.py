"""Retry-After is read by one function, for providers and receivers alike."""

import pytest

from core.http.http_answers import read_retry_after


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("1", 1.0), ("0.5", 0.5), ("0", 0.0), ("-3", 0.0), (" 120 ", 120.0), ("", None), (None, None), ("soon", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("inf", None), ("nan", None), ("1e300", None), ("99999999", None),
    ],
)  # fmt: skip
def test_a_wait_is_a_number_of_seconds_or_none(said: str | None, seconds: float | None) -> None:
    assert read_retry_after(said) == seconds
