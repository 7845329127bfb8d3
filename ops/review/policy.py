"""The results of the policy pack, as `make policy` writes them with --json."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ops.errors import UserError
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

    rule: str
    level: str
    urn: str = ""
    path: str = ""
    message: str
    remedy: str = ""
    unknown: bool = False  # the rule could not be judged before the update
    exception: Excepted | None = None

    @property
    def stops(self) -> bool:
        return self.level == "mandatory" and self.exception is None

    @property
    def resource(self) -> str:
        """Kind and logical name."""
        kind, _, name = self.urn.rpartition("::")
        return f"{kind.rpartition(':')[2]} {name}".strip()

    @property
    def standing(self) -> str:
        """How much it weighs, as Markdown: it stops, it warns, or it is accepted."""
        if self.exception:
            return f"accepted until {plain(self.exception.expires)} by {plain(self.exception.owner)}"
        return "**stops**" if self.stops else plain(self.level)


class Results(_Foreign):
    """What the pack says about everything an environment registers."""

    rules: int = 0
    resources: int = 0
    findings: tuple[Finding, ...]

    @property
    def stopping(self) -> int:
        return sum(one.stops for one in self.findings)

    def ordered(self) -> tuple[Finding, ...]:
        """What stops first."""
        return tuple(
            sorted(
                self.findings, key=lambda one: (not one.stops, one.exception is not None, one.rule, one.urn)
            )
        )


_EXAMPLE = "what `make -s policy ENV=dev ARGS=--json` writes"


def read(path: Path) -> Results:
    """The results in a file.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    try:
        return Results.model_validate_json(path.read_text())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); valid: {_EXAMPLE}") from None
    except (ValueError, ValidationError):
        raise UserError(f"{path}: holds no results of policies; valid: {_EXAMPLE}") from None
