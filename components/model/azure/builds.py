"""Images from Pitstop's own source, built in the registry: no docker anywhere else.

One run for each commit: it builds the three base images, which stay in the run, then the services, and pushes
these. Nothing is built again while the commit and the list of services stay the same.
Source: https://learn.microsoft.com/azure/container-registry/container-registry-tasks-multi-step
"""

import base64
from collections.abc import Iterator, Mapping

import yaml

from components.model import naming
from components.model.azure import names
from components.model.azure.names import APP
from components.model.azure.registry import PART
from components.model.azure.resources import AzureResource
from components.model.azure.settings import AzureSettings, Builds
from components.model.catalogue import CATALOGUE
from components.model.manifests import Document, digest
from components.model.settings import Settings

# The folder of each service in Pitstop's source.
FOLDERS = {
    "webapp": "WebApp",
    "customermanagementapi": "CustomerManagementAPI",
    "vehiclemanagementapi": "VehicleManagementAPI",
    "workshopmanagementapi": "WorkshopManagementAPI",
    "workshopmanagementeventhandler": "WorkshopManagementEventHandler",
    "notificationservice": "NotificationService",
    "invoiceservice": "InvoiceService",
    "auditlogservice": "AuditlogService",
    "timeservice": "TimeService",
}
BASES = ("sdk", "runtime", "aspnet")
SECONDS = 3600
STEP_SECONDS = 1200


def resources(settings: Settings, azure: AzureSettings) -> Iterator[AzureResource]:
    """A run for each commit that a version of a service is built from."""
    if azure.registry is None or azure.registry.builds is None or settings.images != "own":
        return
    builds = azure.registry.builds
    for number, (commit, wanted) in enumerate(_wanted(settings, builds).items()):
        yield _run(azure, builds, commit, wanted, f"build-{number}" if number else "build")


def _wanted(settings: Settings, builds: Builds) -> dict[str, dict[str, list[str]]]:
    """For each commit, the services built from it and the versions each is tagged as."""
    found: dict[str, dict[str, list[str]]] = {builds.commit: {}}
    for name, own in sorted(settings.services.items()):
        for version, settings_of in sorted(own.versions.items()):
            if not CATALOGUE[name].image and settings_of.image is None:
                found.setdefault(builds.of(version), {}).setdefault(name, []).append(version)
    return {commit: wanted for commit, wanted in found.items() if wanted}


def _run(
    azure: AzureSettings, builds: Builds, commit: str, wanted: Mapping[str, list[str]], key: str
) -> AzureResource:
    content = task(commit, wanted)
    inputs: Document = {
        "resourceGroupName": names.physical("group", azure),
        "registryName": names.physical("registry", azure),
        "taskRunName": key,
        "location": azure.location,
        # It is run again when what it does has changed, and not otherwise.
        "forceUpdateTag": digest(content, builds.repository, commit),
        "runRequest": {
            "type": "EncodedTaskRunRequest",
            "encodedTaskContent": base64.b64encode(content.encode()).decode(),
            "sourceLocation": f"{builds.repository}#{commit}:{builds.folder}",
            "platform": {"os": "Linux", "architecture": "amd64"},
            "agentConfiguration": {"cpu": 2},
            "timeout": SECONDS,
        },
    }
    return AzureResource(key, "containerregistry:TaskRun", PART, inputs, ("registry",))


def task(commit: str, wanted: Mapping[str, list[str]]) -> str:
    """The steps of a run, as YAML. One after another: together they need more memory than a run has."""
    steps: list[dict[str, object]] = [
        {
            "id": base,
            "build": f"-t pitstop-dotnet-{base}-base:1.0 -f dotnet-{base}-base-dockerfile .",
            "timeout": STEP_SECONDS,
        }
        for base in BASES
    ]
    pushed: list[str] = []
    for name, versions in wanted.items():
        tags = [f"$Registry/{APP}/{name}:{naming.built_tag(version, commit)}" for version in versions]
        named = " ".join(f"-t {tag}" for tag in tags)
        folder = FOLDERS[name]
        build = f"{named} -f {folder}/Dockerfile {folder}"
        steps.append({"id": name, "build": build, "timeout": STEP_SECONDS})
        pushed += tags
    steps.append({"id": "push", "push": pushed})
    return str(yaml.safe_dump({"version": "v1.1.0", "steps": steps}, sort_keys=False, width=1000))
