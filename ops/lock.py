"""Remake the lock files: `make lock` after a version in pyproject.toml has changed."""

import subprocess
import sys

from ops.paths import CHECKOUT

COMPILE = (
    "uv pip compile --quiet --universal --generate-hashes --no-annotate --no-emit-find-links --python-version 3.11"
)


def main() -> int:
    """Write requirements.txt, then the development lock constrained to it; answer uv's status."""
    base = [*COMPILE.split(), "--custom-compile-command", "make lock", "pyproject.toml"]
    for extra in (["-o", "requirements.txt"], ["--extra", "dev", "-c", "requirements.txt", "-o", "requirements-dev.txt"]):
        status = subprocess.run([*base, *extra], cwd=CHECKOUT, check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
