"""Whether what an object names is there, in the same plan."""

from collections.abc import Iterable, Iterator
from typing import Any

from components.model.manifests import Document

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


def _named(one: Document) -> Iterator[tuple[str, str, str]]:
    """Kind, name and key of everything an object names."""
    spec = _map(one, "spec")
    kind = str(one["kind"])
    if kind in {"Deployment", "StatefulSet", "Job"}:
        yield from _of_pod(_map(_map(spec, "template"), "spec"))
    if kind == "StatefulSet":
        yield "Service", str(spec["serviceName"]), ""
    if kind == "HorizontalPodAutoscaler":
        target = _map(spec, "scaleTargetRef")
        yield str(target["kind"]), str(target["name"]), ""
    if kind == "ScaledObject":
        yield "Deployment", str(_map(spec, "scaleTargetRef")["name"]), ""
        for trigger in _maps(spec, "triggers"):
            yield "TriggerAuthentication", str(_map(trigger, "authenticationRef")["name"]), ""
    if kind == "TriggerAuthentication":
        for reference in _maps(spec, "secretTargetRef"):
            yield "Secret", str(reference["name"]), str(reference["key"])
    if kind == "VirtualService":
        for gateway in spec.get("gateways", []):
            if gateway != "mesh":
                yield "Gateway", str(gateway).rpartition("/")[2], ""
        for way in _maps(spec, "http"):
            for target in [_map(one, "destination") for one in _maps(way, "route")]:
                yield "Service", str(target["host"]).partition(".")[0], ""
    if kind == "DestinationRule":
        yield "Service", str(spec["host"]).partition(".")[0], ""


def _of_pod(pod: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
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
        if "configMap" in volume:
            yield "ConfigMap", str(volume["configMap"]["name"]), ""
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
