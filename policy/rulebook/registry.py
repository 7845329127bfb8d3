"""What a rule is, what it is told, and what it judges."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from .reading import Document, at, labelled, text

Kind = Literal["prod", "dev"]
# A version between a package's module and the type: azure-native:keyvault/v20230701:Vault.
VERSION = re.compile(r"/v\d+(?:alpha\d+|beta\d+)?(?:\d*preview)?$")


class Level(StrEnum):
    """What a violation does; the words are Pulumi's own."""

    MANDATORY = "mandatory"  # stops the preview
    ADVISORY = "advisory"  # is told
    DISABLED = "disabled"


class Severity(StrEnum):
    """How bad what a rule finds can become; the words are Pulumi's own."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a rule's configuration. `dev` is the default where things are only tried out."""

    name: str
    type: TypeAdapter[Any]  # reads values, and makes the schema
    prod: object
    dev: object
    about: str

    def default(self, kind: Kind) -> object:
        """What holds where the configuration says nothing."""
        return self.prod if kind == "prod" else self.dev

    def read(self, value: object) -> object:
        """A value of the configuration.

        Raises:
            ValueError: it is not one.
        """
        return self.type.validate_python(value)

    def schema(self) -> dict[str, object]:
        """JSON schema, without a default: which one it is depends on the kind of environment."""
        return {**self.type.json_schema(), "description": self.about}


COUNT = TypeAdapter(Annotated[int, Field(ge=1)])
FLAG = TypeAdapter(bool)
TEXT = TypeAdapter(str)
TEXTS = TypeAdapter(tuple[str, ...])


def setting(name: str, about: str, type_: TypeAdapter[Any], prod: object, dev: object = None) -> Setting:
    """A key with one default, or two."""
    return Setting(name, type_, prod, prod if dev is None else dev, about)


@dataclass(frozen=True)
class Told:
    """What a rule is told besides what it judges."""

    kind: Kind
    today: date
    values: Mapping[str, object] = field(default_factory=dict)

    def number(self, name: str) -> float:
        """A setting that is a number."""
        value = self.values[name]
        return float(value) if isinstance(value, int | float) else 0

    def flag(self, name: str) -> bool:
        """A setting that is true or false."""
        return self.values[name] is True

    def text(self, name: str) -> str:
        """A setting that is a text."""
        return str(self.values[name])

    def texts(self, name: str) -> tuple[str, ...]:
        """A setting that is a list of texts."""
        value = self.values[name]
        return tuple(str(one) for one in value) if isinstance(value, list | tuple) else ()


@dataclass(frozen=True, eq=False)
class Resource:
    """One registered resource, by its inputs."""

    type: str
    name: str
    urn: str
    inputs: Document
    protect: bool = False
    parent: str = ""
    after: frozenset[str] = frozenset()  # URNs of what it depends on

    @cached_property
    def kind(self) -> str:
        """The type without versions: kubernetes:apps:Deployment, azure-native:keyvault:Vault."""
        package, _, rest = self.type.partition(":")
        module, _, name = rest.rpartition(":")
        return f"{package}:{VERSION.sub('', module)}:{name}"

    @property
    def object_name(self) -> str:
        """What a Kubernetes object is called; its logical name where Pulumi chooses."""
        return text(self.inputs, "metadata", "name") or self.name

    @property
    def namespace(self) -> str:
        """Where a Kubernetes object is."""
        return text(self.inputs, "metadata", "namespace") or "default"

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of a Kubernetes object."""
        return labelled(self.inputs, "metadata", "labels")

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations of a Kubernetes object."""
        return labelled(self.inputs, "metadata", "annotations")

    def get(self, *keys: str) -> object:
        """What its inputs have at a path."""
        return at(self.inputs, *keys)

    def wrong(self, path: str, message: str) -> "Violation":
        """Something of it that must not be."""
        return Violation(self, path, message)


@dataclass(frozen=True, slots=True)
class Violation:
    """What a rule finds: of which resource (None: of the stack), at which path of its inputs, and what."""

    resource: Resource | None
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True, eq=False)
class Stack:
    """Everything a program registers."""

    resources: tuple[Resource, ...]

    @cached_property
    def _by_kind(self) -> Mapping[str, tuple[Resource, ...]]:
        found: dict[str, list[Resource]] = {}
        for one in self.resources:
            found.setdefault(one.kind, []).append(one)
        return {kind: tuple(ones) for kind, ones in found.items()}

    def of(self, *kinds: str) -> Iterator[Resource]:
        """The resources of some kinds."""
        for kind in kinds:
            yield from self._by_kind.get(kind, ())


Subject_contra = TypeVar("Subject_contra", Resource, Stack, contravariant=True)
Subject = TypeVar("Subject", Resource, Stack)
Judge = Callable[[Subject_contra, Told], Iterable[Violation]]


@dataclass(frozen=True, slots=True)
class Rule(Generic[Subject_contra]):
    """One rule, with all that is said about it. `kinds` are the types it looks at."""

    code: str
    title: str
    severity: Severity
    kinds: tuple[str, ...]
    remedy: str  # what to do, with an example
    source: str
    settings: tuple[Setting, ...]
    judge: Judge[Subject_contra]
    whole: bool = False  # it judges a stack, and not one resource
    level: Level = Level.MANDATORY

    def told(self, values: Document, kind: Kind, today: date) -> Told:
        """The rule's configuration, read and filled up with defaults.

        Raises:
            ValueError: a key is not one of the rule's, or its value is not valid; says what would be.
        """
        known: dict[str, Setting] = {one.name: one for one in self.settings}
        if unknown := sorted(set(values) - set(known)):
            valid = ", ".join(sorted({*known, "enforcementLevel"}))
            raise ValueError(f"{self.code}.{unknown[0]}: no such key; valid: {valid}")
        read = {name: one.default(kind) for name, one in known.items()}
        for name, value in values.items():
            try:
                read[name] = known[name].read(value)
            except ValidationError as error:
                problem, example = error.errors()[0]["msg"], known[name].default(kind)
                raise ValueError(
                    f"{self.code}.{name} = {value!r}: {problem}; valid, e.g.: {example!r}"
                ) from None
        return Told(kind, today, read)


RESOURCE_RULES: list[Rule[Resource]] = []
STACK_RULES: list[Rule[Stack]] = []


@dataclass(frozen=True)
class Registrar(Generic[Subject]):
    """A decorator that adds rules to a list; `whole` ones judge a stack."""

    rules: list[Rule[Subject]]
    whole: bool = False

    def __call__(
        self,
        code: str,
        title: str,
        severity: Severity,
        *kinds: str,
        remedy: str,
        source: str,
        settings: tuple[Setting, ...] = (),
    ) -> Callable[[Judge[Subject]], Judge[Subject]]:
        def register(judge: Judge[Subject]) -> Judge[Subject]:
            self.rules.append(
                Rule(code, title, severity, kinds, remedy, source, settings, judge, whole=self.whole)
            )
            return judge

        return register


resource_rule = Registrar(RESOURCE_RULES)
stack_rule = Registrar(STACK_RULES, whole=True)
