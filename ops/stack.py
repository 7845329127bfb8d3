"""The ordinary `pulumi` CLI, with what this checkout gives it: backend, passphrase, tools, kubeconfig.

Nothing here is needed to use `pulumi`: a shell with the variables of `pulumi_env` does the same.
"""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import psutil
from lightkube import Client

from components.model import naming, stackfile
from components.model.explain import PROJECT
from components.model.istio import Release
from components.model.kubeconfig import target
from components.model.naming import (
    CHARTS_VARIABLE,
    KUBECONFIG_VARIABLE,
    OWNER_VARIABLE,
    PROVIDER_VARIABLE,
    SECRETS_VARIABLE,
)
from components.model.plan import build
from components.model.settings import Settings
from ops import generated, leftovers
from ops.errors import UserError
from ops.paths import CHECKOUT, cache_root, checkout_dir, checkout_id
from ops.rehearsal import Rehearsal
from ops.review import events, words

PROVIDER = "pulumi-resource-kubernetes"
ENGINE = ("pulumi", "pulumi-language-python")
PACKS = CHECKOUT / "localcluster" / "tools" / "packs" / "python"
EVENTS = "events.jsonl"  # what the engine did in the last update, and when
# A passphrase in the shell for some other project would win over our file.
UNWANTED = ("PULUMI_CONFIG_PASSPHRASE",)
SALT = re.compile(rb"^encryptionsalt:.*\n?", re.MULTILINE)


class Toolbox(Protocol):
    """Where programs are."""

    def path(self, name: str) -> Path: ...

    def source(self, name: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Needs:
    """What the program is told besides its stack file. Without a toolbox, programs are those on PATH."""

    toolbox: Toolbox | None = None
    charts: Path | None = None
    kubeconfig: str | None = None  # PATH or PATH#CONTEXT
    rehearsal: Rehearsal | None = None


@dataclass(frozen=True, slots=True)
class Previewed:
    """What one preview says: as Pulumi prints it, and as a document; none where it did not get to a plan."""

    status: int
    said: str
    errors: str
    document: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where the state of a stack is kept in this checkout's cache, and what goes with it."""

    folder: Path

    @property
    def backend_url(self) -> str:
        """The backend as PULUMI_BACKEND_URL names it."""
        return f"file://{self.folder / 'backend'}"

    def state(self, stack: str) -> Path:
        """The file with the state of a stack."""
        return self.folder / "backend" / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"

    def locks(self, stack: str) -> Path:
        """The folder with who is updating a stack."""
        return self.folder / "backend" / ".pulumi" / "locks" / "organization" / PROJECT / stack

    def variables(self, environment: str, hosts: Sequence[str]) -> dict[str, str]:
        """What leads there. Makes passphrase and secret values where there are none yet."""
        (self.folder / "backend").mkdir(parents=True, exist_ok=True, mode=0o700)
        passphrase = _keep(self.folder / "passphrase", secrets.token_urlsafe(32))
        values = generated.ensure(self.folder / "secrets.json", hosts)
        return {
            "PULUMI_BACKEND_URL": self.backend_url,
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
            # The committed stack file holds no salt: it would belong to one machine's passphrase.
            "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
            SECRETS_VARIABLE: str(values),
            OWNER_VARIABLE: naming.owner(PROJECT, f"{environment}.{checkout_id()}"),
        }


def keeping(settings: Settings, needs: Needs, environ: Mapping[str, str]) -> Keeping | None:
    """Where this checkout keeps a stack's state: a rehearsal's always, the local one's unless told otherwise.

    None: Pulumi keeps it where the person who is logged in says.
    """
    if needs.rehearsal:
        return Keeping(needs.rehearsal.folder / "pulumi")
    own = Keeping(checkout_dir() / "pulumi")
    here = environ.get("PULUMI_BACKEND_URL", own.backend_url) == own.backend_url
    return own if here and settings.cluster.kind == "local" else None


def pulumi_env(environment: str, needs: Needs, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables a plain shell needs, so that `pulumi up` there does what `make up` does.

    Makes the generated files they point to: passphrase and secret values, readable by their owner alone.
    """
    return _variables(environment, stackfile.load(stackfile.path_of(environment, CHECKOUT)), needs, environ)


def _variables(
    environment: str, settings: Settings, needs: Needs, environ: Mapping[str, str]
) -> dict[str, str]:
    own = keeping(settings, needs, environ)
    values = {
        "PATH": os.pathsep.join(_path(needs, environ)),
        "PULUMI_STACK": environment,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PYTHONPYCACHEPREFIX": str(cache_root() / "pycache"),
        "PYTHONDONTWRITEBYTECODE": "",  # compiled once, in the cache; empty is how Python says no
    }
    if own:
        # Plugins come from the toolbox; a look for newer ones costs seconds where there is no internet.
        values["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
        values |= own.variables(environment, settings.ingress.hosts)
    if needs.charts:
        values[CHARTS_VARIABLE] = str(needs.charts)
    if needs.kubeconfig:
        values[KUBECONFIG_VARIABLE] = needs.kubeconfig
    home = Path(values.get("PULUMI_HOME", _home(environ)))
    if needs.toolbox:
        values |= _packs(needs.toolbox)
        _offer_provider(needs.toolbox.path(PROVIDER), home)
    if needs.rehearsal:
        values |= needs.rehearsal.variables()
        needs.rehearsal.begin(settings, home)
    return values


def _packs(toolbox: Toolbox) -> dict[str, str]:
    """How policy packs in Python run: the language host built here is older than its engine."""
    return {"PULUMI_PYTHON_CMD": str(PACKS)} if toolbox.source(ENGINE[1]) == "build" else {}


def _home(environ: Mapping[str, str]) -> str:
    return environ.get("PULUMI_HOME") or str(Path.home() / ".pulumi")


def _path(needs: Needs, environ: Mapping[str, str]) -> list[str]:
    folders = [str(needs.toolbox.path(name).parent) for name in ENGINE] if needs.toolbox else []
    folders.append(str(Path(sys.prefix) / "bin"))  # the language host takes the first python there
    rest = [folder for folder in environ.get("PATH", os.defpath).split(os.pathsep) if folder not in folders]
    return [*dict.fromkeys(folders), *rest]


def _keep(path: Path, text: str) -> Path:
    """A file that is made once, whole or not at all, and then kept."""
    if not path.exists():
        scratch = path.with_name(f".{path.name}-{os.getpid()}")
        scratch.unlink(missing_ok=True)
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        try:
            os.link(scratch, path)
        except FileExistsError:
            pass  # another run was first, and its value is in use
        finally:
            scratch.unlink()
    return path


def _offer_provider(program: Path, home: Path) -> None:
    """Puts the provider where the engine looks for plugins; on PATH it would warn at every run."""
    folder = home / "plugins" / f"resource-kubernetes-v{version('pulumi-kubernetes')}"
    link = folder / PROVIDER
    if program == link or (link.exists() and link.resolve() == program.resolve()):
        return
    if link.exists() and not link.is_symlink():
        return  # installed there by Pulumi itself, in this very version
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f".{PROVIDER}-{os.getpid()}"
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(program)
    scratch.replace(link)


class Stack:
    """One environment, by the CLI."""

    def __init__(self, environment: str, needs: Needs, environ: Mapping[str, str] = os.environ) -> None:
        """Make the files the environment needs; nothing is run yet.

        Raises:
            UserError: the stack file is missing or wrong.
        """
        self.name = environment
        self.file = stackfile.path_of(environment, CHECKOUT)
        self.settings = stackfile.load(self.file)
        self._rehearsal = needs.rehearsal
        self.own = keeping(self.settings, needs, environ)
        self.variables = _variables(environment, self.settings, needs, environ)
        # The flag that has the engine write its events is one of those it calls debugging.
        self._environ = {**environ, **self.variables, "PULUMI_DEBUG_COMMANDS": "true"}
        for name in UNWANTED if self.own else ():
            self._environ.pop(name, None)

    @property
    def owner(self) -> str:
        """What the namespaces of this environment are marked with."""
        return self._environ.get(OWNER_VARIABLE) or naming.owner(PROJECT, self.name)

    def ensure(self) -> None:
        """Has the stack exist, free of what a killed run left behind.

        Raises:
            UserError: another update of this stack is running.
        """
        if self.own is None:
            provider = self._environ.get(PROVIDER_VARIABLE)
            encrypted = ("--secrets-provider", provider) if provider else ()
            self._quiet("stack", "select", "--create", *encrypted, self.name)
            return
        self._tidy()
        self._unlock(self.own)
        leftovers.end_orphans(OWNER_VARIABLE, self.owner)
        if not self.own.state(self.name).exists():
            self._quiet("stack", "init", self.name, "--no-select")
        if pending := _pending(self.own.state(self.name)):
            self._settle(pending)

    def up(self, *, refresh: bool = True) -> None:
        """An update; `refresh` also brings back what has vanished from the cluster."""
        refreshing = ("--refresh",) if refresh else ()
        logged = ("--event-log", str(self._log()))
        self._run("up", "--yes", "--skip-preview", "--suppress-outputs", *refreshing, *logged)

    def preview(self) -> None:
        """Pulumi's own preview, printed; before it, the change in words.

        Raises:
            UserError: there is none; the reason has been printed.
        """
        seen = self.previewed()
        told = words.summary(seen.document) if seen.document and not seen.status else []
        print(*told, seen.said.strip(), seen.errors.strip(), sep="\n")
        if seen.status:
            raise UserError(f"pulumi preview: {_how(seen.status)}; the reason is above")

    def previewed(self, *arguments: str) -> Previewed:
        """One run of the program: what Pulumi prints, and what words are made of."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # A log of its own: another preview may run at the same time, and both would write to one.
        with tempfile.TemporaryDirectory(prefix=".preview-", dir=self.folder) as scratch:
            log = Path(scratch) / EVENTS
            logged = ("--suppress-outputs", "--event-log", str(log))
            status, said, errors = self._look("preview", *logged, *arguments)
            return Previewed(status, said, errors, events.document(log) if log.exists() else None)

    def carry_out(self, plan: Path) -> None:
        """The update that `pulumi preview --save-plan` wrote down; anything else the engine refuses."""
        self._run("up", "--yes", "--skip-preview", "--suppress-outputs", "--plan", str(plan))

    def asked(self, *arguments: str) -> tuple[str, str]:
        """What a command that looks and changes nothing says, whether it liked what it saw or not."""
        _, said, errors = self._look(*arguments)
        return said, errors

    def _log(self) -> Path:
        """Where the engine is to write its events; it would add to those of an earlier run."""
        log = self.folder / EVENTS
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        return log

    def _look(self, *arguments: str) -> tuple[int, str, str]:
        config = ("--config-file", str(self._stage() / self.file.name))
        command = ["pulumi", *arguments, "--non-interactive", *config]
        process = self._spawn(command, CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said, errors = _wait(process)
        return process.returncode, said or "", errors or ""

    def destroy(self) -> None:
        """Removes everything the stack owns, and the stack; its settings stay.

        The engine would begin, and refuse only where it comes to something protected: half would be gone.

        Raises:
            UserError: something is protected, or other environments use the mesh this stack owns; nothing
                has been touched.
        """
        if self.own and not self.own.state(self.name).exists():
            return
        self.ensure()
        if kept := protected(json.loads(self.export())):
            raise UserError(
                f"stack {self.name}: protected are {', '.join(kept)}; nothing was removed. To let them go: "
                "pitstop:azure.protect: false, an update, and then again"
            )
        client = self._client() if self._releases() else None
        others = leftovers.other_owners(client, self.owner) if client else []
        if others:
            raise UserError(f"stack {self.name}: {', '.join(others)} use its mesh; take those down first")
        self._run("destroy", "--yes", "--skip-preview", "--suppress-outputs")
        if client and self.settings.cluster.kind != "aks":  # which is gone, with all that was in it
            leftovers.remove_mesh_remains(client)
        # Last, so that the same command goes on from wherever it was cut off.
        self._quiet("stack", "rm", self.name, "--yes", "--preserve-config")

    @property
    def folder(self) -> Path:
        """Where this checkout keeps what belongs to the stack, be the state here or elsewhere."""
        return self.own.folder if self.own else checkout_dir() / self.name

    def export(self) -> str:
        """The state, its secrets still encrypted."""
        return self._quiet("stack", "export")

    def _unlock(self, own: Keeping) -> None:
        stale = False
        for lock in own.locks(self.name).glob("*.json"):
            try:
                holder = json.loads(lock.read_text())
            except (OSError, ValueError):
                holder = {}
            if holder.get("hostname") == socket.gethostname() and _is_pulumi(holder.get("pid")):
                raise UserError(
                    f"stack {self.name}: process {holder['pid']} is updating it; wait for it to end"
                )
            stale = True
        if stale:
            self._quiet("cancel", self.name, "--yes")

    def _settle(self, pending: Mapping[str, str]) -> None:
        """Makes state and cluster agree again after a killed update."""
        if client := self._client():
            leftovers.forget_releases(client, pending, self._releases())
        self._quiet("refresh", "--yes", "--skip-preview", "--clear-pending-creates")

    def _releases(self) -> tuple[Release, ...]:
        plan = build(self.settings, self.owner)
        return plan.mesh.releases if plan.mesh else ()

    def _client(self) -> Client | None:
        """The cluster's API; None where nobody keeps its credentials, or a rehearsal has none yet."""
        environ = self._environ
        if self._rehearsal:
            if not self._rehearsal.node.status().running:
                return None
            environ = {KUBECONFIG_VARIABLE: str(self._rehearsal.node.kubeconfig)}
        if self.settings.cluster.kind == "aks" and not environ.get(KUBECONFIG_VARIABLE):
            return None
        return leftovers.connect(target(self.settings.cluster, environ))

    def _stage(self) -> Path:
        """A copy of the stack file for the CLI to write its salt to: the checkout stays as it is."""
        if self.own is None:
            return CHECKOUT
        folder = self.own.folder / "project"
        folder.mkdir(exist_ok=True)
        for source in (CHECKOUT / "Pulumi.yaml", self.file):
            _write(folder / source.name, _without_salt(source.read_bytes()))
        return folder

    def _quiet(self, *arguments: str) -> str:
        """A command that does not run the program; its output."""
        command = ["pulumi", *arguments, "--non-interactive"]
        done = self._spawn(command, self._stage(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, errors = _wait(done)
        if done.returncode:
            last = (errors or output or "no output").strip().splitlines()[-1]
            raise UserError(f"pulumi {' '.join(arguments[:2])} failed: {last}")
        return output or ""

    def _run(self, *arguments: str) -> None:
        """A command that a person watches."""
        config = ("--config-file", str(self._stage() / self.file.name))
        done = self._spawn(["pulumi", *arguments, "--non-interactive", *config], CHECKOUT)
        _wait(done)
        if done.returncode:
            raise UserError(
                f"pulumi {arguments[0]}: {_how(done.returncode)}; the reason is above, "
                "and the same command goes on from there"
            )

    def _spawn(
        self, command: Sequence[str], folder: Path, stdout: int | None = None, stderr: int | None = None
    ) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(
                command,
                cwd=folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                text=True,
                # A group of its own: an interrupt from the keyboard reaches it once, through us, and it
                # then ends in order; a second one would cut it off.
                process_group=0,
            )
        except FileNotFoundError:
            raise UserError("pulumi: not on PATH; `make up` gets it") from None

    def _tidy(self) -> None:
        """Takes the salt a plain `pulumi` left out of the stack file, while nothing there is encrypted.

        The state has it too, and `pulumi` finds it there. A salt of another machine's passphrase would
        be in the way.
        """
        content = self.file.read_bytes()
        if (without := _without_salt(content)) != content:
            _write(self.file, without)


def protected(state: Mapping[str, Any]) -> list[str]:
    """What of an exported state is protected, by type and name."""
    found = state.get("deployment", {}).get("resources") or []
    return sorted(
        f"{one['type'].rpartition(':')[2]} {one['urn'].rpartition('::')[2]}"
        for one in found
        if one.get("protect")
    )


def _pending(state: Path) -> dict[str, str]:
    """Of which resources a killed run did not live to see the end, and what it was doing to them."""
    try:
        latest = json.loads(state.read_text())["checkpoint"].get("latest") or {}
    except (OSError, ValueError, KeyError):
        return {}
    return {
        str(operation["resource"]["urn"]).rsplit("::", 1)[-1]: str(operation["type"])
        for operation in latest.get("pending_operations") or []
    }


def _without_salt(content: bytes) -> bytes:
    """A stack file without its salt; while something in it is encrypted, the salt stays."""
    return content if b"secure:" in content else SALT.sub(b"", content)


def _write(path: Path, content: bytes) -> None:
    scratch = path.with_name(f".{path.name}-{os.getpid()}")
    scratch.write_bytes(content)
    scratch.replace(path)


def _wait(process: subprocess.Popen[str]) -> tuple[str | None, str | None]:
    """The process's output when it has ended; an interrupt is passed on and then raised."""
    interrupted = False
    while True:
        try:
            output = process.communicate()
        except KeyboardInterrupt:
            interrupted = True
            process.send_signal(signal.SIGINT)
            continue
        if interrupted:
            raise KeyboardInterrupt
        return output


def _is_pulumi(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        return psutil.Process(pid).name().startswith("pulumi")
    except psutil.Error:
        return False


def _how(status: int) -> str:
    return f"ended by signal {-status}" if status < 0 else f"failed with status {status}"
