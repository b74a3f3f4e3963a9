"""What a provider's headers say of its limits."""

import pytest

from shared.embeddings.rate_limits import Limit, RateLimits, duration_s, rate_limits


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360),
        ("1.5s", 1.5),
        ("20ms", 0.02),
        ("1h2m3s", 3723),
        ("1d", 86_400),
        ("12", 12),
        ("", None),
        ("soon", None),
        ("-1s", None),
        ("inf", None),
        ("1s later", None),
    ],
)
def test_durations_are_read_as_providers_write_them(text: str, seconds: float | None) -> None:
    assert duration_s(text) == seconds


def test_both_limits_are_read() -> None:
    headers = {
        "x-ratelimit-limit-requests": "3000",
        "x-ratelimit-remaining-requests": "2999",
        "x-ratelimit-reset-requests": "20ms",
        "x-ratelimit-limit-tokens": "1000000",
    }
    assert rate_limits(headers) == RateLimits(Limit(3000, 2999, 0.02), Limit(1_000_000))


def test_what_is_not_said_or_no_number_is_unknown() -> None:
    assert rate_limits({"x-ratelimit-limit-tokens": "many"}) == RateLimits()


def test_only_what_is_used_up_has_to_be_waited_for() -> None:
    limits = RateLimits(Limit(60, remaining=5, reset_s=50), Limit(60, remaining=0, reset_s=9))
    assert limits.reset_s == 9
    assert RateLimits(Limit(60, remaining=5, reset_s=50)).reset_s is None
