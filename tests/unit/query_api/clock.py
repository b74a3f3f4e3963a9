"""A clock that a test sets."""


class Clock:
    """Tells the seconds it was set to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now
