"""What a SecretProviderClass may hold; the driver's CRDs are in no registry we use.

Written from https://secrets-store-csi-driver.sigs.k8s.io/concepts.html#secretproviderclass and
.../topics/sync-as-kubernetes-secret.html in the form of a CRD's schema, and narrowed to the types of Secret
that this program asks for.
"""

from typing import Any

TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}


def _object(required: tuple[str, ...] = (), **properties: object) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


_DATA = _object(("objectName", "key"), objectName=TEXT, key=TEXT)
_SECRET = _object(
    ("secretName", "type", "data"),
    secretName=TEXT,
    type={"enum": ["Opaque", "kubernetes.io/tls"]},
    labels=TEXTS,
    annotations=TEXTS,
    data={"type": "array", "items": _DATA, "minItems": 1},
)
CSI: dict[str, dict[str, Any]] = {
    "SecretProviderClass": _object(
        spec=_object(
            ("provider", "parameters"),
            provider={"enum": ["azure"]},
            parameters=TEXTS,
            secretObjects={"type": "array", "items": _SECRET},
        )
    )
}
