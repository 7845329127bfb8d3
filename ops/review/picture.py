"""Where requests go before and after, as a Mermaid flowchart for each service whose routes change."""

from collections.abc import Iterator

from components.model.manifests import Document
from ops.review import routes
from ops.review.markdown import drawn
from ops.review.preview import Change, Preview
from ops.review.reading import section, text, texts
from ops.review.routes import EVERYBODY, SHARES

MOST = 6  # pictures in a comment


def pictures(preview: Preview) -> list[tuple[str, str]]:
    """The service and its picture, for routes inside the mesh."""
    return [
        (text(one.new or one.old, "metadata", "name") or one.name, flowchart(one))
        for one in preview.changes
        if one.short == "VirtualService" and one.old and _inside(one) and _differ(one)
    ]


def _inside(change: Change) -> bool:
    gateways = texts(change.new or change.old, "spec", "gateways")
    return not gateways or "mesh" in gateways


def _differ(change: Change) -> bool:
    return list(_edges(change.old)) != list(_edges(change.new))


def flowchart(change: Change) -> str:
    """Two boxes, before and after; a dotted line is a copy whose answer nobody sees."""
    lines = ["flowchart LR"]
    for when, document in (("before", change.old), ("after", change.new)):
        lines += [f"  subgraph {when}", "    direction LR", f'    {when}-callers(["callers"])']
        edges = list(_edges(document))
        targets = sorted({target for target, _, _ in edges})
        lines += [f'    {when}-{number}["{drawn(target)}"]' for number, target in enumerate(targets)]
        for target, label, copied in edges:
            arrow = "-.->" if copied else "-->"
            lines.append(f'    {when}-callers {arrow}|"{drawn(label)}"| {when}-{targets.index(target)}')
        lines.append("  end")
    return "\n".join(lines)


def _edges(document: Document) -> Iterator[tuple[str, str, bool]]:
    """To which version, what, and whether it is a copy. Shares of nothing have no line."""
    spec = section(document, "spec")
    found = routes.features(spec)
    for version, share in routes.shares(spec).items():
        if float(share):
            yield version, f"{share} %", False
    for (what, scope), said in found.items():
        who = routes.words(scope)
        if what == SHARES and scope != EVERYBODY:
            for part in said.split(", "):
                version, _, share = part.partition(" ")
                yield version, f"{who}{'' if share == '100 %' else f' {share}'}", False
        elif what.startswith("mirror to "):
            yield what.removeprefix("mirror to "), f"copy of {said} {who}".strip(), True
        elif what.startswith("fault: "):
            yield f"{what} {said}", who or "everybody", False
