"""A wrong environment stops the program before anything is registered, with our lines and no traceback."""

import json
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest

from components.preflight import Facts, OtherGateway
from tests.model.examples import OWNER, Node, raw
from tests.program.conftest import SECRETS, Recorder, Run

API = "services.customermanagementapi"


def refused(run: Run, recorder: Recorder, content: Node) -> str:
    with pytest.raises(pulumi.RunError) as stopped:
        run(content)
    assert recorder.beyond_the_stack() == []
    assert stopped.value.__cause__ is None
    return str(stopped.value)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({f"{API}.colour": "blue"}, f'pitstop:{API}.colour = "blue": unknown key'),
        ({f"{API}.traffic[0].weights.v1": 101}, f"pitstop:{API}.traffic[0].weights.v1 = 101: must be"),
        ({f"{API}.traffic[0].weights.v1": 65}, "the sum is 90 and must be 100"),
        ({f"{API}.traffic[0].weights": {"v3": 100}}, "v3 has no deployment"),
        ({"colour": "blue"}, 'pitstop:colour = "blue": unknown key'),
    ],
)
def test_a_mistake_in_the_stack_file(
    run: Run, recorder: Recorder, changes: dict[str, object], line: str
) -> None:
    assert line in refused(run, recorder, raw(changes))


def test_several_mistakes_are_a_line_each(
    run: Run, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(pulumi.log, "error", logged.append)
    last = refused(run, recorder, raw({"images": "upsteam", "namespace": "-"}))
    assert len(logged) == 1
    assert "pitstop:namespace" in logged[0]
    assert "pitstop:images" in last


def test_a_secret_that_is_nowhere(
    run: Run, recorder: Recorder, canary: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PITSTOP_SECRETS")
    logged: list[str] = []
    monkeypatch.setattr(pulumi.log, "error", logged.append)
    logged.append(refused(run, recorder, canary))
    assert logged == [
        f"pitstop:{name}: required, e.g. pulumi config set --secret pitstop:{name}"
        for name in ("rabbitmqPassword", "sqlCustomersPassword", "sqlPassword")
    ]


def test_a_secret_a_file_does_not_have(run: Run, recorder: Recorder, canary: Node, environ: Path) -> None:
    kept = {name: value for name, value in SECRETS.items() if name != "sqlCustomersPassword"}
    (environ / "secrets.json").write_text(json.dumps(kept))
    line = refused(run, recorder, canary)
    assert line.startswith("pitstop:sqlCustomersPassword: required")


def test_a_configured_secret_wins_over_the_generated_file(run: Run, canary: Node) -> None:
    recorder = run(canary | {"sqlPassword": {"secure": "Sq1-own-value"}})
    assert "Sq1-own-value" in str(recorder.of("Secret")["sqlserver"].inputs)
    assert SECRETS["sqlPassword"] not in str([one.inputs for one in recorder.requests])
    assert SECRETS["rabbitmqPassword"] in str(recorder.of("Secret")["rabbitmq"].inputs)


def test_configured_secrets_are_enough(run: Run, canary: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PITSTOP_SECRETS")
    own = {name: f"own-{name}" for name in ("sqlPassword", "rabbitmqPassword", "sqlCustomersPassword")}
    recorder = run(canary | {name: {"secure": value} for name, value in own.items()})
    text = str([one.inputs for one in recorder.of("Secret").values()])
    assert all(value in text for value in own.values())


PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcC"
HIDDEN: dict[str, tuple[dict[str, object], str]] = {
    "a secret in plain text": (
        {"rabbitmqPassword": "hunter2hunter2"},
        "pitstop:rabbitmqPassword = [secret]: must be encrypted: pulumi config set --secret pitstop:",
    ),
    "a secret nobody needs, in plain text": (
        {"seqPassword": "hunter2hunter2"},
        "pitstop:seqPassword = [secret]: must be encrypted: pulumi config set --secret pitstop:seqPassword",
    ),
    "a misspelt key": (
        {"tlskey": {"secure": PEM}},
        "pitstop:tlskey = [secret]: unknown key; did you mean tlsKey? valid: ",
    ),
    "a misspelt key in plain text": (
        {"rabbitmqPasword": "hunter2hunter2"},
        "pitstop:rabbitmqPasword = [secret]: unknown key; did you mean rabbitmqPassword? valid: ",
    ),
    "an encrypted value nobody knows": (
        {"colour": {"secure": "hunter2hunter2"}},
        "pitstop:colour = [secret]: unknown key; valid: ",
    ),
    "an encrypted key of ours": (
        {"namespace": {"secure": "HUNTER2"}},
        "pitstop:namespace = [secret]: must be plain text; only secret values are encrypted",
    ),
    "a map with an encrypted value in it": (
        {"mesh": {"secure": '{"kind": "helm", "hunter2": "hunter2"}'}},
        "pitstop:mesh = [secret]: must be plain text; only secret values are encrypted",
    ),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_what_may_be_secret_is_not_shown(
    run: Run, recorder: Recorder, canary: Node, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    content, line = HIDDEN[case]
    logged: list[str] = []
    monkeypatch.setattr(pulumi.log, "error", logged.append)
    logged.append(refused(run, recorder, canary | content))
    (said,) = logged
    assert said.startswith(line)
    assert "hunter2" not in said.lower()
    assert "MHcC" not in said


def test_a_file_of_secrets_that_is_not_there(
    run: Run, recorder: Recorder, canary: Node, environ: Path
) -> None:
    (environ / "secrets.json").unlink()
    assert refused(run, recorder, canary).startswith("PITSTOP_SECRETS = ")


def test_charts_that_are_not_there(run: Run, recorder: Recorder, canary: Node, environ: Path) -> None:
    (environ / "charts" / "cni" / "Chart.yaml").unlink()
    assert "no chart cni there" in refused(run, recorder, canary)


def test_no_kubeconfig(run: Run, recorder: Recorder, canary: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PITSTOP_KUBECONFIG")
    assert "PITSTOP_KUBECONFIG: not set" in refused(run, recorder, canary)


MESH: dict[str, tuple[dict[str, object], Facts, str]] = {
    "existing on a cluster without Istio": (
        {"mesh": {"kind": "existing"}},
        Facts({}, istio=False, control_planes=()),
        (
            "pitstop:mesh.kind = existing: the cluster has no Istio "
            "(nothing there knows networking.istio.io); valid here: helm"
        ),
    ),
    "helm where another stack owns the mesh": (
        {"namespace": "other"},
        Facts({"istio-system": "pitstop.dev"}, istio=True, control_planes=("istio-system",)),
        (
            "pitstop:mesh.kind = helm: namespace istio-system belongs to pitstop.dev, "
            f"this stack is {OWNER}; valid here: existing"
        ),
    ),
    "helm where somebody installed Istio by hand": (
        {},
        Facts({"istio-system": ""}, istio=True, control_planes=("istio-system",)),
        (
            "pitstop:mesh.kind = helm: namespace istio-system belongs to someone else, "
            f"this stack is {OWNER}; valid here: existing"
        ),
    ),
    "helm beside an Istio in a namespace of its own": (
        {},
        Facts({}, istio=True, control_planes=("aks-istio-system",)),
        (
            "pitstop:mesh.kind = helm: the cluster has an Istio already, in namespace aks-istio-system; "
            "valid here: existing"
        ),
    ),
    "a namespace of another environment": (
        {"mesh": {"kind": "existing"}},
        Facts({"pitstop": "pitstop.dev"}, istio=True, control_planes=()),
        (
            "pitstop:namespace = pitstop: the namespace is there and belongs to pitstop.dev; choose another, "
            "e.g. pitstop-2"
        ),
    ),
    "a host another environment serves": (
        {"mesh": {"kind": "existing"}},
        Facts(
            {},
            istio=True,
            control_planes=(),
            gateways=(OtherGateway("other", "webapp", {"istio": "ingressgateway"}, frozenset({(80, "*")})),),
        ),
        (
            "pitstop:ingress.hosts = *: gateway other/webapp serves it already; choose another, e.g. "
            "pitstop.example.org"
        ),
    ),
}


@pytest.mark.parametrize("case", MESH)
def test_a_cluster_this_environment_must_not_change(
    run: Run, recorder: Recorder, facts: Callable[[Facts], None], case: str
) -> None:
    changes, found, line = MESH[case]
    facts(found)
    assert refused(run, recorder, raw(changes)) == line


@pytest.mark.parametrize(
    "found",
    [
        Facts({}, istio=False, control_planes=()),
        Facts(
            {"pitstop": OWNER, "istio-system": OWNER, "istio-ingress": OWNER},
            istio=True,
            control_planes=("istio-system",),
            gateways=(
                OtherGateway("other", "a", {"istio": "other"}, frozenset({(80, "*")})),
                OtherGateway("other", "b", {"istio": "ingressgateway"}, frozenset({(80, "b.example.org")})),
            ),
        ),
    ],
    ids=["nothing there yet", "everything is ours"],
)
def test_a_cluster_that_is_ours(run: Run, facts: Callable[[Facts], None], canary: Node, found: Facts) -> None:
    facts(found)
    assert run(canary).beyond_the_stack()


@pytest.mark.parametrize("value", ["short", "with'quote", "with;semicolon", "with@sign--", "with space"])
def test_a_password_that_would_end_what_it_stands_in(run: Run, canary: Node, value: str) -> None:
    with pytest.raises(pulumi.RunError, match=r"pitstop:sqlPassword: must be 8 to 128 letters") as refused:
        run(canary | {"sqlPassword": {"secure": value}})
    assert value not in str(refused.value)
