"""What an answer cost, where the operator said what its model costs."""

import re
from collections.abc import Mapping

from services.query_api.generation.answers import Usage
from shared.settings_trail import Price

# Providers answer with a dated name where one without was asked for.
_DATE = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
_MILLION = 1_000_000


class Prices:
    """The price list."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        """Take a price for a million tokens of each model that has one."""
        self._prices = prices

    def cost(self, model: str, usage: Usage) -> float | None:
        """Return what an answer cost; None if its model, with its date or without, has no price."""
        price = self._prices.get(model) or self._prices.get(_DATE.sub("", model))
        if price is None:
            return None
        spent = usage.prompt_tokens * price.input + usage.completion_tokens * price.output
        return spent / _MILLION
