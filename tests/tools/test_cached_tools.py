"""The real programs in this machine's cache say the versions they are pinned at."""

import subprocess

import pytest

from localcluster.tools import toolbox
from localcluster.tools.toolbox import Toolbox

ARGUMENTS = {
    "kubeadm": ["version", "-o", "short"],
    "kubectl": ["version", "--client"],
    "coredns": ["-version"],
    "pulumi": ["version"],
    "pilot-agent": ["version"],
    "pilot-discovery": ["version"],
    "fortio": ["version"],
}
DEFAULT = ["--version"]
SILENT = {"images", "install-cni", "istio-cni", "pulumi-language-python", "pulumi-resource-kubernetes"}


@pytest.fixture(scope="module")
def box() -> Toolbox:
    found = toolbox.find(["engine", "node", "load"])
    if not found.names():
        pytest.skip("no tools in the cache yet: make up puts them there")
    return found


@pytest.mark.node
def test_versions(box: Toolbox) -> None:
    for tool in box.tools:
        if tool.name in SILENT:
            continue
        done = subprocess.run(
            [tool.path, *ARGUMENTS.get(tool.name, DEFAULT)],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        assert tool.version in done.stdout + done.stderr, tool.name


@pytest.mark.node
def test_node_programs_need_no_library(box: Toolbox) -> None:
    """They run in images and in a root filesystem that is not this machine's."""
    for tool in box.tools:
        if tool.source == "build":
            assert b"ld-linux" not in tool.path.read_bytes(), tool.name
