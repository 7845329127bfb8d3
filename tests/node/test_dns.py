"""The node's DNS asks only for plugins that its CoreDNS is built with."""

import re

from ops.paths import CHECKOUT

DIRECTIVE = re.compile(r"^        ([a-z]+)", re.MULTILINE)


def test_every_directive_of_the_corefile_is_compiled_in() -> None:
    program = (CHECKOUT / "localcluster/tools/node/coredns/main.go").read_text()
    built_in = set(re.findall(r'coredns/plugin/([a-z]+)"', program)) - {"metrics"} | {"prometheus"}
    addons = (CHECKOUT / "localcluster/node/addons.yaml").read_text()
    corefile = addons.split("Corefile: |\n", 1)[1].split("\n---", 1)[0]
    asked = set(DIRECTIVE.findall(corefile))
    assert {"kubernetes", "ready"} <= asked
    assert asked <= built_in
