"""That no server is known: raised where one is looked for, told where failures are told."""


class NoServerKnown(Exception):
    """No server was named and none runs from the usual folders."""
