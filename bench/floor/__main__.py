"""Register what was recorded, in the order it was recorded, deciding nothing."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pulumi

SECRET = "4dabf18193072939515e22adb298388d"  # noqa: S105  # the key that marks a special value in a state file


UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # what the wire has for a value nobody knows yet


def later() -> pulumi.Output[Any]:
    """A value nobody knows yet."""

    async def is_known() -> bool:
        return False

    async def nothing() -> None:
        return None

    return pulumi.Output(set(), asyncio.ensure_future(nothing()), asyncio.ensure_future(is_known()))


def value(recorded: Any) -> Any:  # noqa: ANN401  # a JSON value
    """A recorded input, from a state or from the wire; secrets and unknowns become what they were."""
    if recorded == UNKNOWN:
        return later()
    if isinstance(recorded, dict):
        if SECRET in recorded and "value" in recorded:
            return pulumi.Output.secret(value(recorded["value"]))
        if SECRET in recorded:
            return pulumi.Output.secret(json.loads(recorded["plaintext"]))
        return {key: value(item) for key, item in recorded.items()}
    return [value(item) for item in recorded] if isinstance(recorded, list) else recorded


def main() -> None:
    made: dict[str, pulumi.Resource] = {}
    for one in json.loads(Path(os.environ["BENCH_RECORDED"]).read_text()):
        opts = pulumi.ResourceOptions(
            parent=made.get(one.get("parent", "")),
            depends_on=[made[urn] for urn in one.get("dependencies", []) if urn in made],
            version=one.get("version"),
        )
        provider = made.get(one.get("provider", "").rpartition("::")[0])
        if isinstance(provider, pulumi.ProviderResource):
            opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(provider=provider))
        inputs, name = value(one.get("inputs", {})), one["urn"].rpartition("::")[2]
        if not one.get("custom"):
            component = pulumi.ComponentResource(one["type"], name, inputs, opts)
            component.register_outputs({})  # until then the engine takes it for unfinished
            resource: pulumi.Resource = component
        elif one["type"].startswith("pulumi:providers:"):
            resource = pulumi.ProviderResource(one["type"].rpartition(":")[2], name, inputs, opts)
        else:
            resource = pulumi.CustomResource(one["type"], name, inputs, opts)
        made[one["urn"]] = resource


main()
