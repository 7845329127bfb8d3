"""What an image is, in the form the assembler reads. Pure data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Architecture = Literal["amd64", "arm64"]
REGISTRY = "pitstop.local"  # of every image; it names them and is never asked


class Part(BaseModel):
    """Shared behaviour of everything in an order."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, serialize_by_alias=True)


class Entry(Part):
    """One path in an image: a file or a whole tree of this machine, a text, a link, or (none) a folder.

    A tree keeps the modes and links it has; `mode` is not for it.
    """

    path: str = Field(pattern=r"^/")
    mode: int = 0o755
    source: Path | None = None
    tree: Path | None = None
    text: str | None = None
    link: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(content is not None for content in (self.source, self.tree, self.text, self.link)) > 1:
            raise ValueError(f"{self.path} is given as more than one of source, tree, text and link")
        return self


class Layer(Part):
    """Files of one layer, and the programs among them whose shared libraries come from `root`.

    With a root, the programs inside trees get theirs without being named.
    """

    entries: tuple[Entry, ...] = ()
    programs: tuple[Path, ...] = ()
    root: Path | None = None

    @model_validator(mode="after")
    def _trees_are_counted(self) -> Self:
        if self.root is None and any(entry.tree for entry in self.entries):
            raise ValueError("a layer with a tree needs the root whose list of packages stands for it")
        return self

    @property
    def sources(self) -> tuple[Path, ...]:
        """The files on this machine the layer is made of, libraries and trees not counted."""
        return tuple(entry.source for entry in self.entries if entry.source is not None)


class Image(Part):
    """One image: its name, its layers from the lowest up, and how it runs."""

    tag: str
    base: str = ""  # an image in a registry to lie on; empty: nothing
    layers: tuple[str, ...]
    entrypoint: tuple[str, ...]
    user: str
    env: Mapping[str, str] = Field(default_factory=dict)
    working_dir: str = Field(default="", alias="workingDir")
    ports: tuple[str, ...] = ()


class Order(Part):
    """Everything one archive holds; layers have names so that images can share them."""

    architecture: Architecture
    layers: Mapping[str, Layer]
    images: tuple[Image, ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        unknown = {name for image in self.images for name in image.layers} - set(self.layers)
        if unknown:
            raise ValueError(f"no such layers: {', '.join(sorted(unknown))}")
        if len({image.tag for image in self.images}) < len(self.images):
            raise ValueError("two images share a tag")
        return self

    @property
    def sources(self) -> tuple[Path, ...]:
        """The files on this machine the archive is made of, in a stable order.

        Libraries and trees are not counted: the lists of packages they come from stand for them.
        """
        return tuple(sorted({source for layer in self.layers.values() for source in layer.sources}))

    @property
    def trees(self) -> frozenset[Path]:
        """The file trees that libraries come from."""
        return frozenset(layer.root for layer in self.layers.values() if layer.root is not None)
