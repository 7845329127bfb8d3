import hashlib
import os
from pathlib import Path

import pytest

from localcluster.tools import toolbox
from localcluster.tools.toolbox import Located, Toolbox
from ops.errors import UserError
from tests.tools.conftest import Machine, Server, says
from tests.tools.test_download import archive, path_of, publish
from tests.tools.test_onpath import install_pulumi


def sources(box: Toolbox) -> dict[str, str]:
    return {tool.name: tool.source for tool in box.tools}


def test_what_the_machine_has_comes_first(machine: Machine, server: Server) -> None:
    machine.releases_from(server.base)
    install_pulumi(machine.bin, "v3.999.0")
    box = toolbox.ensure(["pulumi"], machine.progress, around=machine.around)
    assert sources(box) == {"pulumi": "path", "pulumi-language-python": "path"}
    assert box.version("pulumi") == "3.999.0"
    assert box.bin_dirs() == (machine.bin,)
    assert server.asked == []
    assert machine.go_calls == ""


def test_then_the_official_download(machine: Machine, server: Server) -> None:
    machine.releases_from(server.base)
    kubelet = machine.catalogue.tool("kubelet")
    publish(server, kubelet, b"official")
    box = toolbox.ensure(["kubelet"], machine.progress, around=machine.around)
    assert sources(box) == {"kubelet": "download"}
    assert box.path("kubelet").read_bytes() == b"official"
    assert '"build"' not in machine.go_calls
    assert len([asked for asked in server.asked if asked.startswith("HEAD")]) == 1


def test_then_a_build(machine: Machine) -> None:
    box = toolbox.ensure(["kubelet"], machine.progress, around=machine.around)
    assert sources(box) == {"kubelet": "build"}
    assert "do not answer: building from the Go module proxy" in machine.output.getvalue()


def test_istio_is_built_even_where_downloads_answer(machine: Machine, server: Server) -> None:
    machine.releases_from(server.base)
    box = toolbox.ensure(["pilot-agent"], machine.progress, around=machine.around)
    assert sources(box) == {"pilot-agent": "build"}
    assert server.asked == []


def test_with_everything_in_place_no_network_and_no_compiler(machine: Machine) -> None:
    toolbox.ensure(["kubelet", "pilot-agent"], machine.progress, around=machine.around)
    machine.releases_from("http://192.0.2.1")  # would hang
    calls = machine.go_calls.count('"build"')
    toolbox.ensure(["kubelet", "pilot-agent"], machine.progress, around=machine.around)
    assert machine.go_calls.count('"build"') == calls


def test_one_missing_release_file_is_built_instead(machine: Machine, server: Server) -> None:
    machine.releases_from(server.base)
    publish(server, machine.catalogue.tool("kubelet"), b"official")
    box = toolbox.ensure(["kubelet", "kubectl"], machine.progress, around=machine.around)
    assert sources(box) == {"kubelet": "download", "kubectl": "build"}
    assert "kubectl: " in machine.output.getvalue()
    assert "answered 404; building it instead" in machine.output.getvalue()


def test_a_tampered_download_stops_everything(machine: Machine, server: Server) -> None:
    machine.releases_from(server.base)
    publish(server, machine.catalogue.tool("kubelet"), b"evil", checksum=hashlib.sha256(b"good").hexdigest())
    with pytest.raises(UserError, match="published is"):
        toolbox.ensure(["kubelet"], machine.progress, around=machine.around)
    assert '"build"' not in machine.go_calls


def test_an_old_pulumi_on_path_is_passed_over(machine: Machine, server: Server) -> None:
    machine.releases_from(server.base)
    install_pulumi(machine.bin, "v3.1.0")
    names = ["pulumi", "pulumi-language-python", "pulumi-language-python-exec"]
    publish(
        server,
        machine.catalogue.tool("pulumi"),
        archive({f"pulumi/{name}": name.encode() for name in names}),
    )
    box = toolbox.ensure(["pulumi"], machine.progress, around=machine.around)
    assert sources(box) == {"pulumi": "download", "pulumi-language-python": "download"}


def test_only_builds(machine: Machine, server: Server) -> None:
    machine.releases_from(server.base)
    machine.environ["PITSTOP_TOOLS"] = "build"
    says(machine.bin / "kubelet", f"Kubernetes v{machine.catalogue.tool('kubelet').version}")
    publish(server, machine.catalogue.tool("kubelet"), b"official")
    box = toolbox.ensure(["kubelet"], machine.progress, around=machine.around)
    assert sources(box) == {"kubelet": "build"}
    assert server.asked == []


def test_only_downloads_except_what_is_never_published(machine: Machine, server: Server) -> None:
    machine.releases_from(server.base)
    machine.environ["PITSTOP_TOOLS"] = "download"
    publish(server, machine.catalogue.tool("kubelet"), b"official")
    box = toolbox.ensure(["kubelet", "pilot-agent"], machine.progress, around=machine.around)
    assert sources(box) == {"kubelet": "download", "pilot-agent": "build"}
    with pytest.raises(UserError, match=r"^PITSTOP_TOOLS=download: kubectl: .* answered 404$"):
        toolbox.ensure(["kubectl"], machine.progress, around=machine.around)


def test_only_path(machine: Machine) -> None:
    machine.environ["PITSTOP_TOOLS"] = "path"
    with pytest.raises(UserError, match=r"^PITSTOP_TOOLS=path: no suitable kubelet on PATH; "):
        toolbox.ensure(["kubelet"], machine.progress, around=machine.around)
    says(machine.bin / "kubelet", f"Kubernetes v{machine.catalogue.tool('kubelet').version}")
    box = toolbox.ensure(["kubelet"], machine.progress, around=machine.around)
    assert box.path("kubelet") == machine.bin / "kubelet"


def test_an_unknown_way_is_one_line(machine: Machine) -> None:
    machine.environ["PITSTOP_TOOLS"] = "luck"
    with pytest.raises(UserError) as caught:
        toolbox.ensure(["kubelet"], machine.progress, around=machine.around)
    assert str(caught.value) == "PITSTOP_TOOLS=luck: not a way to get tools; valid: path, download, build"


def test_our_own_tools_on_path_are_not_taken_for_the_machines(machine: Machine) -> None:
    box = toolbox.ensure(["kubelet"], machine.progress, around=machine.around)
    own = box.path("kubelet")
    says(own, f"Kubernetes v{machine.catalogue.tool('kubelet').version}")
    machine.environ["PATH"] = f"{own.parent}:{machine.environ['PATH']}"
    machine.environ["FAKE_GO_VERSION"] = "go1.27.0"  # another key: the cached one no longer counts
    assert toolbox.ensure(["kubelet"], machine.progress, around=machine.around).path("kubelet") != own


def test_find_does_no_work(machine: Machine) -> None:
    assert toolbox.find(["node"], around=machine.around).names() == ()
    toolbox.ensure(["etcd"], machine.progress, around=machine.around)
    assert toolbox.find(["node"], around=machine.around).names() == ("etcd",)


def test_a_new_tool_takes_those_nobody_uses_along(machine: Machine) -> None:
    """Never what a node of any checkout was started with, what was used since, or what is being made."""
    tools = machine.cache / "tools"
    for name in ("etcd-old", "etcd-node", "etcd-rehearsal", ".work-istio"):
        (tools / name).mkdir(parents=True)
    used = toolbox.ensure(["standin"], machine.progress, around=machine.around).path("standin").parent
    for entry in tools.iterdir():
        os.utime(entry, (0, 0))
    for home, tool in (("a", "etcd-node"), ("a.rehearsal/prod", "etcd-rehearsal")):
        (machine.cache / "checkouts" / home / "node").mkdir(parents=True)
        listing = machine.cache / "checkouts" / home / "node" / "tools"
        listing.write_text(f"kubelet /usr/bin/kubelet\netcd {tools / tool}/etcd\n")
    toolbox.ensure(["standin", "etcd"], machine.progress, around=machine.around)
    left = {entry.name for entry in tools.iterdir() if entry.is_dir()}
    assert left > {used.name, "etcd-node", "etcd-rehearsal", ".work-istio"}
    assert "etcd-old" not in left
    assert "nobody used for 30 days are gone from the cache: 1\n" in machine.output.getvalue()


def test_find_without_go(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localcluster.tools.golang.USUAL_PLACE", Path("/nowhere/go"))
    (machine.bin / "go").unlink()
    machine.environ["PATH"] = str(machine.bin)
    assert toolbox.find(["node"], around=machine.around).names() == ()


def test_without_go_and_internet_there_is_one_line(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localcluster.tools.golang.USUAL_PLACE", Path("/nowhere/go"))
    (machine.bin / "go").unlink()
    machine.environ["PATH"] = str(machine.bin)
    with pytest.raises(UserError, match=r"^go: not found on PATH"):
        toolbox.ensure(["etcd"], machine.progress, around=machine.around)


def test_a_toolbox_answers_for_its_tools() -> None:
    one = Toolbox(tools=(Located(name="a", path=Path("/x/a"), version="1", source="path"),))
    two = Toolbox(
        tools=(
            Located(name="a", path=Path("/y/a"), version="2", source="build"),
            Located(name="b", path=Path("/x/b"), version="3", source="download"),
        )
    )
    both = one.merged(two)
    assert both.names() == ("a", "b")
    assert (both.version("a"), both.source("b")) == ("1", "download")
    assert both.bin_dirs() == (Path("/x"),)
    with pytest.raises(KeyError, match="made without c; it has a, b"):
        both.path("c")


def test_versions_of_builds_are_honest(machine: Machine) -> None:
    host = machine.catalogue.tool("pulumi-language-python")
    assert host.built_version != host.version
    assert path_of("https://github.com/a/{arch}") == "/a/amd64"


def test_what_a_unit_has_already_is_not_counted_again(machine: Machine) -> None:
    (machine.bin / "module/python/cmd").mkdir(parents=True)
    (machine.bin / "module/python/cmd/pulumi-language-python-exec").touch()
    box = toolbox.ensure(["pulumi"], machine.progress, around=machine.around)
    box.path("pulumi").unlink()
    toolbox.ensure(["pulumi"], machine.progress, around=machine.around)
    assert "pulumi is linked (tool 1 of 1)" in machine.output.getvalue()
