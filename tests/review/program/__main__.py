"""Register the documents of a file, through a provider that renders them and needs no cluster."""

import json
import os
from pathlib import Path

import pulumi


def main() -> None:
    given = json.loads(Path(os.environ["REVIEW_DOCUMENTS"]).read_text())
    for line in given.get("refused", [])[:-1]:
        pulumi.log.error(line)
    for line in given.get("refused", [])[-1:]:
        raise pulumi.RunError(line)
    folder = str(Path(os.environ["REVIEW_DOCUMENTS"]).with_suffix(""))
    kubernetes = pulumi.ProviderResource("kubernetes", "cluster", {"renderYamlToDirectory": folder})
    for one in given["resources"]:
        opts = pulumi.ResourceOptions(provider=kubernetes, version=given["version"], protect=one["protect"])
        pulumi.CustomResource(one["type"], one["name"], one["inputs"], opts)


main()
