"""What Azure answers about the way into a cluster, and what the program makes of it."""

import base64
import json
from collections.abc import Mapping

import pytest
import yaml

from components.model.azure.credentials import absent, kubeconfig, target
from components.model.findings import RefusedError

CLUSTER = {"name": "c", "cluster": {"server": "https://aks.example", "certificate-authority-data": "x"}}
LINK = {"name": "aks", "context": {"cluster": "c", "user": "u"}}
ARGUMENTS = ["get-token", "--environment", "AzurePublicCloud", "--login", "devicecode", "--server-id", "s"]


def config(user: Mapping[str, object]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [CLUSTER],
        "contexts": [LINK],
        "users": [{"name": "u", "user": user}],
        "current-context": "aks",
    }


def answer(content: object) -> dict[str, object]:
    text = content if isinstance(content, bytes) else yaml.safe_dump(content).encode()
    return {"kubeconfigs": [{"name": "clusterUser", "value": base64.b64encode(text).decode()}]}


def test_nobody_is_asked_for_a_code() -> None:
    made = json.loads(kubeconfig(answer(config({"exec": {"command": "kubelogin", "args": ARGUMENTS}}))))
    arguments = made["users"][0]["user"]["exec"]["args"]
    assert arguments == [*ARGUMENTS[:4], "azurecli", *ARGUMENTS[5:]]


@pytest.mark.parametrize(
    "user", [{"token": "t"}, {"exec": {"command": "other", "args": None}}, {"exec": {"args": ["--login"]}}]
)
def test_any_other_way_in_stays_as_it_is(user: Mapping[str, object]) -> None:
    assert json.loads(kubeconfig(answer(config(user)))) == config(user)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"kubeconfigs": []}, {"kubeconfigs": [{"name": "a"}]}, {"kubeconfigs": ["x"]}],
)
def test_no_answer(wrong: Mapping[str, object]) -> None:
    with pytest.raises(ValueError, match="gives no kubeconfig"):
        kubeconfig(wrong)


@pytest.mark.parametrize(
    "wrong",
    [answer(b"a: [\n"), answer("text"), answer(b"\xff\xfe"), {"kubeconfigs": [{"value": "%%%"}]}],
)
def test_an_answer_that_is_none(wrong: Mapping[str, object]) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        kubeconfig(wrong)


def test_the_cluster_is_known_by_what_the_program_calls_it() -> None:
    found = target(kubeconfig(answer(config({"token": "t"}))), "pitstop:cluster", "/subscriptions/x")
    assert (found.server, found.identity) == ("https://aks.example", "/subscriptions/x")
    assert found.user == {"token": "t"}


def test_a_kubeconfig_without_a_cluster_is_one_line() -> None:
    text = kubeconfig(answer({**config({"token": "t"}), "current-context": "nobody"}))
    with pytest.raises(RefusedError, match="its kubeconfig has no context nobody; contexts are aks"):
        target(text, "pitstop:cluster", "/subscriptions/x")


@pytest.mark.parametrize(
    ("said", "is_absent"),
    [
        ("Code=ResourceNotFound: The Resource 'x' under resource group 'y' was not found.", True),
        ("Code=ResourceGroupNotFound: Resource group 'y' could not be found.", True),
        ('Status=404 Code="ResourceNotFound" Message="no"', True),
        ("Code=AuthorizationFailed: no", False),
        ("AADSTS700016: Application with identifier 'a' was not found in the directory 'b'.", False),
        ("Status=404 Code=SubscriptionNotFound: The subscription 'a' could not be found.", False),
        ("exec: executable kubelogin not found", False),
        ("dial tcp: lookup management.azure.com: no such host", False),
    ],
)
def test_what_says_that_there_is_no_cluster(said: str, is_absent: bool) -> None:
    assert absent(said) is is_absent
