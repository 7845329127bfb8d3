import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from localcluster.tools import toolbox
from localcluster.tools.build import Builder, embed, own_sources
from localcluster.tools.catalogue import Provider
from localcluster.tools.golang import find_go
from localcluster.tools.space import EVERYTHING, GB, TO_LINK, needed, require_space
from localcluster.tools.store import Store
from ops.errors import UserError
from ops.paths import CHECKOUT
from tests.tools.conftest import Machine
from tests.tools.test_golang import gone, pids


def made_by(machine: Machine, **settings: str) -> str:
    """The folder etcd would be built into."""
    go = find_go(machine.environ | settings, machine.cache)
    builder = Builder(Store(cache=machine.cache), machine.checkout, go, machine.progress)
    tool = machine.catalogue.tool("etcd")
    made = next(build for build in machine.catalogue.builds if build.name == tool.build)
    return builder.target(made, tool).name


def own_checkout(machine: Machine, tmp_path: Path) -> Path:
    """A copy of the checkout's Go modules, free to change."""
    ignored = shutil.ignore_patterns("*.py", "__pycache__")
    shutil.copytree(CHECKOUT / "localcluster" / "tools", tmp_path / "co/localcluster/tools", ignore=ignored)
    shutil.copytree(CHECKOUT / "localcluster" / "standin", tmp_path / "co/localcluster/standin")
    machine.checkout = tmp_path / "co"
    return machine.checkout / "localcluster"


def test_a_tool_is_built_once(machine: Machine) -> None:
    box = toolbox.ensure(["etcd"], machine.progress, around=machine.around)
    assert box.path("etcd").read_text().endswith("echo built\n")
    assert box.source("etcd") == "build"
    calls = machine.go_calls.count('"build"')
    toolbox.ensure(["etcd"], machine.progress, around=machine.around)
    assert machine.go_calls.count('"build"') == calls == 1


def test_tools_of_one_build_share_one_go_build(machine: Machine) -> None:
    box = toolbox.ensure(["kubelet", "kubectl", "etcd", "coredns"], machine.progress, around=machine.around)
    assert machine.go_calls.count('"build"') == 1
    assert len(box.bin_dirs()) == 4
    assert "etcd is linked (tool" in machine.output.getvalue()
    assert "of 4)" in machine.output.getvalue()


def test_modules_of_later_builds_are_fetched_beside_the_first(machine: Machine) -> None:
    machine.environ["FAKE_GO_DELAY"] = "0.5"
    toolbox.ensure(["etcd", "pilot-agent", "fortio"], machine.progress, around=machine.around)
    calls = [json.loads(line)["arguments"] for line in machine.go_calls.splitlines()]
    listed = [call for call in calls if call[0] == "list"]
    assert sorted(call[-1] for call in listed) == [
        "fortio.org/fortio",
        "istio.io/istio/pilot/cmd/pilot-agent",
    ]
    assert any(flag.startswith("-tags=") for flag in next(c for c in listed if c[-1].endswith("pilot-agent")))


def test_one_build_fetches_for_itself(machine: Machine) -> None:
    toolbox.ensure(["etcd"], machine.progress, around=machine.around)
    assert '"list"' not in machine.go_calls


def test_the_key_follows_its_inputs(machine: Machine, tmp_path: Path) -> None:
    tree = own_checkout(machine, tmp_path)
    before = made_by(machine)
    assert made_by(machine) == before
    assert made_by(machine, FAKE_GO_VERSION="go1.27.0") != before
    (tree / "tools/node/go.sum").write_text("other")
    after_sum = made_by(machine)
    assert after_sum != before
    (tree / "tools/node/go.mod").write_text("other")
    assert made_by(machine) not in {before, after_sum}


def test_own_sources_count_for_own_programs_only(machine: Machine, tmp_path: Path) -> None:
    tree = own_checkout(machine, tmp_path)
    first = toolbox.ensure(["etcd", "images", "standin"], machine.progress, around=machine.around)
    (tree / "tools/node/images/extra.go").write_text("package main\n")
    (tree / "standin/some_test.go").write_text("package main\n")
    second = toolbox.ensure(["etcd", "images", "standin"], machine.progress, around=machine.around)
    assert second.path("etcd") == first.path("etcd")
    assert second.path("standin") == first.path("standin")
    assert second.path("images") != first.path("images")


def test_sources_edited_while_they_are_built_are_not_mistaken(machine: Machine, tmp_path: Path) -> None:
    """Neither the old program under the new key, nor the new sources taken for built."""
    tree = own_checkout(machine, tmp_path)
    machine.environ["FAKE_GO_TOUCH"] = str(tree / "standin" / "edited.go")
    with pytest.raises(UserError, match=r"files changed while standin was built; run again$"):
        toolbox.ensure(["standin", "pause"], machine.progress, around=machine.around)
    assert toolbox.find(["standin", "pause"], around=machine.around).names() == ("pause",)
    del machine.environ["FAKE_GO_TOUCH"]
    assert toolbox.ensure(["images"], machine.progress, around=machine.around).names()


def test_own_sources_leave_tests_out(tmp_path: Path) -> None:
    for name in ("a.go", "a_test.go", "data.json"):
        (tmp_path / name).touch()
    assert [path.name for path in own_sources(tmp_path)] == ["a.go", "data.json"]


def test_what_a_killed_run_left_is_cleaned_and_never_used(machine: Machine) -> None:
    target = machine.cache / "tools" / made_by(machine)
    left = machine.cache / "tools" / ".work-kubernetes"
    (left / "out").mkdir(parents=True)
    (left / "out" / "server").write_text("half a prog")
    target.mkdir()
    (target / "etcd").write_text("half a prog")  # not executable: no build of ours put it there
    box = toolbox.ensure(["etcd"], machine.progress, around=machine.around)
    assert "built" in box.path("etcd").read_text()
    assert not left.exists()


def test_a_failed_build_installs_nothing(machine: Machine) -> None:
    machine.environ["FAKE_GO_FAIL"] = "1"
    with pytest.raises(UserError, match="go build failed"):
        toolbox.ensure(["etcd"], machine.progress, around=machine.around)
    assert not toolbox.find(["etcd"], around=machine.around).names()
    del machine.environ["FAKE_GO_FAIL"]
    toolbox.ensure(["etcd"], machine.progress, around=machine.around)


def test_no_room_on_the_disk_is_one_line(machine: Machine) -> None:
    machine.free = 2 * GB
    with pytest.raises(UserError) as refused:
        toolbox.ensure(["etcd", "pilot-agent"], machine.progress, around=machine.around)
    assert str(refused.value) == (
        f"disk: 2.0 GB free in {machine.cache}, and building kubernetes, istio takes about 8.2 GB; "
        "free some, or name a folder on a larger disk, e.g. PITSTOP_CACHE=/data/pitstop"
    )
    assert '"build"' not in machine.go_calls


def test_a_small_build_needs_little_room(machine: Machine) -> None:
    machine.free = 2 * GB
    toolbox.ensure(["standin"], machine.progress, around=machine.around)
    assert '"build"' in machine.go_calls


def test_builds_share_what_they_take(machine: Machine) -> None:
    builds = machine.catalogue.builds
    assert sum(build.space for build in builds) > needed(builds, 0) == EVERYTHING


def test_less_room_is_needed_once_packages_are_compiled(machine: Machine) -> None:
    builds = machine.catalogue.builds
    assert needed(builds, 0) > needed(builds, 4.0) == EVERYTHING - 8.0 > needed(builds, 20.0) == TO_LINK
    compiled = machine.cache / "go" / "build" / "00"
    compiled.mkdir(parents=True)
    with pytest.raises(UserError, match="disk: "):
        require_space(machine.cache, 15 * GB, builds)
    with (compiled / "0f-d").open("wb") as packages:
        packages.truncate(GB)  # takes no room itself
    require_space(machine.cache, 15 * GB, builds)


ENSURE = """
import json, sys
from pathlib import Path
from tests.tools.conftest import Machine
from localcluster.tools import toolbox

machine = Machine(Path(sys.argv[1]))
machine.releases_from("http://127.0.0.1:9")
machine.environ |= json.loads(sys.argv[2])
toolbox.ensure(["etcd"], machine.progress, around=machine.around)
print(machine.output.getvalue())
"""


def another_process(tmp_path: Path, **settings: str) -> subprocess.Popen[str]:
    """The same machine's `ensure(["etcd"])`, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", ENSURE, str(tmp_path), json.dumps(settings)],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_an_interrupted_run_leaves_no_compiler_and_the_next_one_builds(
    machine: Machine, tmp_path: Path, number: signal.Signals
) -> None:
    if number == signal.SIGKILL and not shutil.which("setpriv"):
        pytest.skip("setpriv is not on PATH: nothing tells the build that its parent was killed")
    with another_process(tmp_path, FAKE_GO_SLEEP="1") as run:
        running = pids(machine)
        run.send_signal(number)
    assert run.returncode != 0
    assert gone(running)
    assert not toolbox.find(["etcd"], around=machine.around).names()
    toolbox.ensure(["etcd"], machine.progress, around=machine.around)
    left = [entry.name for entry in (machine.cache / "tools").iterdir()]
    assert not [name for name in left if name.startswith(".work")]


def test_two_runs_at_once_build_once(machine: Machine, tmp_path: Path) -> None:
    with (
        another_process(tmp_path, FAKE_GO_DELAY="6") as one,
        another_process(tmp_path, FAKE_GO_DELAY="6") as two,
    ):
        said = [run.communicate(timeout=60)[0] for run in (one, two)]
    assert one.returncode == two.returncode == 0
    assert machine.go_calls.count('"build"') == 1
    assert any("another run is making kubernetes; waiting for it" in text for text in said)


PROVIDER = Provider(
    module="example.org/provider",
    directory="cmd",
    package="own",
    schema_file="schema",
    mapping_file="mapping",
    version="4.25.0",
)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A module as Go's cache keeps it: read-only."""
    module = tmp_path / "module"
    (module / "cmd").mkdir(parents=True)
    (module / "cmd" / "schema.json").write_text('{\n  "name": "kubernetes",\n  "types": {"a": "\u00e9"}\n}\n')
    (module / "cmd" / "mapping.json").write_text('{ "b": [1, 2] }')
    (module / "gen.go").write_text("package gen // old\n")
    for path in (module / "gen.go", module / "cmd", module):
        path.chmod(0o555)
    return module


def test_the_embedded_files_are_compact_and_outside_the_tree(sources: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    replaced = embed(PROVIDER, sources, tmp_path / "tree", work)
    schema = work / "schema-embed.json"
    assert replaced[str(tmp_path / "tree" / "own" / "schema-embed.json")] == str(schema)
    assert schema.read_text() == '{"name":"kubernetes","types":{"a":"\\u00e9"},"version":"4.25.0"}'
    assert (work / "mapping-embed.json").read_text() == '{"b":[1,2]}'
    assert not (tmp_path / "tree").exists()


def test_the_provider_is_built_with_its_overlay_and_keeps_the_tree_clean(machine: Machine) -> None:
    provider = next(made.provider for made in machine.catalogue.builds if made.provider)
    module = machine.bin / "module"
    (module / provider.directory).mkdir(parents=True)
    for stem in (provider.schema_file, provider.mapping_file):
        (module / provider.directory / f"{stem}.json").write_text("{}")
    before = sorted((CHECKOUT / "localcluster/tools/engine").rglob("*"))
    toolbox.ensure(["pulumi-resource-kubernetes"], machine.progress, around=machine.around)
    assert '"-overlay"' in machine.go_calls
    assert sorted((CHECKOUT / "localcluster/tools/engine").rglob("*")) == before


def test_node_programs_are_linux_programs_wherever_they_are_built(machine: Machine) -> None:
    toolbox.ensure(["etcd"], machine.progress, around=machine.around)
    calls = [json.loads(line) for line in machine.go_calls.splitlines()]
    assert [call["env"]["GOOS"] for call in calls if call["arguments"][0] == "build"] == ["linux"]
