"""What happens to requests: routes, versions, circuit breakers, who may call whom."""

from collections.abc import Iterator, Mapping

from components.model.manifests import Document
from ops.review import routes
from ops.review.phrases import count, few, moved, values
from ops.review.preview import Change
from ops.review.reading import entries, leaves, section, text, texts
from ops.review.routes import EVERYBODY, SHARES, Scope

OUTSIDE = "from outside: "
PATIENCE = ("timeout", "retries")


def virtual_service(change: Change) -> Iterator[str]:
    """Shares old -> new, and every mirror, fault, timeout, retry and condition that came, went or moved."""
    gateways = texts(change.new or change.old, "spec", "gateways")
    outside = OUTSIDE if gateways and "mesh" not in gateways else ""
    yield from (f"{outside}{phrase}" for phrase in _routing(change))


def _routing(change: Change) -> Iterator[str]:
    old, new = section(change.old, "spec"), section(change.new, "spec")
    before, after = routes.features(old), routes.features(new)
    if new and routes.shares(old) != routes.shares(new):
        yield from _shares(routes.shares(old), routes.shares(new))
    if change.kind == "delete":
        yield "routes removed: Istio's defaults apply"
        return
    for what, scope in sorted({*before, *after}, key=lambda key: (key[0], sorted(key[1]))):
        if change.kind == "create" and what in PATIENCE:
            continue  # every service has some, and a change of it is told
        pair = before.get((what, scope), ""), after.get((what, scope), "")
        if pair[0] != pair[1] and (what, scope) != (SHARES, EVERYBODY):
            yield _feature(what, scope, *pair)
    for key in ("hosts", "gateways"):
        if texts(old, key) != texts(new, key) and change.kind == "update":
            yield moved(key, ", ".join(texts(old, key)), ", ".join(texts(new, key)))


def _shares(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    """Of two versions the second says it all."""
    if not old:
        yield ", ".join(f"{version} {share} %" for version, share in new.items())
        return
    changed = [one for one in sorted({*old, *new}) if old.get(one, "0") != new.get(one, "0")]
    told = changed[1:] if len(changed) == len({*old, *new}) == 2 else changed
    if told:
        yield ", ".join(f"{one} {old.get(one, '0')} % -> {new.get(one, '0')} %" for one in told)
    for one in sorted(new.keys() - {*old, *changed}):
        yield f"{one} gets 0 %"
    for one in sorted(old.keys() - {*new, *changed}):
        yield f"{one} off the routes"


def _feature(what: str, scope: Scope, old: str, new: str) -> str:
    who = routes.words(scope)
    if what == SHARES:
        return moved(f"requests {who} to", _whole(old), _whole(new))
    if what.startswith("mirror to "):
        target = what.removeprefix("mirror ")
        whose = f"mirror {who}".strip()
        if old and new:
            return f"{whose} {target} {old} -> {new}"
        return f"{whose} {old or new} {target} {'on' if new else 'off'}"
    return moved(f"{what} {who}".strip(), old, new)


def _whole(shares: str) -> str:
    return shares.removesuffix(" 100 %") if "," not in shares else shares


def destination_rule(change: Change) -> Iterator[str]:
    """Versions that can be routed to, what bounds callers, and what keeps a caller with one pod."""
    if change.kind == "create":
        return
    old, new = section(change.old, "spec"), section(change.new, "spec")
    before, after = _subsets(old), _subsets(new)
    if came := sorted(after.keys() - before.keys()):
        yield f"{few(came)} routable"
    if gone := sorted(before.keys() - after.keys()):
        yield f"{few(gone)} not routable any more"
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            yield f"{name} selects {before[name]} -> {after[name]}"
    for key, words in (
        ("connectionPool", "circuit breaker: connections"),
        ("outlierDetection", "circuit breaker: outliers"),
        ("loadBalancer", "affinity"),
        ("tls", "TLS to it"),
    ):
        yield from _policy(words, section(old, "trafficPolicy", key), section(new, "trafficPolicy", key))


def _subsets(spec: Document) -> dict[str, str]:
    return {
        text(one, "name"): ", ".join(
            f"{key}={value}" for key, value in leaves(section(one, "labels")).items()
        )
        for one in entries(spec, "subsets")
    }


def _policy(what: str, old: Document, new: Document) -> Iterator[str]:
    if old == new:
        return
    if not old or not new:
        said = few(f"{_last(path)} {value}" for path, value in leaves(new or old).items())
        yield f"{what} {'on' if new else 'off'} ({said})"
        return
    yield f"{what}: {', '.join(values(old, new))}"


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def authorization(change: Change) -> Iterator[str]:
    """Callers, by service account, that may call now or not any more."""
    before, after = _callers(change.old), _callers(change.new)
    if change.kind == "create" and before | after:
        return
    if came := sorted(after - before):
        yield f"may be called by {few(came)}"
    if gone := sorted(before - after):
        yield f"may not be called any more by {few(gone)}"
    if before == after:
        yield f"access rules {'changed' if change.kind == 'update' else f'{change.kind}d'}"


def _callers(document: Document) -> set[str]:
    if text(document, "spec", "action") == "DENY":
        return set()
    own = f"{text(document, 'metadata', 'namespace')}/"
    return {
        "/".join(principal.split("/")[-3::2]).removeprefix(own)
        for rule in entries(document, "spec", "rules")
        for origin in entries(rule, "from")
        for principal in texts(origin, "source", "principals")
    }


def release(change: Change) -> Iterator[str]:
    """A Helm release: its chart, its version and the values that differ."""
    if change.kind in ("create", "delete"):
        yield f"Helm release {change.name} {'installed' if change.kind == 'create' else 'removed'}"
        return
    for key in ("chart", "version"):
        if text(change.old, key) != text(change.new, key):
            yield f"{change.name} {moved(key, text(change.old, key), text(change.new, key))}"
    told = values(section(change.old, "values"), section(change.new, "values"))
    if told:
        yield f"{change.name}: {', '.join(told)}"


def namespace(change: Change) -> Iterator[str]:
    """Which control plane its pods belong to, and what pods it admits."""
    old, new = (section(document, "metadata", "labels") for document in (change.old, change.new))
    if change.kind in ("create", "delete"):
        name = text(change.new or change.old, "metadata", "name")
        yield f"namespace {name} {'created' if change.kind == 'create' else 'removed'}"
        return
    if text(old, "istio.io/rev") != text(new, "istio.io/rev"):
        yield moved("mesh revision", text(old, "istio.io/rev"), text(new, "istio.io/rev"))
    others = {key: value for key, value in new.items() if key != "istio.io/rev"}
    told = values({key: value for key, value in old.items() if key != "istio.io/rev"}, others)
    if told:
        yield f"{count(len(told), 'label')} of the namespace: {', '.join(told)}"
