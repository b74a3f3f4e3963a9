"""Sentences of a document that speak to the model that reads it: they hold nothing up.

A model that obeys one says what stands there, so its words alone would seem to support it.
"""

import re

# Of the ways in which documents try to take over an answer, those that people rarely write for
# people: https://genai.owasp.org/llmrisk/llm01-prompt-injection/.
_COMMAND = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}"
    r"\b(?:instructions?|prompts?|rules)\b"
    r"|\b(?:system|developer) prompt\b"
    r"|\byou are (?:now|no longer)\b"
    r"|\b(?:answer|reply|respond|output|print)\b.{0,20}\b(?:only|exactly|nothing but)\b",
    re.IGNORECASE | re.DOTALL,
)


def is_command(sentence: str) -> bool:
    """Tell whether a sentence gives orders to a model."""
    return _COMMAND.search(sentence) is not None
