"""What a question cost, where the operator said what its model costs."""

import re
from collections.abc import Mapping
from dataclasses import replace

from services.query_api.chat_models.base import Usage
from shared.settings_trail import Price

# Providers answer with a dated name where one without was asked for.
_DATE = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
_MILLION = 1_000_000


def priced(usage: Usage, prices: Mapping[str, Price]) -> Usage:
    """Return usage with its cost, if its model has a price, by its name with a date or without.

    `prices` are those of a million tokens.
    """
    model = usage.model or ""
    price = prices.get(model) or prices.get(_DATE.sub("", model))
    if price is None:
        return usage
    spent = usage.prompt_tokens * price.input + usage.completion_tokens * price.output
    return replace(usage, cost=spent / _MILLION)
