"""Rules over one Kubernetes object that runs pods, or that is there for them."""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import TypeAdapter

from .kinds import CONFIG_MAP, DEPLOYMENT, NAMESPACE, PODS, REPLICATED, SERVICE, never_two, pods_of
from .reading import Document, at, false, items, labelled, mapping, number, numbered, text, texts, true
from .registry import COUNT, FLAG, TEXT, TEXTS, Resource, Severity, Told, Violation, resource_rule, setting

STANDARDS = "https://kubernetes.io/docs/concepts/security/pod-security-standards"
ISTIO = "https://istio.io/latest/docs"
LEVEL = TypeAdapter(Literal["restricted", "baseline"])
PREFIX = "pod-security.kubernetes.io"
SIDECAR_USER = 1337  # the proxy's own: its traffic goes around the proxy
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
WITH_TAG = re.compile(r":[^:/@]+(@|$)")
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
DEFAULT_NAMES = r"(?i)(password|passwd|secret|token|api_?key|private_?key)"
REFERENCE = re.compile(r"\$\([A-Za-z0-9_.-]+\)")  # another variable's value, which may come from a Secret
# A password inside an address or a connection string, whatever the variable is called.
IN_VALUE = re.compile(
    r"(?i)(?:password|pwd)=[^;\s]+|://[^/\s:@]*:[^/\s@]+@|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
MESH_PORTS = re.compile(r"^(http|http2|https|grpc|grpc-web|tcp|tls|mongo|mysql|redis|udp)(-|$)")


@resource_rule(
    "W1",
    "A namespace admits only pods of a Pod Security level",
    Severity.HIGH,
    NAMESPACE,
    remedy=f"Labels {PREFIX}/enforce: restricted and {PREFIX}/enforce-version: v1.36 (pinned: `latest` "
    "changes with "
    "the cluster). Where sidecars are set up by an init container, enforce: privileged, with warn and audit: "
    "restricted, and initContainers: true in the pack's configuration.",
    source=f"{STANDARDS}/",
    settings=(
        setting("level", "the level that is enforced", LEVEL, "restricted"),
        setting("initContainers", "sidecars are set up by init containers", FLAG, prod=False),
    ),
)
def pod_security(resource: Resource, told: Told) -> Iterator[Violation]:
    found, level = resource.labels, told.text("level")
    enforced = found.get(f"{PREFIX}/enforce", "")
    loose = told.flag("initContainers") and enforced == "privileged"
    if not loose and enforced != level:
        yield resource.wrong(f"metadata.labels.{PREFIX}/enforce", f"{enforced or 'none'}; valid: {level}")
    for mode in ("warn", "audit") if loose else ():
        if found.get(f"{PREFIX}/{mode}") != level:
            yield resource.wrong(
                f"metadata.labels.{PREFIX}/{mode}", f"not {level}, where nothing is enforced"
            )
    if enforced and found.get(f"{PREFIX}/enforce-version", "latest") == "latest":
        yield resource.wrong(f"metadata.labels.{PREFIX}/enforce-version", "not pinned; e.g. v1.36")


@resource_rule(
    "W2",
    "Pods have no more rights than their work needs",
    Severity.HIGH,
    *PODS,
    remedy="securityContext of the pod: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: "
    "RuntimeDefault}}; of each container: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, "
    "capabilities: {drop: [ALL]}}, with an emptyDir where it writes.",
    source=f"{STANDARDS}/#restricted",
    settings=(setting("minimumUser", "the lowest user id of a pod", COUNT, 10000),),
)
def rights(resource: Resource, told: Told) -> Iterator[Violation]:
    pods = pods_of(resource)
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if true(pods.spec, key):
            yield resource.wrong(f"{pods.path}.{key}", "true")
    for number_, volume in enumerate(items(pods.spec, "volumes")):
        if "hostPath" in volume:
            yield resource.wrong(f"{pods.path}.volumes[{number_}].hostPath", "a folder of the node")
    shared = mapping(pods.spec, "securityContext")
    for path, container in pods.containers():
        # A container's own word goes before its pod's.
        context = {**shared, **mapping(container, "securityContext")}
        for key, message in _too_many(context, told.number("minimumUser")):
            yield resource.wrong(f"{path}.securityContext.{key}", message)


def _too_many(context: Document, minimum: float) -> Iterator[tuple[str, str]]:
    if not true(context, "runAsNonRoot"):
        yield "runAsNonRoot", "not true"
    user = number(context, "runAsUser")
    if user is None or user < minimum:
        yield "runAsUser", f"{'none' if user is None else f'{user:.0f}'}; at least {minimum:.0f}"
    if user == SIDECAR_USER:
        yield "runAsUser", f"{SIDECAR_USER} is the sidecar's own"
    if text(context, "seccompProfile", "type") not in {"RuntimeDefault", "Localhost"}:
        yield "seccompProfile.type", "neither RuntimeDefault nor Localhost"
    if not false(context, "allowPrivilegeEscalation"):
        yield "allowPrivilegeEscalation", "not false"
    if true(context, "privileged"):
        yield "privileged", "true"
    if not true(context, "readOnlyRootFilesystem"):
        yield "readOnlyRootFilesystem", "not true"
    if "ALL" not in texts(context, "capabilities", "drop"):
        yield "capabilities.drop", "without ALL"
    if extra := sorted(set(texts(context, "capabilities", "add")) - {"NET_BIND_SERVICE"}):
        yield "capabilities.add", ", ".join(extra)


@resource_rule(
    "W3",
    "Images are of one version, from where images may come",
    Severity.HIGH,
    *PODS,
    remedy="A tag that does not move, e.g. pitstop.azurecr.io/webapp:2.0; never latest, and never none. The "
    'registries are the pack\'s configuration: {"W3": {"registries": ["pitstop.azurecr.io"]}}.',
    source="https://kubernetes.io/docs/concepts/containers/images/#image-names",
    settings=(
        setting(
            "registries",
            "what the name of an image may begin with; empty: anything",
            TEXTS,
            (),
        ),
    ),
)
def images(resource: Resource, told: Told) -> Iterator[Violation]:
    registries = told.texts("registries")
    for path, container in pods_of(resource).containers():
        image = text(container, "image")
        bare = image.partition("@")[0]
        if ":latest" in bare or not (WITH_TAG.search(image) or DIGEST.search(image)):
            yield resource.wrong(f"{path}.image", f"{image}: no fixed version")
        if registries and not image.startswith(tuple(f"{one.rstrip('/')}/" for one in registries)):
            yield resource.wrong(f"{path}.image", f"{image}: not from {' or '.join(registries)}")


@resource_rule(
    "S2",
    "Images are what was built, by digest",
    Severity.HIGH,
    *PODS,
    remedy="Name the content and not only its tag: pitstop.azurecr.io/webapp:2.0@sha256:<64 hexadecimal "
    "digits>, "
    "e.g. from `crane digest`.",
    source="https://slsa.dev/spec/v1.0/verifying-artifacts",
    settings=(setting("digests", "digests are wanted", FLAG, prod=True, dev=False),),
)
def digests(resource: Resource, told: Told) -> Iterator[Violation]:
    for path, container in pods_of(resource).containers() if told.flag("digests") else ():
        if not DIGEST.search(text(container, "image")):
            yield resource.wrong(f"{path}.image", f"{text(container, 'image')}: without a digest")


@resource_rule(
    "W4",
    "A pod says what it needs, and how much at most",
    Severity.MEDIUM,
    *PODS,
    remedy="resources: {requests: {cpu: 100m, memory: 128Mi, ephemeral-storage: 64Mi}, limits: {memory: "
    "256Mi, "
    "ephemeral-storage: 128Mi}}.",
    source="https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/",
    settings=(
        setting(
            "requests",
            "resources that are asked for",
            TEXTS,
            ("cpu", "memory", "ephemeral-storage"),
        ),
        setting("limits", "resources that are limited", TEXTS, ("memory", "ephemeral-storage")),
    ),
)
def resources(resource: Resource, told: Told) -> Iterator[Violation]:
    for path, container in pods_of(resource).containers():
        for group in ("requests", "limits"):
            stated = mapping(container, "resources", group)
            for missing in (name for name in told.texts(group) if at(stated, name) is None):
                yield resource.wrong(f"{path}.resources.{group}.{missing}", "not stated")


@resource_rule(
    "W5",
    "Probes tell something",
    Severity.MEDIUM,
    *REPLICATED,
    "kubernetes:apps:DaemonSet",
    remedy="A container with a port has a startupProbe, a readinessProbe and a livenessProbe, the last two "
    "not the "
    "same question: readiness by httpGet /hc, liveness by tcpSocket. One without a port is asked by exec, "
    "or not.",
    source="https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/",
    settings=(
        setting(
            "sameAllowed",
            "containers of which readiness and liveness may be the same question, with a health path that "
            "asks "
            "for nothing else",
            TEXTS,
            (),
        ),
        setting("probes", "probes of a container with a port", TEXTS, PROBES),
    ),
)
def probes(resource: Resource, told: Told) -> Iterator[Violation]:
    for path, container in pods_of(resource).main():
        if not items(container, "ports"):
            for name in PROBES:
                for way in sorted({"httpGet", "tcpSocket", "grpc"} & set(mapping(container, name))):
                    yield resource.wrong(f"{path}.{name}.{way}", "the container has no port")
            continue
        for missing in (name for name in told.texts("probes") if not mapping(container, name)):
            yield resource.wrong(f"{path}.{missing}", "none")
        ready, alive = (_question(mapping(container, name)) for name in ("readinessProbe", "livenessProbe"))
        # An open port is all some servers can tell.
        same = ready and ready == alive and "tcpSocket" not in ready
        if same and text(container, "name") not in told.texts("sameAllowed"):
            yield resource.wrong(
                f"{path}.livenessProbe", "asks what readiness asks: pods restart when they should only wait"
            )


def _question(probe: Document) -> Mapping[str, object]:
    """What a probe asks, without how often."""
    return {key: probe[key] for key in ("httpGet", "tcpSocket", "exec", "grpc") if key in probe}


@resource_rule(
    "W7",
    "A pod has an identity of its own, and no token it does not use",
    Severity.HIGH,
    *PODS,
    remedy="serviceAccountName: webapp (a ServiceAccount of that name), automountServiceAccountToken: false.",
    source="https://kubernetes.io/docs/concepts/security/service-accounts/",
)
def account(resource: Resource, _: Told) -> Iterator[Violation]:
    pods = pods_of(resource)
    if pods.account == "default":
        yield resource.wrong(f"{pods.path}.serviceAccountName", "default: everybody's in the namespace")
    if not false(pods.spec, "automountServiceAccountToken"):
        yield resource.wrong(f"{pods.path}.automountServiceAccountToken", "not false")


@resource_rule(
    "W10",
    "Nobody's request is cut off by an update",
    Severity.MEDIUM,
    DEPLOYMENT,
    remedy="terminationGracePeriodSeconds: 30; for a container with a port lifecycle: {preStop: {sleep: "
    "{seconds: "
    "5}}} while callers learn that it goes; strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: "
    "0, "
    "maxSurge: 1}}. With strategy Recreate there is nothing to drain to, and nothing is asked.",
    source="https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination",
    settings=(setting("minimumSeconds", "the shortest grace period of what has a port", COUNT, 10),),
)
def ending(resource: Resource, told: Told) -> Iterator[Violation]:
    pods = pods_of(resource)
    serving = [(path, one) for path, one in pods.main() if items(one, "ports")]
    grace = number(pods.spec, "terminationGracePeriodSeconds")
    # What answers nobody may end as fast as it likes, and says so.
    least = told.number("minimumSeconds") if serving else 0
    if grace is None or grace < least:
        said = "not set" if grace is None else f"{grace:g}"
        yield resource.wrong(f"{pods.path}.terminationGracePeriodSeconds", f"{said}; at least {least:g}")
    if never_two(resource) or not serving:
        return
    if (away := at(resource.inputs, "spec", "strategy", "rollingUpdate", "maxUnavailable")) not in {
        0,
        "0",
        "0%",
    }:
        yield resource.wrong(
            "spec.strategy.rollingUpdate.maxUnavailable", f"{'25 %' if away is None else away}; valid: 0"
        )
    for path, container in serving:
        if not mapping(container, "lifecycle", "preStop"):
            yield resource.wrong(
                f"{path}.lifecycle.preStop", "none: the pod ends while it still gets requests"
            )


@resource_rule(
    "W11",
    "No secret value in the open",
    Severity.CRITICAL,
    *PODS,
    CONFIG_MAP,
    remedy="A Secret (or a vault's), and in the container valueFrom: {secretKeyRef: {name: webapp, key: "
    "password}}.",
    source="https://kubernetes.io/docs/concepts/security/secrets-good-practices/",
    settings=(
        setting("names", "a regular expression for names of what is secret", TEXT, DEFAULT_NAMES),
        setting("open", "names that look like a secret and are none", TEXTS, ()),
    ),
)
def secrets(resource: Resource, told: Told) -> Iterator[Violation]:
    names, known = re.compile(told.text("names")), set(told.texts("open"))
    for path, name, value in _literals(resource):
        literal = REFERENCE.sub("", value)
        # A text of several words is a sentence and no password.
        named = names.search(name) and literal and " " not in literal
        if name not in known and (named or IN_VALUE.search(literal)):
            yield resource.wrong(
                path, f"{name} looks like a secret and is a literal"
            )  # whose value nobody is told


def _literals(resource: Resource) -> Iterator[tuple[str, str, str]]:
    if resource.kind == CONFIG_MAP:
        for name, value in labelled(resource.inputs, "data").items():
            yield f"data.{name}", name, value
        return
    for path, container in pods_of(resource).containers():
        for where, one in numbered(items(container, "env"), f"{path}.env"):
            if "value" in one:
                yield f"{where}.value", text(one, "name"), text(one, "value")


@resource_rule(
    "M13",
    "A port says which protocol it speaks",
    Severity.HIGH,
    SERVICE,
    remedy="appProtocol: http (or a name that begins with it, http-admin): a port the mesh takes for plain "
    "TCP has "
    "no routes, and weights silently do not apply.",
    source=f"{ISTIO}/ops/configuration/traffic-management/protocol-selection/",
)
def protocols(resource: Resource, _: Told) -> Iterator[Violation]:
    for path, port in numbered(items(resource.inputs, "spec", "ports"), "spec.ports"):
        if not text(port, "appProtocol") and not MESH_PORTS.match(text(port, "name")):
            name = text(port, "name") or "without a name"
            yield resource.wrong(path, f"{name}: neither appProtocol nor a name that begins with a protocol")
