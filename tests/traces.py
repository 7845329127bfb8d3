"""What nodes could leave on the machine they ran on."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil


def left_by_nodes() -> dict[str, set[str]]:
    """Everything of that kind that is there now, by kind."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return {
        "mounts": set(Path("/proc/self/mounts").read_text().splitlines()),
        "interfaces": {line.split(":")[1].strip() for line in links.splitlines()},
        "cgroups": {str(path) for path in Path("/sys/fs/cgroup").glob("**/pitstop-*")},
        "namespaces": set(_network_namespaces()),
    }


def _network_namespaces() -> Iterator[str]:
    for process in psutil.process_iter():
        # A process may end while it is looked at, and some of the machine's own cannot be.
        with suppress(OSError):
            yield str(Path(f"/proc/{process.pid}/ns/net").readlink())
