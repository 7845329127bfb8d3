import pytest

from components.model import versions
from localcluster.tools.pins import parse_go_mod, parse_requirements, read_pins, release
from ops.paths import CHECKOUT

GO_MOD = """
// example.org/comment v9.9.9 is no requirement
module example.org/own

go 1.26.0

toolchain go1.26.8

require example.org/single v1.2.3

require (
\texample.org/one v0.0.0-20260827124520-eed52ebb66ad
\texample.org/two/v4 v4.0.0+incompatible // indirect
)

replace example.org/one => example.org/fork v2.0.0

replace example.org/two/v4 v4.0.0 => ../two

tool example.org/single/cmd
"""


def test_go_mod_requirements_and_nothing_else() -> None:
    assert parse_go_mod(GO_MOD) == {
        "example.org/single": "1.2.3",
        "example.org/one": "0.0.0-20260827124520-eed52ebb66ad",
        "example.org/two/v4": "4.0.0+incompatible",
    }


def test_requirements_with_hashes_and_markers() -> None:
    text = "# of==1\npulumi==3.250.0 \\\n    --hash=sha256:ab\nSciPy==1.17.1 ; python_version < '3.12' \\\n"
    assert parse_requirements(text) == {"pulumi": "3.250.0", "scipy": "1.17.1"}


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("3.250.0", (3, 250, 0)),
        ("v3.250.0", (3, 250, 0)),
        ("3.250", None),
        ("3.250.0-alpha.1", None),
        ("1.32.4-dispatcher", None),
        ("", None),
    ],
)
def test_release(version: str, numbers: tuple[int, int, int] | None) -> None:
    assert release(version) == numbers


def test_the_committed_pins() -> None:
    pins = read_pins(CHECKOUT)
    assert release(pins.module("node", "k8s.io/kubernetes"))
    assert release(pins.python["pulumi"])
    assert release(pins.python["pulumi-kubernetes"])
    assert pins.istio_revision == versions.ISTIO_TAG


@pytest.mark.parametrize("name", ["engine", "language", "node"])
def test_go_sum_has_every_requirement(name: str) -> None:
    """A build must never need a checksum that is not committed."""
    directory = CHECKOUT / "localcluster" / "tools" / name
    sums = {tuple(line.split()[:2]) for line in (directory / "go.sum").read_text().splitlines()}
    required = parse_go_mod((directory / "go.mod").read_text())
    without = [module for module, version in required.items() if (module, f"v{version}/go.mod") not in sums]
    replaced = (directory / "go.mod").read_text().partition("replace")[2]
    assert [module for module in without if module not in replaced] == []
