"""Pulumi's provider protocol, from the SDK's package but without the SDK.

The messages lie in a folder of the package `pulumi`, whose own import takes 0.3 s and 30 MB for things a
provider has no use for. Whoever has imported it already gets the messages from there.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

_ABOVE = ("pulumi", "pulumi.runtime")


def _bare() -> list[str]:
    """Stand-ins for the packages above the messages: a place to look, and nothing run."""
    made: list[str] = []
    spec = find_spec("pulumi")
    if "pulumi" in sys.modules or spec is None or spec.origin is None:
        return made
    folder = Path(spec.origin).parent.parent
    for name in _ABOVE:
        module = ModuleType(name)
        module.__path__ = [str(folder / name.replace(".", "/"))]
        sys.modules[name] = module
        made.append(name)
    return made


_made = _bare()
try:
    from pulumi.runtime.proto import (
        engine_pb2,
        engine_pb2_grpc,
        plugin_pb2,
        provider_pb2,
        provider_pb2_grpc,
        status_pb2,
    )
finally:
    for _name in _made:
        del sys.modules[_name]

__all__ = [
    "engine_pb2",
    "engine_pb2_grpc",
    "plugin_pb2",
    "provider_pb2",
    "provider_pb2_grpc",
    "status_pb2",
]
