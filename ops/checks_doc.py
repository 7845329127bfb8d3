"""Writes docs/checks.md from the rules themselves: `./pitstop run python -m ops.checks_doc`.

A finding's code is a heading there, so that `Finding.reference` is a link that works.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from components.model.checks import PLANS, SETTINGS, Asked, Check
from components.model.plan import Plan
from ops.paths import CHECKOUT

PAGE = CHECKOUT / "docs" / "checks.md"
INTRO = """\
# What is refused, and why

Made by `./pitstop run python -m ops.checks_doc` from the rules in `components/model/checks`; change it there.

An environment is judged before anything is registered: a finding stops the program, and nothing is touched.
Each is one line with the key, its value, and what would be valid, and all of them are told at once. The
headings here are their codes (`Finding.reference` is the link). Nothing is only warned about.
"""
STACK_FILE = """\
## Rules over a stack file

What a key by itself cannot tell: the catalogue, another key, or the day decides.
"""
PLAN = """\
## Rules over a plan

These guard the compiler. No stack file reaches them: a property test gives the compiler whatever passes the
rules above. A finding of these is a mistake in the program, and better seen here than in a cluster.
"""
CONSTRUCTION = """\
## Kept by construction

What Istio or Kubernetes would take without a word, and no rule has to look for: it cannot be said in a stack
file, or the compiler has no way to make it. Where a rule is named too, it holds the compiler to it.
"""
# What would be taken, and what keeps it from being said or made.
KEPT = (
    (
        "Weights outside 0 to 100, or that do not sum to 100",
        "`Weight` and `WeightedSplit` (types); `weights`",
    ),
    ("One version twice in a route, one subset twice in a rule", "versions are the keys of a map"),
    (
        "A mirror without a percentage, which would copy everything",
        "`DarkRelease.percent` is required; `mirror-all`",
    ),
    (
        "A mirror to the version that gets these very requests",
        "`mirror-live`; the compiler leaves it out of such a route",
    ),
    ("Percentages Istio refuses (above 0, below 0.0001)", "`Percent`"),
    (
        "A fault with a status that is no error, or with neither delay nor abort",
        "`Status` is 400 to 599; `FaultInjection`",
    ),
    ("More faults of one service than routes can be made of", "`ServiceSettings.traffic`: at most four"),
    ("A fault without an end", "`FaultInjection.until` is required; `fault-expired`"),
    (
        "Retries or a timeout beside a fault on one route",
        "the compiler splits the route; `fault-retries`, `fault-timeout`",
    ),
    ("Retries of no attempt, or on a condition nobody knows", "`Attempts` is 1 to 10; `RetryCondition`"),
    (
        "Other methods tried again as those that were named",
        "the compiler gives them `connect-failure,refused-stream`",
    ),
    ("Gateway errors counted where 5xx ejects already", "`Outliers`"),
    ("Settings of a port that forget those of the host", "the compiler makes no `portLevelSettings`"),
    ("Failover between zones without outlier detection", "not offered"),
    ("Redirects or direct answers beside a route", "not offered"),
    ("A policy for host `*` in the mesh", "hosts are the catalogue's services; `short-host`"),
    ("A wildcard as a host outside", "`EgressHost.host`"),
    (
        "TLS below 1.2, a certificate in another namespace than the gateway's",
        "the compiler (`routes.gateway`, `plan`)",
    ),
    ("Retries or weights for TCP ports", "only HTTP services have traffic policies; `no-requests`"),
    ("Weights for what takes events from a queue", "workers have `release` instead; `no-requests`"),
    (
        "A route that changes before its subset or its pods are there",
        "`components/routing.py` registers it after them",
    ),
    (
        "A version without a share that is gone from the rule",
        "every version stays a subset, whatever its weight",
    ),
    (
        "A password in a stack file",
        "`secret-plain`; `VersionSettings.settings` refuses such names and texts; `setting-secret`",
    ),
    ("A setting that moves a queue, a port or a folder the program counts on", "`reserved`, in any spelling"),
    (
        "A login that holds its database's name",
        "a test over every connection string; a shadow's `sqlHost` is in lower case (types)",
    ),
    (
        "A namespace label that comes after its pods",
        "`components/environment.py` registers pods after the namespace",
    ),
)
LEFT_OUT = """\
## No rule, on purpose

- A version that gets no request is no mistake: it is one change away from getting some.
- A rule sees one state and not the one before. Whether a version that is taken away still gets requests, or a
  weight moves too far at once, is asked of the cluster: `version-in-use`, `weight-step`.
- The default timeout of a callee is not held against the timeout its caller states.
- Retries the mesh makes by itself (of connections that failed) are not counted in the retry budget: nothing
  was carried out.
"""
OTHERS = """\
## Other codes

Said where something is read, before there is an environment to judge, or by what runs in the cluster.
"""
# Codes that are no rule over an environment, and what they say.
ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "unknown-key": "A key nobody knows; what may have been meant is proposed.",
        "missing": "A key that is required.",
        "value": "A value that is not valid by itself; the message says what is.",
        "no-stack": "There is no stack file of that name, or Pulumi takes none.",
        "not-yaml": "The stack file is not YAML; the line is named.",
        "no-map": "The stack file, or what `config` is in it, is no map of keys.",
        "no-project": "A key without `pitstop:`, which only the engine would take for one of ours.",
        "no-kubeconfig": "The variable that leads to the local cluster is not set.",
        "kubeconfig": "The kubeconfig, or the context in it, cannot be used.",
        "no-login": "Nobody is logged in to Azure; the commands that change it are named.",
        "wrong-subscription": "The login is of another subscription or tenant than the stack file's.",
        "no-credentials": "Azure gives no way into the managed cluster.",
        "charts": "Istio's charts are not where the variable says.",
        "encrypted": "An encrypted value under a key that takes none; it is not shown.",
        "secret-plain": "A secret value in plain text, which saved plans and the repository would show.",
        "secret-missing": "A secret value this environment needs is nowhere.",
        "secret-characters": "A password has characters that would end a text it stands in.",
        "secrets": "The file with this checkout's secret values cannot be read.",
        "unreachable": "The cluster does not answer, or not to us.",
        "mesh": "The cluster has no mesh to join, or another's where one was to be installed.",
        "foreign-namespace": "The namespace belongs to another stack.",
        "host-taken": "Another environment's gateway serves the host already, by the same port and pods.",
        "no-keda": "Queues are to be scaled by, and the cluster has no KEDA.",
        "version-in-use": "A version is taken away while the running routes send it requests.",
        "weight-step": "A share moves by more than guardrails.maxWeightStep, by weights or by a lane.",
    }
)
Rule = Check[Asked] | Check[Plan]


def page() -> str:
    """The whole page."""
    parts = [
        INTRO,
        STACK_FILE,
        *_rules(SETTINGS),
        PLAN,
        *_rules(PLANS),
        CONSTRUCTION,
        _kept(),
        LEFT_OUT,
        OTHERS,
    ]
    parts += [f"### {code}\n\n{text}\n" for code, text in ELSEWHERE.items()]
    return "\n".join(parts)


def _rules(checks: Sequence[Rule]) -> Iterator[str]:
    for check in sorted(checks, key=lambda one: one.code):
        file = f"{check.find.__module__.replace('.', '/')}.py"
        sources = "; ".join(_linked(one) for one in check.source.split("; "))
        yield f"### {check.code}\n\n**{check.title}.** {check.reason}"
        yield f"Source: {sources}. Rule: {_linked(file)}\n"


def _linked(source: str) -> str:
    """A link: to a page by its address, to a file of this project by its path."""
    return f"<{source}>" if source.startswith("https://") else f"[{source}](../{source})"


def _kept() -> str:
    rows = [f"| {what} | {how} |\n" for what, how in KEPT]
    return "".join(["| What would be taken | What keeps it away |\n", "| --- | --- |\n", *rows])


def main() -> None:
    PAGE.write_text(page())
    print(f"{PAGE.relative_to(CHECKOUT)}: {len(SETTINGS) + len(PLANS)} rules")


if __name__ == "__main__":
    main()
