"""Looks at the login to Azure before anything is registered."""

import json
import subprocess
from collections.abc import Mapping

from components.model.azure.login import Account, asks_az, judge
from components.model.azure.plan import AzurePlan
from components.model.findings import RefusedError
from components.model.naming import REHEARSAL_VARIABLE

SECONDS = 20.0  # `az` itself takes one or two to start


def check(plan: AzurePlan | None, stack: str, environ: Mapping[str, str]) -> None:
    """Refuses to go on as nobody, or in another subscription; a rehearsal needs no login.

    Raises:
        RefusedError: with every reason, and the command that changes it.
    """
    if plan is None or environ.get(REHEARSAL_VARIABLE):
        return
    account = _account(plan.subscription) if asks_az(environ) else Account()
    found = list(judge(plan, stack, environ, account))
    if found:
        raise RefusedError(found)


def _account(subscription: str) -> Account:
    command = ("az", "account", "show", "--subscription", subscription, "--output", "json")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except FileNotFoundError:
        return Account(problem="nobody is logged in: az is not installed, and no ARM_ variable is set")
    except subprocess.TimeoutExpired:
        return Account(problem=f"az account show did not answer within {SECONDS:.0f} s")
    except OSError as error:
        return Account(problem=f"az cannot be started ({error.strerror})")
    if done.returncode:
        unknown = "doesn't exist" in done.stderr or "not found" in done.stderr
        return Account(
            problem="the login of az has no such subscription" if unknown else "nobody is logged in"
        )
    try:
        said = json.loads(done.stdout)
        return Account(str(said["id"]), str(said["tenantId"]))
    except (ValueError, KeyError, TypeError):
        return Account(problem="az account show says nothing that can be read")
