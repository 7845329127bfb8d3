"""What happens to pods: versions, images, numbers, settings."""

import re
from collections.abc import Iterator

from components.model.manifests import Document
from ops.review.phrases import added_and_gone, count, differing, few, moved, values
from ops.review.preview import Change
from ops.review.reading import at, entries, number, section, text

_VERSION = re.compile(r"-(v[0-9]+)$")
_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]+")
_TOLD = re.compile(r"\.(image|env\b|resources\b|replicas\b)")


def version(document: Document, name: str) -> str:
    """Which version a workload is: by the end of its name, else by its label; empty for the only one."""
    called, labels = text(document, "metadata", "name") or name, section(document, "metadata", "labels")
    if found := _VERSION.search(called):
        return found[1]
    return "" if called == text(labels, "app") else text(labels, "version")


def workload(change: Change) -> Iterator[str]:
    """A Deployment, StatefulSet, DaemonSet or Job."""
    which = version(change.new or change.old, change.name)
    if change.kind in ("create", "import"):
        yield f"{which} added ({', '.join(_stands_for(change.new))})".strip()
        return
    if change.kind == "delete":
        yield f"{which} removed".strip()
        return
    told = [*_changed(change.old, change.new)]
    if change.kind == "replace":
        told.insert(0, f"replaced, because of {few(change.reasons)}" if change.reasons else "replaced")
    yield f"{which} {', '.join(told)}".strip()


def _stands_for(document: Document) -> Iterator[str]:
    pods = number(document, "spec", "replicas")
    if pods is not None:
        yield count(pods, "pod")
    yield from [f"image {_shortened(text(one, 'image'))}" for one in _containers(document)][:1]


def _containers(document: Document) -> list[Document]:
    return entries(document, "spec", "template", "spec", "containers")


def _changed(old: Document, new: Document) -> Iterator[str]:
    pods = number(old, "spec", "replicas"), number(new, "spec", "replicas")
    if pods[0] != pods[1] and None not in pods:
        yield f"pods {pods[0]} -> {pods[1]}"
    for group in ("containers", "initContainers"):
        yield from _grouped(
            entries(old, "spec", "template", "spec", group), entries(new, "spec", "template", "spec", group)
        )
    others = [path for path in differing(old, new) if not _TOLD.search(path)]
    if others:
        yield f"{count(len(others), 'other field')} ({few(_short(others), 2)})"


def _short(paths: list[str]) -> list[str]:
    """The field of the pod or of the workload each is in, once."""
    cut = (re.sub(r"^spec\.(template\.)?(spec\.|metadata\.)?", "", path) for path in paths)
    return list(dict.fromkeys(re.split(r"[.\[]", path, maxsplit=1)[0] for path in cut))


def _grouped(old: list[Document], new: list[Document]) -> Iterator[str]:
    before, after = ({text(one, "name"): one for one in group} for group in (old, new))
    for name in [name for name in after if name in before]:
        yield from _container(before[name], after[name])


def _container(old: Document, new: Document) -> Iterator[str]:
    if text(old, "image") != text(new, "image"):
        yield _image(text(old, "image"), text(new, "image"))
    yield from _settings(_env(old), _env(new))
    yield from values(section(old, "resources"), section(new, "resources"))


def _image(old: str, new: str) -> str:
    """Of one repository the tag or digest alone."""
    (name, before), (other, after) = (
        re.split(r"(?=[:@][^/]*$)", image, maxsplit=1) for image in _pair(old, new)
    )
    if name == other:
        return f"image {before.lstrip(':@')} -> {after.lstrip(':@')}"
    return f"image {name}{before} -> {other}{after}"


def _pair(old: str, new: str) -> tuple[str, str]:
    old, new = _shortened(old), _shortened(new)
    return (old if re.search(r"[:@][^/]*$", old) else f"{old}:latest"), (
        new if re.search(r"[:@][^/]*$", new) else f"{new}:latest"
    )


def _shortened(image: str) -> str:
    return _DIGEST.sub(r"\1", image)


def _env(container: Document) -> dict[str, str]:
    return {text(one, "name"): repr({**one, "name": ""}) for one in entries(container, "env")}


def _settings(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    """Names alone: what a setting says may be nobody's business."""
    for names, how in zip(added_and_gone(old, new), ("added", "removed", "changed"), strict=True):
        if names:
            yield f"{'setting' if len(names) == 1 else 'settings'} {few(names)} {how}"


def scaler(change: Change) -> Iterator[str]:
    """A HorizontalPodAutoscaler or KEDA's ScaledObject."""
    which = version(change.new or change.old, change.name)
    old, new = _range(change.old), _range(change.new)
    if old and new:
        told = moved("scaling", old, new)
    else:
        told = f"scales from {new}" if new else f"scales no more (was {old})"
    yield f"{which} {told}".strip()


def _range(document: Document) -> str:
    spec = section(document, "spec")
    if not spec:
        return ""
    least = text(spec, "minReplicas") or text(spec, "minReplicaCount") or "1"
    most = text(spec, "maxReplicas") or text(spec, "maxReplicaCount")
    return f"{least} to {most} pods{_measure(spec)}"


def _measure(spec: Document) -> str:
    for kind in ("resource", "containerResource"):
        measured = section(at(spec, "metrics", 0), kind)
        if percent := text(measured, "target", "averageUtilization"):
            return f" at {percent} % {text(measured, 'name')}"
    trigger = section(at(spec, "triggers", 0))
    return f" by {text(trigger, 'type')} {text(trigger, 'metadata', 'value')}".rstrip() if trigger else ""


def volume(change: Change) -> Iterator[str]:
    """A PersistentVolumeClaim."""
    size = ("spec", "resources", "requests", "storage")
    before, after = text(change.old, *size), text(change.new, *size)
    if change.kind == "create":
        yield f"volume of {after} added"
    elif change.kind == "delete":
        yield "volume given up, its data stays" if change.retained else "volume and its data removed"
    elif change.kind == "replace":
        yield f"volume replaced, data lost ({few(change.reasons)})"
    else:
        yield f"volume {before} -> {after}" if before != after else f"volume changed ({few(change.paths)})"


def service(change: Change) -> Iterator[str]:
    """Which pods a Service picks; the rest is counted."""
    old, new = (section(document, "spec", "selector") for document in (change.old, change.new))
    if change.kind == "update" and old != new:
        yield f"requests go to other pods: {', '.join(values(old, new))}"
