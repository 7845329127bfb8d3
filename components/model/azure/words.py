"""A line for each key of Azure's settings: what an editor shows."""

from collections.abc import Mapping

from pydantic import BaseModel

from components.model.azure import settings

FIELDS: Mapping[type[BaseModel], Mapping[str, str]] = {
    settings.OsDisk: {
        "kind": "ephemeral: on the machine itself. managed: a disk of Azure's.",
        "gibibytes": "Its size in GiB; an ephemeral one must fit on the machine's own disk.",
    },
    settings.Pool: {
        "vmSize": "The size of the machines, e.g. Standard_D4ds_v5.",
        "max": "The most machines.",
        "zones": "The zones they are spread over; with an empty list, none.",
        "osDisk": "Where the nodes' own disks lie.",
        "maxSurge": "How many machines more there are during an upgrade, e.g. 33%.",
        "maxPods": "The most pods of a node.",
    },
    settings.SystemPool: {"min": "The fewest machines."},
    settings.UserPool: {
        "min": "The fewest machines; 0 where nothing needs to run.",
        "labels": "Labels of the nodes, besides the pool's own.",
        "taints": "What keeps other pods away, e.g. dedicated=batch:NoSchedule.",
        "spot": "Whether Azure may take the machines away at any time.",
    },
    settings.PrivateAccess: {"publicName": "Whether public DNS knows the private address."},
    settings.PublicAccess: {
        "authorizedRanges": "The addresses that reach the API server, e.g. 203.0.113.0/24."
    },
    settings.ClusterNetwork: {
        "plugin": "Who connects pods: azure, or nobody yet (none).",
        "mode": "overlay: pods have addresses of their own. subnet: those of the nodes' subnet.",
        "dataplane": "Who moves packets: cilium or azure.",
        "policy": "Who enforces NetworkPolicies.",
        "podCidr": "The pods' addresses; a /24 of them for each node.",
        "serviceCidr": "The services' addresses.",
        "dnsServiceIP": "The address of the cluster's DNS, in serviceCidr.",
    },
    settings.Window: {
        "day": "The weekday.",
        "hour": "The hour it begins, from 0 to 23.",
        "hours": "How many hours it lasts, at least 4.",
        "utcOffset": "The hour's distance from UTC, e.g. +01:00.",
        "weeks": "How many weeks are between two of them.",
    },
    settings.Upgrades: {
        "channel": "What of Kubernetes Azure upgrades by itself; patch keeps the minor version.",
        "nodeOs": "How the nodes' system is upgraded.",
        "window": "When Azure may do either.",
    },
    settings.VaultAddon: {"rotation": "How often the vault is asked again, e.g. 2m."},
    settings.Addons: {
        "defender": "Microsoft Defender for Containers.",
        "policy": "Azure Policy in the cluster.",
        "keda": "KEDA, which scales by queues.",
        "containerInsights": "The containers' logs go to Log Analytics.",
        "vault": "Secrets of a key vault in pods (Secrets Store CSI driver).",
        "imageCleaner": "Whether unused images are removed from nodes.",
        "costAnalysis": "Whether Azure splits the cost by namespace.",
    },
    settings.AksCluster: {
        "version": "The minor version of Kubernetes in quotes; Azure chooses the patch.",
        "tier": "What Azure promises for the API server: nothing (Free), Standard, Premium.",
        "longTerm": "Long-term support of the version, with the tier Premium.",
        "access": "Who reaches the API server.",
        "admins": "Entra groups, by their ids, whose members administer the cluster.",
        "network": "How pods are connected.",
        "system": "The pool of the cluster's own pods.",
        "pools": "The pools of everything else, by name.",
        "upgrades": "What Azure upgrades by itself, and when.",
        "addons": "What Azure runs in the cluster beside it.",
        "oidcIssuer": "Whether the cluster's tokens can be checked by others.",
        "workloadIdentity": "Whether pods log in to Azure by their service account.",
        "encryptionAtHost": "Whether disks are encrypted on the machines too; a feature to register.",
    },
    settings.LoadBalancerOutbound: {"addresses": "How many public addresses it goes out by."},
    settings.NatOutbound: {"idleMinutes": "After how many idle minutes a connection is dropped."},
    settings.RoutedOutbound: {"nextHop": "The firewall's private address, e.g. 10.20.32.4."},
    settings.VirtualNetwork: {
        "range": "All its addresses.",
        "nodes": "The nodes' part of them.",
        "endpoints": "The part for private endpoints.",
        "outbound": "How nodes reach the internet; a firewall must be among the authorizedRanges too.",
    },
    settings.Builds: {
        "repository": "Where Pitstop's source is.",
        "commit": "The commit that images are built from.",
        "folder": "The folder of the source in it.",
        "versions": "Other commits for single versions, e.g. v2.",
    },
    settings.Registry: {
        "sku": "Its tier; only Premium is in several zones.",
        "builds": "Images that are built there from source; without it, somebody else fills it.",
    },
    settings.Monitoring: {
        "retentionDays": "How long logs are kept, in days.",
        "prometheus": "Managed Prometheus in an Azure Monitor workspace.",
        "grafana": "Managed Grafana on top of it.",
        "applicationInsights": "Application Insights on the same logs.",
    },
    settings.AzureSqlDatabase: {
        "sku": "The size of each database, e.g. S0 or GP_Gen5_2.",
        "zoneRedundant": "Whether each database is in several zones.",
        "backup": "Where backups are kept: one place, several zones, or another region.",
    },
    settings.ExternalDatabase: {
        "host": "The server, e.g. sql.example.org.",
        "port": "The port it listens on.",
        "administrator": "The login that prepares databases; its password is sqlPassword.",
    },
    settings.PublicVault: {"ranges": "Addresses that reach it beside the nodes, e.g. 203.0.113.0/24."},
    settings.Vault: {
        "sku": "standard, or premium for keys in hardware.",
        "network": "From where it is reached.",
        "softDeleteDays": "For how many days what was deleted can be had back.",
        "purgeProtection": "Whether nobody can remove it for good before; once on, it stays on.",
    },
    settings.DnsZone: {
        "zone": "The zone, e.g. example.org.",
        "resourceGroup": "The resource group the zone is in.",
    },
    settings.AzureSettings: {
        "subscription": "The subscription everything is in. No other is ever changed.",
        "tenant": "The Entra tenant of the subscription.",
        "location": "The region, e.g. westeurope.",
        "name": "The environment's short name, a part of every physical name, e.g. prod.",
        "tags": "What is written on every resource.",
        "network": "The virtual network.",
        "registry": "A container registry of the environment's own; images: own pulls from it.",
        "monitoring": "Where logs and measurements go; null for nowhere.",
        "database": "Where the databases are.",
        "vault": "A key vault of the environment's own; `secrets` and `ingress.tls` may come from it.",
        "dns": "The zone in which the environment's names are written.",
        "protect": "Whether destroy refuses what cannot be made again: cluster, registry, databases.",
    },
}
