"""The JSON Schema of a stack file, made from the models: what an editor completes and underlines.

It says what single values may be. What only several of them together can tell (a sum of 100, a version with
no deployment) is for the program to say.
"""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from components.model import settings, traffic
from components.model.azure import settings as azure
from components.model.azure import words
from components.model.catalogue import (
    CATALOGUE,
    PASSWORDS,
    Kind,
    Secret,
    Service,
    password_name,
    service_name,
)
from components.model.explain import PROJECT
from components.model.manifests import Document
from components.model.types import IMAGE_WORDS, Cpu, Matching, image_source, regular_expression

# The draft every editor knows; nothing here needs a newer one.
DRAFT = "http://json-schema.org/draft-07/schema#"
SECURE: Document = {
    "type": "object",
    "properties": {"secure": {"type": "string", "description": "The value, encrypted by Pulumi."}},
    "required": ["secure"],
    "additionalProperties": False,
}
KINDS: Mapping[Kind, str] = {
    Kind.HTTP: "Answers requests; traffic says which version gets them",
    Kind.WORKER: "Takes events from a queue; release says which version gets them",
    Kind.BACKING: "What the others store in or send through; one version",
}
# The keys of ServiceSettings that a kind has no use for: the checks refuse them.
USELESS: Mapping[Kind, tuple[str, ...]] = {
    Kind.HTTP: ("release",),
    Kind.WORKER: ("traffic",),
    Kind.BACKING: ("traffic", "release"),
}
# A line for each key that the docstring of its own model does not explain.
FIELDS: Mapping[type[BaseModel], Mapping[str, str]] = {
    **words.FIELDS,
    settings.Settings: {
        "azure": "What is around a managed cluster: subscription, network, registry, databases.",
        "namespace": "The namespace everything of this environment is in; it belongs to this stack.",
        "cluster": "Where the environment is: the cluster this project brings up, or one that is there.",
        "mesh": "Whose Istio: installed by this stack (helm), there already (existing), or none.",
        "pins": "The digest each image's tag stands for; make pin writes it.",
        "images": "Where images come from: standin, upstream, own (azure.registry), or another registry.",
        "secrets": "Where secret values come from: configuration, or the environment's key vault.",
        "egress": "What services may call outside of the mesh; everything else outside is refused.",
        "services": "The services of this environment; what one needs to start must be there too.",
    },
    settings.KubeconfigCluster: {
        "path": "The kubeconfig; PITSTOP_KUBECONFIG wins over it.",
        "context": "The context of the kubeconfig. No other context is ever used.",
    },
    settings.GatewayService: {
        "service": "The type of the Service.",
        "nodePort": "The port on every node; for the type NodePort alone.",
    },
    settings.IngressGateway: {"tlsNodePort": "The port on every node for TLS; for the type NodePort alone."},
    settings.CniPaths: {
        "binDir": "The folder of the network plugins' programs.",
        "confDir": "The folder of the network plugins' configuration.",
    },
    settings.Revision: {
        "name": "The revision's name, which namespaces are labelled with, e.g. canary.",
        "tag": "The tag of its control plane's image; without it, the usual one.",
    },
    settings.HelmMesh: {
        "size": "small: one machine, nothing is autoscaled. standard: the charts' own sizes.",
        "revisions": "The control planes that run, at most two; without the key there is one.",
        "live": "The revision that has the pods.",
    },
    settings.AddonMesh: {
        "revisions": "The add-on's control planes: one, or two that follow one another during an upgrade.",
        "live": "The revision that has the pods; with one revision it is that one.",
        "gateways": "The ingress gateways Azure makes; requests come in by the first.",
        "accessLog": "Whether every request is logged by the sidecars, on standard output.",
    },
    settings.ExistingGateway: {
        "selector": "The labels of the gateway's pods.",
        "namespace": "The namespace of the gateway's pods.",
    },
    settings.ExistingMesh: {
        "revision": "The control plane's revision, e.g. asm-1-27; without one, its default.",
        "rootNamespace": "The namespace of the control plane.",
        "cni": "Whether Istio's CNI plugin sets sidecars up; otherwise the namespace admits privileged pods.",
    },
    settings.SecretTls: {
        "name": "The Secret's name; it lies beside the gateway's pods.",
        "redirect": "Whether requests over plain HTTP are sent on to HTTPS; otherwise nothing answers them.",
    },
    settings.ConfiguredTls: {
        "redirect": "Whether requests over plain HTTP are sent on to HTTPS; otherwise nothing answers them."
    },
    settings.VaultTls: {
        "certificate": "The certificate's name in the vault.",
        "redirect": "Whether requests over plain HTTP are sent on to HTTPS; otherwise nothing answers them.",
    },
    settings.VaultSecrets: {
        "values": "Who puts the values into the vault: this program, from configuration, or somebody else.",
        "versions": "For values of somebody else's, the version in use; another one starts pods anew.",
    },
    settings.Ingress: {
        "hosts": "The names the webapp answers to; * for every name.",
        "tls": "The certificate; without one the webapp is reached by plain HTTP.",
    },
    settings.EgressHost: {
        "host": "One host, e.g. smtp.example.org.",
        "port": "The port that is called.",
        "protocol": "What is spoken there.",
        "callers": "The services whose network lets them out to this port.",
    },
    settings.Storage: {
        "kind": "claims: data outlives pods. ephemeral: it goes with the pod.",
        "class": "The class of the claims; without one, the cluster's default.",
        "retain": "Whether claims outlive the stack.",
        "sizes": "How much each service may keep, where it is not the usual.",
    },
    settings.Quota: {
        "cpu": "Processor time of all pods together, e.g. 4 or 2500m.",
        "memory": "Memory of all pods together, e.g. 8Gi.",
        "pods": "How many pods there may be.",
    },
    settings.Guardrails: {
        "production": "Whether real data is in it, which asks for more.",
        "faults": "Whether services may have fault policies.",
        "retryBudget": "Tries that one request of a user may become on its way through the call chain.",
        "maxWeightStep": "How many percent of the requests one update may move.",
    },
    settings.CpuScaling: {
        "min": "The fewest pods.",
        "max": "The most pods.",
        "percent": "How busy the pods may be, in percent of the processor time they ask for.",
    },
    settings.QueueScaling: {
        "min": "The fewest pods.",
        "max": "The most pods.",
        "length": "Events for each pod, the ones it has taken and not finished included.",
    },
    settings.Resources: {
        "cpu": "Processor time a pod asks for, e.g. 250m or 1.",
        "memory": "Memory a pod asks for, e.g. 256Mi.",
        "memoryLimit": "Memory at which a pod is ended, e.g. 512Mi.",
    },
    settings.VersionSettings: {
        "replicas": "How many pods; where scaling decides, leave it out.",
        "image": "An image of its own instead of the environment's.",
        "settings": "Environment variables, none of them secret or set by the program itself.",
        "scaling": "Who decides how many pods there are.",
    },
    settings.ServiceSettings: {
        "versions": "The versions that run, v1, v2 and so on; without the key there is v1.",
        "traffic": "Traffic policies, which add up: who gets which version, and what happens on the way.",
        "release": "How the versions share the queue.",
    },
    traffic.TextMatch: {
        "exact": "Exactly this.",
        "prefix": "Begins with this.",
        "regex": "Matches this as a whole (RE2).",
    },
    traffic.Conditions: {
        "headers": "Headers and what they must be, by their names in lower case.",
        "cookie": "One cookie and its value.",
        "path": "What the path must be.",
        "methods": "The methods that are meant.",
    },
    traffic.WeightedSplit: {"weights": "Percent of the requests for each version; together 100."},
    traffic.BlueGreen: {"live": "The version that gets every request."},
    traffic.ConditionalRoute: {"to": "The version that gets these requests."},
    traffic.CallerLane: {
        "caller": "Who calls.",
        "callerVersion": "The version of the caller.",
        "to": "The version that gets its requests.",
    },
    traffic.DarkRelease: {
        "to": "The version that gets the copies.",
        "percent": "How many of the requests are copied.",
        "methods": "The methods whose requests are copied.",
    },
    traffic.Delay: {
        "percent": "How many of the requests are held back.",
        "duration": "For how long, e.g. 5s.",
    },
    traffic.Abort: {
        "percent": "How many of the requests are answered with an error.",
        "status": "The error, an HTTP status.",
    },
    traffic.FaultInjection: {
        "delay": "Requests that are held back.",
        "abort": "Requests that are answered with an error.",
        "caller": "Whose requests; without it, everybody's.",
        "until": "The last day on which it is accepted, e.g. 2027-01-31.",
    },
    traffic.Timeout: {"duration": "The longest wait, e.g. 10s."},
    traffic.Retries: {
        "attempts": "Tries after the first one.",
        "perTry": "How long one try may take, e.g. 2s.",
        "when": "After which failures.",
        "methods": "The methods that are tried again.",
    },
    traffic.Connections: {
        "max": "Connections.",
        "pending": "Requests that wait for a connection.",
        "requests": "Requests under way.",
        "perConnection": "Requests after which a connection is closed.",
        "connectTimeout": "How long making a connection may take, e.g. 3s.",
    },
    traffic.Outliers: {
        "consecutive5xx": "Errors in a row after which a pod is left out.",
        "consecutiveGatewayErrors": "The same for 502, 503 and 504 alone; less than consecutive5xx.",
        "interval": "How often pods are looked at.",
        "ejection": "How long a pod is left out the first time.",
        "maxPercent": "How many percent of a version's pods may be left out.",
    },
    traffic.CircuitBreaker: {
        "connections": "How much of the service one caller's proxy may occupy.",
        "outliers": "When a pod that answers with errors is left out for a while.",
    },
    traffic.AffinityCookie: {
        "name": "The cookie's name.",
        "ttl": "How long it lasts; without it, as long as the browser's session.",
    },
    traffic.SessionAffinity: {
        "cookie": "A cookie that says whose requests belong together.",
        "header": "A header that says whose requests belong together.",
    },
    traffic.Access: {
        "callers": "Services of this environment that may do no more than methods and paths say.",
        "outsiders": "Callers that are no part of this environment: namespace/service-account.",
        "methods": "What they may do; without it, everything.",
        "paths": "Where, e.g. /api/*; without it, everywhere.",
    },
    traffic.ReplaceWorker: {"live": "The version that has pods."},
    traffic.PauseOld: {"live": "The version that has pods."},
    traffic.OneOnly: {"live": "The version that has its one pod."},
    traffic.ShadowQueue: {
        "live": "The version whose work counts.",
        "shadow": "The version that gets a copy of every event.",
        "sqlHost": "The SQL Server of the shadow, another than the live version's.",
        "mailHost": "The mail server of the shadow, another than the live version's.",
    },
}


def stack_schema() -> Document:
    """The schema of a whole stack file: our keys, other projects' keys, and what Pulumi keeps beside them."""
    made = settings.Settings.model_json_schema(schema_generator=_Generator)
    definitions: dict[str, Any] = made["$defs"]
    _describe(made, definitions)
    made["properties"]["services"] |= _services(definitions)
    keys = {f"{PROJECT}:{name}": value for name, value in made["properties"].items()}
    secrets = {f"{PROJECT}:{name}": {**SECURE, "description": _secret(name)} for name in Secret}
    config: Document = {
        "type": "object",
        "description": made["description"],
        "properties": keys | secrets,
        "patternProperties": {f"^(?!{PROJECT}:)[^:]+:.+$": {"description": "A key of another project."}},
        "required": [f"{PROJECT}:{name}" for name in made["required"]],
        "additionalProperties": False,
    }
    text: Document = {"type": "string"}
    return {
        "$schema": DRAFT,
        "title": "Stack file of Pitstop",
        "type": "object",
        "properties": {
            "config": config,
            "secretsprovider": {"description": "Who encrypts secret values.", **text},
            "encryptedkey": {"description": "Pulumi's own: the encrypted key of secret values.", **text},
            "encryptionsalt": {"description": "Pulumi's own: the salt of secret values.", **text},
        },
        "required": ["config"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _secret(name: Secret) -> str:
    return f"A secret value: pulumi config set --secret {name}"


class _Generator(GenerateJsonSchema):
    """Adds what pydantic cannot see: which texts the checks on types let through."""

    def function_after_schema(self, schema: core_schema.AfterValidatorFunctionSchema) -> JsonSchemaValue:
        return super().function_after_schema(schema) | _form(schema["function"]["function"])

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        made = super().function_before_schema(schema)
        if schema["function"]["function"] is _NUMBER_AS_TEXT:
            return {"anyOf": [made, {"type": "integer", "minimum": 1}]}
        return made

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Keys of a known form, each key by its name where they are known: an editor completes these."""
        made = super().dict_schema(schema)
        names: JsonSchemaValue = made.pop("propertyNames", {})
        if "enum" in names:
            values = made.pop("additionalProperties")
            return made | {"properties": dict.fromkeys(names["enum"], values), "additionalProperties": False}
        if "patternProperties" in made:
            longest = {key: names[key] for key in ("maxLength",) if key in names}
            return made | {"additionalProperties": False} | ({"propertyNames": longest} if longest else {})
        return made

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Only a plain default helps: an editor would write out the maps, nulls and all."""
        made = super().default_schema(schema)
        if not isinstance(made.get("default", ""), str | int | float):
            del made["default"]
        return made

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        made = super().tagged_union_schema(schema)
        made.pop("discriminator", None)  # OpenAPI's; each kind is a constant of its own
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - as pydantic has it
        """Never: a title made from a key says nothing the key does not."""
        return False


_NUMBER_AS_TEXT = get_args(Cpu)[1].func


def _form(check: object) -> JsonSchemaValue:
    """What a check on a text asks for, as JSON Schema has it."""
    if check is service_name:
        return {"enum": list(CATALOGUE)}
    if check is password_name:
        return {"enum": list(PASSWORDS)}
    if check is image_source:
        return {"anyOf": [{"enum": [*IMAGE_WORDS]}, {"type": "string", "pattern": "[.:/]"}]}
    if check is regular_expression:
        return {"format": "regex"}
    if not isinstance(check, Matching):
        return {}
    return {
        "pattern": f"^(?:{check.pattern.pattern})$",
        "patternErrorMessage": check.message,  # what editors show instead of the pattern
        "description": check.message[0].upper() + check.message[1:],
        "maxLength": check.longest,
    }


def _describe(root: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Put a line to every key: its own, or else that of the model it holds."""
    everything: list[type[BaseModel]] = [settings.Settings, *_models()]
    for model in everything:
        made = root if model is settings.Settings else _of(definitions[model.__name__])
        kind = made["properties"].get("kind", {})
        if "const" in kind:
            kind["description"] = made["description"]
        for parent, texts in FIELDS.items():
            for name, text in texts.items() if issubclass(model, parent) else ():
                made["properties"][name]["description"] = text


def _of(definition: dict[str, Any]) -> dict[str, Any]:
    """The map of a definition that also takes a bare text."""
    found: dict[str, Any] = definition if "properties" in definition else definition["anyOf"][-1]
    return found


def _models() -> list[type[BaseModel]]:
    """Every model below the settings."""
    everything = [*vars(settings).values(), *vars(traffic).values(), *vars(azure).values()]
    named = {one.__name__: one for one in everything if isinstance(one, type) and issubclass(one, BaseModel)}
    left_out = {"Model", "BaseModel", "Settings", "Conditions", "Pool"}
    return [model for name, model in named.items() if name not in left_out]


def _services(definitions: dict[str, Any]) -> Document:
    """A key for each service, which takes what its kind has a use for."""
    general = definitions.pop(settings.ServiceSettings.__name__)
    for kind in Kind:
        kept = {key: value for key, value in general["properties"].items() if key not in USELESS[kind]}
        definitions[_name_of(kind)] = {**general, "title": _name_of(kind), "properties": kept}
    services: Document = {
        name: {"$ref": f"#/$defs/{_name_of(service.kind)}", "description": _words(service)}
        for name, service in CATALOGUE.items()
    }
    return {"properties": services, "additionalProperties": False}


def _name_of(kind: Kind) -> str:
    return f"{kind.value.capitalize()}Service"


def _words(service: Service) -> str:
    needed = ", ".join(need.service for need in service.needs if need.hard)
    parts = [
        KINDS[service.kind],
        f"needs {needed}" if needed else "",
        f"keeps {service.volume.holds}" if service.volume else "",
        "never two pods" if service.singleton else "",
    ]
    return "; ".join(part for part in parts if part) + "."
