"""Pods that a restricted namespace admits, and Services that select every version."""

import json

import pytest
import yaml

from components.model import manifests
from components.model.catalogue import CATALOGUE, Kind, Service
from components.model.manifests import Json

SERVICES = list(CATALOGUE.values())


def pick(value: Json, *path: str | int) -> Json:
    for step in path:
        match value, step:
            case dict(), str():
                value = value[step]
            case list(), int():
                value = value[step]
            case _:
                pytest.fail(f"no {step} in {value}")
    return value


def pod(service: Service, version: str = "v1") -> Json:
    document = manifests.deployment(service, version, 1, "pitstop").document()
    return pick(document, "spec", "template", "spec")


def by_name(service: Service) -> str:
    return service.name


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_every_pod_is_what_pod_security_restricted_asks_for(service: Service) -> None:
    security = pick(pod(service), "securityContext")
    assert pick(security, "runAsNonRoot") is True
    assert pick(security, "runAsUser") not in {0, 1337}
    assert pick(security, "seccompProfile") == {"type": "RuntimeDefault"}
    assert pick(pod(service), "containers", 0, "securityContext") == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_every_pod_has_its_own_identity_and_no_token(service: Service) -> None:
    assert pick(pod(service), "serviceAccountName") == service.name
    assert pick(pod(service), "automountServiceAccountToken") is False
    account = manifests.service_account(service, "pitstop").document()
    assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize("service", [one for one in SERVICES if one.ports], ids=by_name)
def test_a_service_selects_every_version_and_declares_its_protocols(service: Service) -> None:
    spec = manifests.service_object(service, "pitstop").document()["spec"]
    assert pick(spec, "selector") == {"app": service.name}
    ports = pick(spec, "ports")
    assert isinstance(ports, list)
    assert [pick(port, "appProtocol") for port in ports] == [port.protocol for port in service.ports]


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_low_ports_are_allowed_where_they_are_used_and_only_there(service: Service) -> None:
    low = any(port.target < 1024 for port in service.ports)
    assert ("sysctls" in str(pick(pod(service), "securityContext"))) == low


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_no_secret_is_in_a_pod(service: Service) -> None:
    template = manifests.secret(service, "pitstop")
    if template:
        filled = template.filled(dict.fromkeys(template.values_needed(), "s3cr3t!"))
        assert "s3cr3t!" in str(filled)
        assert set(filled) == set(service.secret_env)
    assert "password=" not in json.dumps(pod(service)).lower()


def test_liveness_never_asks_for_health() -> None:
    container = pick(pod(CATALOGUE["customermanagementapi"]), "containers", 0)
    assert pick(container, "livenessProbe", "tcpSocket", "port") == "http"
    assert pick(container, "readinessProbe", "httpGet", "path") == "/hc"
    seconds = pick(container, "startupProbe", "failureThreshold")
    assert isinstance(seconds, int)
    assert seconds * manifests.PROBE_SECONDS >= 300


def test_readiness_of_the_workshop_api_is_its_port() -> None:
    container = pick(pod(CATALOGUE["workshopmanagementapi"]), "containers", 0)
    assert "httpGet" not in str(pick(container, "readinessProbe"))


def test_a_singleton_never_runs_twice_during_an_update() -> None:
    document = manifests.deployment(CATALOGUE["timeservice"], "v1", 1, "pitstop").document()
    assert pick(document, "spec", "strategy") == {"type": "Recreate"}


def test_versions_differ_by_label_selector_and_image() -> None:
    service = CATALOGUE["customermanagementapi"]
    first, second = (
        manifests.deployment(service, version, 1, "pitstop").document() for version in ("v1", "v2")
    )
    assert pick(first, "spec", "selector", "matchLabels") == {"app": service.name, "version": "1.0"}
    assert str(first).replace("-v1", "-v2").replace("'1.0'", "'2.0'").replace(":1.0'", ":2.0'") == str(second)


def test_sidecars_count_requests_of_their_own_namespace() -> None:
    text = manifests.proxy_annotations("pitstop")["proxy.istio.io/config"]
    assert yaml.safe_load(text) == {
        "proxyStatsMatcher": {
            "inclusionRegexps": [
                r"cluster\.outbound\|[0-9]+\|[^|]*\|[^|]+\.pitstop\.svc\.cluster\.local.*upstream_rq_.*"
            ]
        }
    }


def test_a_manifest_gives_copies() -> None:
    manifest = manifests.service_object(CATALOGUE["webapp"], "pitstop")
    pick_me = manifest.document()["spec"]
    assert isinstance(pick_me, dict)
    pick_me.clear()
    assert manifest.document()["spec"] != {}


@pytest.mark.parametrize("service", [one for one in SERVICES if one.kind is Kind.WORKER], ids=by_name)
def test_workers_have_no_probe_because_none_could_fail(service: Service) -> None:
    assert "Probe" not in str(pod(service))
