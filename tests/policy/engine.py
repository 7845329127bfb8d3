"""The real engine with the pack, over programs whose providers accept everything.

What a provider would do with a resource is no matter of the pack's: neither cluster nor cloud is needed.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from ops.paths import CHECKOUT
from ops.stack import PACKS, Toolbox

SECONDS = 180
PROVIDERS = ("kubernetes", "azure-native")


class Echo(provider_pb2_grpc.ResourceProviderServicer):
    """A provider for which everything is valid, and new."""

    def Attach(self, *_: object) -> empty_pb2.Empty:  # noqa: N802 - this and the others: the protocol's names
        return empty_pb2.Empty()

    def GetPluginInfo(self, *_: object) -> plugin_pb2.PluginInfo:  # noqa: N802
        return plugin_pb2.PluginInfo(version="99.0.0")  # newer than anything a program asks for

    def CheckConfig(  # noqa: N802
        self, request: provider_pb2.CheckRequest, _: object
    ) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def Configure(self, *_: object) -> provider_pb2.ConfigureResponse:  # noqa: N802
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True, acceptResources=True)

    def Check(  # noqa: N802
        self, request: provider_pb2.CheckRequest, _: object
    ) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def Invoke(  # noqa: N802
        self, request: provider_pb2.InvokeRequest, _: object
    ) -> provider_pb2.InvokeResponse:
        reason = "ResourceNotFound: nothing exists yet"
        return provider_pb2.InvokeResponse(
            failures=[provider_pb2.CheckFailure(property=request.tok, reason=reason)]
        )

    def Create(self, *_: object) -> provider_pb2.CreateResponse:  # noqa: N802
        return provider_pb2.CreateResponse()  # before an update nothing is known of what comes out


@contextmanager
def served() -> Iterator[str]:
    """Every provider, as the engine is told where they are."""
    with ExitStack() as until:
        found = []
        for name in PROVIDERS:
            server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
            provider_pb2_grpc.add_ResourceProviderServicer_to_server(Echo(), server)
            found.append(f"{name}:{server.add_insecure_port('127.0.0.1:0')}")
            server.start()
            until.callback(server.stop, 0)
        yield ",".join(found)


@dataclass(frozen=True)
class Said:
    """What a preview came to: each violation by rule, URN, level and message."""

    status: int
    violations: tuple[tuple[str, str, str, str], ...]
    text: str

    def stopping(self) -> set[tuple[str, str]]:
        """Rule and resource of what fails the preview."""
        return {(rule, urn) for rule, urn, level, _ in self.violations if level == "mandatory"}


@dataclass(frozen=True)
class Engine:
    """The CLI over a project of its own."""

    folder: Path
    environ: Mapping[str, str]

    def preview(self, pack: Path, config: Path | None = None) -> Said:
        """A preview with a pack; everything it judges is in the engine's own events."""
        command = ["pulumi", "preview", "--json", "--non-interactive", "--policy-pack", str(pack)]
        if config:
            command += ["--policy-pack-config", str(config)]
        log = self.folder / "events.json"
        done = self._run(*command, "--event-log", str(log))
        return Said(done.returncode, tuple(_violations(log)), done.stdout + done.stderr)

    def init(self, stack: str) -> None:
        """Makes the stack."""
        done = self._run("pulumi", "stack", "init", stack)
        assert done.returncode == 0, done.stderr

    def set(self, key: str, value: str) -> None:
        """One value of the stack's configuration."""
        done = self._run("pulumi", "config", "set", key, value)
        assert done.returncode == 0, done.stderr

    def _run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


def engine(tools: Toolbox, folder: Path, program: str, extra: Mapping[str, str], providers: str) -> Engine:
    """A project with a program, and everything around it in one folder."""
    project, home, backend = (folder / name for name in ("project", "home", "backend"))
    for one in (project, home, backend):
        one.mkdir(parents=True)
    (project / "Pulumi.yaml").write_text("name: pitstop\nruntime: python\n")
    (project / "__main__.py").write_text(program)
    path = [str(tools.path(name).parent) for name in ("pulumi", "pulumi-language-python")]
    environ = {
        "PATH": os.pathsep.join([*path, os.environ["PATH"]]),
        "HOME": str(home),
        "PULUMI_HOME": str(home),
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE": "for-a-test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DEBUG_COMMANDS": "true",  # the log of events is one of these
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DEBUG_PROVIDERS": providers,
        "PYTHONPATH": str(CHECKOUT),
        **extra,
    }
    if tools.source("pulumi-language-python") == "build":
        environ["PULUMI_PYTHON_CMD"] = str(PACKS)
    return Engine(project, environ)


def _violations(log: Path) -> Iterator[tuple[str, str, str, str]]:
    for line in log.read_text().splitlines() if log.exists() else ():
        event = json.loads(line)
        if found := event.get("policyEvent"):
            yield (
                found["policyName"],
                found.get("resourceUrn", ""),
                found["enforcementLevel"],
                found["message"],
            )
