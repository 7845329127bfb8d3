"""A plan as YAML: what an environment would be, without any cluster to ask."""

import yaml

from components.model.plan import Plan


def render(plan: Plan) -> str:
    """Every object, as `kubectl` reads them. Secret values are placeholders such as `<sqlPassword>`.

    Helm releases are named in a comment each: only Helm can say what their charts hold.
    """
    comments = [
        f"# Helm release {release.namespace}/{release.name}: Istio's chart {release.chart}"
        for release in (plan.mesh.releases if plan.mesh else ())
    ]
    body = yaml.safe_dump_all(plan.documents(), sort_keys=False, explicit_start=True, width=110)
    return "\n".join([*comments, body])
