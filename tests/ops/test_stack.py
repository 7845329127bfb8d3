"""The CLI gets what this checkout gives it, and nothing a killed run left stands in its way."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ops import leftovers
from ops import stack as stacks
from ops.errors import UserError
from ops.paths import CHECKOUT, checkout_id, told
from ops.rehearsal import Rehearsal
from ops.stack import Needs, Stack, protected, pulumi_env

# Stands for the CLI: writes down how it was called, and makes a stack's state as `stack init` does.
PULUMI = """#!{python}
import json, os, pathlib, sys, time
log = pathlib.Path(os.environ["LOG"])
seen = {{"args": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}
with log.open("a") as file:
    file.write(json.dumps(seen) + "\\n")
backend = pathlib.Path(os.environ["PULUMI_BACKEND_URL"].removeprefix("file://"))
state = backend / ".pulumi/stacks/pitstop/local.json"
if sys.argv[1:3] == ["stack", "init"]:
    with open("Pulumi.local.yaml", "a") as file:
        file.write("encryptionsalt: v1:abc\\n")
    state.parent.mkdir(parents=True, exist_ok=True)
    state.write_text(os.environ.get("STATE", '{{"checkpoint": {{"latest": null}}}}'))
if sys.argv[1] == os.environ.get("SLOW"):
    try:
        time.sleep(30)
    except KeyboardInterrupt:
        sys.exit(4)
if sys.argv[1] == os.environ.get("BROKEN"):
    print("error: it broke", file=sys.stderr)
    sys.exit(3)
"""


class Tools:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        folder = self.folder / ("plugin" if name == stacks.PROVIDER else "bin")
        return folder / name

    def source(self, name: str) -> str:  # noqa: ARG002 - every one is from there
        return "build"


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    for name, text in (
        ("bin/pulumi", PULUMI.format(python=sys.executable)),
        ("bin/pulumi-language-python", "#!/bin/sh\n"),
        ("plugin/pulumi-resource-kubernetes", "#!/bin/sh\n"),
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return Tools(tmp_path)


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name in [name for name in os.environ if name.startswith(("PULUMI", "PITSTOP"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PITSTOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # where plugins go for a stack that is kept elsewhere
    return {**os.environ, "LOG": str(tmp_path / "log")}


@pytest.fixture
def stack(tools: Tools, environ: dict[str, str]) -> Stack:
    return Stack("local", Needs(tools), environ)


def calls(environ: dict[str, str]) -> list[dict[str, object]]:
    log = Path(environ["LOG"])
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def commands(environ: dict[str, str]) -> list[str]:
    found = [call["args"] for call in calls(environ)]
    return [" ".join(str(word) for word in args) for args in found if isinstance(args, list)]


def folder(environ: dict[str, str]) -> Path:
    return Path(environ["PITSTOP_CACHE"]) / "checkouts" / checkout_id() / "pulumi"


def test_the_local_stack_is_kept_in_the_cache(tools: Tools, environ: dict[str, str]) -> None:
    values = pulumi_env("local", Needs(tools, Path("/charts"), "/kube#one"), environ)
    assert values["PULUMI_BACKEND_URL"] == f"file://{folder(environ)}/backend"
    assert values["PULUMI_HOME"] == f"{folder(environ)}/home"
    assert values["PULUMI_STACK"] == "local"
    assert values["PITSTOP_CHARTS"] == "/charts"
    assert values["PITSTOP_KUBECONFIG"] == "/kube#one"
    assert values["PITSTOP_OWNER"] == f"pitstop.local.{checkout_id()}"
    assert values["PATH"].split(os.pathsep)[:2] == [str(tools.folder / "bin"), f"{sys.prefix}/bin"]


def test_packs_are_helped_where_the_language_host_is_our_own(
    tools: Tools, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    helped = pulumi_env("local", Needs(tools), environ)["PULUMI_PYTHON_CMD"]
    assert os.access(helped, os.X_OK)
    monkeypatch.setattr(tools, "source", lambda _: "download")
    assert "PULUMI_PYTHON_CMD" not in pulumi_env("local", Needs(tools), environ)


@pytest.mark.parametrize("name", ["passphrase", "secrets.json"])
def test_what_is_generated_is_ours_alone_and_stays(tools: Tools, environ: dict[str, str], name: str) -> None:
    pulumi_env("local", Needs(tools), environ)
    path = folder(environ) / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_text()
    pulumi_env("local", Needs(tools), environ)
    assert path.read_text() == before
    assert [one.name for one in path.parent.iterdir() if one.name.startswith(f".{name}")] == []


def test_two_runs_at_once_agree_on_one_passphrase(environ: dict[str, str]) -> None:
    code = "from ops.stack import *; print(Path(pulumi_env('local', Needs())['PITSTOP_SECRETS']).read_text())"
    run = [sys.executable, "-c", code]
    several = [
        subprocess.Popen(run, cwd=CHECKOUT, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert len({process.communicate()[0] for process in several}) == 1


def test_a_backend_of_the_user_is_left_alone(tools: Tools, environ: dict[str, str]) -> None:
    environ |= {"PULUMI_BACKEND_URL": "azblob://states", "PULUMI_HOME": str(tools.folder / "home")}
    values = pulumi_env("local", Needs(tools), environ)
    assert not {"PULUMI_BACKEND_URL", "PULUMI_HOME", "PULUMI_CONFIG_PASSPHRASE_FILE"} & set(values)


def test_the_environment_can_be_evaluated_again(tools: Tools, environ: dict[str, str]) -> None:
    once = pulumi_env("local", Needs(tools), environ)
    assert pulumi_env("local", Needs(tools), {**environ, **once}) == once


@pytest.mark.parametrize("rehearsed", [False, True])
def test_what_not_every_environment_says_is_known_for_ours(
    tools: Tools, environ: dict[str, str], rehearsed: bool
) -> None:
    node = f"{folder(environ).parent}/node/kubeconfig"
    needs = (
        Needs(tools, Path("/charts"), rehearsal=Rehearsal("prod", "nodes"))
        if rehearsed
        else Needs(tools, Path("/charts"), node)
    )
    every = pulumi_env("prod" if rehearsed else "local", needs, environ)
    least = pulumi_env("dev", Needs(), environ)
    assert set(told(every)) == every.keys() - least.keys()
    assert told(least) == ()


def test_the_provider_is_where_the_engine_looks(tools: Tools, environ: dict[str, str]) -> None:
    values = pulumi_env("local", Needs(tools), environ)
    (link,) = Path(values["PULUMI_HOME"]).glob("plugins/resource-kubernetes-v*/pulumi-resource-kubernetes")
    assert link.resolve() == tools.path(stacks.PROVIDER)
    assert str(tools.path(stacks.PROVIDER).parent) not in values["PATH"]


def test_a_provider_that_pulumi_installed_itself_stays(tools: Tools, environ: dict[str, str]) -> None:
    values = pulumi_env("local", Needs(tools), environ)
    (link,) = Path(values["PULUMI_HOME"]).glob("plugins/*/pulumi-resource-kubernetes")
    link.unlink()
    link.write_text("its own")
    pulumi_env("local", Needs(tools), environ)
    assert link.read_text() == "its own"


def test_the_stack_is_made_once_and_the_checkout_stays_clean(stack: Stack, environ: dict[str, str]) -> None:
    before = stack.file.read_bytes()
    stack.ensure()
    stack.ensure()
    stack.up()
    assert commands(environ)[0] == "stack init local --no-select --non-interactive"
    assert [command.split()[0] for command in commands(environ)] == ["stack", "up"]
    assert stacks.SALT.sub(b"", stack.file.read_bytes()) == stacks.SALT.sub(b"", before)
    assert b"encryptionsalt" not in stack.file.read_bytes()


def test_a_stack_kept_elsewhere_is_encrypted_as_its_maker_says(
    tools: Tools, environ: dict[str, str], tmp_path: Path
) -> None:
    elsewhere = environ | {"PULUMI_BACKEND_URL": f"file://{tmp_path}"}
    Stack("local", Needs(tools), elsewhere).ensure()
    Stack("local", Needs(tools), elsewhere | {"PITSTOP_SECRETS_PROVIDER": "azurekeyvault://k"}).ensure()
    assert commands(environ) == [
        "stack select --create local --non-interactive",
        "stack select --create --secrets-provider azurekeyvault://k local --non-interactive",
    ]


def test_an_update_runs_the_program_of_the_checkout(stack: Stack, environ: dict[str, str]) -> None:
    stack.ensure()
    stack.up()
    (update,) = (call for call in calls(environ) if "up" in str(call["args"]))
    assert update["cwd"] == str(CHECKOUT)
    assert f"--config-file {folder(environ)}/project/Pulumi.local.yaml" in commands(environ)[-1]
    assert "--refresh" in commands(environ)[-1]


def test_a_passphrase_of_another_project_does_not_get_in_the_way(
    tools: Tools, environ: dict[str, str]
) -> None:
    Stack("local", Needs(tools), environ | {"PULUMI_CONFIG_PASSPHRASE": "other"}).ensure()
    env = calls(environ)[0]["env"]
    assert isinstance(env, dict)
    assert "PULUMI_CONFIG_PASSPHRASE" not in env


def test_a_failed_command_is_one_line(tools: Tools, environ: dict[str, str]) -> None:
    stack = Stack("local", Needs(tools), environ | {"BROKEN": "up"})
    stack.ensure()
    with pytest.raises(UserError, match=r"^pulumi up: failed with status 3; the reason is above"):
        stack.up()
    stack = Stack("local", Needs(tools), environ | {"BROKEN": "stack"})
    with pytest.raises(UserError, match=r"^pulumi stack export failed: error: it broke$"):
        stack.export()


def test_two_previews_at_once_do_not_share_a_log(stack: Stack, environ: dict[str, str]) -> None:
    stack.previewed()
    stack.previewed()
    previews = [one.split() for one in commands(environ) if one.startswith("preview")]
    first, second = (Path(one[one.index("--event-log") + 1]) for one in previews)
    assert first != second
    assert not first.parent.exists()
    assert not second.parent.exists()


def test_no_pulumi(environ: dict[str, str]) -> None:
    environ["PATH"] = "/nonexistent"
    with pytest.raises(UserError, match="pulumi: not on PATH"):
        Stack("local", Needs(), environ).ensure()


def test_an_environment_without_a_stack_file(environ: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"Pulumi\.nowhere\.yaml: no such file"):
        Stack("nowhere", Needs(), environ)


def test_an_interrupt_is_passed_on_once_and_waited_for(tools: Tools, environ: dict[str, str]) -> None:
    stack = Stack("local", Needs(tools), environ | {"SLOW": "up"})
    stack.ensure()

    def interrupt() -> None:
        while not any(command.startswith("up") for command in commands(environ)):
            time.sleep(0.05)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        stack.up()
    thread.join()
    assert time.monotonic() - started < 15


def lock(environ: dict[str, str], pid: int) -> Path:
    path = folder(environ) / "backend/.pulumi/locks/organization/pitstop/local/one.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"pid": pid, "username": "x", "hostname": socket.gethostname()}))
    return path


def test_the_lock_of_a_killed_update_is_taken_away(stack: Stack, environ: dict[str, str]) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    lock(environ, ended.pid)
    stack.ensure()
    assert "cancel local --yes --non-interactive" in commands(environ)


def test_a_pid_that_belongs_to_another_program_now_is_no_update(
    stack: Stack, environ: dict[str, str]
) -> None:
    lock(environ, os.getpid())
    stack.ensure()
    assert "cancel local --yes --non-interactive" in commands(environ)


def test_an_update_that_is_running_is_not_disturbed(
    tools: Tools, stack: Stack, environ: dict[str, str]
) -> None:
    sleeper = tools.folder / "bin" / "pulumi-sleeper"
    sleeper.symlink_to("/bin/sleep")
    with subprocess.Popen([sleeper, "30"]) as process:
        lock(environ, process.pid)
        try:
            with pytest.raises(UserError, match=f"stack local: process {process.pid} is updating it"):
                stack.ensure()
        finally:
            process.kill()
    assert commands(environ) == []


def test_what_a_killed_update_was_at_is_settled(
    tools: Tools, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    urn = "urn:pulumi:local::pitstop::pitstop:mesh:Mesh$kubernetes:helm.sh/v3:Release::istiod"
    pending = {"pending_operations": [{"resource": {"urn": urn}, "type": "creating"}]}
    state = json.dumps({"checkpoint": {"latest": pending}})
    stack = Stack("local", Needs(tools), environ | {"STATE": state})
    forgotten: list[object] = []
    monkeypatch.setattr(leftovers, "forget_releases", lambda *given: forgotten.append(given[1]))
    monkeypatch.setattr(Stack, "_client", lambda _stack: "client")
    stack.ensure()
    assert forgotten == [{"istiod": "creating"}]
    assert commands(environ)[-1].startswith("refresh --yes --skip-preview --clear-pending-creates")


def test_a_stack_that_never_was_is_not_destroyed(stack: Stack, environ: dict[str, str]) -> None:
    stack.destroy()
    assert calls(environ) == []


def test_what_is_protected_is_found_in_a_state() -> None:
    urn = "urn:pulumi:prod::pitstop::azure-native:keyvault:Vault::vault"
    vault = {"urn": urn, "type": "azure-native:keyvault:Vault", "protect": True}
    assert protected({"deployment": {"resources": [vault, {**vault, "protect": False}]}}) == ["Vault vault"]
    assert protected({"deployment": {}}) == []
