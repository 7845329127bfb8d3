"""The node as a machine: its namespaces are started, found, entered and ended here."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from localcluster.node.cgroups import Subtree

BOOT = Path(__file__).with_name("boot.sh")
HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NODE_PATH = "/node/bin:/run/bin:/usr/sbin:/usr/bin"
TURN_SECONDS = 10.0  # how long appearing and going away may take
NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup")


@dataclass(frozen=True, slots=True)
class WaysIn:
    """Sockets that listen on this machine's loopback: all that is reached of the node."""

    api: socket.socket
    http: socket.socket
    https: socket.socket


class Machine:
    """One set of namespaces, told from others by the name of its cgroups.

    Process 1 is looked for among the members of those cgroups and nowhere else, so a recycled process id is
    never taken for it. The kernel ends everything in the namespaces with process 1, and with the last
    process it removes their mounts and interfaces.
    """

    def __init__(self, name: str) -> None:
        self._cgroups = Subtree(name)

    def pid(self) -> int | None:
        """Process 1 as this machine counts, or None where there is none."""
        return next((pid for pid in self._cgroups.members() if _is_first(pid)), None)

    def boot(self, state: Path, root: Path, ways_in: WaysIn, log: Path) -> None:
        """Start the namespaces and wait for process 1. What goes wrong before it supervises is in `log`."""
        self._cgroups.create()
        log.write_bytes(b"")
        command = ["setsid", "--fork", "sh", str(BOOT), "enter", str(log), str(state), str(root)]
        command += map(str, self._cgroups.folders)
        subprocess.run(
            command,
            # The three files every process has; the script's first lines put them elsewhere.
            stdin=ways_in.api.fileno(),
            stdout=ways_in.http.fileno(),
            stderr=ways_in.https.fileno(),
            cwd="/",
            # Nothing of the caller's environment: proxies and secrets are no business of the node.
            env={"PATH": HOST_PATH},
            check=True,
        )
        deadline = time.monotonic() + TURN_SECONDS
        while self.pid() is None and time.monotonic() < deadline and not log.stat().st_size:
            time.sleep(0.02)

    def halt(self) -> None:
        """End the machine, like pulling its plug. Nothing of it runs afterwards.

        There is no gentler way beside this one: what is kept (etcd, containerd) is made to survive a crash,
        and the only path there is gets tested by every stop.
        """
        pid = self.pid()
        if pid is not None:
            _kill(pid, lambda: self.pid() == pid)
        self._wait_ended()
        # A start that was cut off before the namespaces existed leaves its shell in our cgroups.
        for stray in self._cgroups.members():
            _kill(stray, partial(self._is_member, stray))
        self._cgroups.remove()

    def run(
        self, *command: str, stdin: IO[bytes] | int = subprocess.DEVNULL, timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside; the caller looks at its status."""
        pid = self.pid()
        if pid is None:
            return subprocess.CompletedProcess(command, 1, "", "the node does not run")
        enter = ["nsenter", f"--target={pid}", *NAMESPACES, "--", "env", "-i", f"PATH={NODE_PATH}"]
        try:
            return subprocess.run(
                [*enter, *command], stdin=stdin, capture_output=True, text=True, check=False, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 1, "", f"did not end in {timeout:.0f} s")

    def _is_member(self, pid: int) -> bool:
        return pid in self._cgroups.members()

    def _wait_ended(self) -> None:
        deadline = time.monotonic() + TURN_SECONDS
        while self.pid() is not None and time.monotonic() < deadline:
            time.sleep(0.02)


def _is_first(pid: int) -> bool:
    """Whether a process is number 1 of a pid namespace directly below ours: `NSpid: 4711 1`."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return False
    numbers = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
    return len(numbers) == 2 and numbers[1] == "1"


def _kill(pid: int, still: Callable[[], bool]) -> None:
    """Kill a process through a handle taken before its identity is checked, so no other can be hit."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if still():
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)
