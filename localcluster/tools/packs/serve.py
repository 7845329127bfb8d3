"""Runs a policy pack for the language host built here, which is not told which one.

The engine tells the pack itself as soon as it answers: `Handshake` names its folder. This program answers
that one call, runs the pack as `python -m pulumi.policy` would, and passes every other call on to it.

    serve.py ENGINE_ADDRESS
"""

import io
import runpy
import sys
import threading
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

import grpc  # type: ignore[import-untyped]
from pulumi.runtime.proto import analyzer_pb2

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

SERVICE = "pulumirpc.Analyzer"
SIZE = [("grpc.max_receive_message_length", 1024 * 1024 * 400)]  # what the engine and the SDK allow
SECONDS = 60


@dataclass
class Pack:
    """The pack's folder once it is named, and how to reach what it serves."""

    named: threading.Event = field(default_factory=threading.Event)
    serving: threading.Event = field(default_factory=threading.Event)
    folder: str = ""
    last: str = "it said nothing"  # line of standard error, which the engine may be too quick to read
    channel: grpc.Channel | None = None

    def start(self, folder: str) -> None:
        """Lets the pack run, and waits until it serves.

        Raises:
            RuntimeError: it does not.
        """
        self.folder = folder
        self.named.set()
        if not self.serving.wait(SECONDS) or self.channel is None:
            raise RuntimeError(f"the policy pack in {folder} does not serve: {self.last}")

    def call(self, method: str, request: bytes) -> bytes:
        """One call, as it came."""
        assert self.channel is not None  # noqa: S101 - the engine shakes hands first
        answer: bytes = self.channel.unary_unary(method)(request)
        return answer


class Calls(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Every call of the engine."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method: str = details.method
        answer = self.handshake if method == f"/{SERVICE}/Handshake" else self.passed_on(method)
        return grpc.unary_unary_rpc_method_handler(answer)

    def handshake(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        asked = analyzer_pb2.AnalyzerHandshakeRequest.FromString(request)
        try:
            self.pack.start(asked.program_directory)
        except RuntimeError as error:
            context.abort(grpc.StatusCode.INTERNAL, str(error))  # the engine would wait for UNAVAILABLE
        answer: bytes = analyzer_pb2.AnalyzerHandshakeResponse().SerializeToString()
        return answer

    def passed_on(self, method: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                return self.pack.call(method, request)
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())
                raise

        return answer


class Port(io.BytesIO):
    """Standard output as the pack finds it: it says one line, the port it serves on."""

    def __init__(self, pack: Pack) -> None:
        super().__init__()
        self.pack = pack

    def write(self, said: "Buffer") -> int:
        """Takes the port; a pack that prints is heard on standard error."""
        line = bytes(said)
        if self.pack.channel is None and line.strip().isdigit():
            self.pack.channel = grpc.insecure_channel(f"127.0.0.1:{int(line)}", options=SIZE)
            self.pack.serving.set()
        else:
            sys.stderr.write(line.decode(errors="replace"))
        return len(line)


class Heard(io.StringIO):
    """Standard error as the pack finds it; its last line is remembered."""

    def __init__(self, pack: Pack, out: TextIO) -> None:
        super().__init__()
        self.pack = pack
        self.out = out

    def write(self, said: str) -> int:
        self.pack.last = ([self.pack.last] + [line for line in said.splitlines() if line.strip()])[-1]
        return self.out.write(said)


def main() -> None:
    """Serves until the engine ends it."""
    engine, pack = sys.argv[1], Pack()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=SIZE)
    server.add_generic_rpc_handlers((Calls(pack),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    pack.named.wait()
    sys.stderr = Heard(pack, sys.stderr)
    sys.stdout = io.TextIOWrapper(Port(pack), write_through=True)
    sys.argv = ["pulumi.policy", engine, pack.folder]
    try:
        runpy.run_module("pulumi.policy", run_name="__main__")
    finally:
        pack.serving.set()  # a pack that ended without a word keeps nobody waiting


main()
