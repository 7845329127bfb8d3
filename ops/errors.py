"""What a person is told when something is wrong with what they asked for."""


class UserError(Exception):
    """A mistake or a missing precondition that the person can mend.

    The message is one line: the key or thing, its value, and what would be valid. Commands print
    it without a traceback and exit 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
