"""Pods that a restricted namespace admits, as many as the release strategy says, and no secret in any."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
import yaml

from components.model import pods
from components.model.catalogue import CATALOGUE, Kind, Secret, Service
from components.model.manifests import Document, Json
from components.model.plan import Plan, WorkloadPlan
from components.model.pods import Running
from components.model.settings import Resources, ServiceSettings, Settings, VersionSettings
from components.model.versions import BUSYBOX_IMAGE, RABBITMQ_IMAGE, SQLSERVER_IMAGE
from tests.model.examples import WHOLE, Node, items, objects, pick, plan, settings

SERVICES = list(CATALOGUE.values())
ENVIRONMENT = settings(base=WHOLE)
WORKER = "services.notificationservice"
TWO: Node = {"v1": {}, "v2": {}}


def by_name(service: Service) -> str:
    return service.name


def whole(changes: Mapping[str, object] | None = None) -> Plan:
    return plan(changes, WHOLE)


def load_of(environment: Plan, name: str) -> WorkloadPlan:
    return next(load for load in environment.workloads if load.service.name == name)


def workload(service: Service, version: str = "v1", environment: Settings = ENVIRONMENT) -> Document:
    """One version of a service, as settings with several versions would run it."""
    (first,) = pods.running(service, ServiceSettings())
    return pods.workload(service, replace(first, version=version), environment).document()


def pod(service: Service, version: str = "v1", environment: Settings = ENVIRONMENT) -> Json:
    return pick(workload(service, version, environment), "spec", "template", "spec")


def container(service: Service) -> Json:
    return pick(pod(service), "containers", 0)


def worker(release: Node, versions: Node | None = None) -> dict[str, Document]:
    """The workloads of a worker with two versions, by name, whatever the checks say."""
    own = settings({f"{WORKER}.versions": versions or TWO, f"{WORKER}.release": release}, WHOLE)
    service = CATALOGUE["notificationservice"]
    running = pods.running(service, own.services["notificationservice"])
    made = [pods.workload(service, one, own) for one in running]
    return {one.name: one.document() for one in made}


# --- what is admitted ---------------------------------------------------------------------------------


def pod_specs(environment: Plan) -> Iterator[Json]:
    """Of everything that starts pods, the database job included."""
    for kind in ("Deployment", "StatefulSet", "Job"):
        for document in objects(environment, kind).values():
            yield pick(document, "spec", "template", "spec")


def unsafe(spec: Json) -> list[str]:
    """What Pod Security's restricted level, or our own rules, would have against a pod."""
    security = pick(spec, "securityContext")
    found = [
        text
        for text, wrong in {
            "may be root": pick(security, "runAsNonRoot") is not True,
            "is root or the sidecar": pick(security, "runAsUser") in {0, 1337},
            "any system call": pick(security, "seccompProfile") != {"type": "RuntimeDefault"},
            "a token": pick(spec, "automountServiceAccountToken") is not False,
            "links": pick(spec, "enableServiceLinks") is not False,
        }.items()
        if wrong
    ]
    allowed: list[Document] = [{**pods.HARDENED, "readOnlyRootFilesystem": read} for read in (True, False)]
    for one in [
        *items(spec, "containers"),
        *(items(spec, "initContainers") if "initContainers" in str(spec) else []),
    ]:
        if one.get("securityContext") not in allowed:
            found.append(f"{one['name']} is not hardened")
        if not isinstance(one.get("resources"), dict) or "limits" not in str(one["resources"]):
            found.append(f"{one['name']} is without bounds")
    return found


def test_every_pod_is_what_pod_security_restricted_asks_for() -> None:
    specs = list(pod_specs(whole()))
    assert len(specs) == 15  # thirteen services, one of them in two versions, and the database job
    assert [unsafe(spec) for spec in specs] == [[]] * len(specs)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("securityContext", "runAsUser"), 1337),
        (("securityContext", "runAsNonRoot"), False),
        (("automountServiceAccountToken",), True),
        (("initContainers", 0, "securityContext", "allowPrivilegeEscalation"), True),
        (("containers", 0, "securityContext", "capabilities"), {}),
        (("containers", 0, "resources"), {}),
    ],
)
def test_a_pod_that_is_less_would_be_noticed(where: tuple[str | int, ...], value: Json) -> None:
    spec = json.loads(json.dumps(pod(CATALOGUE["customermanagementapi"])))
    assert unsafe(spec) == []
    place = pick(spec, *where[:-1])
    assert isinstance(place, dict)
    place[str(where[-1])] = value
    assert len(unsafe(spec)) == 1


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_only_who_must_writes_to_its_root_file_system(service: Service) -> None:
    read_only = pick(container(service), "securityContext", "readOnlyRootFilesystem")
    assert read_only is not bool(service.writes_anywhere)
    assert bool(service.writes_anywhere) == (service.name == "sqlserver")


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_every_pod_has_its_own_identity(service: Service) -> None:
    assert pick(pod(service), "serviceAccountName") == service.name
    labels = pick(workload(service), "spec", "template", "metadata", "labels")
    assert pick(labels, "pitstop.dev/identity") == pick(labels, "app") == service.name
    assert pick(labels, "version") == "1.0"


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_low_ports_are_allowed_where_they_are_used_and_only_there(service: Service) -> None:
    low = any(port.target < 1024 for port in service.ports)
    assert ("sysctls" in str(pick(pod(service), "securityContext"))) == low


# --- secrets ------------------------------------------------------------------------------------------


def leaks(document: Json) -> list[str]:
    """Places in a document where a secret, or what would be filled with one, stands in clear."""
    text = json.dumps(document)
    found = [str(name) for name in Secret if f"{{{name}}}" in text]
    found += re.findall(r"(?i)password=(?!\$\(\w+\);)", text)
    for name, value in re.findall(r'"name": "([^"]+)", "value": "([^"]*)"', text):
        # Kubernetes puts a variable into its place when the pod starts.
        if re.search(r"(?i)pass|pwd|secret|token|ConnectionStrings", name) and "=$(" not in value:
            found.append(name)
    return found


def test_no_secret_is_in_any_object() -> None:
    assert [manifest.key for manifest in whole().objects() if leaks(manifest.document())] == []


@pytest.mark.parametrize(
    "leaking",
    [
        {"env": [{"name": "MSSQL_SA_PASSWORD", "value": "hunter2"}]},
        {"env": [{"name": "x", "value": "server=sqlserver;password=hunter2"}]},
        {"data": {"x.conf": "default_pass = {rabbitmqPassword}"}},
    ],
)
def test_a_secret_in_an_object_would_be_noticed(leaking: Json) -> None:
    assert leaks(leaking)


def references(document: Json) -> set[tuple[str, str]]:
    """The secrets, and the keys in them, that an object's variables are filled from."""
    pattern = r'"secretKeyRef": \{"name": "([^"]+)", "key": "([^"]+)"\}'
    return set(re.findall(pattern, json.dumps(document)))


def test_every_variable_finds_its_secret_and_every_secret_is_used() -> None:
    environment = whole()
    held = {
        (secret.name, key)
        for secret in environment.secrets()
        for key in secret.holds
        if secret.type == "Opaque"
    }
    used = {
        found
        for kind in ("Deployment", "StatefulSet", "Job")
        for document in objects(environment, kind).values()
        for found in references(document)
    }
    assert used == held
    assert ("customermanagementapi", "sqlCustomersPassword") in used


def test_what_is_put_into_a_text_stands_before_it_and_is_no_more_than_that() -> None:
    # Kubernetes leaves a name that it does not know yet as it stands: the service would log in with it.
    seen = 0
    for service in SERVICES:
        known: set[str] = set()
        for one in items(container(service), "env"):
            named = re.findall(r"\$\((\w+)\)", str(one.get("value", "")))
            assert known.issuperset(named)
            known.add(str(one["name"]))
            seen += len(named)
    assert seen == 7


def test_settings_are_taken_as_they_stand() -> None:
    stated = "$(B) costs $5, $$ more"
    own: Node = {"v1": {"settings": {"A": stated, "B": "x"}}}
    (one,) = load_of(whole({"services.webapp.versions": own}), "webapp").workloads
    text = str(environment_of(one.document())["A"])
    assert text == "$$(B) costs $$5, $$$$ more"
    # As Kubernetes reads it: https://pkg.go.dev/k8s.io/kubernetes/third_party/forked/golang/expansion
    assert text.replace("$$", "$") == stated


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_a_pod_reads_no_secret_but_its_own(service: Service) -> None:
    assert {name for name, _ in references(pod(service))} <= {service.name}
    template = pods.secret(service, ENVIRONMENT)
    assert {key for _, key in references(pod(service))} == set(template.holds if template else ())


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_pods_start_anew_for_the_values_they_read_and_for_no_others(service: Service) -> None:
    annotations = cast_map(pick(workload(service), "spec", "template", "metadata", "annotations"))
    prefix = "secret.pitstop.dev/"
    found = {key.removeprefix(prefix): text for key, text in annotations.items() if key.startswith(prefix)}
    assert found == {key: f"${{version:{key}}}" for _, key in references(pod(service))}


def test_who_calls_the_database_does_it_with_its_own_login_and_no_other() -> None:
    template = load_of(whole(), "customermanagementapi").secret
    assert template is not None
    assert template.holds == {
        "sqlCustomersPassword": "sqlCustomersPassword",
        "rabbitmqPassword": "rabbitmqPassword",
    }
    variables = environment_of(workload(CATALOGUE["customermanagementapi"]))
    assert variables["ConnectionStrings__CustomerManagementCN"] == (
        "server=sqlserver;database=CustomerManagement;trustServerCertificate=true;"
        "user id=customers;password=$(sqlCustomersPassword);"
    )
    administrators = [
        load.service.name
        for load in whole().workloads
        if load.secret and Secret.SQL in load.secret.values_needed()
    ]
    assert administrators == ["sqlserver"]


def test_who_has_nothing_to_hide_has_no_secret() -> None:
    without = [load.service.name for load in whole().workloads if load.secret is None]
    assert sorted(without) == ["mailserver", "webapp"]


# --- probes -------------------------------------------------------------------------------------------


def test_liveness_never_asks_for_health() -> None:
    api = container(CATALOGUE["customermanagementapi"])
    assert pick(api, "livenessProbe", "tcpSocket", "port") == "http"
    assert pick(api, "readinessProbe", "httpGet", "path") == "/hc"
    seconds = pick(api, "startupProbe", "failureThreshold")
    assert isinstance(seconds, int)
    assert seconds * pods.PROBE_SECONDS >= 300


@pytest.mark.parametrize("service", [one for one in SERVICES if one.ports], ids=by_name)
def test_every_liveness_probe_is_the_open_port(service: Service) -> None:
    assert pick(container(service), "livenessProbe", "tcpSocket", "port") == service.ports[0].name
    assert "httpGet" not in str(pick(container(service), "livenessProbe"))


def test_readiness_of_the_workshop_api_is_its_port() -> None:
    assert "httpGet" not in str(pick(container(CATALOGUE["workshopmanagementapi"]), "readinessProbe"))


@pytest.mark.parametrize("service", [one for one in SERVICES if one.kind is Kind.WORKER], ids=by_name)
def test_workers_have_no_probe_because_none_could_fail(service: Service) -> None:
    assert "Probe" not in str(pod(service))


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_who_answers_requests_drains_before_it_ends(service: Service) -> None:
    drains = (
        pick(container(service), "lifecycle", "preStop", "sleep", "seconds")
        if service.kind is Kind.HTTP
        else 0
    )
    assert drains == (pods.DRAIN_SECONDS if service.kind is Kind.HTTP else 0)
    assert pods.DRAIN_SECONDS < pods.GRACE_SECONDS


# --- versions and releases ----------------------------------------------------------------------------


def test_versions_differ_by_label_selector_and_image() -> None:
    service = CATALOGUE["customermanagementapi"]
    first, second = (workload(service, version) for version in ("v1", "v2"))
    assert pick(first, "spec", "selector", "matchLabels") == {"app": service.name, "version": "1.0"}
    assert str(first).replace("-v1", "-v2").replace("'1.0'", "'2.0'").replace(":1.0'", ":2.0'") == str(second)


def told(document: Document) -> tuple[Json, Json, Json]:
    """Of a workload: replicas, strategy and image."""
    spec = pick(document, "spec")
    assert isinstance(spec, dict)
    image = pick(spec, "template", "spec", "containers", 0, "image")
    return spec.get("replicas"), pick(spec, "strategy", "type"), image


def image(version: str) -> str:
    return f"pitstop.local/standin/notificationservice:{version}"


RELEASES: dict[str, tuple[Node, dict[str, tuple[Json, Json, Json]]]] = {
    "replace": (
        {"kind": "replace", "live": "v2"},
        {"notificationservice-v2": (1, "RollingUpdate", image("2.0"))},
    ),
    "pause": (
        {"kind": "pause", "live": "v2"},
        {
            "notificationservice-v1": (0, "RollingUpdate", image("1.0")),
            "notificationservice-v2": (1, "RollingUpdate", image("2.0")),
        },
    ),
    "one": ({"kind": "one", "live": "v2"}, {"notificationservice": (1, "Recreate", image("2.0"))}),
    "share": (
        {"kind": "share"},
        {
            "notificationservice-v1": (1, "RollingUpdate", image("1.0")),
            "notificationservice-v2": (1, "RollingUpdate", image("2.0")),
        },
    ),
    "shadow": (
        {"kind": "shadow", "live": "v1", "shadow": "v2"},
        {
            "notificationservice-v1": (1, "RollingUpdate", image("1.0")),
            "notificationservice-v2": (1, "RollingUpdate", image("2.0")),
        },
    ),
}


@pytest.mark.parametrize("kind", RELEASES)
def test_a_release_decides_which_pods_there_are(kind: str) -> None:
    release, expected = RELEASES[kind]
    assert {name: told(document) for name, document in worker(release).items()} == expected


def test_a_version_beside_a_shadow_has_no_pods() -> None:
    versions: Node = {"v1": {}, "v2": {}, "v3": {"replicas": 2}}
    made = worker({"kind": "shadow", "live": "v1", "shadow": "v2"}, versions)
    assert list(made) == ["notificationservice-v1", "notificationservice-v2"]


def test_a_version_a_replacement_leaves_out_starts_before_the_old_one_ends() -> None:
    (document,) = worker({"kind": "replace", "live": "v1"}).values()
    assert pick(document, "spec", "strategy", "rollingUpdate") == {"maxSurge": 1, "maxUnavailable": 0}


def test_what_runs_alone_keeps_its_selector_whatever_its_version() -> None:
    (first,), (second,) = (worker({"kind": "one", "live": live}).values() for live in ("v1", "v2"))
    assert pick(first, "spec", "selector", "matchLabels") == {"app": "notificationservice"}
    assert pick(second, "spec", "selector") == pick(first, "spec", "selector")  # it cannot be changed
    assert pick(second, "spec", "template", "metadata", "labels", "version") == "2.0"


def test_a_paused_version_is_not_scaled_and_a_live_one_is_left_to_its_scaler() -> None:
    scaled: Node = {"scaling": {"kind": "queue", "max": 4}}
    made = worker({"kind": "pause", "live": "v2"}, {"v1": scaled, "v2": scaled})
    assert told(made["notificationservice-v1"])[0] == 0
    assert told(made["notificationservice-v2"])[0] is None


def environment_of(document: Document) -> dict[str, Json]:
    variables = items(document, "spec", "template", "spec", "containers", 0, "env")
    names = [str(one["name"]) for one in variables]
    first = [name for name in names if name in set(Secret)]
    assert names == [*first, *sorted(set(names) - set(first))]
    return {str(one["name"]): one.get("value", one.get("valueFrom")) for one in variables}


def test_a_shadow_has_a_queue_a_database_and_a_mail_server_of_its_own() -> None:
    servers: Node = {"sqlHost": "sql-2.example.org", "mailHost": "mail-2.example.org"}
    release: Node = {"kind": "shadow", "live": "v1", "shadow": "v2", **servers}
    made = worker(release)
    live, shadow = (environment_of(made[f"notificationservice-{version}"]) for version in ("v1", "v2"))
    assert shadow == {
        **live,
        "RabbitMQHandler__Queue": "Notifications-v2",
        "Email__Host": "mail-2.example.org",
        "ConnectionStrings__NotificationServiceCN": str(
            live["ConnectionStrings__NotificationServiceCN"]
        ).replace("server=sqlserver;", "server=sql-2.example.org;"),
    }
    assert "server=sqlserver;" in str(live["ConnectionStrings__NotificationServiceCN"])
    assert "RabbitMQHandler__Queue" not in live  # the image's own


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_what_must_never_run_twice_has_a_fixed_name_and_ends_before_it_starts(service: Service) -> None:
    document = workload(service)
    spec = pick(document, "spec")
    assert isinstance(spec, dict)
    alone = service.singleton or service.volume is not None
    assert pick(document, "metadata", "name") == (service.name if alone else f"{service.name}-v1")
    if alone:
        assert pick(spec, "replicas") == 1
        assert pick(spec, "selector", "matchLabels") == {"app": service.name}
        # A StatefulSet ends a pod before it starts the next of the same name.
        assert document["kind"] == "StatefulSet" or pick(spec, "strategy") == {"type": "Recreate"}


def test_who_must_never_run_twice() -> None:
    alone = {service.name for service in SERVICES if service.singleton}
    assert alone == {"timeservice", "sqlserver", "rabbitmq", "mailserver", "logserver"}


# --- data and files -----------------------------------------------------------------------------------


def test_servers_that_keep_data_are_stateful_sets() -> None:
    environment = whole()
    assert set(objects(environment, "StatefulSet")) == {"sqlserver", "rabbitmq", "logserver"}
    for name, document in objects(environment, "StatefulSet").items():
        assert pick(document, "spec", "serviceName") == name
        assert "strategy" not in str(document["spec"])
    assert environment.data() == {
        "sqlserver": "every database",
        "rabbitmq": "events nobody has taken yet",
        "logserver": "the collected logs",
        "auditlogservice": "the audit log",
    }


def test_a_worker_that_keeps_data_ends_before_it_starts_because_its_volume_cannot_follow() -> None:
    assert pick(workload(CATALOGUE["auditlogservice"]), "spec", "strategy") == {"type": "Recreate"}


def test_claims_have_the_size_and_the_class_that_are_asked_for() -> None:
    environment = whole({"storage": {"class": "managed-csi", "sizes": {"sqlserver": "20Gi"}}})
    claims = objects(environment, "PersistentVolumeClaim")
    assert claims["sqlserver"]["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "20Gi"}},
        "storageClassName": "managed-csi",
    }
    assert pick(claims["rabbitmq"], "spec", "resources", "requests", "storage") == "1Gi"
    assert "storageClassName" not in str(objects(whole(), "PersistentVolumeClaim"))


@pytest.mark.parametrize("kind", ["claims", "ephemeral"])
def test_every_volume_of_data_is_mounted_where_the_service_keeps_it(kind: str) -> None:
    environment = whole({"storage": {"kind": kind}})
    claims = objects(environment, "PersistentVolumeClaim")
    mounted = {}
    for load in environment.workloads:
        for manifest in load.workloads:
            spec = pick(manifest.document(), "spec", "template", "spec")
            volume = [one for one in items(spec, "volumes") if one["name"] == "data"]
            paths = [
                one["mountPath"]
                for one in items(spec, "containers", 0, "volumeMounts")
                if one["name"] == "data"
            ]
            assert paths == ([load.service.volume.path] if load.service.volume else [])
            assert len(volume) == len(paths)
            if volume:
                mounted[manifest.name] = volume[0]
    if kind == "claims":
        assert mounted == {
            name: {"name": "data", "persistentVolumeClaim": {"claimName": name}} for name in claims
        }
    else:
        assert claims == {}
        assert environment.data() == {}
        assert mounted["sqlserver"] == {"name": "data", "emptyDir": {"sizeLimit": "8Gi"}}


def test_files_are_mounted_and_a_change_of_them_starts_the_pods_anew() -> None:
    service = CATALOGUE["rabbitmq"]
    (one,) = pods.running(service, ServiceSettings())
    (files,) = pods.files(service, one, ENVIRONMENT)
    assert "default_user = rabbitmquser" in str(files.document()["data"])
    assert {"name": "config", "configMap": {"name": "rabbitmq"}} in items(pod(service), "volumes")
    mount = {"name": "config", "mountPath": "/etc/rabbitmq/conf.d", "readOnly": True}
    assert mount in items(container(service), "volumeMounts")
    changed = replace(service, config={path: text + "x" for path, text in service.config.items()})

    def digest(of: Service) -> Json:
        return pick(workload(of), "spec", "template", "metadata", "annotations", "pitstop.dev/config")

    assert digest(service) == digest(CATALOGUE["rabbitmq"])
    assert digest(changed) != digest(service)
    assert "pitstop.dev/config" not in str(workload(CATALOGUE["webapp"]))
    assert pods.files(CATALOGUE["webapp"], one, ENVIRONMENT) == ()


def test_servers_keep_to_their_share_of_the_memory_their_pod_has() -> None:
    """Above its limit a container is ended; far below it a broker holds publishers back for nothing."""

    def told(resources: Node) -> tuple[object, Json]:
        sizes = {f"services.{name}.versions": {"v1": resources} for name in ("rabbitmq", "sqlserver")}
        environment = whole({**sizes, "images": "upstream"})
        rules = str(pick(objects(environment, "ConfigMap")["rabbitmq"], "data", "20-pitstop.conf"))
        server = pick(objects(environment, "StatefulSet")["sqlserver"], "spec", "template", "spec")
        [limit] = [one for one in items(server, "containers", 0, "env") if "MEMORY_LIMIT" in str(one)]
        return re.findall(r"watermark.absolute = (.*)", rules)[0], pick(limit, "value")

    assert told({}) == ("384MiB", "2048")
    assert told({"resources": {"memory": "2Gi", "memoryLimit": "4Gi"}}) == ("2048MiB", "2730")
    assert told({"resources": {"memory": "2Gi"}}) == ("2048MiB", "2730")


def test_every_file_is_in_a_folder_of_its_services_own() -> None:
    for service in SERVICES:
        assert len({path.rpartition("/")[0] for path in service.config}) <= 1


# --- waiting for the broker ---------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_who_needs_the_broker_waits_until_it_answers(service: Service) -> None:
    needs = any(need.service == "rabbitmq" for need in service.needs)
    spec = pod(service)
    assert isinstance(spec, dict)
    waits = items(spec, "initContainers") if "initContainers" in spec else []
    assert [one["name"] for one in waits] == (["await-rabbitmq"] if needs else [])
    for one in waits:
        command = str(one["command"])
        assert "nc rabbitmq 5672" in command
        assert "AMQP" in command  # a connection alone is taken by the sidecar


# --- images and sizes ---------------------------------------------------------------------------------


def images(environment: Plan) -> dict[str, Json]:
    """Each container's image, by workload and container."""
    return {
        f"{name}/{one['name']}": one["image"]
        for kind in ("Deployment", "StatefulSet", "Job")
        for name, document in objects(environment, kind).items()
        for one in [
            *items(document, "spec", "template", "spec", "containers"),
            *(
                items(document, "spec", "template", "spec", "initContainers")
                if "initContainers" in str(document)
                else []
            ),
        ]
    }


def test_stand_ins_need_no_registry() -> None:
    found = images(whole())
    assert all(str(image).startswith("pitstop.local/") for image in found.values())
    assert found["webapp-v1/webapp"] == "pitstop.local/standin/webapp:1.0"
    assert found["rabbitmq/rabbitmq"] == "pitstop.local/debian/rabbitmq:3"
    assert found["webapp-v1/webapp"] != found["customermanagementapi-v2/customermanagementapi"]


@pytest.mark.parametrize(
    ("source", "hub"),
    [("upstream", "docker.io/pitstop"), ("ghcr.io/acme/pitstop", "ghcr.io/acme/pitstop")],
)
def test_images_of_a_registry(source: str, hub: str) -> None:
    found = images(whole({"images": source}))
    assert found["customermanagementapi-v2/customermanagementapi"] == f"{hub}/customermanagementapi:2.0"
    assert found["customermanagementapi-v2/await-rabbitmq"] == BUSYBOX_IMAGE
    assert found["sqlserver/sqlserver"] == SQLSERVER_IMAGE  # not ours to build
    assert found["rabbitmq/rabbitmq"] == RABBITMQ_IMAGE
    assert [image for name, image in found.items() if name.startswith("database-init-")] == [SQLSERVER_IMAGE]
    assert not [
        image for image in found.values() if str(image).endswith(":latest") or "pitstop.local" in str(image)
    ]


def test_a_version_may_have_an_image_of_its_own() -> None:
    mine = f"ghcr.io/acme/webapp@sha256:{'a' * 64}"
    found = images(whole({"services.webapp.versions": {"v1": {"image": mine}}}))
    assert found["webapp-v1/webapp"] == mine
    assert mine not in {image for name, image in found.items() if not name.startswith("webapp-")}


def test_the_database_is_prepared_by_the_image_that_runs_it() -> None:
    mine = "ghcr.io/acme/sqlserver:2022"
    found = images(whole({"services.sqlserver.versions": {"v1": {"image": mine}}}))
    assert {image for name, image in found.items() if "database-init" in name} == {mine}


def asked(service: str, changes: Mapping[str, object]) -> Json:
    environment = whole(changes)
    (one,) = load_of(environment, service).workloads
    return pick(one.document(), "spec", "template", "spec", "containers", 0, "resources")


def test_resources_follow_the_images_and_what_is_asked_for() -> None:
    assert asked("sqlserver", {}) == {
        "requests": {"cpu": "10m", "memory": "64Mi", "ephemeral-storage": "16Mi"},
        "limits": {"memory": "256Mi", "ephemeral-storage": "128Mi"},
    }
    assert asked("sqlserver", {"images": "upstream"}) == {
        "requests": {"cpu": "250m", "memory": "2Gi", "ephemeral-storage": "16Mi"},
        "limits": {"memory": "3Gi", "ephemeral-storage": "128Mi"},
    }
    own: Node = {"v1": {"resources": {"cpu": 2, "memory": "4Gi", "memoryLimit": "5Gi"}}}
    assert asked("sqlserver", {"services.sqlserver.versions": own}) == {
        "requests": {"cpu": "2", "memory": "4Gi", "ephemeral-storage": "16Mi"},
        "limits": {"memory": "5Gi", "ephemeral-storage": "128Mi"},
    }


@pytest.mark.parametrize(
    ("own", "memory", "limit"),
    [
        ({}, "64Mi", "256Mi"),
        ({"memory": "100Mi"}, "100Mi", "200Mi"),
        ({"memoryLimit": "512Mi"}, "64Mi", "512Mi"),
        ({"memoryLimit": "48Mi"}, "48Mi", "48Mi"),  # a request above the limit would be refused
        ({"memory": "1Gi", "memoryLimit": "1Gi"}, "1Gi", "1Gi"),
    ],
)
def test_memory_and_its_limit(own: Node, memory: str, limit: str) -> None:
    made = pods.resources(pods.size(CATALOGUE["webapp"], ENVIRONMENT), Resources.model_validate(own))
    assert pick(made, "requests", "memory") == memory
    assert pick(made, "limits", "memory") == limit


def test_there_is_no_limit_of_processor_time() -> None:
    for spec in pod_specs(whole()):
        for one in items(spec, "containers"):
            assert "cpu" not in str(pick(one, "resources", "limits"))


def test_data_that_lies_on_the_node_is_within_the_pods_bound() -> None:
    # What lies in an emptyDir counts: above its limit the node evicts the pod.
    environment = whole({"storage": {"kind": "ephemeral", "sizes": {"sqlserver": "2Gi"}}})
    (one,) = load_of(environment, "sqlserver").workloads
    spec = pick(one.document(), "spec", "template", "spec")
    assert pick(spec, "containers", 0, "resources", "limits", "ephemeral-storage") == "2176Mi"
    assert {"name": "data", "emptyDir": {"sizeLimit": "2Gi"}} in items(spec, "volumes")


# --- the rest -----------------------------------------------------------------------------------------


def test_settings_of_a_version_reach_its_pods_and_no_others() -> None:
    level: Node = {
        "v1": {},
        "v2": {"settings": {"Serilog__MinimumLevel": "Debug", "Email__Port": "2525"}},
    }
    environment = whole({"services.customermanagementapi.versions": level})
    first, second = (one.document() for one in load_of(environment, "customermanagementapi").workloads)
    assert environment_of(second) == environment_of(first) | {
        "Serilog__MinimumLevel": "Debug",
        "Email__Port": "2525",
    }


@pytest.mark.parametrize("key", ["Email__Host", "email__host"])
def test_a_setting_takes_the_place_of_the_programs_own_in_any_spelling(key: str) -> None:
    own: Node = {"v1": {"settings": {key: "smtp.example.org"}}}
    (one,) = load_of(whole({"services.invoiceservice.versions": own}), "invoiceservice").workloads
    mail = {name: text for name, text in environment_of(one.document()).items() if "mail" in name}
    assert mail == {key: "smtp.example.org"}


def test_several_pods_are_spread_and_a_single_one_is_not() -> None:
    environment = whole({"services.webapp.versions": {"v1": {"replicas": 2}}})
    (several,) = load_of(environment, "webapp").workloads
    constraints = items(several.document(), "spec", "template", "spec", "topologySpreadConstraints")
    assert [one["topologyKey"] for one in constraints] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]
    selectors = [pick(one, "labelSelector", "matchLabels") for one in constraints]
    assert selectors == [{"app": "webapp", "version": "1.0"}] * 2
    assert "topologySpread" not in str(pod(CATALOGUE["webapp"]))


def test_sidecars_count_requests_of_their_own_namespace() -> None:
    text = pods.proxy_annotations("pitstop")["proxy.istio.io/config"]
    assert yaml.safe_load(text) == {
        "proxyStatsMatcher": {
            "inclusionRegexps": [
                r"cluster\.outbound\|[0-9]+\|[^|]*\|[^|]+\.pitstop\.svc\.cluster\.local.*upstream_rq_.*"
            ]
        }
    }
    assert (
        pods.proxy_annotations("pitstop").items()
        <= cast_map(
            pick(workload(CATALOGUE["webapp"]), "spec", "template", "metadata", "annotations")
        ).items()
    )


def test_every_sidecar_is_native_whatever_the_mesh_does_by_itself() -> None:
    """Another kind starts with the service, too late for what waits before it, and keeps a job alive."""
    found = [one for kind in ("Deployment", "StatefulSet", "Job") for one in objects(whole(), kind).values()]
    assert len(found) > len(CATALOGUE)
    for one in found:
        annotations = pick(one, "spec", "template", "metadata", "annotations")
        assert pick(annotations, "sidecar.istio.io/nativeSidecar") == "true", one["metadata"]


def cast_map(value: Json) -> Document:
    assert isinstance(value, dict)
    return value


def test_pods_without_a_mesh_have_no_word_of_it() -> None:
    environment = settings({"mesh": {"kind": "none"}}, WHOLE)
    assert "istio" not in str(workload(CATALOGUE["webapp"], environment=environment))


def test_a_version_with_a_scaler_states_no_replicas() -> None:
    scaled = VersionSettings.model_validate({"scaling": {"kind": "cpu", "max": 4}})
    service = CATALOGUE["webapp"]
    for own, replicas in ((scaled, None), (VersionSettings(replicas=3), 3)):
        (one,) = pods.running(service, ServiceSettings(versions={"v1": own}))
        assert one == Running("v1", own, replicas)
        spec = pods.workload(service, one, ENVIRONMENT).document()["spec"]
        assert isinstance(spec, dict)
        assert spec.get("replicas") == replicas


def test_the_audit_log_stays_where_it_is_while_versions_follow_one_another() -> None:
    def claims_of(live: str) -> tuple[str, ...]:
        both = {"versions": {"v1": {}, "v2": {}}, "release": {"kind": "replace", "live": live}}
        made = plan({"services.auditlogservice": both})
        load = next(one for one in made.workloads if one.service.name == "auditlogservice")
        return tuple(claim.name for claim in load.claims)

    assert claims_of("v1") == claims_of("v2") == ("auditlogservice",)
