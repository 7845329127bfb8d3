"""Whole environments, drawn at random: every service, version, policy, release, scaler, mesh and setting.

`environments()` draws what a stack file says under `pitstop:`, such that the program accepts it.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from components.model.catalogue import CATALOGUE, MAIL, Kind, Service, callers_of
from components.model.plan import hard_needs
from tests.model.azure import ADMINS, COMMIT, SUBSCRIPTION, TENANT

TODAY = date(2026, 11, 25)  # what checks are told; a drawn fault lasts at least until then
Node = dict[str, Any]
Draw = st.DrawFn

VERSIONS = ("v1", "v2", "v3", "v10")
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
QUEUES = [name for name, service in CATALOGUE.items() if service.queue]
PORTLESS_WORDS = st.sampled_from(["beta", "x=1&y", "ä", "1.0", "yes", "{", "*"])
SECONDS = st.integers(1, 60)
IMAGES = st.sampled_from(
    ["ghcr.io/acme/webapp:1.0", f"registry.example:5000/a/b@sha256:{'0' * 64}", "docker.io/library/x:1.0"]
)

OUTBOUND: st.SearchStrategy[Node] = st.sampled_from(
    [
        {"kind": "loadBalancer", "addresses": 2},
        {"kind": "natGateway"},
        {"kind": "userDefinedRouting", "nextHop": "10.9.0.4"},
    ]
)
ACCESS: st.SearchStrategy[Node] = st.sampled_from(
    [{"kind": "private"}, {"kind": "public", "authorizedRanges": ["203.0.113.0/24"]}]
)
AFFINITIES: st.SearchStrategy[Node] = st.sampled_from(
    [{"header": "x-user"}, {"cookie": {"name": "pitstop"}}, {"cookie": {"name": "p", "ttl": "1h"}}]
)


def needed(names: set[str]) -> set[str]:
    """The services that must be there as well."""
    found = {need.service for name in names for need in hard_needs(CATALOGUE[name])} | names
    return found if found == names else needed(found)


@st.composite
def environments(draw: Draw) -> Node:
    """The settings of a whole environment."""
    chosen = needed(draw(st.sets(st.sampled_from(sorted(CATALOGUE)), min_size=1)))
    mesh = draw(meshes())
    meshed = mesh["kind"] != "none"
    faults = draw(st.booleans())
    services = {
        name: draw(services_of(CATALOGUE[name], chosen, meshed=meshed, faults=faults))
        for name in draw(st.permutations(sorted(chosen)))
    }
    _lanes(draw, services, meshed=meshed)
    optional: Node = {
        "images": draw(st.sampled_from(["standin", "upstream", "ghcr.io/acme/pitstop"])),
        "storage": draw(storages(sorted(chosen & {"rabbitmq", "logserver"}))),
        "quota": {"cpu": draw(st.sampled_from(["900", 900, "900000m"])), "memory": "2000Gi", "pods": 5000},
    }
    if meshed and "webapp" in chosen:  # without a mesh, nobody looks at hosts
        optional["ingress"] = draw(ingresses())
    kept = draw(st.sets(st.sampled_from(sorted(optional))))
    staying = sorted(chosen - {"sqlserver"})  # which is not there where Azure has the databases
    egress = (draw(egresses(staying)) if staying else []) + _shadows(services) if meshed else []
    return {
        "namespace": draw(st.sampled_from(["pitstop", "p", "pitstop-2", "n" * 63])),
        "mesh": mesh,
        "guardrails": {"faults": faults, "retryBudget": 100_000},
        "services": services,
        **({"egress": egress} if egress else {}),
        **{key: optional[key] for key in sorted(kept)},
        **draw(clusters(services, addon=mesh["kind"] == "addon")),
    }


@st.composite
def clusters(draw: Draw, services: Node, *, addon: bool) -> Node:
    """The cluster, and what goes with it; one with the add-on is made by the environment itself."""
    there = draw(st.sampled_from(["local", "kubeconfig", "aks"])) if not addon else "aks"
    if there == "local":
        return {"cluster": {"kind": "local"}}
    if there == "kubeconfig":
        return {"cluster": {"kind": "kubeconfig", "context": "kind-one"}}
    chosen: list[Node] = [
        {"kind": "inCluster"},
        {"kind": "azureSql", "sku": draw(st.sampled_from(["S0", "GP_Gen5_2"]))},
        {"kind": "external", "host": "sql.example.org", "port": 14330},  # shadows call the usual port
    ]
    if any("sqlHost" in own.get("release", {}) for own in services.values()):
        del chosen[1]  # Azure's has the usual port, and the shadow's would be taken for it
    database = draw(st.sampled_from(chosen if {"sqlserver"} < set(services) else chosen[:1]))
    if database["kind"] != "inCluster":
        del services["sqlserver"]
    own = draw(st.booleans())
    registry: Node = {"sku": draw(st.sampled_from(["Basic", "Premium"]))}
    if own and draw(st.booleans()):
        registry["builds"] = {"commit": COMMIT, "versions": draw(st.sampled_from([{}, {"v2": "b" * 40}]))}
    return {
        "cluster": draw(managed()),
        "azure": {
            "subscription": SUBSCRIPTION,
            "tenant": TENANT,
            "location": draw(st.sampled_from(["westeurope", "eastus2"])),
            "name": draw(st.sampled_from(["a", "prod", "production"])),
            "tags": draw(st.dictionaries(st.sampled_from(["owner", "cost centre", "ü"]), st.just("1"))),
            "network": {"outbound": draw(OUTBOUND)},
            "database": database,
            "monitoring": {"grafana": draw(st.booleans()), "applicationInsights": draw(st.booleans())},
            "protect": draw(st.booleans()),
            **({"registry": registry} if own else {}),
        },
        "images": "own" if own else draw(st.sampled_from(["upstream", "ghcr.io/acme/pitstop"])),
    }


@st.composite
def managed(draw: Draw) -> Node:
    """A managed cluster that Azure would take."""
    names = draw(st.sets(st.sampled_from(["apps", "a", "x1", "abcdefghijkl"]), min_size=1))
    return {
        "kind": "aks",
        "version": draw(st.sampled_from(["1.34", "1.35"])),
        "tier": draw(st.sampled_from(["Free", "Standard", "Premium"])),
        "access": draw(ACCESS),
        "admins": [ADMINS],
        "system": {"vmSize": "Standard_D4ds_v5", "min": draw(st.integers(1, 3)), "max": 5},
        "pools": {
            name: {
                "vmSize": draw(st.sampled_from(["Standard_D4ds_v5", "Standard_E8-4ads_v5"])),
                "min": draw(st.integers(0, 2)),
                "max": draw(st.integers(2, 10)),
                "zones": draw(st.sampled_from([[], [2], [3, 1], [1, 2, 3]])),
                "maxSurge": draw(st.sampled_from(["1", "33%", "100%"])),
            }
            for name in names
        },
        "upgrades": {"channel": draw(st.sampled_from(["none", "patch", "rapid", "node-image"]))},
        "addons": {
            "keda": True,
            "defender": draw(st.booleans()),
            "containerInsights": draw(st.booleans()),
            "vault": draw(st.sampled_from([None, {}, {"rotation": "10m"}])),
        },
    }


# --- around the services ------------------------------------------------------------------------------


@st.composite
def meshes(draw: Draw) -> Node:
    gateway = draw(
        st.sampled_from(
            [
                {},
                {"service": "NodePort"},
                {"service": "NodePort", "nodePort": 30080},
                {"service": "ClusterIP"},
            ]
        )
    )
    return draw(
        st.sampled_from(
            [
                {"kind": "helm", "size": "small", "gateway": gateway},
                {"kind": "helm", "cni": {"binDir": "/home/kubernetes/bin"}},
                {"kind": "existing"},
                {"kind": "addon", "revisions": ["asm-1-27"]},
                {
                    "kind": "addon",
                    "revisions": ["asm-1-27", "asm-1-28"],
                    "live": "asm-1-27",
                    "accessLog": True,
                },
                {"kind": "existing", "revision": "asm-1-27", "rootNamespace": "aks-istio-system"},
                {"kind": "existing", "gateway": {"selector": {"istio": "aks"}, "namespace": "aks-ingress"}},
                {"kind": "none", "gateway": gateway},
            ]
        )
    )


@st.composite
def ingresses(draw: Draw) -> Node:
    hosts = draw(st.sampled_from([["*"], ["pitstop.example.org"], ["pitstop.example.org", "*.example.com"]]))
    if hosts == ["*"]:  # no certificate is for every host
        return {"hosts": hosts}
    tls = draw(
        st.sampled_from(
            [
                None,
                {"kind": "secret", "name": "web-tls"},
                {"kind": "values"},
                {"kind": "values", "redirect": False},
            ]
        )
    )
    return {"hosts": hosts} | ({"tls": tls} if tls else {})


@st.composite
def egresses(draw: Draw, callers: list[str]) -> list[Node]:
    hosts = draw(
        st.lists(
            st.tuples(st.sampled_from(["smtp.example.org", "api.example.com"]), st.sampled_from([443, 8080])),
            unique_by=lambda place: place[0],
            max_size=2,
        )
    )
    protocols = {443: ["HTTPS", "TLS"], 8080: ["HTTP"] if len(hosts) > 1 else ["HTTP", "TCP"]}
    return [
        {
            "host": host,
            "port": port,
            "protocol": draw(st.sampled_from(protocols[port])),
            "callers": draw(st.lists(st.sampled_from(callers), min_size=1, max_size=3, unique=True)),
        }
        for host, port in hosts
    ]


def _shadows(services: Mapping[str, Node]) -> list[Node]:
    """The servers of shadows, which their pods may call."""
    found: list[Node] = []
    for key, port in (("sqlHost", 1433), ("mailHost", 25)):
        callers = [name for name, own in services.items() if key in own.get("release", {})]
        if callers:
            host = services[callers[0]]["release"][key]
            found.append({"host": host, "port": port, "protocol": "TCP", "callers": callers})
    return found


@st.composite
def storages(draw: Draw, keeping: list[str]) -> Node:
    kind = draw(st.sampled_from(["claims", "ephemeral"]))
    sizes = {name: draw(st.sampled_from(["4Gi", "512Mi"])) for name in keeping if draw(st.booleans())}
    claims: Node = {"class": "managed-csi", "retain": draw(st.booleans()), "sizes": sizes}
    return {"kind": kind} | (claims if kind == "claims" else {})


# --- a service ----------------------------------------------------------------------------------------


@st.composite
def services_of(draw: Draw, service: Service, others: set[str], *, meshed: bool, faults: bool) -> Node:
    """The settings of one service; lanes are added where both ends are known."""
    if service.kind is Kind.BACKING or service.singleton:
        return draw(st.sampled_from([{}, {"versions": {"v1": {}}}]))
    names = draw(st.lists(st.sampled_from(VERSIONS), min_size=1, max_size=3, unique=True))
    if service.kind is Kind.WORKER:
        release = draw(releases(service, names))
        versions = {name: draw(worker_versions(service, release)) for name in names}
        return {"versions": versions} | ({"release": release} if release else {})
    pods = draw(st.integers(1, 3))
    own: Node = {"versions": {name: draw(http_versions(pods)) for name in names}}
    if meshed:
        traffic = draw(policies(service, names, others, pods, faults=faults))
    else:
        traffic = [{"kind": "bluegreen", "live": draw(st.sampled_from(names))}] if len(names) > 1 else []
    return own | ({"traffic": traffic} if traffic else {})


@st.composite
def versions(draw: Draw) -> Node:
    """What any version may say."""
    own: Node = {}
    if draw(st.booleans()):
        own["image"] = draw(IMAGES)
    if draw(st.booleans()):
        texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
        own["settings"] = draw(st.dictionaries(st.sampled_from(["Serilog__MinimumLevel", "A", "_b1"]), texts))
    if draw(st.booleans()):
        memory = draw(st.sampled_from(["64Mi", "1Gi"]))
        own["resources"] = {"cpu": draw(st.sampled_from(["100m", "1", 2])), "memory": memory}
        if draw(st.booleans()):
            own["resources"]["memoryLimit"] = "2Gi"
    return own


@st.composite
def http_versions(draw: Draw, pods: int) -> Node:
    own = draw(versions())
    if draw(st.booleans()):
        return own | {"scaling": {"kind": "cpu", "min": pods, "max": pods + draw(st.integers(0, 3))}}
    return own | {"replicas": pods}


@st.composite
def worker_versions(draw: Draw, service: Service, release: Node | None) -> Node:
    own = draw(versions())
    alone = (release or {}).get("kind") == "one" or service.volume is not None
    if not alone and service.queue and draw(st.booleans()):
        return own | {"scaling": {"kind": "queue", "max": draw(st.integers(1, 5)), "length": 10}}
    return own if alone else own | {"replicas": draw(st.integers(1, 3))}


@st.composite
def releases(draw: Draw, service: Service, names: list[str]) -> Node | None:
    live = draw(st.sampled_from(names))
    kinds = ["replace", "pause", "one"]
    several = len(names) > 1 and service.volume is None  # one volume, one version
    kinds += ["share"] if several else []
    kinds += [""] if len(names) == 1 else []
    kinds += ["shadow"] if several and service.queue else []
    kind = draw(st.sampled_from(kinds))
    if kind == "shadow":
        elsewhere = {"sqlHost": "sql.shadow"} if service.login else {}
        elsewhere |= {"mailHost": "mail.shadow"} if MAIL in service.needs else {}
        return {
            "kind": kind,
            "live": live,
            "shadow": draw(st.sampled_from([name for name in names if name != live])),
            **elsewhere,
        }
    if kind == "share":
        return {"kind": kind}
    return {"kind": kind, "live": live} if kind else None


# --- traffic ------------------------------------------------------------------------------------------


@st.composite
def policies(
    draw: Draw, service: Service, names: list[str], others: set[str], pods: int, *, faults: bool
) -> list[Node]:
    """A list of policies that go together. Faults, which leave no patience, come without patience."""
    split = draw(splits(names))
    found = [split] if len(names) > 1 or draw(st.booleans()) else []
    callers = sorted(name for name, _ in callers_of(service.name) if name in others)
    cookies = draw(st.sampled_from(["route", "fault"]))
    found += [draw(routes(number, names, cookies == "route")) for number in range(draw(st.integers(0, 2)))]
    if faults and draw(st.booleans()):
        several = range(draw(st.integers(1, 2)))
        found += [draw(fault(number, callers, cookies == "fault" and number == 0)) for number in several]
    elif draw(st.booleans()):
        found += draw(patience(15, 60) if service.public else patience(13, 15))
    dark = [name for name in names if name != split.get("live") and not split.get("weights", {}).get(name)]
    if draw(st.booleans()) and dark:
        to, percent = draw(st.sampled_from(dark)), draw(st.sampled_from([0.0001, 25, 99.5, 100]))
        found.append({"kind": "mirror", "to": to, "percent": percent})
    found += draw(st.lists(breakers(pods), max_size=1))
    found += draw(st.lists(affinities(), max_size=1)) if split["kind"] == "bluegreen" else []
    found += draw(st.lists(accesses(callers), max_size=2))
    return draw(st.permutations(found))


@st.composite
def splits(draw: Draw, names: list[str]) -> Node:
    if draw(st.booleans()):
        return {"kind": "bluegreen", "live": draw(st.sampled_from(names))}
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=len(names) - 1, max_size=len(names) - 1)))
    shares = [end - start for start, end in zip([0, *cuts], [*cuts, 100], strict=True)]
    return {"kind": "split", "weights": dict(zip(names, shares, strict=True))}


@st.composite
def conditions(draw: Draw, mark: str, *, cookies: bool) -> Node:
    """What is asked of a request. Every policy asks for a header of its own, or none would be left for some.

    Istio has no words for two cookies at once, which a route and a fault for the same request would be.
    """
    form, text = draw(
        st.sampled_from([("exact", "beta"), ("prefix", "be"), ("regex", "(beta|staff)-.*"), ("", "yes")])
    )
    found: Node = {"headers": {f"x-{mark}": {form: text} if form else text}}
    if draw(st.booleans()):
        found["methods"] = draw(st.lists(st.sampled_from(METHODS), min_size=1, unique=True))
    if cookies and draw(st.booleans()):
        found["cookie"] = {f"c-{mark}": draw(PORTLESS_WORDS)}
    if draw(st.booleans()):
        found["path"] = draw(
            st.sampled_from([{"prefix": "/api"}, {"prefix": "/api/cars"}, {"exact": "/a"}, "/b"])
        )
    return found


@st.composite
def routes(draw: Draw, number: int, names: list[str], cookies: bool) -> Node:
    asked = draw(conditions(f"route-{number}", cookies=cookies))
    return {"kind": "route", "to": draw(st.sampled_from(names)), **asked}


@st.composite
def fault(draw: Draw, number: int, callers: list[str], cookies: bool) -> Node:
    found: Node = {"kind": "fault", "until": str(TODAY + timedelta(days=draw(st.integers(0, 20))))}
    kinds = draw(st.sampled_from([("delay",), ("abort",), ("delay", "abort")]))
    if "delay" in kinds:
        found["delay"] = {"percent": draw(st.sampled_from([1, 0.5, 50])), "duration": f"{draw(SECONDS)}s"}
    if "abort" in kinds:
        found["abort"] = {
            "percent": draw(st.sampled_from([1, 0.5, 50])),
            "status": draw(st.integers(400, 599)),
        }
    if draw(st.booleans()) and callers:
        found["caller"] = draw(st.sampled_from(callers))
    asked = draw(conditions("fault", cookies=cookies))
    asked["headers"] = {"x-chaos": draw(st.sampled_from([f"{number}", {"prefix": f"{number}-"}]))}
    return found | asked


@st.composite
def patience(draw: Draw, shortest: int, longest: int) -> list[Node]:
    """Retries, and a timeout in seconds they fit into; no longer than the caller's own callers wait."""
    attempts, try_seconds = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    found: list[Node] = []
    if draw(st.booleans()):
        methods = draw(st.lists(st.sampled_from(["GET", "HEAD", "OPTIONS"]), min_size=1, unique=True))
        found.append(
            {"kind": "retries", "attempts": attempts, "perTry": f"{try_seconds}s", "methods": methods}
        )
    if draw(st.booleans()):
        found.append({"kind": "timeout", "duration": f"{draw(st.integers(shortest, longest))}s"})
    return found


@st.composite
def breakers(draw: Draw, pods: int) -> Node:
    limits: Node = {"max": draw(st.integers(1, 100)), "pending": 50, "connectTimeout": "500ms"}
    found: Node = {"kind": "circuitbreaker"}
    if pods == 1 or draw(st.booleans()):
        found["connections"] = limits
    if pods > 1:
        found["outliers"] = {"consecutive5xx": 5, "consecutiveGatewayErrors": 3, "maxPercent": 50}
    return found


@st.composite
def affinities(draw: Draw) -> Node:
    return {"kind": "affinity", **draw(AFFINITIES)}


@st.composite
def accesses(draw: Draw, callers: list[str]) -> Node:
    found: Node = {"kind": "access"}
    if draw(st.booleans()) and callers:
        found["callers"] = draw(st.lists(st.sampled_from(callers), min_size=1, unique=True))
    else:
        found["outsiders"] = ["monitoring/prometheus"]
    narrowing = draw(st.sampled_from([("methods",), ("paths",), ("methods", "paths")]))
    if "outsiders" in found and draw(st.booleans()):
        narrowing = ()  # which a caller is without the policy
    if "methods" in narrowing:
        found["methods"] = ["GET", "POST"]
    if "paths" in narrowing:
        found["paths"] = draw(st.sampled_from([["/api/*"], ["/hc", "/api/cars"]]))
    return found


def _lanes(draw: Draw, services: Mapping[str, Node], *, meshed: bool) -> None:
    """Versions of a caller that get versions of what they call."""
    if not meshed or "webapp" not in services:
        return
    here = list(services["webapp"].get("versions", {"v1": {}}))
    for need in CATALOGUE["webapp"].needs:
        own = services.get(need.service, {})
        if CATALOGUE[need.service].kind is Kind.HTTP and own and draw(st.booleans()):
            lane = {
                "kind": "lane",
                "caller": "webapp",
                "callerVersion": draw(st.sampled_from(here)),
                "to": draw(st.sampled_from(list(own["versions"]))),
            }
            own["traffic"] = [*own.get("traffic", []), lane]
