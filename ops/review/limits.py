"""How far weights may move in one update of an environment."""

import subprocess

import yaml

from components.model import stackfile
from components.model.explain import PROJECT
from components.model.findings import RefusedError
from ops.errors import UserError
from ops.paths import CHECKOUT
from ops.review import files

NO_LIMIT = 100
# All of them one key to the engine.
KEYS = (f"{PROJECT}:guardrails", f"{PROJECT}:config:guardrails", "guardrails")


def max_step(stack: str, base: str = "") -> int:
    """Percent of requests, by the stack file here and as it is in the revision `base`: the lower holds.

    So a change cannot raise its own limit.

    Raises:
        UserError: there is no such revision.
    """
    file = stackfile.path_of(stack, CHECKOUT)
    try:
        found = [stackfile.load(file).guardrails.max_weight_step]
    except RefusedError:
        found = [_step_of(files.text_or_nothing(file))]  # the preview says what is wrong with it
    if base:
        found.append(_step_of(_committed(base, file.name)))
    return min(found)


def _committed(base: str, name: str) -> str:
    """A file as it is in a revision; empty where it was not there."""
    if base.startswith("-") or _git("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}").returncode:
        raise UserError(f"--base = {base}: is no revision here; valid: e.g. origin/main, after git fetch")
    return _git("show", f"{base}:./{name}").stdout


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)


def _step_of(text: str) -> int:
    """The limit in a stack file of another day, whose other keys may mean something else by now."""
    try:
        config = stackfile.decoded(text)["config"]
        given = [config[key].get("maxWeightStep") for key in KEYS if key in config]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return NO_LIMIT
    return min((step for step in given if isinstance(step, int)), default=NO_LIMIT)
