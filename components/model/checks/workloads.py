"""Rules over the pods of a plan: what they may do, what they run, and that none is taken for another's."""

import json
import re
from collections.abc import Iterator

from components.model.catalogue import CATALOGUE, Secret
from components.model.checks.capacity import moves
from components.model.checks.reading import (
    as_map,
    broken,
    containers,
    maps,
    pod_labels,
    running,
    spec,
    template,
)
from components.model.checks.registry import plan_check
from components.model.findings import Finding
from components.model.manifests import Document, Manifest
from components.model.plan import Plan, WorkloadPlan

PLACEHOLDER = re.compile(rf"\{{({'|'.join(Secret)})\}}")
PASSWORD_LINE = re.compile(r"^\s*\S*(pass|password|pwd)\s*[=:]\s*\S", re.IGNORECASE | re.MULTILINE)
PASSWORD_NAME = re.compile(r"(password|pwd)$", re.IGNORECASE)
LEAST_USER, PROXY_USER = 10_000, 1337
SCALERS = {"HorizontalPodAutoscaler", "ScaledObject"}


@plan_check(
    "hardened",
    "A pod that may do more than it must",
    reason=(
        "What breaks into a service gets what its pod has: no root, no capability, no token, no file it can "
        "change, no user anybody else has, and a bound to the memory it can take."
    ),
    source="https://kubernetes.io/docs/concepts/security/pod-security-standards/",
)
def hardened(plan: Plan) -> Iterator[Finding]:
    for workload in running(plan):
        for text in (*_pod_is_soft(workload), *_containers_are_soft(workload)):
            yield broken("hardened", workload, text)


def _pod_is_soft(workload: Manifest) -> Iterator[str]:
    pod = as_map(template(workload).get("spec"))
    security = as_map(pod.get("securityContext"))
    user = security.get("runAsUser")
    if pod.get("serviceAccountName") != pod_labels(workload).get("app"):
        yield f"runs as {pod.get('serviceAccountName')} and has no service account of its own"
    if pod.get("automountServiceAccountToken") is not False:
        yield "is given a token for the cluster"
    if security.get("runAsNonRoot") is not True:
        yield "may run as root"
    if not isinstance(user, int) or user < LEAST_USER or user == PROXY_USER:
        yield f"runs as user {user}, which may be somebody else's or the sidecar's"
    if as_map(security.get("seccompProfile")).get("type") != "RuntimeDefault":
        yield "may make every system call"


def _containers_are_soft(workload: Manifest) -> Iterator[str]:
    service = CATALOGUE.get(str(pod_labels(workload).get("app")))
    writes = service is not None and bool(service.writes_anywhere)
    for container in containers(workload):
        name, security = container.get("name"), as_map(container.get("securityContext"))
        resources = as_map(container.get("resources"))
        if security.get("allowPrivilegeEscalation") is not False:
            yield f"container {name} may gain privileges"
        if as_map(security.get("capabilities")).get("drop") != ["ALL"]:
            yield f"container {name} keeps capabilities"
        if security.get("readOnlyRootFilesystem") is not True and not writes:
            yield f"container {name} may change its own files, and the catalogue does not say why"
        if not {"cpu", "memory"} <= as_map(resources.get("requests")).keys():
            yield f"container {name} asks for nothing"
        if "memory" not in as_map(resources.get("limits")):
            yield f"container {name} may take all memory of its node"


@plan_check(
    "image-latest",
    "An image that may change under its name",
    reason="Two pods of one version could run different programs.",
    source="https://kubernetes.io/docs/concepts/containers/images/",
)
def image_latest(plan: Plan) -> Iterator[Finding]:
    for workload in running(plan):
        for container in containers(workload):
            image = str(container.get("image", ""))
            if moves(image):
                yield broken(
                    "image-latest", workload, f"runs {image}, which has neither a digest nor a tag of its own"
                )


@plan_check(
    "no-secrets",
    "A secret in something that is none",
    reason="Whoever may read a Deployment, a ConfigMap or this plan would read the password.",
    source="https://kubernetes.io/docs/concepts/configuration/secret/",
)
def no_secrets(plan: Plan) -> Iterator[Finding]:
    for manifest in plan.objects():
        if found := PLACEHOLDER.search(json.dumps(manifest.body)):
            yield broken("no-secrets", manifest, f"would hold {found[1]}, which belongs into a Secret")
        if manifest.kind == "ConfigMap":
            for key, text in as_map(manifest.body.get("data")).items():
                if PASSWORD_NAME.search(key) or PASSWORD_LINE.search(str(text)):
                    yield broken(
                        "no-secrets", manifest, f"{key} states a password, which belongs into a Secret"
                    )
    for workload in running(plan):
        for container in containers(workload):
            for variable in maps(container.get("env")):
                name = str(variable.get("name"))
                if "value" in variable and PASSWORD_NAME.search(name):
                    yield broken(
                        "no-secrets", workload, f"{name} is a literal; valid: a reference to a Secret"
                    )


@plan_check(
    "singleton-worker",
    "What must never run twice could",
    reason="Two timeservices would announce each day twice; two servers would write to one volume.",
    source="components/model/catalogue.py",
)
def singleton_worker(plan: Plan) -> Iterator[Finding]:
    for load in plan.workloads:
        names = [workload.name for workload in load.workloads]
        if not load.service.singleton and load.service.name not in names:
            continue
        if len(names) > 1:
            yield broken("singleton-worker", load.workloads[1], f"runs beside {names[0]}")
        for text in _could_run_twice(load):
            yield broken("singleton-worker", load.workloads[0], text)


def _could_run_twice(load: WorkloadPlan) -> Iterator[str]:
    workload = load.workloads[0]
    replicas = spec(workload).get("replicas")
    if replicas != 1:
        yield f"has {replicas} replicas"
    if workload.kind != "StatefulSet" and as_map(spec(workload).get("strategy")).get("type") != "Recreate":
        yield "starts the new pod before the old one has ended"
    for beside in load.beside:
        if beside.kind in SCALERS:
            yield f"is scaled by {beside.kind} {beside.name}"


@plan_check(
    "selector-adopts",
    "A workload that takes another's pods for its own",
    reason="Two workloads with the same pods start and end them in turns, for ever.",
    source="https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#selector",
)
def selector_adopts(plan: Plan) -> Iterator[Finding]:
    for load in plan.workloads:
        for workload in load.workloads:
            selector = as_map(as_map(spec(workload).get("selector")).get("matchLabels"))
            if not _selects(selector, workload) or selector.get("app") != load.service.name:
                yield broken(
                    "selector-adopts", workload, f"selects {dict(selector)}, which are not its own pods"
                )
            for other in load.workloads:
                if other is not workload and _selects(selector, other):
                    yield broken(
                        "selector-adopts", workload, f"selects {dict(selector)}: pods of {other.name} too"
                    )


def _selects(selector: Document, workload: Manifest) -> bool:
    return selector.items() <= pod_labels(workload).items()
