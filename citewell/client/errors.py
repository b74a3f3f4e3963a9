"""What can go wrong between a caller and a server.

ClientError
├── ProblemError          the server answered with a problem; it says who must act
├── ServerUnreachable     no answer came, for as long as the client's patience lasted
├── AnswerNotUnderstood   something answered, but not in Citewell's form
└── FileUnreadable        a file to be sent cannot be read, or changed while it was sent
"""

from shared.models import Problem


class ClientError(Exception):
    """A call did not do what it was asked to."""


class ProblemError(ClientError):
    """The server answered with a problem; `problem` is what it said."""

    def __init__(self, problem: Problem, *, retry_after_s: float | None = None) -> None:
        """Carry the problem, and the seconds the server asked to wait."""
        self.problem = problem
        self.retry_after_s = retry_after_s
        super().__init__(f"{problem.title}: {problem.detail}")


class ServerUnreachable(ClientError):
    """No answer came from the server."""

    def __init__(self, url: str, reason: str) -> None:
        """Name the server and what the network said."""
        self.url = url
        super().__init__(f"No answer from {url}: {reason}")


class AnswerNotUnderstood(ClientError):
    """Something answered at this address, but not as a Citewell server does."""


class FileUnreadable(ClientError):
    """A file to be sent cannot be read, or its size changed while it was being sent."""

    def __init__(self, name: str, reason: str) -> None:
        """Name the file as it was to be called, and why it could not be sent."""
        self.name = name
        self.reason = reason
        super().__init__(f"{name}: {reason}")
