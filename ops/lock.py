"""Remake the lock files: `make lock` after a version in pyproject.toml has changed."""

import subprocess
import sys

from ops.paths import CHECKOUT

COMPILE = (
    "uv pip compile --quiet --universal --generate-hashes --no-annotate --no-emit-find-links"
    " --python-version 3.11 pyproject.toml"
)
LOCKS = ("-o requirements.txt", "--extra dev -c requirements.txt -o requirements-dev.txt")


def main() -> int:
    """Write requirements.txt, then the development lock constrained to it; answer uv's status."""
    for options in LOCKS:
        command = [*COMPILE.split(), "--custom-compile-command", "make lock", *options.split()]
        status = subprocess.run(command, cwd=CHECKOUT, check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
