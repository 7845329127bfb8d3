import pytest
from pydantic import ValidationError

from components.model import versions
from localcluster.tools.catalogue import Catalogue, catalogue
from localcluster.tools.pins import Pins, read_pins
from ops.paths import CHECKOUT

PINS = read_pins(CHECKOUT)
TOOLS = catalogue(PINS)


def test_groups_hold_what_the_commands_need() -> None:
    groups: dict[str, list[str]] = {}
    for tool in TOOLS.tools:
        groups.setdefault(tool.group, []).append(tool.name)
    assert groups["engine"] == ["pulumi", "pulumi-language-python", "pulumi-resource-kubernetes"]
    assert {"kube-apiserver", "kubelet", "kubeadm", "etcd", "coredns", "pilot-discovery", "images"} <= set(
        groups["node"]
    )
    assert "network-policy" in groups["node"]
    assert groups["rehearsal"] == ["kwok", "aks-addons", "charts"]
    assert "istioctl" not in groups["node"]
    assert "fortio" not in groups["node"]


def test_select_takes_names_and_groups_and_whole_units() -> None:
    assert [tool.name for tool in TOOLS.select(["pulumi-language-python"])] == [
        "pulumi",
        "pulumi-language-python",
    ]
    both = [tool.name for tool in TOOLS.select(["etcd", "load"])]
    assert both == ["etcd", "fortio"]


def test_select_refuses_an_unknown_name() -> None:
    with pytest.raises(KeyError, match="kubelett is no tool; known: pulumi"):
        TOOLS.select(["kubelett"])


@pytest.mark.parametrize("tool", TOOLS.tools, ids=lambda tool: tool.name)
def test_each_tool_has_its_build_in_a_module_of_ours(tool: object) -> None:
    found = next(t for t in TOOLS.tools if t is tool)
    build = next(build for build in TOOLS.builds if build.name == found.build)
    assert (CHECKOUT / build.directory / "go.mod").is_file()
    if found.own:
        assert list((CHECKOUT / build.directory / found.package).glob("*.go"))
    else:
        module = build.directory.rpartition("/")[2]
        assert any(found.package.startswith(path) for path in PINS.go[module])


def test_what_nobody_publishes_is_always_built() -> None:
    istio = ("pilot-agent", "pilot-discovery", "install-cni", "istio-cni")
    for name in (*istio, "metrics-server", "network-policy"):
        tool = TOOLS.tool(name)
        assert (tool.download, tool.probe, tool.plugin) == (None, None, None)


def test_no_version_is_written_in_the_catalogue() -> None:
    """Other pins, other versions: every one comes from go.mod or the requirements."""
    go = {
        name: dict.fromkeys(modules, "7.8.9") | ({"istio.io/istio": "0.0.0-2-cafe"} if name == "node" else {})
        for name, modules in PINS.go.items()
    }
    other = catalogue(Pins(go=go, python=dict.fromkeys(PINS.python, "7.8.9")))
    for before, after in zip(TOOLS.tools, other.tools, strict=True):
        if before.version not in {"0", versions.ISTIO}:
            assert after.version == "7.8.9"
        if before.download and after.download:
            assert before.version not in after.download.url


def test_downloads_are_https_and_from_their_makers() -> None:
    hosts = {tool.download.url.split("/")[2] for tool in TOOLS.tools if tool.download}
    assert hosts == {"github.com", "dl.k8s.io"}
    assert all(tool.download.url.startswith("https://") for tool in TOOLS.tools if tool.download)


def test_flags_are_reproducible() -> None:
    for build in TOOLS.builds:
        assert "-trimpath" in build.flags
        assert "-buildvcs=false" in build.flags


def test_a_tool_without_a_build_is_refused() -> None:
    with pytest.raises(ValidationError, match="no build makes etcd"):
        Catalogue(tools=(TOOLS.tool("etcd"),), builds=())


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="two tools share a name"):
        Catalogue(tools=(TOOLS.tool("etcd"),) * 2, builds=TOOLS.builds)
