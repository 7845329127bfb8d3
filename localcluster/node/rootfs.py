"""The node's programs: distribution packages unpacked into the cache, nothing installed."""

import os
import platform
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock

from ops.errors import UserError
from ops.paths import atomic_dir, cache_root, input_key
from ops.progress import Progress

# What runs in the node itself; apt adds what these need. systemd is here for its socket proxy alone.
PACKAGES = (
    "containerd",
    "containernetworking-plugins",
    "coreutils",
    "dash",
    "iproute2",
    "ipset",
    "iptables",
    "mount",
    "runc",
    "s6",
    "systemd",
    "util-linux",
)
# Every distribution with these packages has one /usr; archives made before that need the links first.
MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
UNUSED = ("usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man", "usr/share/perl5")
RECIPE = "1"  # part of the key: raise it when the way of unpacking changes


def ensure(progress: Progress) -> Path:
    """The root file system (`usr/` and links into it); unpacked once for each distribution release.

    Raises:
        UserError: there is no apt, or the packages cannot be fetched.
    """
    return unpacked(PACKAGES, "the node", progress)


def unpacked(names: tuple[str, ...], user: str, progress: Progress) -> Path:
    """A file tree of these packages and what they need, for `user` as the person is told.

    Raises:
        UserError: there is no apt, or the packages cannot be fetched.
    """
    root = cache_root() / "rootfs" / _key(names)
    if root.is_dir():
        return root
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise UserError(
            "the embedded node unpacks Debian or Ubuntu packages, and there is no apt-get here; "
            "start Docker to use kind, or set PITSTOP_KUBECONFIG=~/.kube/config#context"
        )
    root.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{root.parent}.lock"):  # one for all: they share apt's state
        if not root.is_dir():
            with progress.step(f"unpacking Debian packages for {user}"), atomic_dir(root) as scratch:
                _fill(scratch, names, Apt(cache_root() / "debs"))
    return root


def packages(root: Path) -> dict[str, str]:
    """Which version of which package is in a file tree made by `unpacked`."""
    lines = (root / "packages.txt").read_text().splitlines()
    return {name: version for name, _, version in (line.partition(" ") for line in lines)}


def _key(names: tuple[str, ...]) -> str:
    """Without asking apt: a cached root must be found in no time and without a network."""
    release = platform.freedesktop_os_release()
    distribution = f"{release.get('ID')} {release.get('VERSION_ID', release.get('VERSION_CODENAME'))}"
    return input_key(RECIPE, platform.machine(), distribution, *names)


def _fill(root: Path, names: tuple[str, ...], apt: "Apt") -> None:
    apt.update()
    chosen = apt.resolve(names)
    archives = apt.download(names, chosen)
    for link, target in MERGED.items():
        (root / target).mkdir(parents=True)
        (root / link).symlink_to(target)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda archive: _unpack(archive, root), archives))
    for path in UNUSED:
        shutil.rmtree(root / path, ignore_errors=True)
    (root / "packages.txt").write_text(
        "".join(f"{name} {version}\n" for name, version in sorted(chosen.items()))
    )
    apt.clean()


def _unpack(archive: Path, root: Path) -> None:
    """`dpkg-deb -x` would replace the links to `usr` by folders; tar is told to follow them."""
    extract = ["tar", "--extract", "--keep-directory-symlink", "--directory", str(root)]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as reading:
        done = subprocess.run(extract, stdin=reading.stdout, capture_output=True, text=True, check=False)
    if done.returncode or reading.returncode:
        raise UserError(
            f"{archive.name} could not be unpacked: {done.stderr.strip()[-200:]}; is the disk full?"
        )


class Apt:
    """apt with state of its own: it sees the machine's sources and keys, and none of its packages."""

    def __init__(self, home: Path) -> None:
        self._archives = home / "archives"
        for folder in (home / "lists" / "partial", self._archives / "partial"):
            folder.mkdir(parents=True, exist_ok=True)
        (home / "status").touch()
        settings = {
            "Dir::State": home,
            "Dir::State::lists": home / "lists",
            "Dir::State::status": home / "status",
            "Dir::Cache": home,
            "Dir::Cache::archives": self._archives,
            "Dir::Log": home,
            # The machine's own settings may run hooks after an update, and those touch the machine.
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::http::Timeout": "20",
            "Acquire::Retries": "2",
        }
        config = home / "apt.conf"
        own = "".join(f'{name} "{value}";\n' for name, value in settings.items())
        config.write_text(network_settings(_run("apt-config", "dump")) + own)
        self._env = {
            **os.environ,
            "APT_CONFIG": str(config),
            "LC_ALL": "C",
            "DEBIAN_FRONTEND": "noninteractive",
        }

    def _apt(self, *arguments: str, check: bool = True) -> str:
        return _run("apt-get", "--quiet", *arguments, env=self._env, check=check)

    def update(self) -> None:
        # One source of the machine that does not answer is no reason to stop: what is missing shows next.
        self._apt("update", check=False)

    def resolve(self, names: tuple[str, ...]) -> dict[str, str]:
        """Every package needed, the named ones included, with its version."""
        return simulated(self._apt("install", "--simulate", *names))

    def download(self, names: tuple[str, ...], chosen: dict[str, str]) -> list[Path]:
        self._apt("install", "--yes", "--download-only", *names)
        return [
            next(self._archives.glob(f"{name}_{version.replace(':', '%3a')}_*.deb"))
            for name, version in sorted(chosen.items())
        ]

    def clean(self) -> None:
        self._apt("clean")


def network_settings(dump: str) -> str:
    """The lines of `apt-config dump` that say how to reach the archives (proxies, certificates)."""
    return "".join(
        f"{line}\n" for line in dump.splitlines() if re.match(r"Acquire::(https?|ftp|Check|Max)\b", line)
    )


def simulated(output: str) -> dict[str, str]:
    """Package and version from the `Inst name (version source [arch])` lines of a simulated install."""
    found = re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) ", output, flags=re.MULTILINE)
    return {name.partition(":")[0]: version for name, version in found}


def _run(*command: str, env: dict[str, str] | None = None, check: bool = True) -> str:
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if check and done.returncode:
        reason = next(
            (line for line in done.stderr.splitlines() if line.startswith("E:")), done.stderr[-200:]
        )
        raise UserError(
            f"the node's Debian packages: {command[0]} failed ({reason.strip()}); look at the apt sources "
            "and the network and run again, or set PITSTOP_KUBECONFIG to use another cluster"
        )
    return done.stdout
