"""What goes wrong with a chat provider beyond being down or late; the same for every adapter."""

from shared.errors import GenerationUnavailable, Kind


class GenerationRefused(GenerationUnavailable):
    """The chat provider refuses the request, the key or the account; trying again is no help."""

    retryable = False
    who = "operator"
    hint = "Check the provider's API key, its model's name and its account; the detail says which."


class AnswerUnusable(GenerationUnavailable):
    """The model answered, but with nothing, half an answer, or that it declines.

    It says something of the question, not of the provider's health.
    """

    retryable = False
    who = "user"
    hint = "Ask in other words, or another model."


class GenerationPaused(GenerationUnavailable):
    """Every chat provider that could answer failed several times just now, and is left alone."""

    kind = Kind.UNAVAILABLE
