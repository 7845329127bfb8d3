"""The whole program without an engine: everything it registers is recorded."""

import asyncio
import json
import os
import runpy
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest
import yaml
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from pulumi.runtime import mocks, proto, settings

from components import preflight
from components.model.catalogue import Secret
from components.preflight import Facts
from localcluster.tools.charts import CHARTS
from ops.paths import CHECKOUT
from tests.model.examples import OWNER, WHOLE, Node, raw

EMPTY_CLUSTER = Facts(owners={}, istio=False, control_planes=())
SECRETS = {str(name): f"Value-of-{name}" for name in Secret}


class Registered:
    """One registration request."""

    def __init__(self, request: proto.RegisterResourceRequest) -> None:
        self.type: str = request.type
        self.name: str = request.name
        self.parent: str = request.parent
        self.provider: str = request.provider
        self.custom: bool = request.custom
        self.retained: bool = request.retainOnDelete
        self.dependencies: set[str] = {urn.split("::", 2)[2] for urn in request.dependencies}
        self.inputs: Node = MessageToDict(request.object)

    @property
    def kind(self) -> str:
        return self.type.rsplit(":", 1)[-1]


class Recorder(mocks.MockMonitor):
    """Answers like an engine that makes everything at once, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(Unasked())
        self.requests: list[Registered] = []

    def RegisterResource(  # noqa: N802 - the protocol's name
        self, request: proto.RegisterResourceRequest
    ) -> proto.RegisterResourceResponse:
        # Answered here and not by the SDK: its mock leaves an event loop open in every thread it uses.
        self.requests.append(Registered(request))
        urn = self.make_urn(request.parent, request.type, request.name)
        return proto.RegisterResourceResponse(urn=urn, id=f"{request.name}-id", object=request.object)

    def of(self, kind: str) -> dict[str, Registered]:
        """The registered resources of a kind, by logical name."""
        return {one.name: one for one in self.requests if one.kind == kind}

    def depends(self, kind: str, name: str) -> set[tuple[str, str]]:
        """What a resource waits for itself, each by kind and logical name."""
        urns = self.of(kind)[name].dependencies
        return {(urn.split("::")[-2].rsplit(":", 1)[-1], urn.split("::")[-1]) for urn in urns}

    def waits(self, kind: str, name: str) -> set[tuple[str, str]]:
        """What must be there before a resource, directly or because what it waits for waits for it."""
        found: set[tuple[str, str]] = set()
        todo = [(kind, name)]
        while todo:
            new = self.depends(*todo.pop()) - found
            found |= new
            todo += [one for one in new if one[1] in self.of(one[0])]
        return found

    def beyond_the_stack(self) -> list[Registered]:
        """Everything but the stack itself, which the engine's own start registers."""
        return [one for one in self.requests if one.kind != "Stack"]


class Unasked(mocks.Mocks):
    """The program calls no function of a provider, and the recorder answers everything else."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, object]]:
        raise AssertionError(f"nothing asks for {args.name} here")

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, object], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program calls no function, and called {args.token}")


Run = Callable[[Node], Recorder]


def surround(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables the program is told things by, and the files they point to."""
    for name in [name for name in os.environ if name.startswith(("PULUMI", "PITSTOP"))]:
        monkeypatch.delenv(name)
    for chart in CHARTS:
        (folder / "charts" / chart).mkdir(parents=True)
        (folder / "charts" / chart / "Chart.yaml").touch()
    (folder / "secrets.json").write_text(json.dumps(SECRETS))
    (folder / "kubeconfig").write_text(
        yaml.safe_dump(
            {
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}],
                "users": [{"name": "u", "user": {"token": "k8s-token"}}],
            }
        )
    )
    monkeypatch.setenv("PITSTOP_CHARTS", str(folder / "charts"))
    monkeypatch.setenv("PITSTOP_SECRETS", str(folder / "secrets.json"))
    monkeypatch.setenv("PITSTOP_KUBECONFIG", str(folder / "kubeconfig"))
    monkeypatch.setenv("PITSTOP_OWNER", OWNER)


@pytest.fixture(autouse=True)
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Surroundings a test may change."""
    surround(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> Callable[[Facts], None]:
    """What the preflight is to find on the cluster."""

    def found(facts: Facts) -> None:
        monkeypatch.setattr(preflight, "look", lambda _plan, _target: facts)

    return found


def whole_program() -> None:
    """What the language host runs."""
    runpy.run_path(str(CHECKOUT / "__main__.py"), run_name="__main__")


def execute(content: Node, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Runs `__main__.py` with a stack's values, as the language host would; `{secure: ...}` is decrypted."""
    encrypted = {
        key: value["secure"]
        for key, value in content.items()
        if isinstance(value, dict) and set(value) == {"secure"}
    }
    texts = {
        f"pitstop:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in (content | encrypted).items()
    }
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(texts))
    pulumi.runtime.set_all_config(texts, [f"pitstop:{key}" for key in encrypted])
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    engine = mocks.MockEngine(None)
    settings.configure(
        mocks.MockSettings(  # type: ignore[no-untyped-call]
            monitor=recorder, engine=engine, project="pitstop", stack="test", dry_run=False
        )
    )
    settings.set_root_resource(None)  # type: ignore[arg-type]  # a run before this one left its own
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(whole_program))
    finally:
        loop.close()
        asyncio.set_event_loop(None)
    return recorder


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def run(recorder: Recorder, facts: Callable[[Facts], None], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the program, as often as a test wants."""
    facts(EMPTY_CLUSTER)  # a test may say otherwise before it runs the program
    return lambda content: execute(content, recorder, monkeypatch)


def _once(content: Node, folder: Path) -> Recorder:
    with pytest.MonkeyPatch.context() as monkeypatch:
        surround(folder, monkeypatch)
        monkeypatch.setattr(preflight, "look", lambda _plan, _target: EMPTY_CLUSTER)
        return execute(content, Recorder(), monkeypatch)


@pytest.fixture(scope="session")
def standard(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    """What the canary environment registers; one run for every test that only looks."""
    return _once(raw(), tmp_path_factory.mktemp("standard"))


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    """What the whole system registers."""
    return _once(raw(base=WHOLE), tmp_path_factory.mktemp("whole"))


@pytest.fixture
def canary() -> Node:
    return raw()
