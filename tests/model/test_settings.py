"""What a stack file may say, and the line a person reads when it says something else."""

import pytest

from components.model import explain, stackfile
from components.model.explain import parse
from components.model.findings import RefusedError
from ops.errors import UserError
from tests.model.examples import REMOVE, Node, raw, settings
from tests.model.refusing import Case, lines, mended
from tests.model.test_azure_settings import PLACES as AZURE_PLACES

API = "services.customermanagementapi"
KEY = f"pitstop:{API}"
SHA = f"sha256:{'0' * 64}"
ONE_SERVER = "must be one host, by its name and not its address, e.g. smtp.example.org"

REJECTED: dict[str, Case] = {
    "unknown key": (
        {"namespac": "x"},
        (
            'pitstop:namespac = "x": unknown key; did you mean namespace? '
            "valid: namespace, cluster, azure, mesh, images, pins, secrets, ingress, egress, storage, quota, "
            "guardrails, services"
        ),
    ),
    "unknown key of a service": (
        {f"{API}.trafic": {}},
        f"{KEY}.trafic = {{}}: unknown key; did you mean traffic? valid: versions, traffic, release",
    ),
    "unknown service": (
        {"services.webap": {}},
        (
            "pitstop:services.webap = {}: unknown service; did you mean webapp? valid: webapp, "
            "customermanagementapi, vehiclemanagementapi, workshopmanagementapi, "
            "workshopmanagementeventhandler, notificationservice, invoiceservice, auditlogservice, "
            "timeservice, sqlserver, rabbitmq, mailserver, logserver"
        ),
    ),
    "an image source that is none": (
        {"images": "upsteam"},
        'pitstop:images = "upsteam": must be standin, upstream, own or a registry, e.g. ghcr.io/acme/pitstop',
    ),
    "an image source in capitals": (
        {"images": "ghcr.io/Acme"},
        (
            'pitstop:images = "ghcr.io/Acme": must be standin, upstream, own or a registry, '
            "e.g. ghcr.io/acme/pitstop"
        ),
    ),
    "images that are an image": (
        {"images": "ghcr.io/acme/webapp:1.0"},
        (
            'pitstop:images = "ghcr.io/acme/webapp:1.0": must be standin, upstream, own or a registry, '
            "e.g. ghcr.io/acme/pitstop"
        ),
    ),
    "an image without a registry": (
        {"services.webapp.versions": {"v1": {"image": "webapp:1.0"}}},
        (
            'pitstop:services.webapp.versions.v1.image = "webapp:1.0": must be an image with its registry, '
            "e.g. ghcr.io/acme/webapp:1.0 (or @sha256:...)"
        ),
    ),
    "a digest that is too short": (
        {"services.webapp.versions": {"v1": {"image": "ghcr.io/acme/webapp@sha256:abc"}}},
        (
            'pitstop:services.webapp.versions.v1.image = "ghcr.io/acme/webapp@sha256:abc": must be an image '
            "with its registry, e.g. ghcr.io/acme/webapp:1.0 (or @sha256:...)"
        ),
    ),
    "a setting the program makes itself": (
        {"services.webapp.versions": {"v1": {"settings": {"APIServiceLocations__X": "a:1"}}}},
        (
            'pitstop:services.webapp.versions.v1.settings.APIServiceLocations__X = "a:1": '
            "is set by the program itself; remove the key"
        ),
    ),
    "a setting that is a secret": (
        {"services.webapp.versions": {"v1": {"settings": {"Email__Pwd": "x"}}}},
        (
            'pitstop:services.webapp.versions.v1.settings.Email__Pwd = "x": would show a secret in the stack '
            "file and in the pod; secret values come from pulumi config set --secret"
        ),
    ),
    "a setting that is a number": (
        {"services.webapp.versions": {"v1": {"settings": {"Serilog__Level": 3}}}},
        "pitstop:services.webapp.versions.v1.settings.Serilog__Level = 3: must be a text",
    ),
    "a setting with a dot": (
        {"services.webapp.versions": {"v1": {"settings": {"Serilog.Level": "x"}}}},
        (
            'pitstop:services.webapp.versions.v1.settings.Serilog.Level = "x": must be letters, digits and '
            "'_', e.g. Serilog__MinimumLevel"
        ),
    ),
    "processors with a fraction": (
        {"services.webapp.versions": {"v1": {"resources": {"cpu": 0.5}}}},
        "pitstop:services.webapp.versions.v1.resources.cpu = 0.5: must be a text",
    ),
    "no processor at all": (
        {"services.webapp.versions": {"v1": {"resources": {"cpu": 0}}}},
        (
            "pitstop:services.webapp.versions.v1.resources.cpu = 0: must be thousandths of a processor or "
            "whole ones, e.g. 250m or 2"
        ),
    ),
    "memory in megabytes": (
        {"services.webapp.versions": {"v1": {"resources": {"memory": "256MB"}}}},
        (
            'pitstop:services.webapp.versions.v1.resources.memory = "256MB": must be a number of Mi or Gi, '
            "e.g. 256Mi"
        ),
    ),
    "a limit below what is asked for": (
        {"services.webapp.versions": {"v1": {"resources": {"memory": "1Gi", "memoryLimit": "512Mi"}}}},
        (
            'pitstop:services.webapp.versions.v1.resources.memoryLimit = "512Mi": must not be less than '
            "memory, which is 1Gi"
        ),
    ),
    "a limit of processor time": (
        {"services.webapp.versions": {"v1": {"resources": {"cpuLimit": "1"}}}},
        (
            'pitstop:services.webapp.versions.v1.resources.cpuLimit = "1": unknown key; valid: cpu, memory, '
            "memoryLimit"
        ),
    ),
    "replicas beside a scaler": (
        {"services.webapp.versions": {"v1": {"replicas": 2, "scaling": {"kind": "cpu", "max": 4}}}},
        (
            "pitstop:services.webapp.versions.v1.replicas = 2: scaling decides how many pods there are; "
            "remove replicas or scaling"
        ),
    ),
    "a scaler without a kind": (
        {"services.webapp.versions": {"v1": {"scaling": {"max": 4}}}},
        "pitstop:services.webapp.versions.v1.scaling.kind: required, e.g. {kind: cpu, max: 4}",
    ),
    "a scaler nobody knows": (
        {"services.webapp.versions": {"v1": {"scaling": {"kind": "rps", "max": 4}}}},
        "pitstop:services.webapp.versions.v1.scaling.kind = rps: must be cpu or queue",
    ),
    "a scaler without a bound": (
        {"services.webapp.versions": {"v1": {"scaling": {"kind": "queue"}}}},
        "pitstop:services.webapp.versions.v1.scaling.max: required, e.g. 4",
    ),
    "a scaler upside down": (
        {"services.webapp.versions": {"v1": {"scaling": {"kind": "cpu", "min": 5, "max": 4}}}},
        "pitstop:services.webapp.versions.v1.scaling.max = 4: must not be less than min, which is 5",
    ),
    "a scaler below its usual least": (
        {"services.webapp.versions": {"v1": {"scaling": {"kind": "cpu", "max": 1}}}},
        "pitstop:services.webapp.versions.v1.scaling.max = 1: must not be less than min, which is 2",
    ),
    "a queue's scaler upside down": (
        {"services.webapp.versions": {"v1": {"scaling": {"kind": "queue", "min": 5, "max": 4}}}},
        "pitstop:services.webapp.versions.v1.scaling.max = 4: must not be less than min, which is 5",
    ),
    "a scaler that goes to nothing": (
        {"services.webapp.versions": {"v1": {"scaling": {"kind": "queue", "min": 0, "max": 4}}}},
        ("pitstop:services.webapp.versions.v1.scaling.min = 0: must be a whole number from 1 to 50, e.g. 2"),
    ),
    "storage of another kind": (
        {"storage": {"kind": "disk"}},
        'pitstop:storage.kind = "disk": must be claims or ephemeral',
    ),
    "a size of what keeps nothing": (
        {"storage": {"sizes": {"webapp": "1Gi"}}},
        (
            'pitstop:storage.sizes.webapp = "1Gi": webapp keeps no data; valid: auditlogservice, logserver, '
            "rabbitmq, sqlserver"
        ),
    ),
    "a size of what is not there": (
        {"storage": {"sizes": {"sqlsrver": "1Gi"}}},
        (
            'pitstop:storage.sizes.sqlsrver = "1Gi": unknown service; did you mean sqlserver? valid: webapp, '
            "customermanagementapi, vehiclemanagementapi, workshopmanagementapi, "
            "workshopmanagementeventhandler, notificationservice, invoiceservice, auditlogservice, "
            "timeservice, sqlserver, rabbitmq, mailserver, logserver"
        ),
    ),
    "a size without a unit": (
        {"storage": {"sizes": {"sqlserver": "8"}}},
        'pitstop:storage.sizes.sqlserver = "8": must be a number of Mi or Gi, e.g. 256Mi',
    ),
    "to keep or not to keep": (
        {"storage": {"retain": "yes"}},
        'pitstop:storage.retain = "yes": must be true or false',
    ),
    "a quota without pods": (
        {"quota": {"cpu": 4, "memory": "8Gi"}},
        "pitstop:quota.pods: required, e.g. 60",
    ),
    "a quota of no pods": (
        {"quota": {"cpu": 4, "memory": "8Gi", "pods": 0}},
        "pitstop:quota.pods = 0: must be a whole number from 1 to 100000, e.g. 100",
    ),
    "an unknown key of a quota": (
        {"quota": {"cpu": 4, "memory": "8Gi", "pods": 9, "gpu": 1}},
        "pitstop:quota.gpu = 1: unknown key; did you mean cpu? valid: cpu, memory, pods",
    ),
    "a guardrail nobody knows": (
        {"guardrails": {"fault": False}},
        (
            "pitstop:guardrails.fault = false: unknown key; did you mean faults? valid: production, faults, "
            "retryBudget, maxWeightStep"
        ),
    ),
    "a step of nothing": (
        {"guardrails": {"maxWeightStep": 0}},
        "pitstop:guardrails.maxWeightStep = 0: must be a whole number from 1 to 100, e.g. 50",
    ),
    "no budget of retries": (
        {"guardrails": {"retryBudget": 0}},
        "pitstop:guardrails.retryBudget = 0: must be a whole number from 1 to 100000, e.g. 100",
    ),
    "a certificate from nowhere": (
        {"ingress.tls": {"kind": "acme"}},
        "pitstop:ingress.tls.kind = acme: must be secret or values or vault",
    ),
    "a certificate without a kind": (
        {"ingress.tls": {}},
        "pitstop:ingress.tls.kind: required, e.g. {kind: values}",
    ),
    "a secret without a name": (
        {"ingress.tls": {"kind": "secret"}},
        "pitstop:ingress.tls.name: required, e.g. pitstop",
    ),
    "a name for a certificate of our own": (
        {"ingress.tls": {"kind": "values", "name": "x"}},
        'pitstop:ingress.tls.name = "x": unknown key; valid: kind, redirect',
    ),
    "a host that is none": (
        {"ingress.hosts": ["*", "a..b"]},
        (
            'pitstop:ingress.hosts[1] = "a..b": must be a whole DNS name, *.name, or * for every host, '
            "e.g. pitstop.example.org"
        ),
    ),
    "a host with a part that is too long": (
        {"ingress.hosts": [f"{'a' * 64}.org"]},
        (
            f'pitstop:ingress.hosts[0] = "{"a" * 64}.org": must be a whole DNS name, *.name, or * for every '
            "host, e.g. pitstop.example.org"
        ),
    ),
    "a host of one word": (
        {"ingress.hosts": ["localhost"]},
        (
            'pitstop:ingress.hosts[0] = "localhost": must be a whole DNS name, *.name, or * for every host, '
            "e.g. pitstop.example.org"
        ),
    ),
    "a host that ends with a number": (
        {"ingress.hosts": ["web.123"]},
        (
            'pitstop:ingress.hosts[0] = "web.123": must be a whole DNS name, *.name, or * for every host, '
            "e.g. pitstop.example.org"
        ),
    ),
    "an address that is none": (
        {"ingress.hosts": ["10.0.0.256"]},
        (
            'pitstop:ingress.hosts[0] = "10.0.0.256": must be a whole DNS name, *.name, or * for every host, '
            "e.g. pitstop.example.org"
        ),
    ),
    "a way out for nobody": (
        {"egress": [{"host": "smtp.example.org"}]},
        "pitstop:egress[0].callers: required, e.g. [webapp]",
    ),
    "a way out for an empty list": (
        {"egress": [{"host": "smtp.example.org", "callers": []}]},
        "pitstop:egress[0].callers = []: must not be empty",
    ),
    "a way out for somebody unknown": (
        {"egress": [{"host": "smtp.example.org", "callers": ["webap"]}]},
        (
            'pitstop:egress[0].callers[0] = "webap": unknown service; did you mean webapp? valid: webapp, '
            "customermanagementapi, vehiclemanagementapi, workshopmanagementapi, "
            "workshopmanagementeventhandler, notificationservice, invoiceservice, auditlogservice, "
            "timeservice, sqlserver, rabbitmq, mailserver, logserver"
        ),
    ),
    "a way out to many hosts": (
        {"egress": [{"host": "*.example.org", "callers": ["webapp"]}]},
        f'pitstop:egress[0].host = "*.example.org": {ONE_SERVER}',
    ),
    "a way out to an address": (
        {"egress": [{"host": "10.0.0.1", "callers": ["webapp"]}]},
        f'pitstop:egress[0].host = "10.0.0.1": {ONE_SERVER}',
    ),
    "a way out to what ends with a number": (
        {"egress": [{"host": "smtp.123", "callers": ["webapp"]}]},
        f'pitstop:egress[0].host = "smtp.123": {ONE_SERVER}',
    ),
    "a digest of a digest": (
        {"pins": {f"ghcr.io/acme/a:1@{SHA}": SHA}},
        (
            f'pitstop:pins.ghcr.io/acme/a:1@{SHA} = "{SHA}": has a digest already, and a tag alone can be '
            "pinned; remove the key"
        ),
    ),
    "a control plane whose release has no name": (
        {"mesh": {"kind": "helm", "revisions": [{"name": "a" * 47}], "live": "a" * 47}},
        (
            f'pitstop:mesh.revisions[0].name = "{"a" * 47}": must be at most 46 lower-case letters, digits '
            "and '-', starting with a letter, e.g. canary"
        ),
    ),
    "a class of disks in capitals": (
        {"storage": {"class": "Managed"}},
        (
            "pitstop:storage.class = \"Managed\": must be lower-case letters, digits, '-' and '.', "
            "e.g. pitstop-1"
        ),
    ),
    "a way out without a host": (
        {"egress": [{"callers": ["webapp"]}]},
        "pitstop:egress[0].host: required, e.g. smtp.example.org",
    ),
    "a way out by an unknown protocol": (
        {"egress": [{"host": "smtp.example.org", "protocol": "SMTP", "callers": ["webapp"]}]},
        'pitstop:egress[0].protocol = "SMTP": must be HTTP or HTTPS or TLS or TCP',
    ),
    "a way out by no port": (
        {"egress": [{"host": "smtp.example.org", "port": 70000, "callers": ["webapp"]}]},
        "pitstop:egress[0].port = 70000: must be a whole number from 1 to 65535, e.g. 443",
    ),
    "ways out that are no list": (
        {"egress": {"host": "smtp.example.org"}},
        'pitstop:egress = {"host": "smtp.example.org"}: must be a list',
    ),
    "a mesh nobody knows": (
        {"mesh": {"kind": "linkerd"}},
        "pitstop:mesh.kind = linkerd: must be helm or addon or existing or none",
    ),
    "a size of no mesh": (
        {"mesh": {"kind": "none", "size": "small"}},
        'pitstop:mesh.size = "small": unknown key; valid: kind, gateway',
    ),
    "a gateway without labels": (
        {"mesh": {"kind": "existing", "gateway": {"selector": {}}}},
        "pitstop:mesh.gateway.selector = {}: must not be empty",
    ),
    "three control planes": (
        {"mesh": {"kind": "helm", "revisions": [{"name": name} for name in "abc"], "live": "a"}},
        ('pitstop:mesh.revisions = [{"name": "a"}, {"name": "b"}, {"name": "c"}]: must have at most 2'),
    ),
    "a control plane twice": (
        {"mesh": {"kind": "helm", "revisions": [{"name": "a"}, {"name": "a"}], "live": "a"}},
        'pitstop:mesh.revisions = [{"name": "a"}, {"name": "a"}]: must differ, and a is there twice',
    ),
    "a live control plane that is not there": (
        {"mesh": {"kind": "helm", "revisions": [{"name": "a"}], "live": "b"}},
        'pitstop:mesh.live = "b": must be one of the revisions, e.g. a',
    ),
    "several control planes and none live": (
        {"mesh": {"kind": "helm", "revisions": [{"name": "a"}, {"name": "b"}]}},
        "pitstop:mesh.live: must be one of the revisions, e.g. a",
    ),
    "revisions of the add-on that do not follow": (
        {"mesh": {"kind": "addon", "revisions": ["asm-1-26", "asm-1-28"], "live": "asm-1-26"}},
        (
            'pitstop:mesh.revisions = ["asm-1-26", "asm-1-28"]: must be two that follow one another, '
            "e.g. [asm-1-26, asm-1-27]"
        ),
    ),
    "two revisions of the add-on and none live": (
        {"mesh": {"kind": "addon", "revisions": ["asm-1-26", "asm-1-27"]}},
        "pitstop:mesh.live: required while there are two revisions, e.g. asm-1-26",
    ),
    "a live revision the add-on has not": (
        {"mesh": {"kind": "addon", "revisions": ["asm-1-26"], "live": "asm-1-27"}},
        'pitstop:mesh.live = "asm-1-27": must be one of the revisions, e.g. asm-1-26',
    ),
    "a revision that is none": (
        {"mesh": {"kind": "addon", "revisions": ["1.27"]}},
        (
            'pitstop:mesh.revisions[0] = "1.27": must be a revision of the AKS add-on, asm-1-24 or '
            "later, e.g. asm-1-27"
        ),
    ),
    "a revision whose sidecars are not native for asking": (
        {"mesh": {"kind": "addon", "revisions": ["asm-1-23"]}},
        (
            'pitstop:mesh.revisions[0] = "asm-1-23": must be a revision of the AKS add-on, asm-1-24 or '
            "later, e.g. asm-1-27"
        ),
    ),
    "three revisions": (
        {"mesh": {"kind": "addon", "revisions": ["asm-1-26", "asm-1-27", "asm-1-28"]}},
        'pitstop:mesh.revisions = ["asm-1-26", "asm-1-27", "asm-1-28"]: must have at most 2',
    ),
    "a gateway twice": (
        {"mesh": {"kind": "addon", "revisions": ["asm-1-26"], "gateways": ["internal", "internal"]}},
        'pitstop:mesh.gateways = ["internal", "internal"]: must differ, and internal is there twice',
    ),
    "a live control plane of none": (
        {"mesh": {"kind": "helm", "live": "b"}},
        'pitstop:mesh.live = "b": has no revision; add it, e.g. revisions: [{name: b}]',
    ),
    "a service that is a number": ({"services.webapp": 3}, "pitstop:services.webapp = 3: must be a map"),
    "a version by its tag": (
        {"services.webapp": {"versions": {"2.0": {}}}},
        "pitstop:services.webapp.versions.2.0 = {}: must be v and a number, e.g. v1",
    ),
    "no version": (
        {"services.webapp.versions": {}},
        "pitstop:services.webapp.versions = {}: must not be empty",
    ),
    "no replica": (
        {"services.webapp.versions": {"v1": {"replicas": 0}}},
        "pitstop:services.webapp.versions.v1.replicas = 0: must be a whole number from 1 to 50, e.g. 2",
    ),
    "no services": ({"services": REMOVE}, "pitstop:services: required, e.g. {webapp: {}}"),
    "a bad namespace": (
        {"namespace": "Pit Stop"},
        (
            "pitstop:namespace = \"Pit Stop\": must be at most 63 lower-case letters, digits and '-', "
            "starting with a letter, e.g. pitstop"
        ),
    ),
    "unknown kind of cluster": (
        {"cluster.kind": "docker"},
        "pitstop:cluster.kind = docker: must be local or kubeconfig or aks",
    ),
    "a kubeconfig without a context": (
        {"cluster.kind": "kubeconfig"},
        "pitstop:cluster.context: required, e.g. kind-pitstop",
    ),
    "a node port for a load balancer": (
        {"mesh.gateway.service": "LoadBalancer"},
        (
            "pitstop:mesh.gateway.nodePort = 30080: only a gateway of service NodePort has one and "
            "this is LoadBalancer; remove the key"
        ),
    ),
    "a node port out of range": (
        {"mesh.gateway.nodePort": 80},
        "pitstop:mesh.gateway.nodePort = 80: must be a whole number from 30000 to 32767, e.g. 30080",
    ),
    "hosts that are no list": ({"ingress.hosts": "*"}, 'pitstop:ingress.hosts = "*": must be a list'),
}


@pytest.mark.parametrize("case", REJECTED)
def test_a_mistake_is_one_line_with_key_value_and_what_is_valid(case: str) -> None:
    changes, line = REJECTED[case]
    assert lines(changes) == (line,)


# Their examples are for a key, or stand beside what is wrong.
ELSEWHERE = {
    "a setting with a dot",
    "a version by its tag",
    "a live control plane of none",
    "a control plane whose release has no name",
}


@pytest.mark.parametrize(
    "case", [case for case, (_, line) in REJECTED.items() if "e.g. " in line and case not in ELSEWHERE]
)
def test_the_example_of_a_line_is_valid(case: str) -> None:
    mended(*REJECTED[case])


def test_an_example_that_is_wrong_would_be_noticed() -> None:
    changes, line = REJECTED["a quota without pods"]
    with pytest.raises(RefusedError):
        mended(changes, line.replace("60", "none"))


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(RefusedError) as refused:
        settings({"images": "upsteam", f"{API}.traffic[0].weights.v1": 101, "namespace": "-"})
    assert [line.split(" = ")[0] for line in refused.value.lines] == [
        "pitstop:namespace",
        "pitstop:images",
        f"{KEY}.traffic[0].weights.v1",
    ]


def test_commands_see_a_refusal_as_a_mistake_of_their_user() -> None:
    with pytest.raises(UserError, match=r"pitstop:namespace.*; pitstop:images"):
        settings({"images": "upsteam", "namespace": "-"})


def test_a_long_value_is_cut() -> None:
    with pytest.raises(RefusedError) as refused:
        settings({"namespace": "a" * 300})
    assert len(refused.value.lines[0]) < 250


def test_nothing_at_all() -> None:
    with pytest.raises(RefusedError) as refused:
        parse({})
    assert refused.value.lines == (
        "pitstop:namespace: required, e.g. pitstop",
        "pitstop:cluster: required, e.g. {kind: local}",
        "pitstop:mesh: required, e.g. {kind: helm}",
        "pitstop:services: required, e.g. {webapp: {}}",
    )


V1 = "services.webapp.versions"
OUT: Node = {"host": "smtp.example.org", "callers": ["webapp"]}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cluster": {"kind": "kubeconfig", "context": "kind-x"}},
        {"cluster": {"kind": "kubeconfig", "path": "~/.kube/other", "context": "kind-x"}},
        {"mesh": {"kind": "existing", "revision": "asm-1-27", "rootNamespace": "aks-istio-system"}},
        {"mesh": {"kind": "existing", "gateway": {"selector": {"istio": "x"}, "namespace": "y"}}},
        {"mesh": {"kind": "helm"}},
        {"mesh": {"kind": "helm", "cni": {"binDir": "/var/lib/cni/bin", "confDir": "/etc/cni"}}},
        {"mesh": {"kind": "helm", "revisions": [{"name": "a"}, {"name": "b", "tag": "1.31.4"}], "live": "a"}},
        {"mesh": {"kind": "none"}},
        {"mesh": {"kind": "none", "gateway": {"service": "NodePort", "nodePort": 30080}}},
        {"ingress": REMOVE},
        {"ingress.hosts": ["pitstop.example.org", "*.example.com"]},
        {"ingress.hosts": [f"{'a' * 63}.org"]},
        {"ingress.hosts": ["10.0.0.1", "*.org", "1.2.3.example.org"]},
        {"ingress.tls": {"kind": "secret", "name": "example.org"}},
        {"ingress.tls": {"kind": "values"}},
        {"ingress.tls": {"kind": "secret", "name": "wildcard", "redirect": False}},
        {"images": "standin"},
        {"images": "upstream"},
        {"images": "ghcr.io/acme/pitstop"},
        {"images": "registry:5000"},
        {"egress": [OUT, {**OUT, "port": 25, "protocol": "TCP"}]},
        {"egress": [{**OUT, "host": "smtp"}, {**OUT, "host": "1.2.3.4a"}]},
        {"pins": {"ghcr.io/acme/a:1": SHA}},
        {"mesh": {"kind": "helm", "revisions": [{"name": "a" * 46}], "live": "a" * 46}},
        {"storage": {"kind": "ephemeral", "sizes": {"sqlserver": "512Mi"}}},
        {"storage": {"class": "managed-csi", "retain": True}},
        {"storage": {"class": "managed.csi"}},
        {"quota": {"cpu": 4, "memory": "8Gi", "pods": 60}},
        {"quota": {"cpu": "3500m", "memory": "8192Mi", "pods": 60}},
        {"guardrails": {"faults": False, "retryBudget": 1, "maxWeightStep": 10}},
        {f"{API}.traffic": [{"kind": "bluegreen", "live": "v2"}]},
        {f"{API}.traffic": []},  # one version or many: what must be decided is a check's matter
        {f"{API}.traffic[0].weights": {"v1": 100}},
        {V1: {"v1": {"replicas": 3}}},
        {V1: {"v1": {"image": "ghcr.io/acme/webapp:1.0"}}},
        {V1: {"v1": {"image": f"localhost/webapp@sha256:{'0' * 64}"}}},
        {V1: {"v1": {"image": f"registry:5000/a/b-c/webapp:1.0@sha256:{'0' * 64}"}}},
        {V1: {"v1": {"settings": {"Serilog__MinimumLevel": "Debug"}}}},
        {V1: {"v1": {"resources": {"cpu": 2}}}},
        {V1: {"v1": {"resources": {"cpu": "250m", "memory": "256Mi", "memoryLimit": "256Mi"}}}},
        {V1: {"v1": {"scaling": {"kind": "cpu", "max": 2}}}},
        {V1: {"v1": {"scaling": {"kind": "cpu", "min": 1, "max": 1, "percent": 100}}}},
        {V1: {"v1": {"scaling": {"kind": "queue", "max": 1, "length": 1}}}},
    ],
)
def test_accepted(changes: dict[str, object]) -> None:
    assert settings(changes) == parse(raw(changes))


@pytest.mark.parametrize(
    "name",
    [
        "OpenAI__MaxTokens",
        "max_tokens",
        "MAX_OUTPUT_TOKENS",
        "TokensPerMinute",
        "TokensLimit",
        "Tokens_Count",
    ],
)
def test_how_many_tokens_there_are_is_no_secret(name: str) -> None:
    assert settings({V1: {"v1": {"settings": {name: "1"}}}})


@pytest.mark.parametrize(
    "name",
    ["Token", "ApiToken", "Api__Tokens", "MaxToken", "MaxTokensSecret", "MaxPasswordTokens", "TokenPerson"],
)
def test_a_token_is_one(name: str) -> None:
    (line,) = lines({V1: {"v1": {"settings": {name: "1"}}}})
    assert "would show a secret" in line


def test_what_is_given_is_kept() -> None:
    found = settings(
        {
            "egress": [OUT],
            "quota": {"cpu": 4, "memory": "8Gi", "pods": 60},
            "storage": {"class": "managed-csi"},
            f"{V1}.v1": {"resources": {"cpu": 2, "memoryLimit": "1Gi"}, "image": "ghcr.io/acme/webapp:1"},
        }
    )
    assert (found.egress[0].port, found.egress[0].protocol) == (443, "HTTPS")
    assert found.quota is not None
    assert (found.quota.cpu, found.quota.memory, found.quota.pods) == ("4", "8Gi", 60)
    assert (found.storage.kind, found.storage.storage_class, found.storage.retain) == (
        "claims",
        "managed-csi",
        False,
    )
    own = found.services["webapp"].versions["v1"]
    assert (own.resources.cpu, own.resources.memory, own.resources.memory_limit) == ("2", None, "1Gi")
    assert (own.image, own.replicas, own.fewest, own.most) == ("ghcr.io/acme/webapp:1", 1, 1, 1)


@pytest.mark.parametrize(
    ("own", "fewest", "most"),
    [
        ({}, 1, 1),
        ({"replicas": 3}, 3, 3),
        ({"scaling": {"kind": "cpu", "max": 5}}, 2, 5),
        ({"scaling": {"kind": "queue", "min": 3, "max": 5}}, 3, 5),
    ],
)
def test_how_many_pods_a_version_has(own: Node, fewest: int, most: int) -> None:
    version = settings({f"{V1}.v1": own}).services["webapp"].versions["v1"]
    assert (version.fewest, version.most) == (fewest, most)


def test_what_is_not_given_is_the_careful_choice() -> None:
    bare = settings({"ingress": REMOVE, "images": REMOVE})
    assert (bare.images, bare.ingress.hosts, bare.ingress.tls) == ("standin", ("*",), None)
    assert (bare.egress, bare.quota, bare.storage.kind) == ((), None, "claims")
    assert (bare.guardrails.retry_budget, bare.guardrails.max_weight_step) == (20, 100)
    assert bare.meshed
    assert not settings({"mesh": {"kind": "none"}}).meshed


FAULT: Node = {"kind": "fault", "delay": {"percent": 1, "duration": "1s"}, "until": "2027-01-31"}
# Where each example explain.py proposes for a missing key would stand.
PLACES = {
    "namespace": "namespace",
    "cluster": "cluster",
    "mesh": "mesh",
    "services": "services",
    "context": "cluster.context",
    "weights": f"{API}.traffic[0].weights",
    "live": f"{API}.traffic[1].live",
    "shadow": f"{API}.release.shadow",
    "to": f"{API}.traffic[2].to",
    "caller": f"{API}.traffic[2].caller",
    "callers": "egress[0].callers",
    "callerVersion": f"{API}.traffic[2].callerVersion",
    "traffic": f"{API}.traffic[0]",
    "release": f"{API}.release",
    "scaling": f"{V1}.v1.scaling",
    "tls": "ingress.tls",
    "percent": f"{API}.traffic[3].delay.percent",
    "status": f"{API}.traffic[4].abort.status",
    "duration": f"{API}.traffic[3].delay.duration",
    "perTry": f"{API}.traffic[5].perTry",
    "attempts": f"{API}.traffic[5].attempts",
    "until": f"{API}.traffic[3].until",
    "host": "egress[0].host",
    "name": "ingress.tls.name",
    "max": f"{V1}.v1.scaling.max",
    "cpu": "quota.cpu",
    "memory": "quota.memory",
    "pods": "quota.pods",
}
EVERYTHING: Node = {
    "cluster": {"kind": "kubeconfig", "context": "x"},
    "egress": [OUT],
    "quota": {"cpu": 1, "memory": "1Gi", "pods": 1},
    "ingress.tls": {"kind": "secret", "name": "x"},
    f"{V1}.v1": {"scaling": {"kind": "cpu", "max": 9}},
    f"{API}.release": {"kind": "shadow", "live": "v1", "shadow": "v2"},
    f"{API}.traffic[1]": {"kind": "bluegreen", "live": "v2"},
    f"{API}.traffic[2]": {"kind": "lane", "caller": "webapp", "callerVersion": "v1", "to": "v1"},
    f"{API}.traffic[3]": FAULT,
    f"{API}.traffic[4]": FAULT | {"abort": {"percent": 1, "status": 500}},
    f"{API}.traffic[5]": {"kind": "retries", "attempts": 1, "perTry": "1s"},
}


@pytest.mark.parametrize("key", PLACES)
def test_what_is_proposed_for_a_missing_key_would_be_right(key: str) -> None:
    text = stackfile.decoded(explain.EXAMPLES[key])
    parse(raw(EVERYTHING | {PLACES[key]: text}))
    if key not in {"traffic", "release", "scaling", "tls"}:  # these may be left out
        (line,) = lines(EVERYTHING | {PLACES[key]: REMOVE})
        assert line == f"pitstop:{PLACES[key]}: required, e.g. {explain.EXAMPLES[key]}"


def test_every_example_is_tried_somewhere() -> None:
    assert {*PLACES, *AZURE_PLACES} == set(explain.EXAMPLES)


def test_a_version_without_a_weight_gets_nothing_but_is_named() -> None:
    own = settings({f"{API}.traffic[0].weights": {"v2": 100}}).services["customermanagementapi"]
    assert own.shares() == {"v1": 0, "v2": 100}


def test_only_services_with_several_versions_have_something_to_measure() -> None:
    assert settings().asked() == {"customermanagementapi": {"v1": 75, "v2": 25}}


def test_settings_cannot_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings().namespace = "other"  # type: ignore[misc]


def test_every_version_without_a_deployment_is_told_at_once() -> None:
    policies = [
        {"kind": "split", "weights": {"v1": 50, "v7": 25, "v8": 25}},
        {"kind": "mirror", "to": "v9", "percent": 5},
    ]
    with pytest.raises(RefusedError) as refused:
        settings({f"{API}.traffic": policies})
    assert [line.split(":", 2)[1].split(" = ")[0] for line in refused.value.lines] == [
        f"{API}.traffic[0].weights.v7",
        f"{API}.traffic[0].weights.v8",
        f"{API}.traffic[1].to",
    ]
