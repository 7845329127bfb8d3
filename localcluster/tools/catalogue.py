"""Every program the project runs: where each of the three ways finds it. Pure data."""

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from components.model import versions
from localcluster.tools.pins import Pins

Group = Literal["engine", "node", "images", "load", "validate", "rehearsal"]
Target = Literal["host", "linux"]

PLAIN = ("-trimpath", "-buildvcs=false")
STRIP = "-s -w"
PULUMI = "github.com/pulumi/pulumi/pkg/v3"
GITHUB = "https://github.com"
KUBERNETES_RELEASES = "https://dl.k8s.io/release"
# Istio's own release builds use these tags; without them a sidecar carries megabytes it never runs.
ISTIO_TAGS = "vtprotobuf,disable_pgv,grpcnotrace,retrynotrace"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Provider(Frozen):
    """What the Kubernetes provider's module needs before it builds here (see build.py).

    Its repository generates the two JSON files it embeds; the module carries them in source form.
    """

    module: str
    directory: str  # of the sources of the embedded files, in the module
    package: str  # our package that embeds them
    schema_file: str
    mapping_file: str
    version: str


class Build(Frozen):
    """One `go build`: packages of one module with the same flags, compiled and linked together."""

    name: str
    directory: str  # of the go.mod, from the checkout
    flags: tuple[str, ...]
    space: float  # GB on disk, alone and from nothing: modules, compiled packages, programs
    target: Target = "host"
    provider: Provider | None = None


class Companion(Frozen):
    """A file of a Go module that has to lie beside the program, executable."""

    name: str
    go_module: str  # the directory whose go.mod pins `module`
    module: str
    path: str


class Download(Frozen):
    """An official release file and the checksum its makers publish.

    `{os}`, `{arch}` (Go's names) and `{x64}` (Pulumi's name for amd64) are filled in for the machine.
    """

    url: str
    checksums: str
    digest: Literal["sha256", "sha512"] = "sha256"
    member: str | None = None  # in an archive; None: the file is the program


class Probe(Frozen):
    """How a program on PATH tells its version, and which versions do."""

    arguments: tuple[str, ...]
    pattern: str  # its first group is the version
    accept: Literal["exact", "same-major"] = "exact"
    beside: tuple[str, ...] = ()  # files that must lie in the same folder


class Plugin(Frozen):
    """A Pulumi plugin: found in Pulumi's own plugin folder, which names its version."""

    folder: str


class Tool(Frozen):
    """One program. Tools of the same `unit` are taken together, all from the same source."""

    name: str
    group: Group
    version: str
    unit: str
    build: str
    package: str
    output: str  # what `go build` calls it
    built_version: str | None = None  # where the build cannot have `version`
    companions: tuple[Companion, ...] = ()
    download: Download | None = None
    probe: Probe | None = None
    plugin: Plugin | None = None
    same_folder_as: str | None = None  # on PATH: counts only where this tool of the unit was found

    @property
    def own(self) -> bool:
        """Whether its sources are in this repository."""
        return self.package.startswith(".")


class Catalogue(Frozen):
    """The tools, and the builds in the order they are made."""

    tools: tuple[Tool, ...]
    builds: tuple[Build, ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        builds = {build.name for build in self.builds}
        if unknown := [tool.name for tool in self.tools if tool.build not in builds]:
            raise ValueError(f"no build makes {', '.join(unknown)}")
        if len({tool.name for tool in self.tools}) != len(self.tools):
            raise ValueError("two tools share a name")
        return self

    def tool(self, name: str) -> Tool:
        """The tool of this name; KeyError with the known names when there is none."""
        for tool in self.tools:
            if tool.name == name:
                return tool
        raise KeyError(f"{name} is no tool; known: {', '.join(tool.name for tool in self.tools)}")

    def select(self, names: Iterable[str]) -> tuple[Tool, ...]:
        """The tools of these names or groups, and whatever shares a unit with them, in catalogue order."""
        asked = set(names)
        groups = {tool.group for tool in self.tools}
        for name in asked - groups:
            self.tool(name)
        units = {tool.unit for tool in self.tools if tool.name in asked or tool.group in asked}
        return tuple(tool for tool in self.tools if tool.unit in units)


def _pulumi(pins: Pins) -> tuple[Tool, ...]:
    cli = pins.python["pulumi"]
    archive = f"pulumi-v{cli}-{{os}}-{{x64}}.tar.gz"
    releases = f"{GITHUB}/pulumi/pulumi/releases/download/v{cli}"
    beside = ("pulumi-language-python", "pulumi-language-python-exec")

    def from_release(name: str) -> Download:
        return Download(
            url=f"{releases}/{archive}",
            checksums=f"{releases}/pulumi-{cli}-checksums.txt",
            member=f"pulumi/{name}",
        )

    return (
        Tool(
            name="pulumi",
            group="engine",
            version=cli,
            unit="pulumi",
            build="engine",
            package=f"{PULUMI}/cmd/pulumi",
            output="pulumi",
            built_version=pins.module("engine", PULUMI),
            download=from_release("pulumi"),
            probe=Probe(arguments=("version",), pattern=r"^v(\S+)$", accept="same-major", beside=beside),
        ),
        Tool(
            name="pulumi-language-python",
            group="engine",
            version=cli,
            unit="pulumi",
            build="language",
            package="github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python",
            output="pulumi-language-python",
            # the last release whose module carries the host; the pinned CLI works with it
            built_version=pins.module("language", "github.com/pulumi/pulumi/sdk/v3"),
            companions=(
                Companion(
                    name="pulumi-language-python-exec",
                    go_module="localcluster/tools/engine",
                    module="github.com/pulumi/pulumi/sdk/v3",
                    path="python/cmd/pulumi-language-python-exec",
                ),
            ),
            download=from_release("pulumi-language-python"),
            same_folder_as="pulumi",
        ),
    )


def _kubernetes_provider(pins: Pins) -> Tool:
    provider = pins.python["pulumi-kubernetes"]
    releases = f"{GITHUB}/pulumi/pulumi-kubernetes/releases/download/v{provider}"
    return Tool(
        name="pulumi-resource-kubernetes",
        group="engine",
        version=provider,
        unit="pulumi-resource-kubernetes",
        build="engine",
        package="./provider",
        output="provider",
        download=Download(
            url=f"{releases}/pulumi-resource-kubernetes-v{provider}-{{os}}-{{arch}}.tar.gz",
            checksums=f"{releases}/pulumi-kubernetes_{provider}_checksums.txt",
            member="pulumi-resource-kubernetes",
        ),
        # Only the plugin folder: the provider has no flag that tells its version.
        plugin=Plugin(folder=f"resource-kubernetes-v{provider}"),
    )


def _kubernetes(pins: Pins) -> tuple[Tool, ...]:
    version = pins.module("node", "k8s.io/kubernetes")
    daemon = Probe(arguments=("--version",), pattern=r"^Kubernetes v(\S+)$")
    probes = {
        "kubeadm": Probe(arguments=("version", "-o", "short"), pattern=r"^v(\S+)$"),
        "kubectl": Probe(arguments=("version", "--client"), pattern=r"^Client Version: v(\S+)$"),
    }
    names = (
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
        "kubelet",
        "kubeadm",
        "kubectl",
    )
    return tuple(
        Tool(
            name=name,
            group="node",
            version=version,
            unit=name,
            build="kubernetes",
            package=f"k8s.io/kubernetes/cmd/{name}",
            output=name,
            download=Download(
                url=f"{KUBERNETES_RELEASES}/v{version}/bin/linux/{{arch}}/{name}",
                checksums=f"{KUBERNETES_RELEASES}/v{version}/bin/linux/{{arch}}/{name}.sha256",
            ),
            probe=probes.get(name, daemon),
        )
        for name in names
    )


def _around_kubernetes(pins: Pins) -> tuple[Tool, ...]:
    etcd = pins.module("node", "go.etcd.io/etcd/server/v3")
    coredns = pins.module("node", "github.com/coredns/coredns")
    etcd_release = f"{GITHUB}/etcd-io/etcd/releases/download/v{etcd}"
    coredns_file = (
        f"{GITHUB}/coredns/coredns/releases/download/v{coredns}/coredns_{coredns}_linux_{{arch}}.tgz"
    )
    return (
        Tool(
            name="etcd",
            group="node",
            version=etcd,
            unit="etcd",
            build="kubernetes",
            package="go.etcd.io/etcd/server/v3",
            output="server",
            download=Download(
                url=f"{etcd_release}/etcd-v{etcd}-linux-{{arch}}.tar.gz",
                checksums=f"{etcd_release}/SHA256SUMS",
                member=f"etcd-v{etcd}-linux-{{arch}}/etcd",
            ),
            probe=Probe(arguments=("--version",), pattern=r"^etcd Version: (\S+)$"),
        ),
        # Into an image of its own, so only builds known to be static: nothing from PATH.
        Tool(
            name="coredns",
            group="node",
            version=coredns,
            unit="coredns",
            build="kubernetes",
            package="./coredns",
            output="coredns",
            download=Download(url=coredns_file, checksums=f"{coredns_file}.sha256", member="coredns"),
        ),
        # Published as an image alone: always built.
        Tool(
            name="metrics-server",
            group="node",
            version=pins.module("node", "sigs.k8s.io/metrics-server"),
            unit="metrics-server",
            build="metrics-server",
            package="sigs.k8s.io/metrics-server/cmd/metrics-server",
            output="metrics-server",
        ),
    )


def _own_programs(pins: Pins) -> tuple[Tool, ...]:
    return (
        # kube-router's network policy controller alone, from our own main: nobody publishes that.
        Tool(
            name="network-policy",
            group="node",
            version=pins.module("node", "github.com/cloudnativelabs/kube-router/v2"),
            unit="network-policy",
            build="kubernetes",
            package="./networkpolicy",
            output="networkpolicy",
        ),
        Tool(
            name="images",
            group="node",
            version=pins.module("node", "github.com/google/go-containerregistry"),
            unit="images",
            build="kubernetes",
            package="./images",
            output="images",
        ),
    )


def _istio() -> tuple[Tool, ...]:
    """Istio publishes images and istioctl, not these programs as files: always built."""
    packages = {
        "pilot-discovery": "istio.io/istio/pilot/cmd/pilot-discovery",
        "pilot-agent": "istio.io/istio/pilot/cmd/pilot-agent",
        "install-cni": "istio.io/istio/cni/cmd/install-cni",
        "istio-cni": "istio.io/istio/cni/cmd/istio-cni",
    }
    return tuple(
        Tool(
            name=name,
            group="node",
            version=versions.ISTIO,
            unit=name,
            build="istio",
            package=package,
            output=name,
        )
        for name, package in packages.items()
    )


def _own_and_extra(pins: Pins) -> tuple[Tool, ...]:
    return (
        Tool(
            name="standin",
            group="images",
            version="0",
            unit="standin",
            build="standin",
            package=".",
            output="standin",
        ),
        Tool(
            name="pause",
            group="images",
            version="0",
            unit="pause",
            build="standin",
            package="./pause",
            output="pause",
        ),
        Tool(
            name="fortio",
            group="load",
            version=pins.module("node", "fortio.org/fortio"),
            unit="fortio",
            build="fortio",
            package="fortio.org/fortio",
            output="fortio",
        ),
        Tool(
            name="istioctl",
            group="validate",
            version=versions.ISTIO,
            unit="istioctl",
            build="istioctl",
            package="istio.io/istio/istioctl/cmd/istioctl",
            output="istioctl",
        ),
        Tool(
            name="actionlint",
            group="validate",
            version=pins.module("lint", "github.com/rhysd/actionlint"),
            unit="actionlint",
            build="actionlint",
            package="github.com/rhysd/actionlint/cmd/actionlint",
            output="actionlint",
        ),
    )


def _rehearsal(pins: Pins) -> tuple[Tool, ...]:
    """What a rehearsal of Azure has beside the node: nodes without a machine, and what AKS brings."""
    kwok = "sigs.k8s.io/kwok"
    stages = {
        "node-initialize": "node/fast",
        "pod-ready": "pod/fast",
        "pod-complete": "pod/fast",
        "pod-delete": "pod/fast",
    }
    own = {
        "aks-addons": ("aksaddons", "github.com/container-storage-interface/spec"),
        "charts": ("charts", "helm.sh/helm/v4"),
    }
    return (
        Tool(
            name="kwok",
            group="rehearsal",
            version=pins.module("kwok", kwok),
            unit="kwok",
            build="kwok",
            package=f"{kwok}/cmd/kwok",
            output="kwok",
            # How its nodes and pods live, as its makers ship it beside the program.
            companions=tuple(
                Companion(
                    name=f"{stage}.yaml",
                    go_module="localcluster/tools/kwok",
                    module=kwok,
                    path=f"kustomize/stage/{folder}/{stage}.yaml",
                )
                for stage, folder in stages.items()
            ),
        ),
        *(
            Tool(
                name=name,
                group="rehearsal",
                version=pins.module("node", module),
                unit=name,
                build="kubernetes",
                package=f"./{folder}",
                output=folder,
            )
            for name, (folder, module) in own.items()
        ),
    )


def _linker(*variables: str) -> str:
    return " ".join((f"-ldflags={STRIP}", *(f"-X {variable}" for variable in variables)))


def _engine_build(pins: Pins) -> Build:
    provider = pins.python["pulumi-kubernetes"]
    return Build(
        name="engine",
        directory="localcluster/tools/engine",
        flags=(
            *PLAIN,
            _linker(
                f"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{pins.module('engine', PULUMI)}",
                f"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version={provider}",
            ),
        ),
        space=7.5,
        provider=Provider(
            module="github.com/pulumi/pulumi-kubernetes/provider/v4",
            directory="cmd/pulumi-resource-kubernetes",
            package="provider",
            schema_file="schema",
            mapping_file="terraform-mapping",
            version=provider,
        ),
    )


def _kubernetes_flags(pins: Pins) -> tuple[str, ...]:
    kubernetes = pins.module("node", "k8s.io/kubernetes")
    major, minor, _ = kubernetes.split(".", 2)
    version = "k8s.io/component-base/version"
    return (
        *PLAIN,
        _linker(
            f"{version}.gitVersion=v{kubernetes}",
            f"{version}.gitMajor={major}",
            f"{version}.gitMinor={minor}",
            f"{version}.gitTreeState=clean",
        ),
    )


def _istio_flags(pins: Pins) -> tuple[str, ...]:
    return (
        *PLAIN,
        f"-tags={ISTIO_TAGS}",
        _linker(
            f"istio.io/istio/pkg/version.buildVersion={versions.ISTIO}",
            f"istio.io/istio/pkg/version.buildGitRevision={pins.istio_revision}",
            "istio.io/istio/pkg/version.buildStatus=Clean",
        ),
    )


def _builds(pins: Pins) -> tuple[Build, ...]:
    node, istio = "localcluster/tools/node", _istio_flags(pins)
    metrics = pins.module("node", "sigs.k8s.io/metrics-server")
    return (
        _engine_build(pins),
        Build(name="language", directory="localcluster/tools/language", flags=(*PLAIN, _linker()), space=0.6),
        Build(name="kubernetes", directory=node, target="linux", flags=_kubernetes_flags(pins), space=5.0),
        Build(
            name="metrics-server",
            directory=node,
            target="linux",
            flags=(*PLAIN, _linker(f"k8s.io/client-go/pkg/version.gitVersion=v{metrics}")),
            space=1.9,
        ),
        Build(name="istio", directory=node, target="linux", flags=istio, space=3.2),
        Build(
            name="standin",
            directory="localcluster/standin",
            target="linux",
            flags=(*PLAIN, _linker()),
            space=0.2,
        ),
        Build(name="fortio", directory=node, target="linux", flags=(*PLAIN, _linker()), space=0.4),
        Build(name="istioctl", directory=node, flags=istio, space=2.8),
        Build(name="actionlint", directory="localcluster/tools/lint", flags=(*PLAIN, _linker()), space=0.2),
        Build(
            name="kwok",
            directory="localcluster/tools/kwok",
            target="linux",
            flags=(*PLAIN, _linker()),
            space=1.2,
        ),
    )


def catalogue(pins: Pins) -> Catalogue:
    """The catalogue at these versions."""
    return Catalogue(
        tools=(
            *_pulumi(pins),
            _kubernetes_provider(pins),
            *_kubernetes(pins),
            *_around_kubernetes(pins),
            *_own_programs(pins),
            *_istio(),
            *_own_and_extra(pins),
            *_rehearsal(pins),
        ),
        builds=_builds(pins),
    )
