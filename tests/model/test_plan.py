"""A plan is complete, ordered and the same for the same settings."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import settings as thoroughness
from hypothesis import strategies as st

from components.model import istio
from components.model.catalogue import CATALOGUE, Kind, Secret
from components.model.checks import check_plan, plan_for
from components.model.explain import parse
from components.model.findings import RefusedError
from components.model.manifests import spread
from components.model.plan import hard_needs
from components.model.settings import AddonMesh
from ops.paths import CHECKOUT
from tests.model.azure import AKS
from tests.model.everything import EVERYTHING
from tests.model.examples import CANARY, OWNER, REMOVE, WHOLE, Node, objects, pick, plan, raw, settings

PUBLIC = [name for name, service in CATALOGUE.items() if service.kind is Kind.HTTP]


def test_services_come_after_what_they_need() -> None:
    order = [load.service.name for load in plan().workloads]
    assert order == ["rabbitmq", "sqlserver", "webapp", "customermanagementapi"]
    after = {load.service.name: load.after for load in plan().workloads}
    assert after["customermanagementapi"] == ("sqlserver", "rabbitmq", "database-init")
    assert after["webapp"] == ()


def test_the_whole_system_in_its_order() -> None:
    after = {load.service.name: load.after for load in plan(base=WHOLE).workloads}
    assert after == {
        "logserver": (),
        "mailserver": (),
        "rabbitmq": (),
        "sqlserver": (),
        "webapp": (),
        "auditlogservice": ("rabbitmq",),
        "customermanagementapi": ("sqlserver", "rabbitmq", "database-init"),
        "invoiceservice": ("sqlserver", "rabbitmq", "mailserver", "database-init"),
        "notificationservice": ("sqlserver", "rabbitmq", "mailserver", "database-init"),
        "timeservice": ("rabbitmq",),
        "vehiclemanagementapi": ("sqlserver", "rabbitmq", "database-init"),
        "workshopmanagementapi": ("sqlserver", "rabbitmq", "database-init"),
        "workshopmanagementeventhandler": ("sqlserver", "rabbitmq", "database-init"),
    }


def test_several_versions_need_somebody_who_says_which() -> None:
    with pytest.raises(RefusedError) as refused:
        plan({"services.customermanagementapi.traffic": REMOVE})
    (line,) = refused.value.lines
    assert line.startswith(
        "pitstop:services.customermanagementapi.traffic: required when there are several versions (v1, v2), "
        "e.g. [{kind: bluegreen, live: v1}]"
    )


def test_the_namespace_is_restricted_owned_and_injected() -> None:
    labels = plan().namespace.labels
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels["pod-security.kubernetes.io/enforce-version"].startswith("v1.")
    assert labels["pitstop.dev/owner"] == OWNER
    assert labels["istio-injection"] == "enabled"


def test_a_revision_of_others_is_joined_by_its_label() -> None:
    labels = plan({"mesh": {"kind": "existing", "revision": "asm-1-27"}}).namespace.labels
    assert labels["istio.io/rev"] == "asm-1-27"
    assert "istio-injection" not in labels


def test_only_the_owner_of_the_mesh_has_anything_cluster_wide() -> None:
    mine, joined = plan(), plan({"mesh": {"kind": "existing"}})
    assert joined.mesh is None
    assert {manifest.namespace or manifest.name for manifest in joined.objects()} == {"pitstop"}
    assert mine.mesh is not None
    assert [release.name for release in mine.mesh.releases] == [
        "istio-base",
        "istio-cni",
        "istiod",
        "istio-ingressgateway",
    ]
    assert all(space.labels["pitstop.dev/owner"] == OWNER for space in mine.mesh.namespaces)


def test_two_environments_share_no_object() -> None:
    def names(namespace: str) -> set[tuple[str, str, str]]:
        found = plan({"mesh": {"kind": "existing"}, "namespace": namespace}).objects()
        return {(one.kind, one.namespace, one.name) for one in found}

    assert not names("pitstop") & names("pitstop-2")


def test_releases_wait_for_releases_that_come_before_them() -> None:
    mesh = plan().mesh
    assert mesh is not None
    seen: set[str] = set()
    for release in mesh.releases:
        assert set(release.after) <= seen
        seen.add(release.name)


def test_sizes_are_data() -> None:
    small, standard = plan(), plan({"mesh": {"kind": "helm"}})
    assert small.mesh is not None
    assert standard.mesh is not None
    assert "autoscaleEnabled" in str(small.mesh.releases)
    assert "autoscaleEnabled" not in str(standard.mesh.releases)
    assert {release.name for release in small.mesh.releases} == {
        release.name for release in standard.mesh.releases
    }


def test_a_drained_node_takes_neither_the_way_in_nor_the_control_plane() -> None:
    """The charts' own number of both is one. Two, on different nodes; and of a gateway one at a time."""
    names = ["one", "two"]
    mesh = plan({"mesh": {"kind": "helm", "revisions": [{"name": one} for one in names], "live": "one"}}).mesh
    assert mesh is not None
    values = {release.name: dict(release.values) for release in mesh.releases}
    for name in names:
        plane = values[f"istiod-{name}"]
        assert plane["autoscaleMin"] == 2
        assert plane["topologySpreadConstraints"] == spread({"app": "istiod", "istio.io/rev": name})
    gateway = values["istio-ingressgateway"]
    assert gateway["autoscaling"] == {"minReplicas": 2}
    assert gateway["podDisruptionBudget"] == {"maxUnavailable": 1}
    assert gateway["topologySpreadConstraints"] == spread({"istio": "ingressgateway"})


def test_secrets_that_are_needed_are_named() -> None:
    assert plan().secrets_needed() == (Secret.RABBITMQ, Secret.SQL_CUSTOMERS, Secret.SQL)
    only_web = plan({"services": {"webapp": {}}})
    assert only_web.secrets_needed() == ()
    certified = plan({"services": {"webapp": {}}, "ingress.tls": {"kind": "values"}})
    assert certified.secrets_needed() == (Secret.TLS_CERTIFICATE, Secret.TLS_KEY)
    every = plan({"ingress": {"tls": {"kind": "values"}}}, WHOLE).secrets_needed()
    assert set(every) == set(Secret)


def test_secrets_come_for_whom_they_are() -> None:
    found = {(one.namespace, one.name): one.values_needed() for one in plan().secrets()}
    assert found == {
        ("pitstop", "rabbitmq"): (Secret.RABBITMQ,),
        ("pitstop", "sqlserver"): (Secret.SQL,),
        ("pitstop", "customermanagementapi"): (Secret.RABBITMQ, Secret.SQL_CUSTOMERS),
        ("pitstop", "database-init"): (Secret.SQL_CUSTOMERS, Secret.SQL),
    }


@pytest.mark.parametrize("base", [CANARY, WHOLE, EVERYTHING], ids=["canary", "whole", "everything"])
def test_names_are_unique_for_each_kind(base: Node) -> None:
    made = plan(base=base)
    found = [(one.kind, one.key) for one in made.objects()]
    found += [("Secret", one.key) for one in made.secrets()]
    assert len(found) == len(set(found))
    physical = [(one.api_version, one.kind, one.namespace, one.name) for one in made.objects()]
    physical += [("v1", "Secret", one.namespace, one.name) for one in made.secrets()]
    assert len(physical) == len(set(physical))


def test_everything_upstream_starts_is_there() -> None:
    # Its start-all applies 23 objects: 13 Deployments, 8 Services, a config map, a namespace.
    one_version: Node = {"services.customermanagementapi": {}}
    made = plan(one_version, WHOLE)
    pods = [*objects(made, "Deployment"), *objects(made, "StatefulSet")]
    assert len(pods) == 13
    assert {name.removesuffix("-v1") for name in pods} == set(CATALOGUE)
    assert set(objects(made, "Service")) == {
        "webapp",
        "customermanagementapi",
        "vehiclemanagementapi",
        "workshopmanagementapi",
        "rabbitmq",
        "sqlserver",
        "logserver",
        "mailserver",
    }
    assert set(objects(made, "ConfigMap")) == {"rabbitmq", "database-init"}
    assert "pitstop" in objects(made, "Namespace")


def test_nothing_of_upstreams_is_there_by_accident() -> None:
    made = plan(base=WHOLE)
    kinds = {one.kind for one in made.objects()}
    assert kinds == {
        "AuthorizationPolicy",
        "ConfigMap",
        "Deployment",
        "DestinationRule",
        "Gateway",
        "Job",
        "Namespace",
        "NetworkPolicy",
        "PeerAuthentication",
        "PersistentVolumeClaim",
        "Service",
        "ServiceAccount",
        "Sidecar",
        "StatefulSet",
        "VirtualService",
    }
    for one in made.objects():
        if "istio.io" in one.api_version:
            assert one.api_version in {"networking.istio.io/v1", "security.istio.io/v1"}


def test_data_is_told_in_words() -> None:
    assert plan().data() == {
        "rabbitmq": "events nobody has taken yet",
        "sqlserver": "every database",
    }
    assert plan({"storage": {"kind": "ephemeral"}}).data() == {}
    assert plan({"services": {"webapp": {}}}).data() == {}


@pytest.mark.parametrize("retain", [False, True])
def test_whether_data_stays(retain: bool) -> None:
    assert plan({"storage": {"retain": retain}}).retain is retain


def test_without_a_mesh_there_is_nothing_of_one_and_one_version_answers() -> None:
    changes: Node = {
        "mesh": {"kind": "none", "gateway": {"service": "NodePort", "nodePort": 30080}},
        "services.customermanagementapi.traffic": [{"kind": "bluegreen", "live": "v2"}],
    }
    made = plan(changes)
    assert (made.mesh, made.mtls, made.routes, made.entries) == (None, None, (), ())
    assert not [one for one in made.objects() if "istio" in one.api_version]
    assert "istio" not in json.dumps([one.document() for one in made.objects()])
    services = objects(made, "Service")
    assert pick(services["customermanagementapi"], "spec", "selector") == {
        "app": "customermanagementapi",
        "version": "2.0",
    }
    assert pick(services["webapp"], "spec", "type") == "NodePort"
    assert pick(services["webapp"], "spec", "ports", 0, "nodePort") == 30080
    others = {pick(one, "spec", "type") for name, one in services.items() if name != "webapp"}
    assert others == {"ClusterIP"}


def test_two_control_planes_and_the_one_that_is_live() -> None:
    mesh: Node = {"kind": "helm", "revisions": [{"name": "a"}, {"name": "b", "tag": "1.31.4"}], "live": "b"}
    made = plan({"mesh": mesh})
    assert made.mesh is not None
    values = {release.name: release.values for release in made.mesh.releases}
    assert set(values) == {"istio-base", "istio-cni", "istiod-a", "istiod-b", "istio-ingressgateway"}
    assert [values[name]["revision"] for name in ("istiod-a", "istiod-b", "istio-ingressgateway")] == [
        "a",
        "b",
        "b",
    ]
    assert str(values["istiod-b"]["image"]).endswith("/pilot:1.31.4")
    assert made.namespace.labels["istio.io/rev"] == "b"
    assert "istio-injection" not in made.namespace.labels
    annotation = ("spec", "template", "metadata", "annotations", "pitstop.dev/revision")
    assert {pick(one, *annotation) for one in objects(made, "Deployment").values()} == {"b"}
    assert "pitstop.dev/revision" not in str(objects(plan(), "Deployment"))


def test_no_entry_without_a_public_service() -> None:
    assert plan({"services.webapp": REMOVE}).entries == ()


def test_outputs_name_versions_and_entries() -> None:
    assert plan().versions()["customermanagementapi"] == ["1.0", "2.0"]
    assert plan().entry_points() == {"webapp": {"hosts": ["*"]}}


@st.composite
def environments(draw: st.DrawFn) -> dict[str, object]:
    chosen = draw(st.sets(st.sampled_from(sorted(CATALOGUE)), min_size=1))
    services: dict[str, object] = {}
    for name in draw(st.permutations(sorted(chosen | _needed(chosen)))):
        own: dict[str, object] = {}
        if CATALOGUE[name].kind is Kind.HTTP and draw(st.booleans()):
            share = draw(st.integers(0, 100))
            own = {
                "versions": {"v1": {}, "v2": {"replicas": draw(st.integers(1, 3))}},
                "traffic": [{"kind": "split", "weights": {"v1": share, "v2": 100 - share}}],
            }
        services[name] = own
    return raw({"services": services})


def _needed(names: set[str]) -> set[str]:
    found = {need.service for name in names for need in hard_needs(CATALOGUE[name])}
    return found if found <= names else found | _needed(names | found)


@thoroughness(max_examples=30, deadline=None)
@given(environments())
def test_any_valid_environment_has_a_plan_in_which_nothing_is_broken(content: dict[str, object]) -> None:
    made = plan_for(parse(content), OWNER)
    assert list(check_plan(made)) == []
    place = {load.service.name: index for index, load in enumerate(made.workloads)}
    place["database-init"] = place.get("sqlserver", -1)  # made right behind its server
    for load in made.workloads:
        assert all(place[name] < place[load.service.name] for name in load.after)


@thoroughness(max_examples=10, deadline=None)
@given(st.permutations(["webapp", "customermanagementapi", "sqlserver", "rabbitmq"]))
def test_the_order_in_which_services_are_written_changes_nothing(order: list[str]) -> None:
    content = raw()
    services = content["services"]
    assert isinstance(services, dict)
    content["services"] = {name: services[name] for name in order}
    assert list(plan_for(parse(content), OWNER).documents()) == list(plan_for(settings(), OWNER).documents())


def test_what_decides_never_imports_pulumi() -> None:
    modules = [f"components.model.{path.stem}" for path in (CHECKOUT / "components/model").glob("*.py")]
    code = f"import sys, {', '.join(sorted(modules))}; sys.exit('pulumi' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, check=False
    )
    assert done.returncode == 0


ADDON: Node = {"kind": "addon", "revisions": ["asm-1-27", "asm-1-28"], "live": "asm-1-27", "accessLog": True}


def test_the_add_on_is_joined_by_revision_and_configured_where_it_lives() -> None:
    made = plan({"mesh": ADDON}, AKS)
    assert made.namespace.labels["istio.io/rev"] == "asm-1-27"
    assert made.mesh is not None
    assert (made.mesh.releases, made.mesh.namespaces) == ((), ())
    assert [one.name for one in made.mesh.config] == [
        "istio-shared-configmap-asm-1-27",
        "istio-shared-configmap-asm-1-28",
    ]
    assert made.mesh.mtls.namespace == "aks-istio-system"
    gateway = made.entries[0].gateway.document()["spec"]
    assert isinstance(gateway, dict)
    assert gateway["selector"] == {"istio": "aks-istio-ingressgateway-external"}


def test_init_containers_of_the_add_on_need_a_namespace_that_only_warns_and_the_preview_says_so() -> None:
    made, prefix = plan({"mesh": ADDON}, AKS), "pod-security.kubernetes.io"
    levels = [made.namespace.labels[f"{prefix}/{mode}"] for mode in ("enforce", "warn", "audit")]
    assert levels == ["privileged", "restricted", "restricted"]
    assert [*made.notes()] != []
    assert [*plan().notes()] == []


def test_a_mesh_that_is_joined_says_whether_its_plugin_sets_sidecars_up() -> None:
    enforced = "pod-security.kubernetes.io/enforce"
    for cni, level in ((True, "restricted"), (False, "privileged")):
        made = plan({"mesh": {"kind": "existing", "cni": cni}})
        assert made.namespace.labels[enforced] == level


def test_the_profile_names_each_gateway_and_every_revision() -> None:
    mesh = AddonMesh.model_validate({**ADDON, "gateways": ["internal"]})
    assert istio.addon_profile(mesh) == {
        "mode": "Istio",
        "istio": {
            "revisions": ["asm-1-27", "asm-1-28"],
            "components": {
                "ingressGateways": [
                    {"enabled": False, "mode": "External"},
                    {"enabled": True, "mode": "Internal"},
                ]
            },
        },
    }
