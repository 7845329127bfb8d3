"""Which images there are, and that what the rest of the program says of them is true."""

import json
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.model import versions as program
from components.model.catalogue import CATALOGUE
from localcluster import images
from localcluster.images import catalogue, debian
from localcluster.images.assemble import versions
from localcluster.images.spec import Entry, Image, Layer, Order

VERSIONS = catalogue.Versions(istio="abc", coredns="1.2.3", fortio="4.5.6", envoy="7.8.9")
ROOT = Path("/root-tree")
PARTS = catalogue.Parts(
    programs={name: Path("/programs") / name for name in catalogue.PROGRAMS},
    envoy=Path("/envoy"),
    bootstrap=Path("/bootstrap.json"),
    root=ROOT,
    plugins=(ROOT / "usr/lib/x86_64-linux-gnu/xtables/libxt_owner.so",),
    debian=Path("/packages"),
)


@pytest.fixture
def order() -> Order:
    return catalogue.order(PARTS, VERSIONS, "amd64")


def find(order: Order, tag: str) -> Image:
    return next(image for image in order.images if image.tag == tag)


def paths(order: Order, tag: str) -> dict[str, Entry]:
    layers = [order.layers[name] for name in find(order, tag).layers]
    return {entry.path: entry for layer in layers for entry in layer.entries}


def test_names_are_those_of_the_order(order: Order) -> None:
    assert catalogue.tags(VERSIONS) == tuple(image.tag for image in order.images)


def test_every_service_has_a_stand_in_in_both_versions_with_the_ports_its_manifests_name() -> None:
    assert set(catalogue.STANDIN_PORTS) == set(CATALOGUE)
    for name, service in CATALOGUE.items():
        assert catalogue.STANDIN_PORTS[name] == tuple(sorted(port.target for port in service.ports)), name
        for version in catalogue.STANDIN_VERSIONS:
            assert f"{program.STANDIN_HUB}/{name}:{version}" in images.names()


def test_tags_are_those_the_program_asks_for() -> None:
    for component in ("pilot", "proxyv2", "install-cni"):
        assert f"{program.ISTIO_HUB}/{component}:{program.ISTIO_TAG}" in images.names()
    assert versions().istio == program.ISTIO_TAG


def test_stand_ins_share_every_layer_and_differ_in_who_they_are(order: Order) -> None:
    found = [image for image in order.images if "/standin/" in image.tag]
    assert {image.layers[:2] for image in found} == {("base", "standin")}
    more = {image.tag: image.layers[2:] for image in found if image.layers[2:]}
    assert more == {f"pitstop.local/standin/sqlserver:{version}": ("sqlcmd",) for version in ("1.0", "2.0")}
    for image in found:
        service, version = image.tag.rsplit("/", 1)[1].split(":")
        assert image.env == {"PITSTOP_SERVICE": service, "PITSTOP_VERSION": version}


def test_no_image_but_the_one_that_writes_to_the_node_runs_as_root(order: Order) -> None:
    roots = [image.tag for image in order.images if image.user.split(":")[0] in {"", "0", "root"}]
    assert roots == ["pitstop.local/istio/install-cni:abc"]
    # `runAsNonRoot` cannot tell who a user is by name.
    assert all(part.isdecimal() for image in order.images for part in image.user.split(":"))


def test_the_sidecar_has_what_istio_asks_for(order: Order) -> None:
    found = paths(order, "pitstop.local/istio/proxyv2:abc")
    assert found["/usr/local/bin/envoy"].source == PARTS.envoy
    assert found["/usr/local/bin/pilot-agent"].mode == 0o755
    assert found["/var/lib/istio/envoy/envoy_bootstrap_tmpl.json"].source == PARTS.bootstrap
    assert find(order, "pitstop.local/istio/proxyv2:abc").user == "1337:1337"


@pytest.mark.parametrize("variant", ["", "-nft", "-legacy"])
@pytest.mark.parametrize("family", ["iptables", "ip6tables"])
@pytest.mark.parametrize("action", ["", "-save", "-restore"])
def test_every_name_of_iptables_leads_to_a_program(
    order: Order, family: str, variant: str, action: str
) -> None:
    found = paths(order, "pitstop.local/istio/install-cni:abc")
    target = found[f"/usr/sbin/{family}{variant}{action}"].link
    assert target == ("xtables-legacy-multi" if variant == "-legacy" else "xtables-nft-multi")
    assert found[f"/usr/sbin/{target}"].source == ROOT / "usr/sbin" / target


def test_programs_with_shared_libraries_say_so(order: Order) -> None:
    assert order.layers["envoy"].programs == (PARTS.envoy,)
    assert set(order.layers["iptables"].programs) >= {
        ROOT / "usr/sbin/xtables-nft-multi",
        ROOT / "usr/sbin/xtables-legacy-multi",
        *PARTS.plugins,
    }


def test_the_assembler_reads_the_names_it_knows(order: Order) -> None:
    written = json.loads(order.model_dump_json(exclude_none=True))
    assert set(written) == {"architecture", "layers", "images"}
    image = next(image for image in written["images"] if image["tag"].endswith("install-cni:abc"))
    assert image["workingDir"] == "/opt/cni/bin"
    known = {"path", "mode", "source", "tree", "text", "link"}
    assert all(set(entry) <= known for layer in written["layers"].values() for entry in layer["entries"])


def test_the_database_stand_in_has_the_client_of_the_real_image(order: Order) -> None:
    found = paths(order, "pitstop.local/standin/sqlserver:1.0")
    assert found[found["/opt/mssql-tools18/bin/sqlcmd"].link or ""].source == Path("/programs/standin")
    assert "/opt/mssql-tools18/bin/sqlcmd" not in paths(order, "pitstop.local/standin/webapp:1.0")


def test_rabbitmq_is_unpacked_packages_with_a_shell_and_its_plugins(order: Order) -> None:
    broker = find(order, f"{debian.HUB}/rabbitmq:3")
    found = paths(order, broker.tag)
    assert found["/usr/lib/rabbitmq"].tree == Path("/packages/usr/lib/rabbitmq")
    assert order.layers["rabbitmq"].root == Path("/packages")  # where the libraries of Erlang are
    assert found["/etc/rabbitmq/enabled_plugins"].text == "[rabbitmq_management,rabbitmq_prometheus].\n"
    (start,) = broker.entrypoint
    script = found[start].text or ""
    assert found[start].mode == 0o755
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    assert script.startswith("#!/bin/sh\n")
    assert found["/bin/sh"].link == "busybox"
    assert found["/bin/busybox"].source == Path("/packages/usr/bin/busybox")


def test_rabbitmq_keeps_what_nodes_say_to_each_other_inside_the_pod(order: Order) -> None:
    environment = find(order, f"{debian.HUB}/rabbitmq:3").env
    assert environment["RABBITMQ_NODENAME"].endswith("@localhost")
    assert environment["ERL_EPMD_ADDRESS"] == "127.0.0.1"
    assert "inet_dist_use_interface {127,0,0,1}" in environment["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"]


def test_busybox_has_what_pods_wait_with(order: Order) -> None:
    found = paths(order, f"{debian.HUB}/busybox:1")
    for name in ("sh", "nc", "timeout", "printf", "head", "grep", "sleep", "wget", "cat", "test", "true"):
        assert found[f"/bin/{name}"].link == "busybox"


def test_a_name_says_what_it_is_of() -> None:
    assert catalogue.standin_tag("webapp", "1.0") == "pitstop.local/standin/webapp:1.0"


def image(tag: str = "x:1", layers: tuple[str, ...] = ("a",)) -> Image:
    return Image(tag=tag, layers=layers, entrypoint=("/x",), user="1:1")


@pytest.mark.parametrize(
    ("layers", "given", "message"),
    [
        ({"a": Layer()}, (image(layers=("b",)),), "no such layers: b"),
        ({"a": Layer()}, (image(), image()), "two images share a tag"),
    ],
)
def test_an_order_that_cannot_be_assembled_is_refused(
    layers: dict[str, Layer], given: tuple[Image, ...], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Order(architecture="amd64", layers=layers, images=given)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"path": "relative"}, "should match pattern"),
        ({"path": "/a", "text": "", "link": "b"}, "more than one"),
        ({"path": "/a", "tree": "/b", "source": "/b"}, "more than one"),
        ({"path": "/a", "owner": 3}, "Extra inputs"),
    ],
)
def test_an_entry_is_one_thing_at_an_absolute_path(entry: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Entry.model_validate(entry)


def test_a_tree_whose_changes_nothing_would_notice_is_refused() -> None:
    tree = Entry(path="/a", tree=Path("/b"))
    assert Layer(entries=(tree,), root=Path("/")).entries == (tree,)
    with pytest.raises(ValidationError, match="needs the root"):
        Layer(entries=(tree,))
