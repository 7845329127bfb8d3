"""Images by digest: `make pin ENV=prod` asks registries what tags stand for and writes it down."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from oras.provider import Registry  # type: ignore[import-untyped]
from requests import RequestException
from rich import box
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from components.model import naming, stackfile
from components.model.checks import plan_for
from components.model.explain import PROJECT
from components.model.manifests import Json
from components.model.settings import Settings
from ops.errors import UserError
from ops.paths import CHECKOUT

KEY = f"{PROJECT}:pins"
SECONDS = 20.0
# An index of several platforms has a digest of its own, which suits any node.
KINDS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
# docker.io is a name for people, not the address of a registry.
ADDRESSES = {"docker.io": "registry-1.docker.io"}


def pin(environment: str) -> None:
    """Note the digest of every image of an environment in its stack file.

    Raises:
        UserError: a registry does not answer, or has no such image; nothing is written.
    """
    file = stackfile.path_of(environment, CHECKOUT)
    settings = stackfile.load(file)
    if settings.images == "standin":
        raise UserError(f"{environment}: its images are made on this machine; there is no registry to ask")
    found = resolve(images(settings))
    write(file, found)
    table = Table(title=f"{len(found)} images pinned in {file.name}", box=box.SIMPLE_HEAD)
    for heading in ("image", "digest", ""):
        table.add_column(heading, overflow="fold")
    for image, digest in found.items():
        news = "" if settings.pins.get(image) == digest else "changed" if image in settings.pins else "new"
        table.add_row(image, digest[:19], news)
    Console(highlight=False).print(table)


def images(settings: Settings) -> tuple[str, ...]:
    """The images the pods of an environment name by tag alone, the pinned ones by their tags too."""
    loose = settings.model_copy(update={"pins": {}})
    plan = plan_for(loose, naming.owner(PROJECT, "pin"))
    found = {image for one in plan.objects() for image in _images(dict(one.body))}
    return tuple(sorted(image for image in found if "@" not in image))


def _images(value: Json) -> Iterable[str]:
    if isinstance(value, dict):
        for key in ("containers", "initContainers"):
            for container in _list(value.get(key)):
                if isinstance(container, dict) and isinstance(container.get("image"), str):
                    yield str(container["image"])
        for item in value.values():
            yield from _images(item)
    for item in _list(value):
        yield from _images(item)


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def resolve(names: Iterable[str], *, insecure: bool = False) -> dict[str, str]:
    """What each tag stands for now. `insecure`: registries answer by plain HTTP.

    Raises:
        UserError: with every image that has no digest.
    """
    found: dict[str, str] = {}
    wrong: list[str] = []
    for name in names:
        try:
            found[name] = _digest(name, insecure=insecure)
        except (RequestException, ValueError) as error:
            wrong.append(f"{name}: {_reason(error)}")
    if wrong:
        raise UserError(*wrong, "nothing was written")
    return found


def _digest(name: str, *, insecure: bool) -> str:
    host, _, rest = name.partition("/")
    registry = Registry(hostname=ADDRESSES.get(host, host), insecure=insecure)
    container = registry.get_container(f"{ADDRESSES.get(host, host)}/{rest}")
    # The container's credentials, if docker has some; public registries give a token to anybody.
    registry.auth.load_configs(container)
    # A request is tried again for minutes; whether anybody is there shows at once.
    registry.session.get(f"{registry.prefix}://{container.registry}/v2/", timeout=SECONDS)
    url = f"{registry.prefix}://{container.manifest_url()}"
    answer = registry.do_request(url, "HEAD", headers={"Accept": ", ".join(KINDS)})
    if answer.status_code != 200:
        raise ValueError(f"the registry answers {answer.status_code} {answer.reason}")
    return str(answer.headers["Docker-Content-Digest"])


def _reason(error: Exception) -> str:
    if isinstance(error, RequestException):
        return f"the registry does not answer ({type(error).__name__})"
    return str(error)


def write(file: Path, found: Mapping[str, str]) -> None:
    """Note the digests; comments and order of the file stay."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = sys.maxsize
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(file.read_text(encoding="utf-8"))
    content["config"][KEY] = dict(sorted(found.items()))
    scratch = file.with_name(f".{file.name}.pin")
    with scratch.open("w", encoding="utf-8") as opened:
        yaml.dump(content, opened)
    scratch.replace(file)
