from pathlib import Path

import pytest

from localcluster.tools import onpath
from localcluster.tools.catalogue import Tool
from tests.tools.conftest import Machine, says, script


def pulumi_unit(machine: Machine) -> list[Tool]:
    return [machine.catalogue.tool("pulumi"), machine.catalogue.tool("pulumi-language-python")]


def install_pulumi(folder: Path, version: str) -> None:
    says(folder / "pulumi", version)
    says(folder / "pulumi-language-python", "")
    says(folder / "pulumi-language-python-exec", "")


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("v{pinned}", True),
        ("v3.999.0", True),
        ("v3.249.9", False),
        ("v2.250.0", False),
        ("v4.0.0", False),
        ("v3.999.0-alpha.1", False),
        ("no idea", False),
        ("", False),
    ],
)
def test_pulumi_of_the_same_major_and_not_older(machine: Machine, said: str, *, taken: bool) -> None:
    tools = [tool.model_copy(update={"version": "3.250.0"}) for tool in pulumi_unit(machine)]
    version = said.format(pinned="3.250.0")
    install_pulumi(machine.bin, version)
    found = onpath.find_unit(tools, machine.environ, machine.home)
    assert (found is not None) == taken
    if found:
        assert found["pulumi"] == (machine.bin / "pulumi", version.removeprefix("v"))
        assert found["pulumi-language-python"][0] == machine.bin / "pulumi-language-python"


@pytest.mark.parametrize("missing", ["pulumi-language-python", "pulumi-language-python-exec"])
def test_pulumi_without_its_language_host_is_not_taken(machine: Machine, missing: str) -> None:
    install_pulumi(machine.bin, "v3.999.0")
    (machine.bin / missing).unlink()
    assert onpath.find_unit(pulumi_unit(machine), machine.environ, machine.home) is None


def test_pulumi_is_found_where_its_link_leads(machine: Machine, tmp_path: Path) -> None:
    install_pulumi(tmp_path / "opt", "v3.999.0")
    (machine.bin / "pulumi").symlink_to(tmp_path / "opt" / "pulumi")
    found = onpath.find_unit(pulumi_unit(machine), machine.environ, machine.home)
    assert found is not None
    assert found["pulumi-language-python"][0] == tmp_path / "opt" / "pulumi-language-python"


def test_a_program_that_fails_or_hangs_is_not_taken(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = [machine.catalogue.tool("etcd")]
    script(machine.bin / "etcd", f"#!/bin/sh\necho 'etcd Version: {tools[0].version}'; exit 1\n")
    assert onpath.find_unit(tools, machine.environ, machine.home) is None
    monkeypatch.setattr(onpath, "PROBE_SECONDS", 0.1)
    script(machine.bin / "etcd", "#!/bin/sh\nexec sleep 5\n")
    assert onpath.find_unit(tools, machine.environ, machine.home) is None
    script(machine.bin / "etcd", "not a program")
    assert onpath.find_unit(tools, machine.environ, machine.home) is None


@pytest.mark.parametrize(
    ("name", "line", "taken"),
    [
        ("kubelet", "Kubernetes v{}", True),
        ("kubelet", "Kubernetes v1.0.0", False),
        ("kubelet", "Kubernetes v{}-eks-1", False),
        ("kubectl", "Client Version: v{}", True),
        ("kubectl", "Client Version: v{}-dispatcher", False),
        ("kubeadm", "v{}", True),
        ("etcd", "etcd Version: {}", True),
    ],
)
def test_node_programs_of_exactly_the_pinned_version(
    machine: Machine, name: str, line: str, *, taken: bool
) -> None:
    tool = machine.catalogue.tool(name)
    says(machine.bin / name, line.format(tool.version))
    assert (onpath.find_unit([tool], machine.environ, machine.home) is not None) == taken


def test_a_launcher_of_another_name_is_not_the_program(machine: Machine) -> None:
    tool = machine.catalogue.tool("kubelet")
    says(machine.bin / "snap", f"Kubernetes v{tool.version}")
    (machine.bin / "kubelet").symlink_to(machine.bin / "snap")
    assert onpath.find_unit([tool], machine.environ, machine.home) is None


def test_the_provider_plugin_of_exactly_the_pinned_version(machine: Machine) -> None:
    tool = machine.catalogue.tool("pulumi-resource-kubernetes")
    plugins = machine.home / ".pulumi" / "plugins"
    says(plugins / "resource-kubernetes-v4.0.0" / tool.name, "")
    assert onpath.find_unit([tool], machine.environ, machine.home) is None
    says(plugins / f"resource-kubernetes-v{tool.version}" / tool.name, "")
    assert onpath.find_unit([tool], machine.environ, machine.home) is not None
    (plugins / f"resource-kubernetes-v{tool.version}.partial").touch()
    assert onpath.find_unit([tool], machine.environ, machine.home) is None


def test_the_plugin_folder_follows_pulumi_home(machine: Machine, tmp_path: Path) -> None:
    tool = machine.catalogue.tool("pulumi-resource-kubernetes")
    says(tmp_path / "elsewhere" / "plugins" / f"resource-kubernetes-v{tool.version}" / tool.name, "")
    environ = machine.environ | {"PULUMI_HOME": str(tmp_path / "elsewhere")}
    assert onpath.find_unit([tool], environ, machine.home) is not None


def test_what_cannot_come_from_path(machine: Machine) -> None:
    says(machine.bin / "pilot-agent", "1.31-dev")
    assert onpath.find_unit([machine.catalogue.tool("pilot-agent")], machine.environ, machine.home) is None
