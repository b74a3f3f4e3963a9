"""The report as a picture: a panel for each measure, a dot with its interval for each way.

SVG written by hand: twenty lines against a dependency of 30 MB
(docs/decisions/0140-the-plot-is-svg-by-hand.md).
"""

from collections.abc import Iterator
from xml.sax.saxutils import escape

from citewell.evaluation.bootstrap import Estimate
from citewell.evaluation.report import Report, WayReport

_LEFT, _WIDTH, _RIGHT = 150, 420, 110
_ROW, _HEAD, _GAP = 22, 30, 14
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_STYLE = (
    "text{font:12px sans-serif;fill:#222}.m{font-weight:bold}.a{fill:#777;font-size:10px}"
    ".g{stroke:#ddd}.i{stroke:#2a6fbb;stroke-width:3}.d{fill:#123f70}"
)


def as_svg(report: Report) -> str:
    """Return the picture as an SVG document; all measures are drawn from 0 to 1."""
    names = list(report.ways[0].measures) if report.ways else []
    panel = _HEAD + _ROW * len(report.ways) + _GAP
    width, height = _LEFT + _WIDTH + _RIGHT, _HEAD + panel * len(names) + _GAP
    title = f"{report.set}: {report.measured} questions, 95 % intervals"
    parts = [_text(10, 20, title, "m")]
    for at, name in enumerate(names):
        parts.extend(_panel(report, name, _HEAD + panel * at))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}"><style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _panel(report: Report, name: str, top: int) -> Iterator[str]:
    bottom = top + _HEAD + _ROW * len(report.ways) - 8
    yield _text(10, top + 18, name, "m")
    for tick in _TICKS:
        yield f'<line class="g" x1="{_x(tick)}" x2="{_x(tick)}" y1="{top + 22}" y2="{bottom}"/>'
        yield _text(_x(tick) - 8, top + 18, f"{tick:g}", "a")
    for at, way in enumerate(report.ways):
        yield from _row(way, way.measures[name], top + _HEAD + _ROW * at + 8)


def _row(way: WayReport, one: Estimate, y: int) -> Iterator[str]:
    yield _text(20, y + 4, way.name)
    yield f'<line class="i" x1="{_x(one.low)}" x2="{_x(one.high)}" y1="{y}" y2="{y}"/>'
    yield f'<circle class="d" cx="{_x(one.mean)}" cy="{y}" r="4"/>'
    told = f"{one.mean:.3f} ({one.low:.3f}-{one.high:.3f})"
    yield _text(_LEFT + _WIDTH - 20, y + 4, told)


def _x(value: float) -> float:
    return round(_LEFT + value * (_WIDTH - 40), 1)


def _text(x: float, y: float, words: str, of: str = "") -> str:
    return f'<text class="{of}" x="{x}" y="{y}">{escape(words)}</text>'
