"""What KEDA's objects may hold, as far as this program writes them; KEDA's CRDs are in no registry we use.

Written from https://keda.sh/docs/2.19/reference/scaledobject-spec/ and .../concepts/authentication/ in the
form of a CRD's schema.
"""

from typing import Any

COUNT = {"type": "integer", "minimum": 0}
TEXT = {"type": "string", "minLength": 1}


def _object(required: tuple[str, ...] = (), **properties: object) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


_TRIGGER = _object(
    ("type", "metadata"),
    type=TEXT,
    name=TEXT,
    metadata={"type": "object", "additionalProperties": TEXT},  # texts, numbers too
    authenticationRef=_object(("name",), name=TEXT, kind=TEXT),
    metricType={"enum": ["AverageValue", "Value", "Utilization"]},
    useCachedMetrics={"type": "boolean"},
)
_SCALED_OBJECT = _object(
    ("scaleTargetRef", "triggers"),
    scaleTargetRef=_object(("name",), name=TEXT, apiVersion=TEXT, kind=TEXT, envSourceContainerName=TEXT),
    pollingInterval=COUNT,
    cooldownPeriod=COUNT,
    initialCooldownPeriod=COUNT,
    idleReplicaCount=COUNT,
    minReplicaCount=COUNT,
    maxReplicaCount=COUNT,
    fallback=_object(("failureThreshold", "replicas"), failureThreshold=COUNT, replicas=COUNT, behavior=TEXT),
    triggers={"type": "array", "items": _TRIGGER, "minItems": 1},
)
_REFERENCE = _object(("parameter", "name", "key"), parameter=TEXT, name=TEXT, key=TEXT)
_AUTHENTICATION = _object(secretTargetRef={"type": "array", "items": _REFERENCE, "minItems": 1})
KEDA: dict[str, dict[str, Any]] = {
    "ScaledObject": _object(spec=_SCALED_OBJECT),
    "TriggerAuthentication": _object(spec=_AUTHENTICATION),
}
