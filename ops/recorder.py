"""The program's own process of a recording: runs it with an engine that only remembers what it was asked."""

import asyncio
import json
import logging
import os
import runpy
import sys
from collections.abc import Mapping
from dataclasses import asdict

import pulumi
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from pulumi.runtime import mocks, proto, settings

from components import preflight
from components.model.explain import PROJECT
from components.model.kubeconfig import Target
from components.model.plan import Plan
from components.preflight import Facts
from ops.errors import UserError
from ops.paths import CHECKOUT
from ops.recording import REFUSED, STACK, Registered


class Recorder(mocks.MockMonitor):
    """Answers like the engine of a first preview, and remembers what it was asked."""

    def __init__(self, environment: str) -> None:
        super().__init__(Unasked())
        self.environment = environment
        self.registered: list[dict[str, object]] = []

    def RegisterResource(  # noqa: N802 - the protocol's name
        self, request: proto.RegisterResourceRequest
    ) -> proto.RegisterResourceResponse:
        urn = _urn(self.environment, request.parent, request.type, request.name)
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
        self.registered.append(asdict(one))
        return proto.RegisterResourceResponse(urn=urn, id="", object=request.object)


class Unasked(mocks.Mocks):
    """A cloud in which there is nothing yet."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, object]]:
        raise AssertionError(f"nothing asks for {args.name} here")

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, object], list[tuple[str, str]] | None]:
        return {}, [(args.token, "ResourceNotFound: nothing exists yet")]


def main() -> None:
    """Runs the program as it is asked to on standard input; what it registers goes to standard output."""
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.ERROR)
    asked = json.load(sys.stdin)
    preflight.look = _nothing_there
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as output:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the program prints is no part of the record
        try:
            json.dump(_run(asked["environment"], asked["config"]), output)
        except (pulumi.RunError, UserError) as error:
            json.dump(_lines(error), output)
            raise SystemExit(REFUSED) from None


def _lines(error: Exception) -> tuple[str, ...]:
    """Everything that is wrong: the program ends with the last of its lines, and logs the others."""
    whole = error.__context__ if isinstance(error.__context__, UserError) else error
    return whole.lines if isinstance(whole, UserError) else (str(whole),)


def _run(environment: str, config: Mapping[str, str]) -> list[dict[str, object]]:
    os.environ["PULUMI_CONFIG"] = json.dumps(config)
    pulumi.runtime.set_all_config(dict(config))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    recorder = Recorder(environment)
    settings.configure(
        mocks.MockSettings(  # type: ignore[no-untyped-call]
            monitor=recorder,
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
    return recorder.registered


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
