"""The images made of Debian's packages: RabbitMQ, and busybox. Pure data, as the catalogue."""

from pathlib import Path

from localcluster.images.spec import REGISTRY, Entry, Image, Layer

HUB = f"{REGISTRY}/debian"
# What is unpacked for the images; apt adds what these need. Only folders named below go into an image.
PACKAGES = ("busybox-static", "rabbitmq-server")

# Where there is no apt, busybox comes from a registry, and the stand-in answers as RabbitMQ.
# renovate: datasource=docker depName=busybox
BUSYBOX_BASE = "busybox:1.37"

RABBITMQ_DATA = "/var/lib/rabbitmq"
# Management for people and queue lengths, Prometheus for metrics.
RABBITMQ_PLUGINS = ("rabbitmq_management", "rabbitmq_prometheus")
# RabbitMQ's and Erlang's start scripts need most of these, waiting and looking around in a pod the others.
BUSYBOX_LINKS = """
    awk basename cat chmod cp cut date df dirname echo env expr false find grep head hostname id kill ln ls
    mkdir mv nc nslookup od printf ps readlink rm sed sh sleep sort stat tail test timeout touch tr true
    uname wc wget
"""

# A volume's group may be given to every file in it, and Erlang refuses a cookie that a group can read.
# It ties command-line tools to this one process, so each start may have its own.
_START = f"""#!/bin/sh
rm -f {RABBITMQ_DATA}/.erlang.cookie
exec rabbitmq-server "$@"
"""
_ENTRYPOINT = "/usr/local/bin/start-rabbitmq"
_RABBITMQ_ENV = {
    "ERL_CRASH_DUMP": "/tmp/erl_crash.dump",  # noqa: S108 - a path in the image, not on this machine
    "HOME": RABBITMQ_DATA,
    "LANG": "C.UTF-8",
    "PATH": "/usr/lib/rabbitmq/bin:/usr/lib/erlang/bin:/usr/local/bin:/usr/bin:/bin",
    "RABBITMQ_LOGS": "-",  # standard output; the second log would be a file nobody reads
    "RABBITMQ_UPGRADE_LOG": "-",
    # One node alone: whatever the pod is called its data keeps its place, and nothing of what
    # nodes would say to each other is heard outside the pod.
    "RABBITMQ_NODENAME": "rabbit@localhost",
    "ERL_EPMD_ADDRESS": "127.0.0.1",
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
}


def layers(tree: Path | None) -> dict[str, Layer]:
    """The layers of `images`; `tree` holds the packages, unpacked."""
    if tree is None:
        return {}
    return {"busybox": _busybox(tree), "rabbitmq": _rabbitmq(tree)}


def images(nobody: str, *, packages: bool = True) -> tuple[Image, ...]:
    """Both images under the same names, with Debian's packages or without."""
    return (_busybox_image(nobody, packages=packages), _rabbitmq_image(nobody, packages=packages))


def _busybox(tree: Path) -> Layer:
    return Layer(
        entries=(
            Entry(path="/bin/busybox", source=tree / "usr/bin/busybox"),
            *(Entry(path=f"/bin/{name}", link="busybox") for name in BUSYBOX_LINKS.split()),
        )
    )


def _rabbitmq(tree: Path) -> Layer:
    plugins = f"[{','.join(RABBITMQ_PLUGINS)}].\n"
    return Layer(
        entries=(
            Entry(path="/usr/lib/erlang", tree=tree / "usr/lib/erlang"),
            Entry(path="/usr/lib/rabbitmq", tree=tree / "usr/lib/rabbitmq"),
            Entry(path="/etc/rabbitmq/conf.d"),
            Entry(path="/etc/rabbitmq/enabled_plugins", mode=0o644, text=plugins),
            Entry(path=_ENTRYPOINT, text=_START),
            Entry(path=RABBITMQ_DATA, mode=0o777),
        ),
        root=tree,
    )


def _busybox_image(nobody: str, *, packages: bool) -> Image:
    return Image(
        tag=f"{HUB}/busybox:1",
        base="" if packages else BUSYBOX_BASE,
        layers=("base", "busybox") if packages else (),
        entrypoint=("/bin/sh",),
        env={"PATH": "/bin"},
        user=nobody,
    )


def _rabbitmq_image(nobody: str, *, packages: bool) -> Image:
    return Image(
        tag=f"{HUB}/rabbitmq:3",
        layers=("base", "busybox", "rabbitmq") if packages else ("base", "standin"),
        entrypoint=(_ENTRYPOINT,) if packages else ("/standin",),
        env=_RABBITMQ_ENV if packages else {"PITSTOP_SERVICE": "rabbitmq", "PITSTOP_VERSION": "3"},
        user=nobody,
        ports=("5672/tcp", "15672/tcp", "15692/tcp"),
    )
