"""Whether what an object names is there, in the same plan."""

from collections.abc import Iterable, Iterator
from typing import Any

from components.model.manifests import Document

Reference = tuple[str, str, str]  # kind, name and, where one is named, key
Known = dict[tuple[str, str], Document]  # by kind and name; a plan has one namespace of its own


def dangling(documents: Iterable[Document]) -> list[str]:
    """Every reference to something that is not among the objects, one line each; twins as well."""
    everything = list(documents)
    known: Known = {}
    found = []
    for one in everything:
        kind, metadata = str(one["kind"]), _map(one, "metadata")
        identity = (kind, f"{metadata.get('namespace', '')}/{metadata['name']}")
        if identity in known:
            found.append(f"{kind} {identity[1]} is there twice")
        known[identity] = one
    known = {**_made(everything), **known}
    for one in everything:
        metadata = _map(one, "metadata")
        here = str(metadata.get("namespace", ""))
        for kind, name, key in _named(one):
            target = known.get((kind, f"{here}/{name}"))
            what = f"{one['kind']} {metadata['name']} names {kind} {name}"
            if target is None:
                found.append(f"{what}, which is not there")
            elif key and key not in {**_map(target, "stringData"), **_map(target, "data")}:
                found.append(f"{what}, which has no {key}")
        found += _selects_nobody(one, everything)
    return found


def _made(everything: Iterable[Document]) -> Known:
    """The Secrets that the driver makes as a SecretProviderClass says."""
    return {
        ("Secret", f"{_map(one, 'metadata')['namespace']}/{asked['secretName']}"): {
            "data": {str(entry["key"]): "" for entry in _maps(asked, "data")}
        }
        for one in everything
        if one["kind"] == "SecretProviderClass"
        for asked in _maps(_map(one, "spec"), "secretObjects")
    }


def _named(one: Document) -> Iterator[Reference]:
    """Kind, name and key of everything an object names."""
    found = NAMES.get(str(one["kind"]))
    if found:
        yield from found(_map(one, "spec"))


def _of_stateful(spec: dict[str, Any]) -> Iterator[Reference]:
    yield "Service", str(spec["serviceName"]), ""
    yield from _of_workload(spec)


def _of_workload(spec: dict[str, Any]) -> Iterator[Reference]:
    yield from _of_pod(_map(_map(spec, "template"), "spec"))


def _of_scaler(spec: dict[str, Any]) -> Iterator[Reference]:
    target = _map(spec, "scaleTargetRef")
    yield str(target.get("kind", "Deployment")), str(target["name"]), ""
    for trigger in _maps(spec, "triggers"):
        yield "TriggerAuthentication", str(_map(trigger, "authenticationRef")["name"]), ""


def _of_authentication(spec: dict[str, Any]) -> Iterator[Reference]:
    for reference in _maps(spec, "secretTargetRef"):
        yield "Secret", str(reference["name"]), str(reference["key"])


def _of_route(spec: dict[str, Any]) -> Iterator[Reference]:
    for gateway in spec.get("gateways", []):
        if gateway != "mesh":
            yield "Gateway", str(gateway).rpartition("/")[2], ""
    for way in _maps(spec, "http"):
        for target in _maps(way, "route"):
            yield "Service", _service(_map(target, "destination")), ""


def _of_rule(spec: dict[str, Any]) -> Iterator[Reference]:
    yield "Service", _service(spec), ""


def _service(named: dict[str, Any]) -> str:
    return str(named["host"]).partition(".")[0]


NAMES = {
    "Deployment": _of_workload,
    "StatefulSet": _of_stateful,
    "Job": _of_workload,
    "HorizontalPodAutoscaler": _of_scaler,
    "ScaledObject": _of_scaler,
    "TriggerAuthentication": _of_authentication,
    "VirtualService": _of_route,
    "DestinationRule": _of_rule,
}


def _of_pod(pod: dict[str, Any]) -> Iterator[Reference]:
    yield "ServiceAccount", str(pod["serviceAccountName"]), ""
    for container in [*_maps(pod, "containers"), *_maps(pod, "initContainers")]:
        for variable in _maps(container, "env"):
            reference = _map(_map(variable, "valueFrom"), "secretKeyRef")
            if reference:
                yield "Secret", str(reference["name"]), str(reference["key"])
        mounted = {str(mount["name"]) for mount in _maps(container, "volumeMounts")}
        for name in mounted - {str(volume["name"]) for volume in _maps(pod, "volumes")}:
            yield "volume", name, ""
    for volume in _maps(pod, "volumes"):
        yield from _of_volume(volume)


def _of_volume(volume: dict[str, Any]) -> Iterator[Reference]:
    if "configMap" in volume:
        yield "ConfigMap", str(volume["configMap"]["name"]), ""
    if "csi" in volume:
        named = _map(volume["csi"], "volumeAttributes")["secretProviderClass"]
        yield "SecretProviderClass", str(named), ""
    for source in _maps(_map(volume, "projected"), "sources"):
        for entry in _maps(_map(source, "secret"), "items"):
            yield "Secret", str(source["secret"]["name"]), str(entry["key"])
    if "persistentVolumeClaim" in volume:
        yield "PersistentVolumeClaim", str(volume["persistentVolumeClaim"]["claimName"]), ""


def _selects_nobody(one: Document, everything: Iterable[Document]) -> list[str]:
    """A Service or a budget whose selector fits no pod template."""
    spec = _map(one, "spec")
    wanted = {
        "Service": _map(spec, "selector"),
        "PodDisruptionBudget": _map(_map(spec, "selector"), "matchLabels"),
    }.get(str(one["kind"]))
    if wanted is None:
        return []
    templates = [_map(_map(_map(other, "spec"), "template"), "metadata") for other in everything]
    if any(wanted.items() <= _map(template, "labels").items() for template in templates if template):
        return []
    return [f"{one['kind']} {_map(one, 'metadata')['name']} selects {wanted}: no pods"]


def _map(value: Document, key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _maps(value: Document, key: str) -> list[dict[str, Any]]:
    found = value.get(key)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
