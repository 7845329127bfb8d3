"""Where logs and measurements go, and who shows them."""

from collections.abc import Iterator

from components.model.azure import names
from components.model.azure.identity import assigned, granted
from components.model.azure.resources import AzureResource, placed
from components.model.azure.settings import AksCluster, AzureSettings
from components.model.manifests import Document, Json

PART = "monitoring"
GRAFANA_VERSION = "11"
# What the control plane says that somebody may need afterwards; `kube-audit` would also hold every read.
# Source: https://learn.microsoft.com/azure/aks/monitor-aks-reference#resource-logs
CATEGORIES = ("cluster-autoscaler", "guard", "kube-audit-admin", "kube-controller-manager")
INSIGHTS = "Microsoft-ContainerInsights-Group-Default"
PROMETHEUS = "Microsoft-PrometheusMetrics"


def before_cluster(azure: AzureSettings) -> Iterator[AzureResource]:
    """What the cluster is told to send to."""
    own = azure.monitoring
    if own is None:
        return
    logs: Document = {
        **placed(azure),
        "workspaceName": names.physical("logs", azure),
        "sku": {"name": "PerGB2018"},
        "retentionInDays": own.retention_days,
        "features": {"enableLogAccessUsingOnlyResourcePermissions": True},
    }
    yield AzureResource("logs", "operationalinsights:Workspace", PART, logs, protect=azure.protect)
    if own.prometheus:
        inputs: Document = {
            **placed(azure),
            "azureMonitorWorkspaceName": names.physical("metrics", azure),
        }
        yield AzureResource("metrics", "monitor:AzureMonitorWorkspace", PART, inputs, protect=azure.protect)
    if own.application_insights:
        yield _application_insights(azure)


def after_cluster(cluster: AksCluster, azure: AzureSettings) -> Iterator[AzureResource]:
    """What is collected from the cluster, and what shows it."""
    own = azure.monitoring
    if own is None:
        return
    yield _diagnostics(azure)
    if own.prometheus:
        yield from _prometheus(azure)
    if cluster.addons.container_insights:
        yield from _container_logs(azure)
    if own.grafana:
        yield from _grafana(cluster, azure)


def logs_id(azure: AzureSettings) -> str:
    """The id of the workspace that logs go to; empty where there is none."""
    kind = "Microsoft.OperationalInsights/workspaces"
    return names.resource_id(azure, kind, names.physical("logs", azure)) if azure.monitoring else ""


def metrics_id(azure: AzureSettings) -> str:
    """The id of the workspace that measurements go to."""
    return names.resource_id(azure, "Microsoft.Monitor/accounts", names.physical("metrics", azure))


def _application_insights(azure: AzureSettings) -> AzureResource:
    inputs: Document = {
        **placed(azure),
        "resourceName": names.physical("insights", azure),
        "kind": "web",
        "applicationType": "web",
        "workspaceResourceId": logs_id(azure),
        "ingestionMode": "LogAnalytics",
        "disableLocalAuth": True,
    }
    return AzureResource(
        "insights",
        "applicationinsights:Component",
        PART,
        inputs,
        ("logs",),
        secret_outputs=("connectionString", "instrumentationKey"),
    )


def _diagnostics(azure: AzureSettings) -> AzureResource:
    logs: list[Json] = [{"category": name, "enabled": True} for name in CATEGORIES]
    inputs: Document = {
        "name": "control-plane",
        "resourceUri": names.cluster_id(azure),
        "workspaceId": logs_id(azure),
        "logAnalyticsDestinationType": "Dedicated",
        "logs": logs,
    }
    return AzureResource("diagnostics", "monitor:DiagnosticSetting", PART, inputs, ("cluster", "logs"))


def _prometheus(azure: AzureSettings) -> Iterator[AzureResource]:
    endpoint: Document = {
        **placed(azure),
        "dataCollectionEndpointName": names.physical("endpoint", azure),
        "kind": "Linux",
        "networkAcls": {"publicNetworkAccess": "Enabled"},
    }
    yield AzureResource("collection-endpoint", "monitor:DataCollectionEndpoint", PART, endpoint)
    rule: Document = {
        **_rule(azure, "prometheus"),
        "dataCollectionEndpointId": names.resource_id(
            azure, "Microsoft.Insights/dataCollectionEndpoints", names.physical("endpoint", azure)
        ),
        "dataSources": {"prometheusForwarder": [{"name": "prometheus", "streams": [PROMETHEUS]}]},
        "destinations": {"monitoringAccounts": [{"name": "metrics", "accountResourceId": metrics_id(azure)}]},
        "dataFlows": [{"streams": [PROMETHEUS], "destinations": ["metrics"]}],
    }
    after = ("metrics", "collection-endpoint")
    yield AzureResource("collection-prometheus", "monitor:DataCollectionRule", PART, rule, after)
    yield _association(azure, "prometheus", "prometheus")


def _container_logs(azure: AzureSettings) -> Iterator[AzureResource]:
    source: Json = {
        "name": "ContainerInsightsExtension",
        "extensionName": "ContainerInsights",
        "streams": [INSIGHTS],
        "extensionSettings": {"dataCollectionSettings": {"interval": "1m", "enableContainerLogV2": True}},
    }
    rule: Document = {
        **_rule(azure, "containers"),
        "dataSources": {"extensions": [source]},
        "destinations": {"logAnalytics": [{"name": "logs", "workspaceResourceId": logs_id(azure)}]},
        "dataFlows": [{"streams": [INSIGHTS], "destinations": ["logs"]}],
    }
    yield AzureResource("collection-containers", "monitor:DataCollectionRule", PART, rule, ("logs",))
    # The agent looks for a rule of this name.
    yield _association(azure, "containers", "ContainerInsightsExtension")


def _rule(azure: AzureSettings, what: str) -> Document:
    return {
        **placed(azure),
        "dataCollectionRuleName": names.physical("rule", azure, what),
        "kind": "Linux",
    }


def _association(azure: AzureSettings, what: str, name: str) -> AzureResource:
    rule = names.physical("rule", azure, what)
    inputs: Document = {
        "associationName": name,
        "resourceUri": names.cluster_id(azure),
        "dataCollectionRuleId": names.resource_id(azure, "Microsoft.Insights/dataCollectionRules", rule),
    }
    after = ("cluster", f"collection-{what}")
    return AzureResource(f"collected-{what}", "monitor:DataCollectionRuleAssociation", PART, inputs, after)


def _grafana(cluster: AksCluster, azure: AzureSettings) -> Iterator[AzureResource]:
    integration: Json = {"azureMonitorWorkspaceResourceId": metrics_id(azure)}
    name = names.physical("grafana", azure)
    inputs: Document = {
        **placed(azure),
        "workspaceName": name,
        "sku": {"name": "Standard"},
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "apiKey": "Disabled",
            "grafanaMajorVersion": GRAFANA_VERSION,
            "publicNetworkAccess": "Enabled",
            "zoneRedundancy": "Disabled",
            "grafanaIntegrations": {"azureMonitorWorkspaceIntegrations": [integration]},
        },
    }
    yield AzureResource("grafana", "dashboard:Grafana", PART, inputs, ("metrics",))
    reads = ("grafana", metrics_id(azure))
    yield assigned(
        azure, "grafana-on-metrics", "Monitoring Data Reader", reads, ("metrics",), "identity.principalId"
    )
    where = names.resource_id(azure, "Microsoft.Dashboard/grafana", name)
    for number, group in enumerate(cluster.admins):
        yield granted(azure, f"grafana-{number}", "Grafana Admin", (group, where), ("grafana",))
