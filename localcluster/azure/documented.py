"""Values that Azure documents and the SDK's enums, which Azure may extend, do not list. A source each."""

from collections.abc import Mapping

# https://learn.microsoft.com/azure/azure-monitor/containers/prometheus-metrics-scrape-default
_PROMETHEUS = "Microsoft-PrometheusMetrics"
# https://learn.microsoft.com/azure/azure-monitor/containers/kubernetes-monitoring-enable
_CONTAINERS = "Microsoft-ContainerInsights-Group-Default"

# By module and name of the enum.
DOCUMENTED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("monitor", "KnownDataFlowStreams"): (_PROMETHEUS, _CONTAINERS),
    ("monitor", "KnownExtensionDataSourceStreams"): (_CONTAINERS,),
}
