"""What a cluster would refuse, asked in process: schemas in which an unknown field is an error.

Kubernetes' objects are judged by Kubernetes' own schemas, Istio's by the CRDs of the charts that are
installed, and all of them by the rules for names and labels, which no schema has.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import jsonschema_rs
import pytest
import yaml

from components.model import versions
from components.model.manifests import Document
from localcluster.tools import charts
from ops.errors import UserError
from ops.progress import Progress
from tests.validate.csi import CSI
from tests.validate.keda import KEDA

PINNED = tuple(int(part) for part in versions.KUBERNETES.removeprefix("v").split(".")[:2])
# The minor release that is installed, and the next, to which clusters upgrade.
MINORS = tuple(f"{PINNED[0]}.{minor}" for minor in (PINNED[1], PINNED[1] + 1))
BASE = "https://kubernetes.io/api/"
DEFINITIONS = "_definitions.json"
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
DNS_SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9](?:-?[a-z0-9]){0,14}")
VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")


class Validator(Protocol):
    """As jsonschema_rs has it."""

    def iter_errors(self, instance: object) -> Iterator[Any]: ...


def problems(document: Document, minor: str = MINORS[0]) -> list[str]:
    """Everything that is wrong with an object, one line each; `minor` is Kubernetes' release, e.g. 1.36."""
    what = f"{document['kind']} {_name(document)}"
    found = [f"{_place(error.instance_path)}: {error.message}" for error in _validator(document, minor)]
    return [f"{what}: {text}" for text in (*found, *names(document))]


def _validator(document: Document, minor: str) -> Iterator[Any]:
    group, kind = str(document["apiVersion"]), str(document["kind"])
    if ".istio.io/" in group:
        return _istio(group, kind).iter_errors(document)
    if group.startswith("keda.sh/"):
        return _keda(kind).iter_errors(document)
    if group.startswith("secrets-store.csi.x-k8s.io/"):
        return _csi(kind).iter_errors(document)
    return _kubernetes(group, kind, minor).iter_errors(document)


def _name(document: Document) -> str:
    metadata = document.get("metadata")
    return str(metadata.get("name")) if isinstance(metadata, dict) else "?"


def _place(path: list[str | int]) -> str:
    return ".".join(str(part) for part in path) or "(the object)"


# --- Kubernetes ---------------------------------------------------------------------------------------


@cache
def _folder(minor: str) -> Path:
    return Path(str(files("kubernetes_validate"))) / "kubernetes-json-schema" / f"v{minor}.0-local-strict"


@cache
def _definitions(minor: str) -> jsonschema_rs.Registry:
    content = json.loads((_folder(minor) / DEFINITIONS).read_text())
    return jsonschema_rs.Registry([(f"{BASE}{DEFINITIONS}", content)])


@cache
def _kubernetes(group: str, kind: str, minor: str) -> Validator:
    # A schema's file is named after the first word of the group alone: apps/v1, rbac-v1.
    name = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", group)
    schema = json.loads((_folder(minor) / f"{kind.lower()}-{name}.json").read_text())
    return jsonschema_rs.Draft202012Validator(schema, registry=_definitions(minor))


# --- custom resources ---------------------------------------------------------------------------------


def crd_file() -> Path:
    """Istio's CRDs as its base chart installs them; skips where neither the cache nor a proxy has them."""
    try:
        return charts.ensure(Progress()) / "base" / "files" / "crd-all.gen.yaml"
    except UserError as error:
        pytest.skip(f"Istio's charts are not to be had: {error}")


@cache
def _crds() -> Mapping[tuple[str, str], dict[str, Any]]:
    found = {}
    for crd in yaml.load_all(crd_file().read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        spec = crd["spec"]
        for version in spec["versions"]:
            group = f"{spec['group']}/{version['name']}"
            found[group, spec["names"]["kind"]] = version["schema"]["openAPIV3Schema"]
    return found


@cache
def _istio(group: str, kind: str) -> Validator:
    return _custom(group, kind, _crds()[group, kind])


@cache
def _keda(kind: str) -> Validator:
    return _custom("keda.sh/v1alpha1", kind, KEDA[kind])


@cache
def _csi(kind: str) -> Validator:
    return _custom("secrets-store.csi.x-k8s.io/v1", kind, CSI[kind])


def _custom(group: str, kind: str, schema: dict[str, Any]) -> Validator:
    """A structural schema as JSON Schema; an unknown field, which a cluster would drop, is an error."""
    made = strict(schema)
    made["properties"] |= {
        "apiVersion": {"const": group},
        "kind": {"const": kind},
        "metadata": {"$ref": f"{BASE}{DEFINITIONS}#/$defs/{META}"},
    }
    made["required"] = ["apiVersion", "kind", "metadata", "spec"]
    return jsonschema_rs.Draft202012Validator(made, registry=_definitions(MINORS[0]))


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with every map closed that lists its keys. What combines schemas lists only some of them.

    Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
    """
    made = dict(schema)
    if "properties" in made:
        made["properties"] = {name: strict(value) for name, value in made["properties"].items()}
        if not made.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = strict(made["additionalProperties"])
    if "items" in made:
        made["items"] = strict(made["items"])
    if made.pop("nullable", False):
        return {"anyOf": [made, {"type": "null"}]}
    return made


# --- what no schema has -------------------------------------------------------------------------------


def names(document: Document) -> Iterator[str]:
    """Names, labels, variables and quantities the API server would refuse; selectors that miss their pods.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and .../labels/
    """
    kind = str(document["kind"])
    form = {"Service": SERVICE_NAME, "Namespace": DNS_LABEL}.get(kind, DNS_SUBDOMAIN)
    if not form.fullmatch(_name(document)):
        yield f"metadata.name: {_name(document)} is no name for a {kind}"
    yield from _walk(document, "")
    spec = document.get("spec")
    if kind in {"Deployment", "StatefulSet"} and isinstance(spec, dict):
        yield from _own_pods(spec)


def _own_pods(spec: dict[str, Any]) -> Iterator[str]:
    wanted = spec.get("selector", {}).get("matchLabels", {})
    has = spec.get("template", {}).get("metadata", {}).get("labels", {})
    if not wanted.items() <= has.items():
        yield f"spec.selector: {wanted} does not select the template's own pods"


def _walk(value: object, place: str) -> Iterator[str]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _walk(item, f"{place}[{number}]")
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        here = f"{place}.{key}".removeprefix(".")
        if key in {"labels", "matchLabels", "sourceLabels", "requests", "limits", "hard"}:
            check = _quantities if key in {"requests", "limits", "hard"} else _labels
            yield from (f"{here}: {text}" for text in check(inner))
        if key in {"ports", "env"} and isinstance(inner, list):
            yield from (f"{here}: {text}" for text in _named(key, inner))
        yield from _walk(inner, here)


def _labels(labels: object) -> Iterator[str]:
    for name, value in labels.items() if isinstance(labels, dict) else ():
        prefix, slash, rest = str(name).rpartition("/")
        if not LABEL_NAME.fullmatch(rest) or (slash and not DNS_SUBDOMAIN.fullmatch(prefix)):
            yield f"{name} is no label"
        if not LABEL_VALUE.fullmatch(str(value)):
            yield f"{value} is no value of a label"


def _quantities(amounts: object) -> Iterator[str]:
    for name, amount in amounts.items() if isinstance(amounts, dict) else ():
        if not QUANTITY.fullmatch(str(amount)):
            yield f"{amount} is no quantity of {name}"


def _named(key: str, items: list[Any]) -> Iterator[str]:
    given = [item["name"] for item in items if isinstance(item, dict) and "name" in item]
    form = VARIABLE if key == "env" else PORT_NAME
    for name in given:
        if not form.fullmatch(str(name)):
            yield f"{name} is no name"
        if given.count(name) > 1:
            yield f"{name} is there twice"
