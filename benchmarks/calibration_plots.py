"""The pictures of a calibration, SVG by hand: reliability, abstention along the floor, risk."""

from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

_SIDE, _LEFT, _TOP, _LEGEND = 320, 60, 40, 330
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_COLOURS = ("#123f70", "#c0392b", "#2a8f5b", "#b8860b", "#7d3c98", "#5d6d7e", "#d35400")
_STYLE = (
    "text{font:12px sans-serif;fill:#222}.m{font-weight:bold}.a{fill:#777;font-size:10px}"
    ".g{stroke:#ddd}.e{stroke:#999;stroke-dasharray:4 4}polyline{fill:none;stroke-width:2}"
)

# Points of a line, each (x, y) in [0, 1].
Line = Sequence[tuple[float, float]]


def reliability_plot(title: str, lines: Mapping[str, Line]) -> str:
    """Return how often hits of a relevance are relevant; on the diagonal they mean the same."""
    even = f'<line class="e" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>'
    return _picture(title, ("relevance said", "share judged relevant"), even, lines)


def confidence_plot(title: str, lines: Mapping[str, Line]) -> str:
    """Return how often answers of a confidence are right; on the diagonal they mean the same."""
    even = f'<line class="e" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>'
    return _picture(title, ("confidence said", "share right"), even, lines)


def risk_plot(title: str, lines: Mapping[str, Line]) -> str:
    """Return which share of the answers is wrong, the surest of all questions answered first."""
    return _picture(title, ("share of questions answered", "share of answers wrong"), "", lines)


def abstention_plot(title: str, lines: Mapping[str, Line]) -> str:
    """Return which share of each kind of question is refused at each floor."""
    return _picture(title, ("floor", "share refused"), "", lines)


def _picture(title: str, axes: tuple[str, str], behind: str, lines: Mapping[str, Line]) -> str:
    width, height = _LEFT + _SIDE + _LEGEND, _TOP + _SIDE + 50
    drawn = "".join(
        part for at, (name, points) in enumerate(lines.items()) for part in _line(name, points, at)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}"><style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
        f"{_text(10, 20, title, 'm')}{''.join(_frame(axes))}{behind}{drawn}</svg>\n"
    )


def _frame(axes: tuple[str, str]) -> Iterator[str]:
    for tick in _TICKS:
        yield f'<line class="g" x1="{_x(tick)}" x2="{_x(tick)}" y1="{_y(0)}" y2="{_y(1)}"/>'
        yield f'<line class="g" x1="{_x(0)}" x2="{_x(1)}" y1="{_y(tick)}" y2="{_y(tick)}"/>'
        yield _text(_x(tick) - 8, _y(0) + 16, f"{tick:g}", "a")
        yield _text(_LEFT - 26, _y(tick) + 4, f"{tick:g}", "a")
    yield _text(_x(0.5) - 40, _y(0) + 36, axes[0])
    yield f'<g transform="translate(16 {_y(0.25)}) rotate(-90)">{_text(0, 0, axes[1])}</g>'


def _line(name: str, points: Line, at: int) -> Iterator[str]:
    colour, middle = _COLOURS[at % len(_COLOURS)], _TOP + 12 + 20 * at
    along = " ".join(f"{_x(x)},{_y(y)}" for x, y in points)
    yield f'<polyline points="{along}" stroke="{colour}"/>'
    begin = _x(1) + 20
    yield f'<polyline points="{begin},{middle} {begin + 20},{middle}" stroke="{colour}"/>'
    yield _text(begin + 28, middle + 4, name)


def _x(value: float) -> float:
    return round(_LEFT + value * _SIDE, 1)


def _y(value: float) -> float:
    return round(_TOP + (1 - value) * _SIDE, 1)


def _text(x: float, y: float, words: str, of: str = "") -> str:
    return f'<text class="{of}" x="{x}" y="{y}">{escape(words)}</text>'
