"""Versions, read from the two places where people choose them: go.mod files and requirements.txt."""

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

GO_MODULES = ("engine", "kwok", "language", "lint", "node")

_GO_REQUIRE = re.compile(
    r"^\s*(?:require\s+)?(?P<module>\S+\.\S+)[ \t]+v(?P<version>\S+)(?:[ \t]*//.*)?$", re.MULTILINE
)
_PYTHON_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s\\;]+)", re.MULTILINE)
_RELEASE = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


class Pins(BaseModel):
    """Every pinned version, without a leading `v`: of Go modules per go.mod, and of Python packages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    go: Mapping[str, Mapping[str, str]]
    python: Mapping[str, str]

    def module(self, go_module: str, path: str) -> str:
        """The version one of our go.mod files requires of the Go module `path`, e.g. `1.36.3`."""
        return self.go[go_module][path]

    @property
    def istio_revision(self) -> str:
        """The commit Istio is built from (12 hex digits): also the tag of its images."""
        return self.module("node", "istio.io/istio").rpartition("-")[2]


def parse_go_mod(text: str) -> dict[str, str]:
    """The required modules of a go.mod and their versions without the `v`; replacements are not versions."""
    return {match["module"]: match["version"] for match in _GO_REQUIRE.finditer(text)}


def parse_requirements(text: str) -> dict[str, str]:
    """The pinned packages of a requirements file."""
    return {match["name"].lower(): match["version"] for match in _PYTHON_PIN.finditer(text)}


def release(version: str) -> tuple[int, int, int] | None:
    """A release version as numbers; None for anything else (a pre-release, a vendor's suffix)."""
    match = _RELEASE.fullmatch(version)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def read_pins(checkout: Path) -> Pins:
    """The pins of a checkout."""
    tools = checkout / "localcluster" / "tools"
    return Pins(
        go={name: parse_go_mod((tools / name / "go.mod").read_text()) for name in GO_MODULES},
        python=parse_requirements((checkout / "requirements.txt").read_text()),
    )
