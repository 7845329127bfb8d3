"""Rules over an environment's services: what one cannot be, or do without."""

import re
from collections.abc import Iterator

from components.model import plan as plans
from components.model.catalogue import CATALOGUE, SQL, Kind, Secret
from components.model.checks.registry import Asked, settings_check
from components.model.explain import key_path
from components.model.findings import Finding
from components.model.settings import ServiceSettings
from components.model.sql import server
from components.model.traffic import BlueGreen, OneOnly
from components.model.types import first_version


@settings_check(
    "need-missing",
    "A service without what it needs",
    reason="A service that does not start without another, or never recovers, would hang the update.",
    source="components/model/catalogue.py",
)
def need_missing(asked: Asked) -> Iterator[Finding]:
    services = asked.settings.services
    for name in sorted(services):
        for need in plans.hard_needs(CATALOGUE[name]):
            elsewhere = need.service == SQL.service and not server(asked.settings).inside
            if need.service not in services and not elsewhere:
                yield Finding(
                    "need-missing",
                    key_path(("services", need.service)),
                    f"required because {name} does not start without it, e.g. {need.service}: {{}}",
                )


@settings_check(
    "no-requests",
    "A traffic policy for a service without requests",
    reason="A worker takes events from a queue, which no mesh routes: the policy would do nothing.",
    source="https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/",
)
def no_requests(asked: Asked) -> Iterator[Finding]:
    for name, own in sorted(asked.settings.services.items()):
        if CATALOGUE[name].kind is not Kind.HTTP and own.traffic:
            kinds = ", ".join(policy.kind for policy in own.traffic)
            instead = "; a worker has release" if CATALOGUE[name].kind is Kind.WORKER else ""
            yield Finding(
                "no-requests",
                key_path(("services", name, "traffic")),
                f"{name} takes no requests the mesh could route; remove the key{instead}",
                kinds,
            )


@settings_check(
    "no-queue",
    "A worker's release for a service that is none",
    reason="Release strategies share a queue; requests are shared by traffic policies.",
    source="components/model/traffic.py",
)
def no_queue(asked: Asked) -> Iterator[Finding]:
    for name, own in sorted(asked.settings.services.items()):
        if CATALOGUE[name].kind is not Kind.WORKER and own.release is not None:
            yield Finding(
                "no-queue",
                key_path(("services", name, "release")),
                f"{name} takes no events from a queue; remove the key",
                own.release.kind,
            )


# What somebody may write who wants the value: {name}, $(name) or ${secret:name}.
ASKED = {one: re.compile(rf"[{{(:]{one}[}})]") for one in Secret}


@settings_check(
    "setting-secret",
    "A secret asked for in a setting",
    reason="Settings are taken as they stand: the service would get the brackets, and no password.",
    source="components/model/settings.py",
)
def setting_secret(asked: Asked) -> Iterator[Finding]:
    for name, own in sorted(asked.settings.services.items()):
        for version, settings in sorted(own.versions.items()):
            for key, text in sorted(settings.settings.items()):
                if named := next((one for one in Secret if ASKED[one].search(text)), None):
                    path = key_path(("services", name, "versions", version, "settings", key))
                    message = f"is taken as it stands, and {named} comes from a Secret only; remove the key"
                    yield Finding("setting-secret", path, message, text)


@settings_check(
    "one-version",
    "Several versions of what keeps data",
    reason="Two servers on the same data would destroy it.",
    source="components/model/catalogue.py",
)
def one_version(asked: Asked) -> Iterator[Finding]:
    for name, own in sorted(asked.settings.services.items()):
        if CATALOGUE[name].kind is Kind.BACKING and tuple(own.versions) != ("v1",):
            yield Finding(
                "one-version",
                key_path(("services", name, "versions")),
                f"{name} keeps data and has one version; valid: versions: {{v1: {{}}}}",
                ", ".join(sorted(own.versions)),
            )


@settings_check(
    "singleton",
    "Two of what must never run twice",
    reason="Two timeservices would announce each day twice; two servers would share one volume.",
    source="components/model/catalogue.py",
)
def singleton(asked: Asked) -> Iterator[Finding]:
    for name, own in sorted(asked.settings.services.items()):
        if not (CATALOGUE[name].singleton or isinstance(own.release, OneOnly)):
            continue
        for version, settings in sorted(own.versions.items()):
            if settings.replicas > 1:
                yield Finding(
                    "singleton",
                    key_path(("services", name, "versions", version, "replicas")),
                    f"{name} must never run twice; valid: 1",
                    str(settings.replicas),
                )


@settings_check(
    "singleton-release",
    "A release that lets two versions overlap where one must run alone",
    reason="The program would run one version at a time whatever the release says, and only `one` says so.",
    source="components/model/catalogue.py; components/model/pods.py",
)
def singleton_release(asked: Asked) -> Iterator[Finding]:
    for name, own in sorted(asked.settings.services.items()):
        release = own.release
        if CATALOGUE[name].singleton and release is not None and not isinstance(release, OneOnly):
            text = f"{name} must never run twice, not even for a moment; valid: one, e.g. {_one(own)}"
            yield Finding(
                "singleton-release", key_path(("services", name, "release", "kind")), text, release.kind
            )


def _one(own: ServiceSettings) -> str:
    return f"{{kind: one, live: {first_version(own.versions)}}}"


@settings_check(
    "undecided",
    "Several versions and nobody says which",
    reason="With two versions, who gets the requests or the events must be said.",
    source="components/model/settings.py",
)
def undecided(asked: Asked) -> Iterator[Finding]:
    for name, own in sorted(asked.settings.services.items()):
        known = ", ".join(sorted(own.versions))
        if len(own.versions) < 2:
            continue
        if CATALOGUE[name].kind is Kind.HTTP and own.split is None:
            first = first_version(own.versions)
            yield Finding(
                "undecided",
                key_path(("services", name, "traffic")),
                f"required when there are several versions ({known}), "
                f"e.g. [{{kind: bluegreen, live: {first}}}]",
            )
        if CATALOGUE[name].kind is Kind.WORKER and own.release is None:
            first = first_version(own.versions)
            example = _one(own) if CATALOGUE[name].singleton else f"{{kind: replace, live: {first}}}"
            yield Finding(
                "undecided",
                key_path(("services", name, "release")),
                f"required when there are several versions ({known}), e.g. {example}",
            )


@settings_check(
    "mesh-needed",
    "Something only a mesh carries out, without a mesh",
    reason=(
        "Without sidecars nobody would carry a policy out, and without a gateway nobody looks at hosts and "
        "certificates; a Service can pick one version, no more. To the network a host outside is any host."
    ),
    source="components/model/settings.py",
)
def mesh_needed(asked: Asked) -> Iterator[Finding]:
    if asked.settings.meshed:
        return
    for name, own in sorted(asked.settings.services.items()):
        for number, policy in enumerate(own.traffic):
            if not isinstance(policy, BlueGreen) and CATALOGUE[name].kind is Kind.HTTP:
                path = key_path(("services", name, "traffic", number, "kind"))
                yield _meshless(path, "; valid without: bluegreen", policy.kind)
    ingress, anybody = asked.settings.ingress, '; valid without: hosts: ["*"]'
    if ingress.hosts != ("*",):
        yield _meshless(key_path(("ingress", "hosts")), anybody, ", ".join(ingress.hosts))
    if ingress.tls:
        yield _meshless(key_path(("ingress", "tls")), "; remove the key", ingress.tls.kind)
    if asked.settings.egress:
        hosts = ", ".join(entry.host for entry in asked.settings.egress)
        yield _meshless(key_path(("egress",)), "; remove the key", hosts)


def _meshless(path: str, instead: str, value: str) -> Finding:
    return Finding("mesh-needed", path, f"needs a mesh and mesh.kind is none{instead}", value)
