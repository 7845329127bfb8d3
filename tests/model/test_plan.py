"""A plan is complete, ordered and the same for the same settings."""

import os
import subprocess
import sys

from hypothesis import given
from hypothesis import settings as thoroughness
from hypothesis import strategies as st

from components.model.catalogue import CATALOGUE, Kind, Secret
from components.model.checks import check_plan, plan_for
from components.model.explain import parse
from components.model.plan import hard_needs
from ops.paths import CHECKOUT
from tests.model.examples import OWNER, REMOVE, plan, raw, settings

PUBLIC = [name for name, service in CATALOGUE.items() if service.kind is Kind.HTTP]


def test_services_come_after_what_they_need() -> None:
    order = [load.service.name for load in plan().workloads]
    assert order == ["rabbitmq", "sqlserver", "webapp", "customermanagementapi"]
    after = {load.service.name: load.after for load in plan().workloads}
    assert after["customermanagementapi"] == ("sqlserver", "rabbitmq")
    assert after["webapp"] == ()


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


def test_secrets_that_are_needed_are_named() -> None:
    assert plan().secrets_needed() == (Secret.RABBITMQ, Secret.SQL)
    only_web = plan({"services": {"webapp": {}}})
    assert only_web.secrets_needed() == ()


def test_logical_names_are_unique_for_each_kind() -> None:
    keys = [(one.kind, one.key) for one in plan().objects()]
    assert len(keys) == len(set(keys))


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


@thoroughness(max_examples=60, deadline=None)
@given(environments())
def test_any_valid_environment_has_a_plan_in_which_nothing_is_broken(content: dict[str, object]) -> None:
    made = plan_for(parse(content), OWNER)
    assert list(check_plan(made)) == []
    place = {load.service.name: index for index, load in enumerate(made.workloads)}
    assert all(place[name] < place[load.service.name] for load in made.workloads for name in load.after)


@thoroughness(max_examples=30, deadline=None)
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
