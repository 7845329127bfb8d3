"""Who asks Azure: is anybody logged in, and to the subscription that is meant? Pure.

The order is the provider's own: a federated token, a client with a credential, a managed identity, `az`.
Source: https://www.pulumi.com/registry/packages/azure-native/installation-configuration/
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.model.azure.plan import AzurePlan
from components.model.explain import key_path
from components.model.findings import Finding

TRUE = {"1", "true", "yes"}
TOKENS = (
    "ARM_OIDC_TOKEN",
    "ARM_OIDC_TOKEN_FILE_PATH",
    "ARM_OIDC_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
)
CREDENTIALS = ("ARM_CLIENT_SECRET", "ARM_CLIENT_CERTIFICATE_PATH")
WAYS = (
    "az login --tenant {tenant}, or ARM_USE_OIDC=true with ARM_CLIENT_ID and ARM_TENANT_ID in a pipeline; "
    "REHEARSE=1 make preview ENV={name} needs no Azure"
)


@dataclass(frozen=True, slots=True)
class Account:
    """What `az account show` says of the subscription that is meant. `problem` is why it says nothing."""

    subscription: str = ""
    tenant: str = ""
    problem: str = ""


def asks_az(environ: Mapping[str, str]) -> bool:
    """Whether the provider will use the login of `az`: no variable says otherwise."""
    by_token = environ.get("ARM_USE_OIDC", "").lower() in TRUE
    by_machine = environ.get("ARM_USE_MSI", "").lower() in TRUE
    by_client = environ.get("ARM_CLIENT_ID") and any(environ.get(name) for name in CREDENTIALS)
    return not (by_token or by_machine or by_client)


def judge(plan: AzurePlan, name: str, environ: Mapping[str, str], account: Account) -> Iterator[Finding]:
    """What is wrong with the login for this environment; `account` counts only where `az` is asked."""
    yield from _of_variables(plan, environ)
    if not asks_az(environ):
        return
    ways = WAYS.format(tenant=plan.tenant, name=name)
    if account.problem:
        path = key_path(("azure", "subscription"))
        yield Finding("no-login", path, f"{account.problem}; {ways}", plan.subscription)
    elif account.subscription.lower() != plan.subscription:
        text = f"this login is of {account.subscription or 'another'}; {ways}"
        yield Finding("wrong-subscription", key_path(("azure", "subscription")), text, plan.subscription)
    elif account.tenant.lower() != plan.tenant:
        text = f"the subscription is of tenant {account.tenant}; valid: {account.tenant}"
        yield Finding("wrong-subscription", key_path(("azure", "tenant")), text, plan.tenant)


def _of_variables(plan: AzurePlan, environ: Mapping[str, str]) -> Iterator[Finding]:
    meant = {"ARM_SUBSCRIPTION_ID": plan.subscription, "ARM_TENANT_ID": plan.tenant}
    for variable, value in meant.items():
        given = environ.get(variable, "")
        if given and given.lower() != value:
            text = f"the stack file says {value}; unset it, or export {variable}={value}"
            yield Finding("wrong-subscription", variable, text, given)
    if environ.get("ARM_USE_OIDC", "").lower() not in TRUE:
        return
    for needed in ("ARM_CLIENT_ID", "ARM_TENANT_ID"):
        if not environ.get(needed):
            yield Finding(
                "no-login", needed, "required with ARM_USE_OIDC, e.g. from the pipeline's variables"
            )
    if not any(environ.get(name) for name in TOKENS):
        text = (
            f"required with ARM_USE_OIDC, or another of {', '.join(TOKENS[1:])}; in GitHub: id-token: write"
        )
        yield Finding("no-login", TOKENS[0], text)
