from pathlib import Path

import pytest

from localcluster.tools import charts
from ops.errors import UserError
from ops.paths import CHECKOUT
from tests.tools.conftest import Machine

pytestmark = pytest.mark.usefixtures("istio")


@pytest.fixture
def istio(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Istio module as Go's cache keeps it."""
    module = machine.bin / "module"
    for folder in charts.CHARTS.values():
        chart = module / "manifests" / "charts" / folder
        (chart / "templates").mkdir(parents=True)
        (chart / "Chart.yaml").write_text(f"name: {folder}\n")
        (chart / "templates" / "a.yaml").write_text("a: 1\n")
        (chart / "templates").chmod(0o555)
    monkeypatch.setenv("PATH", machine.environ["PATH"])
    monkeypatch.setenv("PITSTOP_CACHE", str(machine.cache))
    return module


def test_charts_get_plain_names_once(machine: Machine) -> None:
    folder = charts.ensure(machine.progress, cache=machine.cache, checkout=CHECKOUT)
    assert sorted(path.name for path in folder.iterdir()) == ["base", "cni", "gateway", "istiod"]
    assert (folder / "istiod" / "templates" / "a.yaml").read_text() == "a: 1\n"
    asked = machine.go_calls
    assert charts.ensure(machine.progress, cache=machine.cache) == folder
    assert machine.go_calls == asked


def test_a_damaged_copy_is_made_again(machine: Machine) -> None:
    folder = charts.ensure(machine.progress, cache=machine.cache)
    (folder / "cni" / "Chart.yaml").unlink()
    charts.ensure(machine.progress, cache=machine.cache)
    assert (folder / "cni" / "Chart.yaml").exists()


def test_one_file_of_istio() -> None:
    assert charts.istio_file("manifests/charts/base/Chart.yaml").read_text() == "name: base\n"
    with pytest.raises(UserError, match=r"istio\.io/istio: has no file tools/none at the pinned version"):
        charts.istio_file("tools/none")


def test_a_proxy_that_does_not_answer_is_one_line(istio: Path, machine: Machine) -> None:
    istio.rename(istio.with_name("gone"))
    with pytest.raises(
        UserError, match=r"go mod download -json istio\.io/istio failed in node: go: module not"
    ):
        charts.ensure(machine.progress, cache=machine.cache)
