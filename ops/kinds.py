"""Kinds of the Kubernetes API as plain data, without the import cost of typed models.

Declared once, because lightkube knows one class for each kind in a process.
"""

from lightkube.generic_resource import create_global_resource, create_namespaced_resource

Namespace = create_global_resource("", "v1", "Namespace", "namespaces")
Definition = create_global_resource(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions"
)
ConfigMap = create_namespaced_resource("", "v1", "ConfigMap", "configmaps")
Secret = create_namespaced_resource("", "v1", "Secret", "secrets")
