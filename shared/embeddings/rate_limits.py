"""What a provider says of its limits in `x-ratelimit-limit-*`, `-remaining-*` and `-reset-*`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: how much in a minute, what is left of it, seconds until all is there again.

    None is what the provider did not say.
    """

    per_minute: float | None = None
    remaining: float | None = None
    reset_s: float | None = None


@dataclass(frozen=True, slots=True)
class RateLimits:
    """A provider's limits of requests and of tokens."""

    requests: Limit = Limit()
    tokens: Limit = Limit()

    @property
    def reset_s(self) -> float | None:
        """Seconds until what is used up is there again; None where that is not said."""
        used_up = (self.requests, self.tokens)
        resets = [limit.reset_s for limit in used_up if limit.remaining == 0 and limit.reset_s]
        return max(resets, default=None)


def rate_limits(headers: Mapping[str, str]) -> RateLimits:
    """Read the limits out of an answer's headers; what is missing or no number is None."""
    return RateLimits(_limit(headers, "requests"), _limit(headers, "tokens"))


def _limit(headers: Mapping[str, str], what: str) -> Limit:
    return Limit(
        _number(headers.get(f"x-ratelimit-limit-{what}", "")),
        _number(headers.get(f"x-ratelimit-remaining-{what}", "")),
        duration_s(headers.get(f"x-ratelimit-reset-{what}", "")),
    )


def duration_s(text: str) -> float | None:
    """Return the seconds of `6m0s`, `1.5s`, `20ms` or a plain number; None for anything else."""
    if _DURATION.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return _number(text)


def _number(text: str) -> float | None:
    # No more digits than any limit has: a header is somebody else's, and infinity is no limit.
    return float(text) if re.fullmatch(r"\d{1,15}(?:\.\d{1,9})?", text) else None
