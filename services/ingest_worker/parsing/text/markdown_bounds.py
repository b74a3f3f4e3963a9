"""markdown-it held to linear time and to the memory of one block, whatever it is made to read.

Where it would look for the ends of links again and again, brackets are read as the text they are.
"""

from typing import Any

from markdown_it import MarkdownIt, helpers
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from typing_extensions import override

# What is nested deeper is left out by markdown-it; its own default is 20.
MAX_NESTING = 100
# Steps that the search for the ends of links may take in one text, whatever its length and for
# each of its characters: a long text of nothing but links takes less than one for each.
STEPS, STEPS_A_CHAR = 200_000, 2
# A step may pass over so many characters at once; more of them count as more steps.
STEP_CHARS = 64
# A link's title is sought in so many characters.
MAX_TITLE_CHARS = 500
_LEFT = "steps_left"
_BREAKS = {"softbreak": "\n", "hardbreak": "\n", "html_inline": ""}


class _BoundedInline(ParserInline):
    """Counts the steps by which the end of a link's label is sought (`parseLinkLabel`)."""

    @override
    def skipToken(self, state: StateInline) -> None:
        start = state.pos
        if state.env[_LEFT] > 0:
            super().skipToken(state)
        else:
            # As for what is nested too deeply: there is no end.
            state.pos = state.posMax
        state.env[_LEFT] -= 1 + (state.pos - start) // STEP_CHARS


class _BoundedHelpers:
    """The library's own helpers, but for titles without an end."""

    parseLinkLabel = staticmethod(helpers.parseLinkLabel)  # noqa: N815 - the library's names
    parseLinkDestination = staticmethod(helpers.parseLinkDestination)  # noqa: N815

    @staticmethod
    def parseLinkTitle(  # noqa: N802
        string: str, start: int, maximum: int, prev_state: Any = None
    ) -> Any:
        read = len(prev_state.str) if prev_state else 0
        end = min(maximum, start + max(MAX_TITLE_CHARS - read, 0))
        title = helpers.parseLinkTitle(string, start, end, prev_state)
        # A title goes on in the next line only if this one was read to its end.
        title.can_continue = title.can_continue and end == maximum
        return title


def _markdown() -> MarkdownIt:
    made = MarkdownIt()
    made.inline = _BoundedInline()
    made.helpers = _BoundedHelpers()  # type: ignore[assignment]
    made.configure("commonmark", {"maxNesting": MAX_NESTING}).enable("table")
    # Inline text is read a block at a time: its tokens take a thousand times its room.
    return made.disable(["inline", "text_join"])


_MARKDOWN = _markdown()


class Inline:
    """Reads the inline text of one document's blocks."""

    def __init__(self, env: dict[str, Any]) -> None:
        """Take what reading the blocks left: references, and the steps that may still be taken."""
        self._env = env

    def text(self, content: str) -> str:
        """Return what a reader sees of a block's text: no markup, no addresses."""
        try:
            tokens = _MARKDOWN.inline.parse(content, _MARKDOWN, self._env, [])
        except RecursionError:
            # Pictures in the names of pictures, hundreds deep.
            return content
        return "".join(_BREAKS.get(token.type, token.content) for token in tokens)


def block_tokens(text: str) -> tuple[list[Token], Inline]:
    """Return the block tokens of a text, and what reads the inline text in them."""
    env: dict[str, Any] = {_LEFT: STEPS + STEPS_A_CHAR * len(text)}
    return _MARKDOWN.parse(text, env), Inline(env)
