"""What is known of a secret value: that it changed, and no more."""

import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from components.model import secrets
from components.model.catalogue import CATALOGUE
from components.model.secrets import version_of


def test_a_version_is_the_values_own_its_environments_and_its_names() -> None:
    mine = version_of("hunter2-hunter2", "pitstop.dev", "sqlPassword")
    assert mine == version_of("hunter2-hunter2", "pitstop.dev", "sqlPassword")
    others = [
        version_of("hunter2-hunter3", "pitstop.dev", "sqlPassword"),
        version_of("hunter2-hunter2", "pitstop.prod", "sqlPassword"),
        version_of("hunter2-hunter2", "pitstop.dev", "seqPassword"),
    ]
    assert len({mine, *others}) == 4


def test_a_version_has_twenty_bits() -> None:
    found = version_of("hunter2-hunter2", "pitstop.dev", "sqlPassword")
    assert len(found) * 4 == secrets.BITS == 20
    assert int(found, 16) < 2**20


def test_versions_are_spread_over_all_there_are() -> None:
    found = [version_of(f"value-{number}", "pitstop.dev", "sqlPassword") for number in range(64)]
    assert len(set(found)) == 64
    assert max(Counter(one[0] for one in found).values()) < 16  # of 4 expected for each first digit


def test_trying_out_values_takes_its_time() -> None:
    started = time.process_time()
    for number in range(10):
        version_of(f"value-{number}", "pitstop.dev", "sqlPassword")
    each = (time.process_time() - started) / 10
    assert 0.002 < each < 0.2, "a digest that is quick helps to guess, a slow one holds up the program"


# --- the broker's password ----------------------------------------------------------------------------


def programs(folder: Path, broker: str) -> dict[str, str]:
    """The environment of a broker's pod in which `rabbitmqctl` is this script, and time does not pass."""
    folder.mkdir()
    scripts = {"sleep": "exit 0", **({"rabbitmqctl": broker} if broker else {})}
    for name, text in scripts.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    own = {"RABBITMQ_DEFAULT_USER": "rabbitmquser", "RABBITMQ_DEFAULT_PASS": "new-password"}
    return {"PATH": str(folder), "FOLDER": str(folder), **own}


def start(environ: Mapping[str, str]) -> int:
    (command,) = {one.started for one in CATALOGUE.values() if one.started}
    return subprocess.run(["/bin/sh", "-c", command], env=environ, check=False).returncode


TELL = '/bin/echo "$* $(/bin/cat)" >> "$FOLDER/told"'


def test_every_start_of_the_broker_has_it_take_the_password_of_now(tmp_path: Path) -> None:
    environ = programs(tmp_path / "bin", TELL)
    assert start(environ) == 0
    assert (tmp_path / "bin" / "told").read_text() == "--quiet change_password rabbitmquser new-password\n"


def test_a_broker_that_is_not_yet_there_is_told_again(tmp_path: Path) -> None:
    environ = programs(tmp_path / "bin", f'{TELL}; [ "$(/usr/bin/wc -l < "$FOLDER/told")" -ge 3 ]')
    assert start(environ) == 0
    assert len((tmp_path / "bin" / "told").read_text().splitlines()) == 3


def test_a_broker_that_never_takes_it_does_not_count_as_started(tmp_path: Path) -> None:
    assert start(programs(tmp_path / "bin", "exit 1")) == 1


def test_the_stand_in_has_no_password_to_change(tmp_path: Path) -> None:
    assert start(programs(tmp_path / "bin", "")) == 0
