"""What happens to pods on their way into a rehearsal's cluster: a few have to run, whatever is asked. Pure.

Everything else of Azure's is played beside the cluster. This is the one place where an object that the
program made is changed, by the API server's own policies: `kubectl get mutatingadmissionpolicies` shows them.
"""

import json
from collections.abc import Mapping

from components.model import istio
from components.model.versions import (
    ISTIO_HUB,
    ISTIO_TAG,
    LOCAL_BUSYBOX_IMAGE,
    LOCAL_RABBITMQ_IMAGE,
    STANDIN_HUB,
)
from localcluster.azure.behind.asked import Record
from localcluster.azure.behind.pools import Document
from localcluster.images.catalogue import STANDIN_PORTS, STANDIN_VERSIONS
from localcluster.node.layout import NODE_NAME

API = "admissionregistration.k8s.io/v1"
ROOTS = (istio.ROOT_NAMESPACE, istio.ADDON_NAMESPACE)
MESH = (*ROOTS, istio.GATEWAY_NAMESPACE, istio.ADDON_GATEWAY_NAMESPACE)
KUBE_SYSTEM = "kube-system"

# What is run in the place of an image, by the last part of its name.
ISTIO_IMAGES: Mapping[str, str] = {
    name: f"{ISTIO_HUB}/{name}:{ISTIO_TAG}" for name in ("pilot", "proxyv2", "install-cni")
}
SERVERS: Mapping[str, str] = {
    "busybox": LOCAL_BUSYBOX_IMAGE,
    "maildev": f"{STANDIN_HUB}/mailserver:{STANDIN_VERSIONS[0]}",
    "rabbitmq": LOCAL_RABBITMQ_IMAGE,
    "seq": f"{STANDIN_HUB}/logserver:{STANDIN_VERSIONS[0]}",
    "server": f"{STANDIN_HUB}/sqlserver:{STANDIN_VERSIONS[0]}",  # mcr.microsoft.com/mssql/server
}
OWN = ("pitstop.local/",)  # images that are there

LAST = "c.image.split('@')[0].split('/')[size(c.image.split('@')[0].split('/')) - 1].split(':')[0]"
IS_CNI = "has(object.metadata.labels) && object.metadata.labels[?'k8s-app'].orValue('') == 'istio-cni-node'"
IS_ISTIOD = "has(object.metadata.labels) && object.metadata.labels[?'app'].orValue('') == 'istiod'"
VERSION = "(has(object.metadata.labels) ? object.metadata.labels[?'version'].orValue('v1') : 'v1')"


def policies(record: Record) -> list[Document]:
    """Every policy with its binding."""
    made = (_real_node(), _upstream_envoy(), _no_istio_metrics(), _images(record))
    return [document for policy in made for document in (policy, _binding(policy["metadata"]["name"]))]


def _real_node() -> Document:
    """Control planes and gateways of a mesh run where there is a kubelet: webhooks are asked of them."""
    toleration = "{'key': 'CriticalAddonsOnly', 'operator': 'Exists'}"
    selected = _json_patch("add", "/spec/nodeSelector", f"{{'kubernetes.io/hostname': '{NODE_NAME}'}}")
    one_more = _json_patch("add", "/spec/tolerations/-", toleration)
    first = _json_patch("add", "/spec/tolerations", f"[{toleration}]")
    expression = f"[{selected}] + (has(object.spec.tolerations) ? [{one_more}] : [{first}])"
    # A DaemonSet's pod is for one node, and the agent on a node without a machine does no harm.
    return _policy("pitstop-real-node", "pods", MESH, _patches(expression), f"!({IS_CNI})")


def _upstream_envoy() -> Document:
    """This project's proxies are upstream Envoys: istiod must not name filters that they do not have."""
    variables = (f"{{'name': '{name}', 'value': '{text}'}}" for name, text in istio.UPSTREAM_ENVOY.items())
    entries = ", ".join(_json_patch("add", "/spec/containers/0/env/-", variable) for variable in variables)
    return _policy("pitstop-upstream-envoy", "pods", ROOTS, _patches(f"[{entries}]"), IS_ISTIOD)


def _no_istio_metrics() -> Document:
    """Nor the filter that counts requests for Prometheus, which the mesh configuration asks for."""
    without = _json_patch("replace", "/data/mesh", "object.data.mesh.replace('- prometheus', '[]')")
    asks = "has(object.data) && 'mesh' in object.data && object.data.mesh.contains('- prometheus')"
    return _policy("pitstop-no-istio-metrics", "configmaps", ROOTS, _patches(f"[{without}]"), asks)


def _images(record: Record) -> Document:
    """Images that are there for those that nobody can pull, by the last part of their names.

    At the scale of pods it is for every pod, and each then asks for little, so that all fit on the one node.
    """
    whole = record.scale == "pods"
    image = _image({**ISTIO_IMAGES, **SERVERS}, sorted(STANDIN_PORTS) if whole else [])
    fields = (
        f"containers: {_containers('containers', image, small=whole)}",
        (
            "initContainers: has(object.spec.initContainers)"
            f" ? {_containers('initContainers', image, small=whole)} : []"
        ),
    )
    expression = f"Object{{spec: Object.spec{{{', '.join(fields)}}}}}"
    patch: Document = {"applyConfiguration": {"expression": expression}}
    return _policy("pitstop-images", "pods", () if whole else MESH, patch)


def _image(by_name: Mapping[str, str], services: list[str]) -> str:
    """The expression of what container `c` runs."""
    kept = " || ".join(f"c.image.startsWith('{prefix}')" for prefix in OWN)
    first, second = STANDIN_VERSIONS
    standin = f"'{STANDIN_HUB}/' + {LAST} + ({VERSION} == 'v2' ? ':{second}' : ':{first}')"
    others = f"{LAST} in {json.dumps(services)} ? {standin} : c.image" if services else "c.image"
    return f"({kept}) ? c.image : {json.dumps(by_name)}[?{LAST}].orValue({others})"


def _containers(field: str, image: str, *, small: bool) -> str:
    little = "{'cpu': '5m', 'memory': '32Mi'}"
    requests = f", resources: Object.spec.{field}.resources{{requests: {little}}}" if small else ""
    return f"object.spec.{field}.map(c, Object.spec.{field}{{name: c.name, image: {image}{requests}}})"


def _json_patch(operation: str, path: str, value: str) -> str:
    return f"JSONPatch{{op: '{operation}', path: '{path}', value: {value}}}"


def _patches(expression: str) -> Document:
    return {"jsonPatch": {"expression": expression}}


def _policy(
    name: str, resource: str, namespaces: tuple[str, ...], patch: Document, condition: str = "true"
) -> Document:
    kind = "JSONPatch" if "jsonPatch" in patch else "ApplyConfiguration"
    where = (
        {"operator": "In", "values": list(namespaces)}
        if namespaces
        else {
            "operator": "NotIn",
            "values": [KUBE_SYSTEM],
        }
    )
    operations = ["CREATE"] if resource == "pods" else ["CREATE", "UPDATE"]
    return {
        "apiVersion": API,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            # Once more after Istio's webhook has added its containers.
            "reinvocationPolicy": "IfNeeded",
            "matchConstraints": {
                "namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", **where}]},
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": operations,
                        "resources": [resource],
                    }
                ],
            },
            "matchConditions": [{"name": "meant", "expression": condition}],
            "mutations": [{"patchType": kind, **patch}],
        },
    }


def _binding(name: str) -> Document:
    return {
        "apiVersion": API,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name},
    }
