"""The results of the policy packs, as `make policy` writes them with --json."""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ops.errors import UserError


class Result(BaseModel):
    """One rule that one resource breaks."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: str
    severity: Literal["mandatory", "advisory"]
    resource: str = ""
    message: str = ""


_RESULTS = TypeAdapter(tuple[Result, ...])
_EXAMPLE = '[{"code": "W3", "severity": "mandatory", "resource": "Deployment webapp-v1", "message": "..."}]'


def read(path: Path) -> tuple[Result, ...]:
    """The results in a file, mandatory ones first.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    try:
        found = _RESULTS.validate_python(json.loads(path.read_text()))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); valid: {_EXAMPLE}") from None
    except (ValueError, ValidationError):
        raise UserError(f"{path}: is no list of policy results; valid: {_EXAMPLE}") from None
    return tuple(sorted(found, key=lambda one: (one.severity != "mandatory", one.code, one.resource)))
