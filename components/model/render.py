"""A plan as YAML: what an environment would be, without any cluster to ask."""

import re
from collections.abc import Iterable

import yaml

from components.model.manifests import Document
from components.model.plan import Plan

# Words that kubectl's YAML takes for truths and the writer's does not: `ACCEPT_EULA: Y` would arrive as true.
TRUTHS = re.compile(r"[yYnN]")


class Dumper(yaml.SafeDumper):
    """Writes YAML that means the same to every reader."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "'" if TRUTHS.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


Dumper.add_representer(str, _text)


def dump(documents: Iterable[Document]) -> str:
    """Objects as `kubectl` reads them."""
    return yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, explicit_start=True, width=110)


def render(plan: Plan) -> str:
    """Every object, as `kubectl` reads them. Secret values are placeholders such as `<sqlPassword>`.

    Helm releases are named in a comment each: only Helm can say what their charts hold.
    """
    comments = [
        f"# Helm release {release.namespace}/{release.name}: Istio's chart {release.chart}"
        for release in (plan.mesh.releases if plan.mesh else ())
    ]
    return "\n".join([*comments, dump(plan.documents())])
