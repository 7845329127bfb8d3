"""The plugin: Pulumi's provider protocol before the rehearsal's Azure.

    pulumi-resource-azure-native ENGINE

It prints the port it listens on and serves until the engine that started it is gone. Without
`PITSTOP_REHEARSAL`, the folder of a rehearsal, it refuses to start: nobody is to take it for Azure.
"""

import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import grpc  # type: ignore[import-untyped]
from google.protobuf.empty_pb2 import Empty  # type: ignore[import-untyped]
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from google.protobuf.struct_pb2 import Struct  # type: ignore[import-untyped]

from localcluster.azure import paths, sdk
from localcluster.azure.differ import Change
from localcluster.azure.errors import AzureError, HalfwayError
from localcluster.azure.protocol import (
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)
from localcluster.azure.service import Account, Azure
from localcluster.azure.state import FOLDER_VARIABLE
from localcluster.azure.values import Document, opened_map

THREADS = 128  # the engine asks for as many things at once as it has workers; most of them wait
LARGEST = 64 * 2**20  # bytes of a message
LOOK_UP = 2.0  # seconds between two looks for the engine
MARK = "told"  # the file with the run that was told what this is
OF_THE_ENGINE = ("version", "pluginDownloadURL", "pluginChecksums")  # in the configuration, and not ours
REHEARSAL = (
    "REHEARSAL: a stand-in answers for Azure and nothing is made in any subscription. It knows the SDK's "
    "types and what Azure documents, not what Azure would really do."
)

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_Method = Callable[["Provider", _Request, grpc.ServicerContext], _Response]
_DIFF = provider_pb2.PropertyDiff
_HOW = {
    ("add", False): _DIFF.ADD,
    ("add", True): _DIFF.ADD_REPLACE,
    ("delete", False): _DIFF.DELETE,
    ("delete", True): _DIFF.DELETE_REPLACE,
    ("update", False): _DIFF.UPDATE,
    ("update", True): _DIFF.UPDATE_REPLACE,
}


def _answering(method: _Method[_Request, _Response]) -> _Method[_Request, _Response]:
    """A method of the protocol whose errors reach the engine as what they are."""

    @wraps(method)
    def answer(self: "Provider", request: _Request, context: grpc.ServicerContext) -> _Response:
        try:
            return method(self, request, context)
        except HalfwayError as error:
            context.set_trailing_metadata((("grpc-status-details-bin", _halfway(error)),))
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except (AzureError, ValueError) as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        raise AssertionError("abort raises")

    return answer


def _halfway(error: HalfwayError) -> bytes:
    """What tells the engine that a resource is there, and to keep it."""
    made = error.made
    detail = provider_pb2.ErrorResourceInitFailed(
        id=made.identity, properties=_struct(made.outputs), reasons=[str(error)], inputs=_struct(made.inputs)
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
    status.details.add().Pack(detail)
    return bytes(status.SerializeToString())


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The methods the engine calls; their names are the protocol's."""

    def __init__(self, folder: Path, engine: str) -> None:
        """Nothing is read before the engine configures it."""
        self._folder = folder
        self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine))
        self._azure: Azure | None = None

    @property
    def azure(self) -> Azure:
        """The rehearsal's Azure; the engine configures it before it asks for anything."""
        if self._azure is None:
            raise AzureError(400, "NotConfigured", "the engine has not configured the provider")
        return self._azure

    def say(self, line: str, urn: str = "") -> None:
        """A line of progress at a resource; without one, a line that stays."""
        message = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=line, urn=urn, ephemeral=bool(urn))
        try:
            self._engine.Log(message)
        except grpc.RpcError:
            return  # an engine that is going away needs no progress

    # --- the provider itself ----------------------------------------------------------------------------

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=version("pulumi-azure-native"))

    @_answering
    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        config = {name: value for name, value in _plain(request.news).items() if name not in OF_THE_ENGINE}
        return _checked(request.news, sdk.config_problems(config))

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    @_answering
    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        config = {name: str(value) for name, value in opened_map(_plain(request.args)).items()}
        self._azure = Azure(self._folder, Account.of(config))
        self._introduce()
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:
        if self._azure:
            self._azure.stopped.set()
        return Empty()

    def _introduce(self) -> None:
        """Say what this is, once for each process of the engine."""
        mark, engine = self._folder / MARK, _engine_process()
        if mark.exists() and mark.read_text() == engine:
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        mark.write_text(engine)
        self.say(f"{REHEARSAL} Its state: {self._folder}")

    # --- resources and functions ------------------------------------------------------------------------

    @_answering
    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        inputs, problems = self.azure.check(_token(request.urn), _plain(request.news))
        return _checked(_struct(inputs), problems)

    @_answering
    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        olds, inputs = _plain(request.olds), _plain(request.old_inputs)
        return _differing(self.azure.diff(_token(request.urn), inputs, _plain(request.news), olds))

    @_answering
    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        token, inputs = _token(request.urn), _plain(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=_struct(self.azure.preview(token, inputs)))
        made = self.azure.create(token, inputs, self._at(request.urn))
        return provider_pb2.CreateResponse(id=made.identity, properties=_struct(made.outputs))

    @_answering
    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        olds, inputs = _plain(request.properties), _plain(request.inputs)
        found = self.azure.read(_token(request.urn), request.id, olds, inputs)
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=found.identity, properties=_struct(found.outputs), inputs=_struct(found.inputs)
        )

    @_answering
    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        token, inputs = _token(request.urn), _plain(request.news)
        if request.preview:
            outputs = self.azure.preview(token, inputs, request.id)
        else:
            outputs = self.azure.update(token, request.id, inputs, self._at(request.urn)).outputs
        return provider_pb2.UpdateResponse(properties=_struct(outputs))

    @_answering
    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Empty:
        self.azure.delete(_token(request.urn), request.id, self._at(request.urn))
        return Empty()

    @_answering
    def Invoke(
        self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        answer, problems = self.azure.invoke(request.tok, _plain(request.args), self.say)
        response = provider_pb2.InvokeResponse(failures=_failures(problems))
        getattr(response, "return").CopyFrom(_struct(answer))  # a word of Python's
        return response

    def _at(self, urn: str) -> Callable[[str], None]:
        return lambda line: self.say(line, urn)


def _token(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def _plain(struct: Struct) -> Document:
    return dict(MessageToDict(struct))


def _struct(document: Mapping[str, object]) -> Struct:
    made = Struct()
    made.update(dict(document))
    return made


def _failures(problems: list[str]) -> list[provider_pb2.CheckFailure]:
    return [provider_pb2.CheckFailure(reason=line) for line in problems]


def _checked(inputs: Struct, problems: list[str]) -> provider_pb2.CheckResponse:
    return provider_pb2.CheckResponse(inputs=inputs, failures=_failures(problems))


def _differing(found: list[Change]) -> provider_pb2.DiffResponse:
    """A replacement always removes first: every resource has a name of its own choosing, which is taken.

    Source: https://github.com/pulumi/pulumi-azure-native/blob/master/provider/pkg/provider/provider.go (Diff)
    """
    replaces = [paths.text(change.path) for change in found if change.replaces]
    response = provider_pb2.DiffResponse
    return response(
        changes=response.DIFF_SOME if found else response.DIFF_NONE,
        replaces=replaces,
        deleteBeforeReplace=bool(replaces),
        diffs=sorted({str(change.path[0]) for change in found}),
        detailedDiff={
            paths.text(change.path): _DIFF(kind=_HOW[change.how, change.replaces], inputDiff=True)
            for change in found
        },
        hasDetailedDiff=True,
    )


def _engine_process() -> str:
    """The process that started this one: its id, and when it began, as ids come again."""
    parent = os.getppid()
    try:
        return f"{parent} {Path(f'/proc/{parent}').stat().st_ctime}"
    except OSError:
        return str(parent)


def _end_with_the_engine(parent: int, ended: threading.Event) -> None:
    """An engine that was killed cancels nothing; whoever then adopts this process is not it."""
    while not ended.wait(LOOK_UP):
        if os.getppid() != parent:
            os._exit(1)


def main(arguments: list[str], environ: Mapping[str, str] = os.environ) -> int:
    """Serve one engine.

    Returns:
        2 where it was started for no rehearsal.
    """
    folder, engine = environ.get(FOLDER_VARIABLE), os.getppid()
    if not folder or not arguments:
        print(
            f"{FOLDER_VARIABLE}: not set; this is the stand-in for azure-native and answers only in a "
            "rehearsal, e.g. REHEARSE=1 make up ENV=dev",
            file=sys.stderr,
        )
        return 2
    options = [(f"grpc.max_{way}_message_length", LARGEST) for way in ("receive", "send")]
    server = grpc.server(ThreadPoolExecutor(THREADS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(Path(folder), arguments[0]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    ended = threading.Event()
    threading.Thread(target=_end_with_the_engine, args=(engine, ended), daemon=True).start()
    server.wait_for_termination()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
