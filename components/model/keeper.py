"""What has a vault's values lie in a namespace as Secrets: a pod that mounts them, and that others wait for.

The Secrets Store CSI driver makes Secrets of what a pod mounts, and keeps them while one does. It looks for
new values now and then, and not when a pod starts: a pod that starts just after a value has changed still
finds the old one in its Secret. The keeper is ready only while its Secrets are what it has mounted, and what
uses the Secrets starts after it.
Sources: https://secrets-store-csi-driver.sigs.k8s.io/topics/sync-as-kubernetes-secret.html and
.../topics/secret-auto-rotation.html
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from components.model import database, joining, naming, pods, routes
from components.model.azure import names
from components.model.catalogue import CATALOGUE, Size
from components.model.manifests import (
    Document,
    Json,
    Manifest,
    SecretTemplate,
    digest,
    labels,
    service_account,
    spread,
)
from components.model.outputs import output
from components.model.settings import Settings, VaultSecrets, VaultTls

KEEPER = "secrets-keeper"
READER = "vault-reader"  # the key of the identity that may read the vault
DRIVER = "secrets-store.csi.k8s.io"
MOUNTED, SYNCED, AGREES = "/vault", "/synced", "/state/agrees"
TLS = "kubernetes.io/tls"
REPLICAS = 2  # the Secrets go with the last pod that mounts them, and a node may go with one
SIZE = Size("10m", "16Mi", "32Mi")
# The driver notes who needs a Secret every five seconds; until it has, the old pods must stay.
NOTED_SECONDS = 15
READ_ONLY = 0o440
LONGEST = 52  # with what Deployment and ReplicaSet add, a pod's name is a label's value still
# Arguments: for each value, the file that is mounted and the one of the Secret, as `file=secret/key`.
COMPARE = f"""
trap 'exit 0' TERM
while true; do
  behind=
  for pair in "$@"; do
    cmp -s "{MOUNTED}/${{pair%%=*}}" "{SYNCED}/${{pair#*=}}" || behind="$behind ${{pair#*=}}"
  done
  if [ "$behind" ]; then
    rm -f {AGREES}
    echo "not yet what the vault has:$behind"
  else
    touch {AGREES}
  fi
  sleep 5 & wait $!
done
"""


@dataclass(frozen=True, slots=True)
class KeeperPlan:
    """A keeper, and where it gets values from."""

    account: Manifest
    source: Manifest
    network: tuple[Manifest, ...]  # where nothing else refuses what is not allowed
    deployment: Manifest
    budget: Manifest
    makes: tuple[SecretTemplate, ...]

    def before(self) -> tuple[Manifest, ...]:
        """What its pods need."""
        return (self.account, self.source, *self.network)

    def objects(self) -> tuple[Manifest, ...]:
        """Every object; the Secrets are made by the driver."""
        return (*self.before(), self.deployment, self.budget)


def accounts(settings: Settings) -> dict[str, tuple[str, str]]:
    """The keepers of an environment, by what they are for: each one's namespace and service account."""
    joined = joining.joining(settings)
    found: dict[str, tuple[str, str]] = {}
    if isinstance(settings.secrets, VaultSecrets) and _templates(settings):
        found["environment"] = (settings.namespace, KEEPER)
    if isinstance(settings.ingress.tls, VaultTls) and joined:
        found["gateway"] = (joined.gateway_namespace, _short(routes.certificate(settings.namespace)))
    return found


def _short(name: str) -> str:
    """A name that a label and a pod's name have room for."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}-{digest(name)}"


def kept(settings: Settings) -> tuple[str, ...]:
    """The secret values that the environment's pods use."""
    return tuple(sorted({name for one in _templates(settings) for name in one.values_needed()}))


def environment_keeper(settings: Settings) -> KeeperPlan | None:
    """The keeper of what the environment's pods use; None where no vault has it."""
    where = accounts(settings).get("environment")
    own = settings.secrets
    if where is None or not isinstance(own, VaultSecrets):
        return None
    pinned = own.versions
    objects = {name: pinned.get(name, "") for name in kept(settings)}
    return _keeper(settings, where, objects, _templates(settings))


def gateway_keeper(settings: Settings) -> KeeperPlan | None:
    """The keeper of the gateway's certificate, beside its pods; None where no vault has it."""
    where = accounts(settings).get("gateway")
    tls = settings.ingress.tls
    if where is None or not isinstance(tls, VaultTls):
        return None
    namespace, name = where[0], routes.certificate(settings.namespace)
    # One object holds both halves, and the driver takes them apart.
    holds = {"tls.crt": tls.certificate, "tls.key": tls.certificate}
    template = SecretTemplate(name, name, namespace, labels(where[1]), holds, TLS)
    made = _keeper(settings, where, {tls.certificate: ""}, (template,))
    return replace(made, network=(_silence(*where),))


def _templates(settings: Settings) -> tuple[SecretTemplate, ...]:
    found = [pods.secret(CATALOGUE[name], settings) for name in sorted(settings.services)]
    return tuple(one for one in (*found, database.secret_of(settings)) if one)


def _keeper(
    settings: Settings,
    where: tuple[str, str],
    objects: dict[str, str],
    templates: tuple[SecretTemplate, ...],
) -> KeeperPlan:
    namespace, name = where
    source = _source(settings, where, objects, templates)
    own = labels(name)
    budget: Document = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": {"app": name}},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return KeeperPlan(
        service_account(name, namespace),
        source,
        (),
        _deployment(settings, source, templates),
        Manifest(name, "policy/v1", "PodDisruptionBudget", name, namespace, own, {"spec": budget}),
        templates,
    )


def _silence(namespace: str, name: str) -> Manifest:
    """Nobody speaks to the keeper, and it to nobody: it is the driver that asks the vault."""
    spec: Document = {"podSelector": {"matchLabels": {"app": name}}, "policyTypes": ["Ingress", "Egress"]}
    return Manifest(
        name, "networking.k8s.io/v1", "NetworkPolicy", name, namespace, labels(name), {"spec": spec}
    )


def _source(
    settings: Settings,
    where: tuple[str, str],
    objects: dict[str, str],
    templates: Iterable[SecretTemplate],
) -> Manifest:
    """The driver's orders: which objects of which vault, as whom, and which Secrets to make of them."""
    azure = settings.azure
    namespace, name = where
    parameters: Document = {
        "usePodIdentity": "false",
        "clientID": output(READER, "clientId"),
        "keyvaultName": names.physical("vault", azure) if azure else "",
        "tenantId": azure.tenant if azure else "",
        "objects": "array:\n" + "".join(_object(*one) for one in sorted(objects.items())),
    }
    spec: Document = {
        "provider": "azure",
        "parameters": parameters,
        "secretObjects": [_secret(one) for one in templates],
    }
    version = "secrets-store.csi.x-k8s.io/v1"
    return Manifest(name, version, "SecretProviderClass", name, namespace, labels(name), {"spec": spec})


def _object(name: str, version: str) -> str:
    """One object as the driver's Azure half reads it: YAML in YAML. A certificate's has its key too."""
    lines = [f"objectName: {name}", "objectType: secret"]
    lines += [f"objectVersion: {json.dumps(version)}"] if version else []
    return "  - |\n" + "".join(f"    {line}\n" for line in lines)


def _secret(template: SecretTemplate) -> Document:
    return {
        "secretName": template.name,
        "type": template.type,
        "labels": dict(sorted(template.labels.items())),
        "data": [{"objectName": name, "key": key} for key, name in sorted(template.holds.items())],
    }


def _deployment(settings: Settings, source: Manifest, templates: tuple[SecretTemplate, ...]) -> Manifest:
    name, own = source.name, labels(source.name)
    annotations: Document = {"pitstop.dev/config": digest(json.dumps(source.document(), sort_keys=True))}
    for template in templates:
        if template.type != TLS:
            annotations |= pods.secret_versions(template, settings)
    spec: Document = {
        "replicas": REPLICAS,
        "minReadySeconds": NOTED_SECONDS,
        "selector": {"matchLabels": {"app": name}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {
            "metadata": {
                # It speaks to nobody: the driver mounts, and a sidecar would only wait for its mesh.
                "labels": {
                    **own,
                    naming.IDENTITY_LABEL: name,
                    "sidecar.istio.io/inject": "false",
                },
                "annotations": dict(sorted(annotations.items())),
            },
            "spec": _pod(settings, name, templates),
        },
    }
    return Manifest(name, "apps/v1", "Deployment", name, source.namespace, own, {"spec": spec})


def _pod(settings: Settings, name: str, templates: tuple[SecretTemplate, ...]) -> Document:
    synced: list[Json] = [
        {
            "secret": {
                "name": one.name,
                "items": [{"key": key, "path": f"{one.name}/{key}"} for key in sorted(one.holds)],
            }
        }
        for one in templates
    ]
    return {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": pods.security(),
        "containers": [_container(settings, name, templates)],
        "topologySpreadConstraints": spread({"app": name}),
        "volumes": [
            {"name": "state", "emptyDir": {"sizeLimit": "1Mi"}},
            {
                "name": "vault",
                "csi": {
                    "driver": DRIVER,
                    "readOnly": True,
                    "volumeAttributes": {"secretProviderClass": name},
                },
            },
            # Not there until the driver has made them: the pod waits.
            {"name": "synced", "projected": {"defaultMode": READ_ONLY, "sources": synced}},
        ],
    }


def _container(settings: Settings, name: str, templates: tuple[SecretTemplate, ...]) -> Document:
    return {
        "name": name,
        "image": settings.pinned(naming.waiting_image(settings.image_source)),
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", COMPARE, "sh"],
        "args": [*_pairs(templates)],
        "readinessProbe": {"exec": {"command": ["test", "-f", AGREES]}, "periodSeconds": 5},
        "resources": pods.resources(SIZE),
        "securityContext": pods.HARDENED,
        "volumeMounts": [
            {"name": "state", "mountPath": "/state"},
            {"name": "vault", "mountPath": MOUNTED, "readOnly": True},
            {"name": "synced", "mountPath": SYNCED, "readOnly": True},
        ],
    }


def _pairs(templates: Iterable[SecretTemplate]) -> Iterator[str]:
    """What to compare. The halves of a certificate are no file of the vault's: they are there, or not."""
    for one in templates:
        if one.type != TLS:
            for key, name in sorted(one.holds.items()):
                yield f"{name}={one.name}/{key}"
