"""The secret values a local environment makes itself: once for each checkout, readable by its owner alone."""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from components.model.catalogue import CERTIFICATE, Secret
from ops.errors import UserError
from ops.paths import write_private


def ensure(path: Path, hosts: Sequence[str]) -> Path:
    """The file of all values; what is in it stays, what is missing is made.

    `hosts` are what the certificate is for, where one has to be made.

    Raises:
        UserError: the file is there and cannot be read.
    """
    # Of two runs at once, one makes the values and the other finds them.
    with FileLock(path.with_suffix(".lock")):
        return _ensure(path, hosts)


def _ensure(path: Path, hosts: Sequence[str]) -> Path:
    values = _read(path)
    made = {
        str(name): password() for name in sorted(Secret) if name not in values and name not in CERTIFICATE
    }
    if not values.keys() >= CERTIFICATE:
        made |= certificate(hosts)  # both halves, or they would not fit each other
    if made:
        write_private(path, json.dumps(values | made, sort_keys=True))
    return path


def password() -> str:
    """128 random bits, with a capital, a small letter and a digit: SQL Server refuses less."""
    return f"Aa1{secrets.token_hex(16)}"


def _read(path: Path) -> dict[str, str]:
    """What is in the file; a running environment has these values, so none is given up."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from None
    if not isinstance(content, dict):
        raise _unreadable(path, "no map")
    return {str(name): str(value) for name, value in content.items()}


def _unreadable(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path}: cannot be read ({reason}); the environment that runs has the values in it: restore it, or "
        "take the environment down and remove it"
    )


def certificate(hosts: Sequence[str]) -> dict[str, str]:
    """A certificate signed by an authority that exists for this moment only: nothing needs to trust it."""
    import trustme

    names = [host for host in hosts if host != "*"] or ["localhost"]
    made = trustme.CA(organization_name="Pitstop, local").issue_cert(*names)
    chain = "".join(pem.bytes().decode() for pem in made.cert_chain_pems)
    return {Secret.TLS_CERTIFICATE: chain, Secret.TLS_KEY: made.private_key_pem.bytes().decode()}
