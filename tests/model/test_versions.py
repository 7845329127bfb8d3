"""Versions that are said in two places say the same."""

from components.model import versions
from components.model.catalogue import CATALOGUE
from components.model.naming import image, owner, version_label
from localcluster.images.catalogue import ISTIO_HUB, STANDIN_VERSIONS, standin_tag
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
    for name in CATALOGUE:
        for number, tag in enumerate(STANDIN_VERSIONS, start=1):
            assert version_label(f"v{number}") == tag
            assert image(name, f"v{number}") == standin_tag(name, tag)


def test_an_owner_fits_into_a_label() -> None:
    assert owner("pitstop", "local") == "pitstop.local"
    assert owner("pitstop", "org/a stack") == "pitstop.org-a-stack"
    assert len(owner("p" * 60, "s" * 60)) == 63
