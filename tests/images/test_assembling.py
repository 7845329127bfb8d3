"""The archive is made once for the same inputs, whole or not at all."""

import json
import os
from pathlib import Path

import pytest

from localcluster.images import assemble, catalogue, debian, envoy
from localcluster.images.spec import Architecture
from localcluster.node import rootfs
from ops.errors import UserError
from ops.progress import Progress

WORKS = """#!/bin/sh
cat > "$2"
echo run >> "$(dirname "$0")/runs"
"""
FAILS = """#!/bin/sh
echo half > "$2"
echo "images: layer envoy: no such file" >&2
exit 1
"""


class Programs:
    """Programs that exist, with an assembler that writes its order where the archive would be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in catalogue.PROGRAMS:
            (folder / name).write_text(name)
        self.assembler(WORKS)

    def path(self, name: str) -> Path:
        return self.folder / name

    def assembler(self, script: str) -> None:
        (self.folder / "images").write_text(script)
        (self.folder / "images").chmod(0o755)

    @property
    def runs(self) -> int:
        return len((self.folder / "runs").read_text().splitlines())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "usr/lib/x86_64-linux-gnu/xtables").mkdir(parents=True)
    (tree / "usr/sbin").mkdir()
    (tree / "packages.txt").write_text("iptables 1\n")
    for path in ("usr/sbin/xtables-nft-multi", "usr/sbin/xtables-legacy-multi"):
        (tree / path).write_text(path)
    (tree / "usr/lib/x86_64-linux-gnu/xtables/libxt_owner.so").write_text("owner")
    return tree


@pytest.fixture
def bootstrap(tmp_path: Path) -> Path:
    (tmp_path / "bootstrap.json").write_text("{}")
    return tmp_path / "bootstrap.json"


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    (tmp_path / "programs").mkdir()
    return Programs(tmp_path / "programs")


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITSTOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    (tmp_path / "envoy").write_text("envoy")

    def fetched(architecture: Architecture, progress: Progress) -> Path:
        del architecture, progress
        return tmp_path / "envoy"

    monkeypatch.setattr(envoy, "ensure", fetched)
    packages = tmp_path / "packages"
    (packages / "usr/bin").mkdir(parents=True)
    (packages / "usr/bin/busybox").write_text("busybox")
    (packages / "packages.txt").write_text("rabbitmq-server 3\n")

    def unpacked(names: tuple[str, ...], user: str, progress: Progress) -> Path:
        del user, progress
        assert names == debian.PACKAGES
        return packages

    monkeypatch.setattr(rootfs, "unpacked", unpacked)


def test_the_archive_is_made_once(programs: Programs, root: Path, bootstrap: Path) -> None:
    first = assemble.ensure(programs, root, bootstrap, Progress())
    order = json.loads(first.read_text())
    assert order["architecture"] == "amd64"
    assert [image["tag"] for image in order["images"]] == list(assemble.names())
    assert assemble.ensure(programs, root, bootstrap, Progress()) == first
    assert programs.runs == 1


@pytest.mark.parametrize(
    "changed",
    [
        "programs/coredns",
        "programs/images",
        "envoy",
        "bootstrap.json",
        "tree/packages.txt",
        "packages/packages.txt",
        "packages/usr/bin/busybox",
    ],
)
def test_a_changed_input_makes_another_archive(
    programs: Programs, root: Path, bootstrap: Path, tmp_path: Path, changed: str
) -> None:
    first = assemble.ensure(programs, root, bootstrap, Progress())
    with (tmp_path / changed).open("a") as file:
        file.write("# changed\n")
    assert assemble.ensure(programs, root, bootstrap, Progress()) != first
    assert first.exists()


def test_a_failure_says_why_and_leaves_nothing(
    programs: Programs, root: Path, bootstrap: Path, tmp_path: Path
) -> None:
    programs.assembler(FAILS)
    with pytest.raises(UserError, match=r"^the images could not be assembled: images: layer envoy"):
        assemble.ensure(programs, root, bootstrap, Progress())
    assert list((tmp_path / "cache" / "images").iterdir()) == []
    programs.assembler(WORKS)
    assert assemble.ensure(programs, root, bootstrap, Progress()).is_file()


def test_archives_used_longest_ago_go_first(programs: Programs, root: Path, bootstrap: Path) -> None:
    made = []
    for number in range(assemble.KEPT + 2):
        programs.path("coredns").write_text(str(number))
        made.append(assemble.ensure(programs, root, bootstrap, Progress()))
        os.utime(made[-1].parent, (number, number))
    assert [archive.exists() for archive in made] == [False, False, *[True] * assemble.KEPT]


@pytest.mark.parametrize(
    ("machine", "expected"),
    [("x86_64", "amd64"), ("AMD64", "amd64"), ("aarch64", "arm64"), ("arm64", "arm64")],
)
def test_processor_types(machine: str, expected: str) -> None:
    assert assemble._architecture(machine) == expected


def test_another_processor_type_is_one_line(
    programs: Programs, root: Path, bootstrap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(UserError, match=r"processor type 'riscv64'.*x86_64 and aarch64"):
        assemble.ensure(programs, root, bootstrap, Progress())


def test_without_apt_images_of_the_same_names_come_from_a_registry_or_are_stand_ins(
    programs: Programs, root: Path, bootstrap: Path
) -> None:
    with_apt = json.loads(assemble.ensure(programs, root, bootstrap, Progress()).read_text())
    without = json.loads(assemble.ensure(programs, None, bootstrap, Progress()).read_text())
    assert [image["tag"] for image in without["images"]] == [image["tag"] for image in with_apt["images"]]
    based = [image["tag"] for image in without["images"] if image["base"]]
    assert based == [tag for tag in assemble.names() if "/proxyv2:" in tag or "/busybox:" in tag]
    assert not any(image["base"] for image in with_apt["images"])
    assert not without["layers"]["envoy"]["programs"]
    (broker,) = (image for image in without["images"] if image["tag"] == f"{debian.HUB}/rabbitmq:3")
    assert broker["entrypoint"] == ["/standin"]
    assert broker["env"]["PITSTOP_SERVICE"] == "rabbitmq"
