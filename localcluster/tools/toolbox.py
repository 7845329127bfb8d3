"""Gives every program the project runs: from PATH, else an official download, else built here.

    box = ensure(("engine", "node"), progress)
    box.path("kubelet")

`PITSTOP_TOOLS=path|download|build` allows one way only, for the tools that have that way: Istio's
programs are published neither for PATH nor for download and are always built.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict

from localcluster.tools import onpath
from localcluster.tools.build import Builder
from localcluster.tools.catalogue import Build, Catalogue, Tool, catalogue
from localcluster.tools.download import Downloader, Platform, Unavailable, answers, this_platform
from localcluster.tools.golang import Go, find_go
from localcluster.tools.pins import read_pins
from localcluster.tools.space import free_bytes, require_space
from localcluster.tools.store import Store, installed
from ops.cache import DAYS, forget_unused, used
from ops.errors import UserError
from ops.paths import CHECKOUT, cache_root
from ops.progress import Progress

Source = Literal["path", "download", "build"]
SOURCES: tuple[Source, ...] = get_args(Source)


class Located(BaseModel):
    """A program that is ready to run, and where it is from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    path: Path
    version: str
    source: Source


class Toolbox(BaseModel):
    """Programs that are ready to run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tools: tuple[Located, ...]

    def tool(self, name: str) -> Located:
        """The program of this name; KeyError when this toolbox was made without it."""
        for tool in self.tools:
            if tool.name == name:
                return tool
        raise KeyError(f"this toolbox was made without {name}; it has {', '.join(self.names()) or 'nothing'}")

    def path(self, name: str) -> Path:
        return self.tool(name).path

    def version(self, name: str) -> str:
        return self.tool(name).version

    def source(self, name: str) -> Source:
        return self.tool(name).source

    def names(self) -> tuple[str, ...]:
        return tuple(tool.name for tool in self.tools)

    def bin_dirs(self) -> tuple[Path, ...]:
        """The folders to put first on PATH, in order, each once."""
        return tuple(dict.fromkeys(tool.path.parent for tool in self.tools))

    def merged(self, other: Self) -> Self:
        """This toolbox and the tools `other` has beyond it."""
        mine = set(self.names())
        return self.model_copy(
            update={"tools": (*self.tools, *(tool for tool in other.tools if tool.name not in mine))}
        )


class Surroundings(BaseModel):
    """What the choice of tools depends on outside this package; tests give their own."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    cache: Path
    checkout: Path
    environ: Mapping[str, str]
    home: Path
    machine: Platform
    catalogue: Catalogue
    free: Callable[[Path], int] = free_bytes  # of the disk a folder is on

    @property
    def only(self) -> Source | None:
        """The one way `PITSTOP_TOOLS` allows."""
        asked = self.environ.get("PITSTOP_TOOLS", "")
        for source in SOURCES:
            if asked == source:
                return source
        if asked:
            raise UserError(f"PITSTOP_TOOLS={asked}: not a way to get tools; valid: {', '.join(SOURCES)}")
        return None


def surroundings() -> Surroundings:
    """Those of this process."""
    return Surroundings(
        cache=cache_root(),
        checkout=CHECKOUT,
        environ=dict(os.environ),
        home=Path.home(),
        machine=this_platform(),
        catalogue=catalogue(read_pins(CHECKOUT)),
    )


def ensure(
    names: Iterable[str],
    progress: Progress,
    *,
    cancel: threading.Event | None = None,
    around: Surroundings | None = None,
) -> Toolbox:
    """Have the named tools or groups of tools (`engine`, `node`, ...) ready.

    With everything in place this takes a fraction of a second and asks no network. May run in a
    thread; `cancel` then stops a build within a second.

    Raises:
        UserError: no way leads to a tool: Go too old, no disk, a download that was tampered with.
        golang.Cancelled: `cancel` was set.
    """
    return _Run(around or surroundings(), progress, cancel).ensure(names)


def find(names: Iterable[str], *, around: Surroundings | None = None) -> Toolbox:
    """The named tools as far as they are in place; nothing is fetched or built, nothing fails."""
    return _Run(around or surroundings(), Progress(), None).find(names)


class _Run:
    """One call of `ensure` or `find`."""

    def __init__(self, around: Surroundings, progress: Progress, cancel: threading.Event | None) -> None:
        self._around = around
        self._progress = progress
        self._cancel = cancel
        self._store = Store(cache=around.cache)
        self._downloader = Downloader(self._store, around.machine, progress)
        self._only = around.only

    def ensure(self, names: Iterable[str]) -> Toolbox:
        chosen = self._around.catalogue.select(names)
        located = self._in_place(chosen)
        missing = [unit for unit in _units(chosen) if unit[0].name not in located]
        if missing:
            downloads, builds = self._plan(missing)
            self._make(downloads, builds)
            for unit in missing:
                located |= self._cached(unit)
        return Toolbox(tools=tuple(located[tool.name] for tool in chosen))

    def find(self, names: Iterable[str]) -> Toolbox:
        chosen = self._around.catalogue.select(names)
        located = self._in_place(chosen)
        return Toolbox(tools=tuple(located[tool.name] for tool in chosen if tool.name in located))

    def _in_place(self, tools: Sequence[Tool]) -> dict[str, Located]:
        """What needs no work: on PATH, or in the cache.

        Where PATH could only offer the very version that is in the cache, nobody is asked: some
        machines' `kubectl` takes seconds to tell its version.
        """
        located: dict[str, Located] = {}
        for unit in _units(tools):
            ways = (self._cached, self._on_path) if _exact(unit) else (self._on_path, self._cached)
            located |= ways[0](unit) or ways[1](unit)
        return located

    def _on_path(self, unit: Sequence[Tool]) -> dict[str, Located]:
        if not self._may("path", unit):
            return {}
        found = onpath.find_unit(unit, self._path_environ, self._around.home) or {}
        return {
            name: Located(name=name, path=path, version=version, source="path")
            for name, (path, version) in found.items()
        }

    def _cached(self, unit: Sequence[Tool]) -> dict[str, Located]:
        sources: tuple[Source, ...] = ("download", "build")
        for source in sources:
            here = self._cached_from(source, unit) if self._may(source, unit) else None
            if here:
                return here
        return {}

    def _cached_from(self, source: Source, unit: Sequence[Tool]) -> dict[str, Located] | None:
        located: dict[str, Located] = {}
        for tool in unit:
            folder = self._folder(source, tool)
            if folder is None or not installed(folder, tool.name):
                return None
            used(folder)
            version = (tool.built_version if source == "build" else None) or tool.version
            located[tool.name] = Located(
                name=tool.name, path=folder / tool.name, version=version, source=source
            )
        return located

    def _folder(self, source: Source, tool: Tool) -> Path | None:
        if source == "download":
            return self._downloader.target(tool, tool.download) if tool.download else None
        try:
            return self._builder.target(self._build_of(tool), tool)
        except UserError:  # no Go: nothing built here can be told from what another Go built
            return None

    def _plan(self, missing: Sequence[Sequence[Tool]]) -> tuple[list[Sequence[Tool]], list[Tool]]:
        """Which units to download and which tools to build."""
        if blocked := [unit[0].name for unit in missing if self._only == "path" and _has("path", unit)]:
            raise UserError(
                f"PITSTOP_TOOLS=path: no suitable {', '.join(blocked)} on PATH; "
                "install it, or unset PITSTOP_TOOLS to have it downloaded or built"
            )
        wanted = [unit for unit in missing if self._may("download", unit)]
        if wanted and self._only != "download" and not self._internet(wanted[0][0]):
            self._progress.note(
                "the official download sites do not answer: building from the Go module proxy"
            )
            wanted = []
        return wanted, self._unbuilt([tool for unit in missing if unit not in wanted for tool in unit])

    def _unbuilt(self, tools: Sequence[Tool]) -> list[Tool]:
        """Those of a unit that are not in the cache yet: a unit is missing as soon as one of it is."""
        targets = {tool: self._builder.target(self._build_of(tool), tool) for tool in tools}
        return [tool for tool in tools if not installed(targets[tool], tool.name)]

    def _make(self, downloads: Sequence[Sequence[Tool]], to_build: Sequence[Tool]) -> None:
        remaining = list(to_build)
        total = len(downloads) + len(self._batches(remaining))
        for number, unit in enumerate(downloads, 1):
            try:
                self._downloader.fetch(unit, number=number, total=total)
            except Unavailable as reason:
                if self._only == "download":
                    raise UserError(f"PITSTOP_TOOLS=download: {unit[0].name}: {reason}") from None
                self._progress.note(f"{unit[0].name}: {reason}; building it instead")
                remaining.extend(self._unbuilt(unit))
        batches = self._batches(remaining)
        if remaining:
            cache = self._around.cache
            require_space(cache, self._around.free(cache), [build for build, _ in batches])
            self._builder.expect(len(remaining))
        with ExitStack() as beside:
            if len(batches) > 1:
                beside.enter_context(self._builder.fetching(batches[1:]))
            for number, (build, tools) in enumerate(batches, len(downloads) + 1):
                self._builder.make(build, tools, number=number, total=len(downloads) + len(batches))
        self._forget()

    def _forget(self) -> None:
        """Where something new has come, the programs nobody uses any more go; never those of a node."""
        nodes = [self._around.cache.glob(f"checkouts/{where}/node/tools") for where in ("*", "*/*")]
        lines = [line for listing in chain(*nodes) for line in _lines(listing)]
        running = {Path(line).parent.name for line in lines}
        if gone := forget_unused(self._store.root, running):
            self._progress.note(f"programs nobody used for {DAYS} days are gone from the cache: {len(gone)}")

    def _batches(self, tools: Sequence[Tool]) -> list[tuple[Build, list[Tool]]]:
        """The tools of each build, in the catalogue's order of builds."""
        batches = [
            (build, [tool for tool in tools if tool.build == build.name])
            for build in self._around.catalogue.builds
        ]
        return [(build, members) for build, members in batches if members]

    def _build_of(self, tool: Tool) -> Build:
        return next(build for build in self._around.catalogue.builds if build.name == tool.build)

    def _may(self, source: Source, unit: Sequence[Tool]) -> bool:
        """Whether this way is open: the one asked for, or any where a tool does not have that one."""
        if not _has(source, unit):
            return False
        return self._only in {None, source} or not _has(self._only, unit)

    def _internet(self, tool: Tool) -> bool:
        return tool.download is not None and answers(self._around.machine.fill(tool.download.checksums))

    @cached_property
    def _path_environ(self) -> dict[str, str]:
        """The environment without our own tools on PATH, where `make env` may have put older ones."""
        entries = self._around.environ.get("PATH", "").split(os.pathsep)
        kept = [entry for entry in entries if entry and not Path(entry).is_relative_to(self._store.root)]
        return dict(self._around.environ) | {"PATH": os.pathsep.join(kept)}

    @cached_property
    def _go(self) -> Go:
        return find_go(self._around.environ, self._around.cache)

    @cached_property
    def _builder(self) -> Builder:
        return Builder(self._store, self._around.checkout, self._go, self._progress, self._cancel)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except FileNotFoundError:  # its node is being removed
        return []


def _has(source: Source | None, unit: Sequence[Tool]) -> bool:
    """Whether every tool of the unit can come this way at all."""
    if source == "path":
        return all(tool.probe or tool.plugin or tool.same_folder_as for tool in unit)
    return source == "build" or all(tool.download for tool in unit)


def _exact(unit: Sequence[Tool]) -> bool:
    return all(tool.probe is None or tool.probe.accept == "exact" for tool in unit)


def _units(tools: Sequence[Tool]) -> list[list[Tool]]:
    units: dict[str, list[Tool]] = {}
    for tool in tools:
        units.setdefault(tool.unit, []).append(tool)
    return list(units.values())
