"""Writes docs/policy.md from the rules of the pack: `./pitstop run python -m ops.policy_doc`."""

import json
from collections.abc import Iterator
from itertools import groupby

from ops.paths import CHECKOUT
from policy.rulebook.exceptions import EXAMPLE
from policy.rulebook.judging import EXCEPTION, UNUSED, AnyRule, rules
from policy.rulebook.registry import Setting

PAGE = CHECKOUT / "docs" / "policy.md"
INTRO = """\
# The policy pack

Made by `./pitstop run python -m ops.policy_doc` from the rules in `policy/rulebook`; change it there.

`policy/` is a pack for Pulumi's policy engine. Its rules look at resource types (`azure-native:*`,
`kubernetes:*`) and not at this program, which has checks of its own ([checks](checks.md)): they catch what
the compiler of this program might do wrong, and they judge any other program.

## Where it runs

The same rules, the same configuration and the same result in three places:

    make policy ENV=prod                  # no cluster, no credentials: over what the program registers
    make policy ENV=prod ARGS=--json      # for machines
    eval "$(make -s env ENV=prod)"
    pulumi preview --policy-pack policy --policy-pack-config policy/prod.json

and in `tests/policy`, over everything each environment registers. A violation that stops ends `make policy`
with status 2 and fails the preview. Rules judge inputs, as the program states them: neither what a cluster
adds to them nor the old state is seen.

**What a preview does not know.** A rule that needs a value only an update will tell says so and fails:
`cannot be judged: properties.enablePurgeProtection is unknown`. It does not touch any other value, so what no
rule needs may be unknown. With `"unknowns": "advise"` Pulumi's own note takes its place, which fails nothing.

## On another program

The folder stands by itself; copy it, or name it by its path. It needs `pulumi-policy` and `pydantic`
(`policy/requirements.txt`), and a configuration of yours:

    pip install -r policy/requirements.txt
    pulumi preview --policy-pack ../pitstop/policy --policy-pack-config shop.json

`tests/policy/foreign` is such a program. The language host that is built here, other than the official one,
runs packs with `PULUMI_PYTHON_CMD=localcluster/tools/packs/python`, which `make env` sets.

## Configuration

One JSON file for each environment, as `--policy-pack-config` takes it: `policy/local.json`, `policy/dev.json`
and `policy/prod.json`. An environment without one is judged by the defaults, which are production's.

    {
      "pack": {"environment": "prod", "unknowns": "refuse", "exceptions": []},
      "A1": {"minimum": 2},
      "A10": {"enforcementLevel": "advisory"},
      "M9": "disabled"
    }

`environment` is `prod` or `dev` and says which defaults the rules have. Every rule is `mandatory` unless the
file says `advisory` or `disabled`; `all` is every rule.
"""
EXCEPTIONS = f"""\
## Exceptions

What may be otherwise for a while stands under `pack.exceptions`, and each says for which rule, which resource
(its URN, or type::name; `*` is any text, `stack` what belongs to no resource), who answers for it, why, and
its last day:

    {EXAMPLE}

- **{EXCEPTION}**: an exception that is not complete, or whose last day is over, covers nothing and is a
  violation.
- **{UNUSED}**: an exception that nothing needs is told (advisory), so that it goes.
"""
GROUPS = {"A": "Cluster", "W": "Workloads", "S": "Supply chain", "M": "Mesh"}


def page() -> str:
    """The whole page."""
    parts = [INTRO, EXCEPTIONS]
    own = sorted(rules(), key=lambda one: list(GROUPS).index(one.code[0]))
    for letter, group in groupby(own, key=lambda one: one.code[0]):
        members = list(group)
        parts += [f"## {GROUPS[letter]}\n", _overview(members), *map(_rule, members)]
    return "\n".join(parts)


def _overview(members: list[AnyRule]) -> str:
    rows = [f"| [{one.code}](#{one.code.lower()}) | {one.title} | {one.severity} |\n" for one in members]
    return "".join(["| Rule | What | Severity |\n", "| --- | --- | --- |\n", *rows])


def _rule(rule: AnyRule) -> str:
    kinds = ", ".join(f"`{one}`" for one in dict.fromkeys(rule.kinds))
    return "\n".join(
        [
            f"### {rule.code}\n",
            f"**{rule.title}.** {rule.remedy}",
            f"Judges {'the stack: ' if rule.whole else ''}{kinds}. Source: <{rule.source}>\n",
            *_settings(rule.settings),
        ]
    )


def _settings(settings: tuple[Setting, ...]) -> Iterator[str]:
    if settings:
        yield "| Key | What | prod | dev |\n| --- | --- | --- | --- |"
        for one in settings:
            yield f"| `{one.name}` | {one.about} | {_value(one.prod)} | {_value(one.dev)} |"
        yield ""


def _value(value: object) -> str:
    text = json.dumps(list(value) if isinstance(value, tuple) else value)
    return f"`{text.replace('|', chr(92) + '|')}`"


def main() -> None:
    PAGE.write_text(page())
    print(f"{PAGE.relative_to(CHECKOUT)}: {len(rules())} rules")


if __name__ == "__main__":
    main()
