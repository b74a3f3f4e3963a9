"""Where things stand: from PDF space to the page as a reader sees it, or as its text runs."""

from collections.abc import Callable
from dataclasses import dataclass

Place = Callable[[float, float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Space:
    """A page's rectangle in PDF space, and how many quarters it is turned clockwise."""

    left: float
    bottom: float
    right: float
    top: float
    quarter: int = 0

    def turned(self, quarters: int) -> "Space":
        """Return the space of the page turned further."""
        quarter = (self.quarter + quarters) % 4
        return Space(self.left, self.bottom, self.right, self.top, quarter)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height."""
        wide, high = self.right - self.left, self.top - self.bottom
        return (high, wide) if self.quarter % 2 else (wide, high)

    @property
    def place(self) -> Place:
        """The way to points from the top left corner."""
        left, bottom, right, top = self.left, self.bottom, self.right, self.top
        ways: tuple[Place, ...] = (
            lambda x, y: (x - left, top - y),
            lambda x, y: (y - bottom, x - left),
            lambda x, y: (right - x, y - bottom),
            lambda x, y: (top - y, right - x),
        )
        return ways[self.quarter]

    @property
    def edges(self) -> Callable[[float, float, float, float], tuple[float, float]]:
        """The way from left, bottom, right and top in PDF space to a left and right edge."""
        left, bottom, right, top = self.left, self.bottom, self.right, self.top
        ways: tuple[Callable[[float, float, float, float], tuple[float, float]], ...] = (
            lambda x0, _y0, x1, _y1: (x0 - left, x1 - left),
            lambda _x0, y0, _x1, y1: (y0 - bottom, y1 - bottom),
            lambda x0, _y0, x1, _y1: (right - x1, right - x0),
            lambda _x0, y0, _x1, y1: (top - y1, top - y0),
        )
        return ways[self.quarter]

    def box(self, corners: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """Return x0, top, x1, bottom of what has these two corners in PDF space."""
        x0, y0 = self.place(corners[0], corners[1])
        x1, y1 = self.place(corners[2], corners[3])
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def turned_back(
    box: tuple[float, float, float, float], quarter: int, width: float, height: float
) -> tuple[float, float, float, float]:
    """Return a box on the page as it is seen, of one on it turned clockwise by `quarter`.

    `width` and `height` are those of the turned page.
    """
    x0, y0, x1, y1 = box
    ways = (
        (x0, y0, x1, y1),
        (y0, width - x1, y1, width - x0),
        (width - x1, height - y1, width - x0, height - y0),
        (height - y1, x0, height - y0, x1),
    )
    return ways[quarter % 4]
