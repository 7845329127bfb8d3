"""Builds tools from the Go module proxy into the cache."""

import json
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from localcluster.tools.catalogue import Build, Companion, Provider, Tool
from localcluster.tools.golang import Counts, Go, Order, aside, run_build
from localcluster.tools.store import Store, installed, lock
from ops.errors import UserError
from ops.paths import input_key
from ops.progress import Progress

NOTE_SECONDS = 60.0


class Builder:
    """Makes tools of one checkout with one Go."""

    def __init__(
        self, store: Store, checkout: Path, go: Go, progress: Progress, cancel: threading.Event | None = None
    ) -> None:
        self._store = store
        self._checkout = checkout
        self._go = go
        self._progress = progress
        self._cancel = cancel
        self._versions: dict[str, str] = {}
        self._targets: dict[str, Path] = {}
        self._tally = Tally()

    def target(self, build: Build, tool: Tool) -> Path:
        """The folder this tool is kept in: another one for other sources, flags, or Go.

        Read once a run, so that sources edited meanwhile change the next run, not this one.
        """
        if tool.name not in self._targets:
            self._targets[tool.name] = self._target(build, tool)
        return self._targets[tool.name]

    def _target(self, build: Build, tool: Tool) -> Path:
        directory = self._checkout / build.directory
        sums = directory / "go.sum"
        sources = own_sources(directory / tool.package) if tool.own else ()
        inputs: list[str | Path] = [tool.package, build.target, *build.flags]
        inputs += [companion.model_dump_json() for companion in tool.companions]
        inputs += [build.provider.model_dump_json()] if build.provider and tool.own else []
        inputs += [self._go_version(build), directory / "go.mod", *([sums] if sums.exists() else [])]
        return self._store.folder(tool.name, input_key(*inputs, *sources))

    def expect(self, tools: int) -> None:
        """Say how many tools this run is going to build, for `n of m`."""
        self._tally.total = tools

    @contextmanager
    def fetching(self, batches: Sequence[tuple[Build, Sequence[Tool]]]) -> Iterator[None]:
        """Fetch the modules of later builds while the first one keeps the processors busy.

        `go build` fetches everything first and compiles then. What goes wrong here is left to the
        build, which fetches again and reports it.
        """
        with ExitStack() as running:
            for build, tools in batches:
                flags = [flag for flag in build.flags if flag.startswith("-tags")]
                arguments = ["list", "-e", "-deps", *flags, *(tool.package for tool in tools)]
                running.enter_context(aside(self._go, arguments, self._checkout / build.directory))
            yield

    def make(self, build: Build, tools: Sequence[Tool], *, number: int, total: int) -> None:
        """Compile and link `tools`, all of one build; those another run makes meanwhile are taken over."""
        with lock(self._store, build.name, self._progress):
            missing = [tool for tool in tools if not installed(self.target(build, tool), tool.name)]
            self._tally.done += len(tools) - len(missing)
            if not missing:
                return
            title = f"build {_some(missing)}"
            with self._progress.step(title, number, total), self._store.workshop(build.name) as work:
                self._compile(build, missing, work)
                changed = [tool.name for tool in missing if not self._install(build, tool, work)]
            if changed:
                raise UserError(
                    f"{build.directory}: files changed while {', '.join(changed)} was built; run again"
                )

    def _compile(self, build: Build, tools: Sequence[Tool], work: Path) -> None:
        directory = self._checkout / build.directory
        out, scratch = work / "out", work / "tmp"
        out.mkdir()
        scratch.mkdir()
        flags = list(build.flags)
        if build.provider and any(tool.own for tool in tools):
            flags += self._provider_flags(build.provider, directory, work)
        environ = dict(self._go.environ) | {"GOTMPDIR": str(scratch)}
        if build.target == "linux":
            environ["GOOS"] = "linux"
        reporter = _Reporter(self._progress, out, tools, self._tally)
        run_build(
            self._go.model_copy(update={"environ": environ}),
            Order(
                arguments=(*flags, "-o", f"{out}/", *(tool.package for tool in tools)),
                directory=directory,
                log=self._store.log(build.name),
            ),
            tick=reporter.tick,
            cancel=self._cancel,
        )
        reporter.landed()

    def _install(self, build: Build, tool: Tool, work: Path) -> bool:
        """Keep the program under the key of its inputs; not when those changed under the compiler."""
        if self._target(build, tool) != self.target(build, tool):
            return False
        stage = work / f"stage-{tool.name}"
        stage.mkdir()
        (work / "out" / tool.output).rename(stage / tool.name)
        for companion in tool.companions:
            self._companion(companion, stage)
        self._store.install(stage, self.target(build, tool))
        return True

    def _companion(self, companion: Companion, stage: Path) -> None:
        sources = self._go.module_dir(companion.module, self._checkout / companion.go_module)
        shutil.copyfile(sources / companion.path, stage / companion.name)
        (stage / companion.name).chmod(0o755)

    def _provider_flags(self, provider: Provider, directory: Path, work: Path) -> list[str]:
        """Prepare the provider's module outside the tree; the flags that make the build use it."""
        sources = self._go.module_dir(provider.module, directory)
        overlay = work / "overlay.json"
        overlay.write_text(json.dumps({"Replace": embed(provider, sources, directory, work)}))
        return ["-overlay", str(overlay)]

    def _go_version(self, build: Build) -> str:
        if build.directory not in self._versions:
            self._versions[build.directory] = self._go.version_in(self._checkout / build.directory)
        return self._versions[build.directory]


def embed(provider: Provider, sources: Path, directory: Path, work: Path) -> dict[str, str]:
    """Write the two files the provider embeds into `work`; which file of the tree each stands for.

    As its own repository's generator makes them: JSON of the module, compacted, and the schema
    gets the version.
    """
    replaced: dict[str, str] = {}
    for stem in (provider.schema_file, provider.mapping_file):
        content = json.loads((sources / provider.directory / f"{stem}.json").read_bytes())
        if stem == provider.schema_file:
            content["version"] = provider.version
        made = work / f"{stem}-embed.json"
        made.write_text(json.dumps(content, separators=(",", ":")))
        replaced[str(directory / provider.package / made.name)] = str(made)
    return replaced


def _some(tools: Sequence[Tool]) -> str:
    names = [tool.name for tool in tools]
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


class Tally:
    """How many of a run's tools are built."""

    def __init__(self) -> None:
        self.done = 0
        self.total = 0


class _Reporter:
    """Says which program is finished, and now and then that the compiler is alive."""

    def __init__(self, progress: Progress, out: Path, tools: Sequence[Tool], tally: Tally) -> None:
        self._progress = progress
        self._out = out
        self._waiting = {tool.output: tool.name for tool in tools}
        self._tally = tally
        self._next = time.monotonic() + NOTE_SECONDS

    def tick(self, counts: Counts) -> None:
        self.landed()
        if time.monotonic() >= self._next:
            self._next += NOTE_SECONDS
            self._progress.note(str(counts))

    def landed(self) -> None:
        for output in [name for name in self._waiting if (self._out / name).exists()]:
            name = self._waiting.pop(output)
            self._tally.done += 1
            self._progress.note(f"{name} is linked (tool {self._tally.done} of {self._tally.total})")


def own_sources(package: Path) -> tuple[Path, ...]:
    """The files of our own that make a program; its tests do not."""
    return tuple(
        sorted(path for path in package.rglob("*") if path.is_file() and not path.name.endswith("_test.go"))
    )
