"""The results of the policy pack, as `make policy` writes them with --json."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ops.errors import UserError
from ops.review import files
from ops.review.markdown import plain


class _Foreign(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Excepted(_Foreign):
    """Who answers for a finding that is accepted, why, and until when."""

    owner: str
    reason: str
    expires: str


class Finding(_Foreign):
    """One rule that one resource breaks."""

    code: str
    severity: str
    resource: str = ""  # type token and logical name
    message: str
    todo: str = ""
    exception: Excepted | None = None

    @property
    def stops(self) -> bool:
        return self.severity == "mandatory" and self.exception is None

    @property
    def what(self) -> str:
        """Kind and logical name."""
        kind, _, name = self.resource.rpartition("::")
        return f"{kind.rpartition(':')[2]} {name}".strip()

    @property
    def standing(self) -> str:
        """How much it weighs, as Markdown: it stops, it warns, or it is accepted."""
        if self.exception:
            return f"accepted until {plain(self.exception.expires)} by {plain(self.exception.owner)}"
        return "**stops**" if self.stops else plain(self.severity)

    @property
    def told(self) -> str:
        """What is wrong; where it is accepted why, and otherwise what to do."""
        more = self.exception.reason if self.exception else self.todo
        return f"{self.message}. {more}" if more else self.message


_RESULTS = TypeAdapter(tuple[Finding, ...])
_EXAMPLE = "what `make -s policy ENV=dev ARGS=--json` writes"


def read(path: Path) -> tuple[Finding, ...]:
    """The results in a file, what stops first and what is accepted last.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    content = files.text(path, _EXAMPLE)
    try:
        found = _RESULTS.validate_json(content)
    except ValidationError:
        raise UserError(f"{path}: holds no results of policies; valid: {_EXAMPLE}") from None
    return tuple(
        sorted(found, key=lambda one: (not one.stops, one.exception is not None, one.code, one.resource))
    )
