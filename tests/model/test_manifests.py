"""Services that select every version, accounts without a token, and documents that are copies."""

import pytest

from components.model import manifests
from components.model.catalogue import CATALOGUE, Service
from components.model.manifests import Manifest, SecretTemplate
from components.model.settings import GatewayService
from tests.model.examples import items, pick

SERVICES = list(CATALOGUE.values())


def by_name(service: Service) -> str:
    return service.name


@pytest.mark.parametrize("service", [one for one in SERVICES if one.ports], ids=by_name)
def test_a_service_selects_every_version_and_declares_its_protocols(service: Service) -> None:
    document = manifests.service_object(service, "pitstop").document()
    assert pick(document, "spec", "selector") == {"app": service.name}
    assert pick(document, "spec", "type") == "ClusterIP"
    ports = items(document, "spec", "ports")
    assert [port["appProtocol"] for port in ports] == [port.protocol for port in service.ports]
    assert [(port["port"], port["targetPort"]) for port in ports] == [
        (port.port or port.target, port.target) for port in service.ports
    ]


def test_without_a_mesh_a_service_picks_one_version_and_may_be_exposed() -> None:
    exposed = GatewayService(service="NodePort", nodePort=30080)
    document = manifests.service_object(CATALOGUE["webapp"], "pitstop", exposed, only="v2").document()
    assert document["spec"] == {
        "type": "NodePort",
        "selector": {"app": "webapp", "version": "2.0"},
        "ports": [
            {
                "name": "http",
                "port": 7005,
                "targetPort": 7005,
                "protocol": "TCP",
                "appProtocol": "http",
                "nodePort": 30080,
            }
        ],
    }
    balanced = manifests.service_object(CATALOGUE["webapp"], "pitstop", GatewayService()).document()
    assert pick(balanced, "spec", "type") == "LoadBalancer"
    assert "nodePort" not in str(balanced)


def test_an_account_has_no_token() -> None:
    assert manifests.service_account("webapp", "pitstop").document() == {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": "webapp",
            "namespace": "pitstop",
            "labels": {"app": "webapp", "app.kubernetes.io/part-of": "pitstop"},
        },
        "automountServiceAccountToken": False,
    }


def test_a_manifest_gives_copies() -> None:
    manifest = manifests.service_object(CATALOGUE["webapp"], "pitstop")
    pick_me = manifest.document()["spec"]
    assert isinstance(pick_me, dict)
    pick_me.clear()
    assert manifest.document()["spec"] != {}


def test_metadata_says_nothing_that_is_not_set() -> None:
    assert Manifest("key", "v1", "Namespace", "pitstop").document()["metadata"] == {"name": "pitstop"}


def test_a_config_map_holds_files_by_name() -> None:
    made = manifests.config_map("webapp", "pitstop", {"b.conf": "2", "a.conf": "1"}, "webapp").document()
    assert made["data"] == {"a.conf": "1", "b.conf": "2"}
    assert made["kind"] == "ConfigMap"


def test_a_secret_holds_the_values_it_names_as_they_are() -> None:
    template = SecretTemplate("key", "webapp", "pitstop", {}, {"word": "word", "user": "name"})
    assert template.values_needed() == ("name", "word")
    assert template.filled({"name": "a", "word": "{b}"}) == {"user": "a", "word": "{b}"}
    assert template.document({"name": "a", "word": "b"})["type"] == "Opaque"


def test_a_digest_is_the_contents_own() -> None:
    assert manifests.digest("a", "b") == manifests.digest("a", "b")
    different = [manifests.digest(*texts) for texts in (("a", "b"), ("ab",), ("b", "a"), ("a", "b", ""))]
    assert len(set(different)) == len(different)
    assert all(len(text) == 8 for text in different)


def test_labels_name_the_version_as_images_have_it() -> None:
    assert manifests.labels("webapp") == {"app": "webapp", "app.kubernetes.io/part-of": "pitstop"}
    assert manifests.labels("webapp", "v2")["version"] == "2.0"
