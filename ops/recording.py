"""What the program registers for a stack file, without an engine, a cluster or a credential.

The program runs in a process of its own, because the SDK keeps what it is told in globals. It is told that
this is a preview, and nothing exists yet: what only an update would tell is unknown here, as it is there.
"""

import asyncio
import json
import logging
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from components.model import naming, stackfile
from components.model.catalogue import Secret
from components.model.explain import PROJECT
from components.model.kubeconfig import Target
from components.model.naming import (
    CHARTS_VARIABLE,
    KUBECONFIG_VARIABLE,
    OWNER_VARIABLE,
    REHEARSAL_VARIABLE,
    SECRETS_VARIABLE,
)
from components.model.plan import Plan
from components.preflight import Facts
from ops.errors import UserError
from ops.paths import CHECKOUT

SECONDS = 120
STACK = "pulumi:pulumi:Stack"
PLACEHOLDER = "placeholder-of-a-secret-value"


@dataclass(frozen=True, slots=True)
class Registered:
    """One registered resource. `inputs` are as they go over the wire, the engine's marks included."""

    type: str
    name: str
    urn: str
    inputs: dict[str, object]
    protect: bool
    parent: str
    after: tuple[str, ...]
    custom: bool


def record(environment: str, file: Path | None = None) -> tuple[Registered, ...]:
    """Everything the program registers for an environment, or for another file in its place.

    Raises:
        UserError: the program refuses the stack file, with its own line; or it fails.
    """
    file = file or stackfile.path_of(environment, CHECKOUT)
    managed = stackfile.load(file).azure is not None
    with tempfile.TemporaryDirectory(prefix="pitstop-record-") as folder:
        asked = {"environment": environment, "config": _config(file), "folder": folder}
        done = subprocess.run(
            [sys.executable, "-m", "ops.recording"],
            cwd=CHECKOUT,
            env=surroundings(environment, Path(folder), managed=managed),
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise UserError(f"{file.name}: {last}")
    return tuple(Registered(**one | {"after": tuple(one["after"])}) for one in json.loads(done.stdout))


def _config(file: Path) -> dict[str, str]:
    """The stack's plain values as the engine hands them to a program; what is encrypted is not needed."""
    content = stackfile.decoded(file.read_text(encoding="utf-8"))
    stated: Mapping[str, object] = content.get("config") or {}
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in stated.items()
        if not (isinstance(value, dict) and set(value) == {"secure"})
    }


def surroundings(environment: str, folder: Path, *, managed: bool = False) -> dict[str, str]:
    """The variables the program is told things by; what they point to is made up.

    A managed cluster is not there yet, and has no kubeconfig.
    """
    folder.mkdir(exist_ok=True)
    (folder / SECRETS_VARIABLE).write_text(json.dumps({str(name): PLACEHOLDER for name in Secret}))
    user = {"name": "nobody", "user": {"token": PLACEHOLDER}}
    cluster = {"name": "nowhere", "cluster": {"server": "https://127.0.0.1:9"}}
    context = {"name": "nowhere", "context": {"cluster": "nowhere", "user": "nobody"}}
    kubeconfig = {"clusters": [cluster], "users": [user], "contexts": [context], "current-context": "nowhere"}
    (folder / KUBECONFIG_VARIABLE).write_text(yaml.safe_dump(kubeconfig))
    for chart in ("base", "cni", "istiod", "gateway"):
        (folder / "charts" / chart).mkdir(parents=True)
        (folder / "charts" / chart / "Chart.yaml").touch()
    # No credential of the person who runs this reaches the program.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPYCACHEPREFIX") if name in os.environ}
    cluster_there = {} if managed else {KUBECONFIG_VARIABLE: str(folder / KUBECONFIG_VARIABLE)}
    return (
        kept
        | cluster_there
        | {
            "PYTHONPATH": str(CHECKOUT),
            REHEARSAL_VARIABLE: str(folder),  # nobody has to be logged in
            SECRETS_VARIABLE: str(folder / SECRETS_VARIABLE),
            CHARTS_VARIABLE: str(folder / "charts"),
            OWNER_VARIABLE: naming.owner(PROJECT, environment),
        }
    )


def main() -> None:
    """Runs the program as it is asked to on standard input; what it registers goes to standard output."""
    import pulumi

    from components import preflight

    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.ERROR)
    asked = json.load(sys.stdin)
    preflight.look = _nothing_there
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the program prints is no part of the record
    try:
        registered = _run(asked["environment"], asked["config"])
    except (pulumi.RunError, UserError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    with output:
        json.dump(registered, output)


def _run(environment: str, config: Mapping[str, str]) -> list[dict[str, object]]:
    import pulumi
    from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
    from pulumi.runtime import mocks, proto, settings

    registered: list[dict[str, object]] = []

    class Recorder(mocks.MockMonitor):
        """Answers like the engine of a first preview, and remembers what it was asked."""

        def RegisterResource(  # noqa: N802 - the protocol's name
            self, request: proto.RegisterResourceRequest
        ) -> proto.RegisterResourceResponse:
            urn = _urn(environment, request.parent, request.type, request.name)
            one = Registered(
                type=request.type,
                name=request.name,
                urn=urn,
                inputs=MessageToDict(request.object),
                protect=request.protect,
                parent=request.parent,
                after=tuple(sorted(request.dependencies)),
                custom=request.custom,
            )
            registered.append(asdict(one))
            return proto.RegisterResourceResponse(urn=urn, id="", object=request.object)

    class Unasked(mocks.Mocks):
        """A cloud in which there is nothing yet."""

        def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, object]]:
            raise AssertionError(f"nothing asks for {args.name} here")

        def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, object], list[tuple[str, str]] | None]:
            return {}, [(args.token, "ResourceNotFound: nothing exists yet")]

    os.environ["PULUMI_CONFIG"] = json.dumps(config)
    pulumi.runtime.set_all_config(dict(config))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    settings.configure(
        mocks.MockSettings(  # type: ignore[no-untyped-call]
            monitor=Recorder(Unasked()),
            engine=mocks.MockEngine(None),
            project=PROJECT,
            stack=environment,
            dry_run=True,
        )
    )
    program = str(CHECKOUT / "__main__.py")

    def run() -> None:
        runpy.run_path(program, run_name="__main__")

    loop.run_until_complete(pulumi.runtime.run_in_stack(run))
    return registered


def _nothing_there(plan: Plan, target: Target) -> Facts:  # noqa: ARG001 - a cluster is not asked
    """A cluster with nothing on it but the mesh an environment joins."""
    return Facts(owners={}, istio=plan.mesh is None, control_planes=())


def _urn(environment: str, parent: str, kind: str, name: str) -> str:
    """The name an engine would give: a parent's types come first, the stack's own do not."""
    above = parent.split("::")[2] if parent else STACK
    qualified = kind if above == STACK else f"{above}${kind}"
    return f"urn:pulumi:{environment}::{PROJECT}::{qualified}::{name}"


if __name__ == "__main__":
    main()
