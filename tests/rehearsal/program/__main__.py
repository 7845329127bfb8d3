"""Registers what `resources.json` beside it lists, in that order.

A text `${name.path}` is an output of a resource that stands above it; `secret:` before a text makes it one.
"""

import json
import re
from pathlib import Path
from typing import Any

import pulumi

PLACE = re.compile(r"\$\{([\w-]+)\.([\w.]+)\}")
made: dict[str, pulumi.CustomResource] = {}


def value(written: Any) -> Any:  # noqa: ANN401  # a JSON value
    if isinstance(written, dict):
        return {key: value(item) for key, item in written.items()}
    if isinstance(written, list):
        return [value(item) for item in written]
    if isinstance(written, str) and written.startswith("secret:"):
        return pulumi.Output.secret(written.removeprefix("secret:"))
    if isinstance(written, str) and (found := PLACE.fullmatch(written)):
        return output(found[1], found[2])
    return written


def output(name: str, path: str) -> pulumi.Output[Any]:
    first, *more = path.split(".")
    start = made[name].id if first == "id" else pulumi.Output.from_input(made[name].__dict__[first])

    def below(known: Any) -> Any:  # noqa: ANN401  # a JSON value
        for step in more:
            known = known[step]
        return known

    return start.apply(below)


def register(one: dict[str, Any]) -> None:
    wanted = dict.fromkeys(one.get("outputs", ()))  # outputs the SDK is to keep
    options = {"depends_on": [made[name] for name in one.get("after", ())], **one.get("options", {})}
    made[one["name"]] = pulumi.CustomResource(
        f"azure-native:{one['token']}",
        one["name"],
        {**wanted, **value(one["inputs"])},
        pulumi.ResourceOptions(**options),
    )


content = json.loads(Path("resources.json").read_text())
for resource in content["resources"]:
    register(resource)
for name, place in content.get("exports", {}).items():
    pulumi.export(name, value(place))
for name, (token, arguments) in content.get("invokes", {}).items():
    pulumi.export(name, pulumi.runtime.invoke(f"azure-native:{token}", arguments).value)
