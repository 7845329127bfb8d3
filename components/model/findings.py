"""What is said about a wrong environment: one line for each thing that is wrong."""

from collections.abc import Iterable
from dataclasses import dataclass

from ops.errors import UserError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, in a form a person can act on.

    `code` names the rule for tests and documentation, `path` is the key in the stack file, `value`
    what stands there as JSON (empty where nothing does) and `message` says what would be valid.
    """

    code: str
    path: str
    message: str
    value: str = ""

    @property
    def reference(self) -> str:
        """Where the reason for the rule is told, from the checkout's root."""
        return f"docs/checks.md#{self.code}"

    def __str__(self) -> str:
        place = f"{self.path} = {self.value}" if self.value else self.path
        return f"{place}: {self.message}" if place else self.message


class RefusedError(UserError):
    """The environment as asked for is refused; nothing has been touched.

    `lines` holds one line for each finding, in the order of the stack file.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(*map(str, self.findings))
