"""Register what a stack file asks for, without a cluster: Azure's half in a rehearsal, objects as files.

Secrets and Helm releases are left out: both would need a cluster.
"""

import os
from pathlib import Path

import pulumi

from components.azure import azure_provider, register_azure
from components.model import stackfile
from components.model.checks import plan_for
from components.model.findings import RefusedError
from components.model.outputs import Place
from components.model.plan import Plan
from components.registering import PROVIDER_VERSION, Known, register


def azure(plan: Plan) -> Known:
    """The Azure half, and what the objects name of it."""
    if plan.azure is None:
        return {}
    secret = pulumi.Output.secret("nothing real, and long enough")
    values = {Place("secret", name): secret for name in plan.secrets_needed()}
    return register_azure(plan.azure, azure_provider(plan.azure), plan.places(), values).known


def main() -> None:
    file = Path(os.environ["REVIEW_STACK_FILE"])
    plan = plan_for(stackfile.load(file), "pitstop.review")
    known = azure(plan)
    rendered = {"renderYamlToDirectory": os.environ["REVIEW_FOLDER"]}
    opts = pulumi.ResourceOptions(version=PROVIDER_VERSION)
    opts = pulumi.ResourceOptions(provider=pulumi.ProviderResource("kubernetes", "cluster", rendered, opts))
    for manifest in plan.objects():
        protected = pulumi.ResourceOptions(protect=manifest.kind == os.environ.get("REVIEW_PROTECT"))
        register(manifest, pulumi.ResourceOptions.merge(opts, protected), known)


try:
    main()
except RefusedError as refused:
    for line in refused.lines[:-1]:
        pulumi.log.error(line)
    raise pulumi.RunError(refused.lines[-1]) from None
