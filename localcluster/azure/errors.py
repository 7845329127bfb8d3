"""How Azure says no."""

from dataclasses import dataclass

from localcluster.azure.values import Document


@dataclass(frozen=True, slots=True)
class Made:
    """A resource as the engine is told of it."""

    identity: str
    outputs: Document
    inputs: Document


class AzureError(Exception):
    """An answer of Azure's interface that is an error, written as azure-native writes it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f'Status={status} Code="{code}" Message="{message}"')
        self.status = status
        self.code = code


class HalfwayError(Exception):
    """Something was made and is not as asked: the engine keeps it, and the next update tries again."""

    def __init__(self, identity: str, reason: str) -> None:
        super().__init__(reason)
        self.identity = identity
        self.made = Made(identity, {}, {})  # the resource as it is, complete when this is raised
