"""Everything that can be wrong with a node before it starts."""


class ConfigurationError(Exception):
    """The node cannot start as it is configured; the message says what to change.

    ``lines`` holds one readable sentence per problem, so that all of them are shown at once.
    """

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
