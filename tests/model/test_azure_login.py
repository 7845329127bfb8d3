"""Who asks Azure is judged before anything is registered, and the command that changes it is named."""

import json
import subprocess
from collections.abc import Sequence

import pytest

from components import login
from components.model.azure.login import Account, asks_az, judge
from components.model.findings import RefusedError
from tests.model.azure import AKS, SUBSCRIPTION, TENANT, azure_plan

PLAN = azure_plan(base=AKS)
RIGHT = Account(SUBSCRIPTION, TENANT)
OTHER = "00000000-0000-4000-8000-000000000001"
OIDC = {
    "ARM_USE_OIDC": "true",
    "ARM_CLIENT_ID": "one",
    "ARM_TENANT_ID": TENANT,
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t",
}


def said(environ: dict[str, str], account: Account) -> list[str]:
    return [str(finding) for finding in judge(PLAN, "dev", environ, account)]


def test_a_login_for_the_subscription_is_enough() -> None:
    assert said({}, RIGHT) == []
    assert said({"ARM_SUBSCRIPTION_ID": SUBSCRIPTION.upper()}, RIGHT) == []


def test_nobody_is_logged_in() -> None:
    assert said({}, Account(problem="nobody is logged in")) == [
        (
            f"pitstop:azure.subscription = {SUBSCRIPTION}: nobody is logged in; az login --tenant "
            f"{TENANT}, or "
            "ARM_USE_OIDC=true with ARM_CLIENT_ID and ARM_TENANT_ID in a pipeline; REHEARSE=1 make "
            "preview ENV=dev "
            "needs no Azure"
        )
    ]


def test_another_subscription_or_tenant() -> None:
    assert said({}, Account(OTHER, TENANT))[0].startswith(
        f"pitstop:azure.subscription = {SUBSCRIPTION}: this login is of {OTHER}; az login"
    )
    assert said({}, Account(SUBSCRIPTION, OTHER)) == [
        f"pitstop:azure.tenant = {TENANT}: the subscription is of tenant {OTHER}; valid: {OTHER}"
    ]


def test_variables_that_mean_another_subscription() -> None:
    assert said({"ARM_SUBSCRIPTION_ID": OTHER}, RIGHT) == [
        (
            f"ARM_SUBSCRIPTION_ID = {OTHER}: the stack file says {SUBSCRIPTION}; unset it, or export "
            f"ARM_SUBSCRIPTION_ID={SUBSCRIPTION}"
        )
    ]


@pytest.mark.parametrize(
    ("environ", "asks"),
    [
        ({}, True),
        ({"ARM_CLIENT_ID": "one"}, True),
        ({"ARM_CLIENT_ID": "one", "ARM_CLIENT_SECRET": "s"}, False),
        ({"ARM_CLIENT_ID": "one", "ARM_CLIENT_CERTIFICATE_PATH": "c.pfx"}, False),
        ({"ARM_USE_MSI": "true"}, False),
        (OIDC, False),
        ({"ARM_USE_OIDC": "false"}, True),
    ],
)
def test_az_is_asked_where_no_variable_says_who(environ: dict[str, str], asks: bool) -> None:
    assert asks_az(environ) is asks


def test_a_federated_login_needs_all_of_its_parts() -> None:
    assert said(OIDC, Account()) == []
    for missing in ("ARM_CLIENT_ID", "ARM_TENANT_ID", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        lines = said({name: value for name, value in OIDC.items() if name != missing}, Account())
        assert len(lines) == 1
        assert "required with ARM_USE_OIDC" in lines[0]


# --- the thin half ------------------------------------------------------------------------------------


@pytest.fixture
def az(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """What was run instead of `az`, which answers rightly."""
    run: list[Sequence[str]] = []

    def answer(command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        run.append(command)
        return subprocess.CompletedProcess(
            command, 0, json.dumps({"id": SUBSCRIPTION, "tenantId": TENANT}), ""
        )

    monkeypatch.setattr(subprocess, "run", answer)
    return run


def test_az_is_asked_for_the_one_subscription(az: list[Sequence[str]]) -> None:
    login.check(PLAN, "dev", {})
    assert [command[:5] for command in az] == [("az", "account", "show", "--subscription", SUBSCRIPTION)]


def test_neither_a_rehearsal_nor_a_cluster_of_ones_own_needs_a_login(az: list[Sequence[str]]) -> None:
    login.check(PLAN, "dev", {"PITSTOP_REHEARSAL": "/somewhere"})
    login.check(None, "local", {})
    login.check(PLAN, "dev", OIDC)
    assert not az


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (FileNotFoundError(), "az is not installed"),
        (subprocess.TimeoutExpired("az", 1), "did not answer within"),
        (PermissionError(13, "Permission denied"), "cannot be started (Permission denied)"),
        (subprocess.CompletedProcess("az", 1, "", "Please run 'az login'"), "nobody is logged in"),
        (
            subprocess.CompletedProcess("az", 1, "", "The subscription of 'x' doesn't exist"),
            "no such subscription",
        ),
        (subprocess.CompletedProcess("az", 0, "{}", ""), "nothing that can be read"),
    ],
)
def test_whatever_az_says_is_one_line(answer: object, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(RefusedError) as refused:
        login.check(PLAN, "dev", {})
    assert len(refused.value.lines) == 1
    assert words in refused.value.lines[0]
    assert "az login" in refused.value.lines[0]
