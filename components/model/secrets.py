"""What may be known of a secret value: that it changed, and nothing that helps to guess it.

Pods read a secret value when they start, so a changed one has to start them anew, and what says so stands in
plain state and in the cluster for everybody who may look. Twenty bits of a slow digest are enough: a change
goes unnoticed once in a million, and whoever tries passwords against it is left with one in a million of
them, whatever the password is. The salt has each environment differ.
"""

import hashlib

from components.model import outputs
from components.model.settings import Settings, VaultSecrets

BITS = 20
# 15 ms and 4 MiB for each value.
COST = 2**12
BLOCK = 8


def version_of(value: str, owner: str, name: str) -> str:
    """Five digits that change when the value does; `owner` and `name` are whose value it is."""
    made = hashlib.scrypt(
        value.encode(), salt=f"{owner}/{name}".encode(), n=COST, r=BLOCK, p=1, dklen=BITS // 8 + 1
    )
    return made.hex()[: BITS // 4]


def in_vault(settings: Settings) -> bool:
    """Whether pods' Secrets are made from the vault's values, and not by this program."""
    return isinstance(settings.secrets, VaultSecrets)


def vault_version(name: str) -> tuple[str, str]:
    """The key of the Azure resource of a secret value, and the output that changes with the value."""
    return f"vault-secret-{name}", "properties.secretUriWithVersion"


def version(settings: Settings, name: str) -> str:
    """What says in a pod template which version of a secret value its pods have read."""
    match settings.secrets:
        case VaultSecrets(values="external") as own:
            return own.versions.get(name, "latest")
        case VaultSecrets():
            return outputs.output(*vault_version(name))
        case _:
            return outputs.version(name)
