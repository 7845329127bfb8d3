"""Programs the machine has already: taken when their version does."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from localcluster.tools.catalogue import Probe, Tool
from localcluster.tools.pins import release

PROBE_SECONDS = 10.0

Found = tuple[Path, str]  # the program and the version it told


def suitable(version: str, wanted: str, accept: str) -> bool:
    """Whether `version` does where `wanted` is pinned: exactly it, or not older within its major."""
    if accept == "exact":
        return version == wanted
    have, need = release(version), release(wanted)
    return have is not None and need is not None and have[0] == need[0] and have >= need


def find_unit(tools: Sequence[Tool], environ: Mapping[str, str], home: Path) -> dict[str, Found] | None:
    """Every tool of a unit on this machine, or None: a unit is taken whole or not at all."""
    found: dict[str, Found] = {}
    for tool in tools:
        here: Found | None = None
        if tool.same_folder_as:
            leader = found.get(tool.same_folder_as)
            here = leader and (leader[0].with_name(tool.name), leader[1])
        elif tool.plugin:
            here = _plugin(tool, environ, home)
        elif tool.probe:
            here = _on_path(tool, tool.probe, environ)
        if here is None:
            return None
        found[tool.name] = here
    return found


def _plugin(tool: Tool, environ: Mapping[str, str], home: Path) -> Found | None:
    assert tool.plugin is not None  # noqa: S101 - the caller looked
    plugins = Path(environ.get("PULUMI_HOME") or home / ".pulumi") / "plugins"
    program = plugins / tool.plugin.folder / tool.name
    # Pulumi marks an installation that is not finished with this sibling.
    unfinished = (plugins / f"{tool.plugin.folder}.partial").exists()
    return (program, tool.version) if os.access(program, os.X_OK) and not unfinished else None


def _on_path(tool: Tool, probe: Probe, environ: Mapping[str, str]) -> Found | None:
    program = shutil.which(tool.name, path=environ.get("PATH", ""))
    if program is None:
        return None
    place = _folder_with(Path(program), probe.beside)
    # A link to a launcher of another name (snap, a dispatcher) cannot stand in for the program itself.
    if place is None or (tool.group == "node" and place.resolve().name != tool.name):
        return None
    version = _ask(place, probe, environ)
    return (place, version) if version and suitable(version, tool.version, probe.accept) else None


def _folder_with(program: Path, beside: Sequence[str]) -> Path | None:
    """The program where its companions are: as found on PATH, or where the link leads."""
    for place in (program.absolute(), program.resolve()):
        if all(os.access(place.with_name(name), os.X_OK) for name in beside):
            return place
    return None


def _ask(program: Path, probe: Probe, environ: Mapping[str, str]) -> str | None:
    quiet = dict(environ) | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run(
            [program, *probe.arguments],
            env=quiet,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(probe.pattern, done.stdout, re.MULTILINE)
    return match[1] if match and done.returncode == 0 else None
