"""Versions that are said in two places say the same."""

import re

import pytest

from components.model import versions
from components.model.catalogue import CATALOGUE
from components.model.naming import image, owner, version_label, waiting_image
from localcluster.images.catalogue import ISTIO_HUB, STANDIN_VERSIONS, Versions, standin_tag, tags
from localcluster.tools.pins import read_pins
from ops.paths import CHECKOUT


def test_istio_is_the_one_whose_images_are_assembled() -> None:
    assert read_pins(CHECKOUT).istio_revision == versions.ISTIO_TAG
    assert versions.ISTIO_HUB == ISTIO_HUB


def test_kubernetes_is_the_one_that_is_built() -> None:
    assert (
        f"k8s.io/kubernetes {versions.KUBERNETES}"
        in (CHECKOUT / "localcluster/tools/node/go.mod").read_text()
    )
    assert versions.KUBERNETES.startswith(f"{versions.POD_SECURITY}.")


def test_pods_run_images_that_are_assembled() -> None:
    for name in sorted(set(CATALOGUE) - {"rabbitmq"}):
        for number, tag in enumerate(STANDIN_VERSIONS, start=1):
            assert version_label(f"v{number}") == tag
            assert image(name, f"v{number}", "standin") == standin_tag(name, tag)
    # What could be had as it is, is: these are made of Debian's packages.
    real = {image("rabbitmq", "v1", "standin"), waiting_image("standin")}
    assert real <= set(tags(Versions(istio="i", coredns="c", fortio="f", envoy="e")))


@pytest.mark.parametrize(
    ("source", "published", "expected"),
    [
        ("upstream", "", "docker.io/pitstop/webapp:2.0"),
        ("ghcr.io/acme", "", "ghcr.io/acme/webapp:2.0"),
        ("upstream", "docker.io/library/x:1", "docker.io/library/x:1"),
        ("ghcr.io/acme", "docker.io/library/x:1", "docker.io/library/x:1"),
        ("standin", "docker.io/library/x:1", "pitstop.local/standin/webapp:2.0"),
    ],
)
def test_images_of_each_source(source: str, published: str, expected: str) -> None:
    assert image("webapp", "v2", source, published) == expected


def test_every_image_of_somebody_else_is_pinned() -> None:
    theirs = [value for name, value in vars(versions).items() if name.endswith("_IMAGE")]
    assert len(theirs) == 7
    for name in theirs:
        assert re.fullmatch(r"[a-z.]+(/[a-z-]+)+:[0-9][\w.-]*", name), name


def test_an_owner_fits_into_a_label() -> None:
    assert owner("pitstop", "local") == "pitstop.local"
    assert owner("pitstop", "org/a stack") == "pitstop.org-a-stack"
    assert len(owner("p" * 60, "s" * 60)) == 63
