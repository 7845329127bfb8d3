"""A stack file may hold anything: it is read as Pulumi reads it, or refused in lines; never a traceback."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as thoroughness
from hypothesis import strategies as st

from components.model import stackfile
from components.model.findings import RefusedError
from components.model.settings import Settings
from ops.paths import CHECKOUT
from tests.property.telling import untold

HEAD = """config:
  pitstop:namespace: pitstop
  pitstop:cluster: {kind: local}
  pitstop:mesh: {kind: helm}
"""
SERVICES = f"{HEAD}  pitstop:services: "
WEB = f"{SERVICES}{{webapp: {{traffic: [%s]}}}}\n"
FAULT = "{kind: fault, abort: {percent: 1, status: 503}, until: %s}"
ROUTE = "{kind: route, to: v1, headers: {x-a: %s}}"

# What stands in the file, and what one of the lines says.
REFUSED: dict[str, tuple[str, str]] = {
    "nothing": ("", "pitstop:services: required"),
    "a text": ("pitstop\n", "Pulumi.test.yaml: must be a map"),
    "a list": ("- config\n", "Pulumi.test.yaml: must be a map"),
    "a number": ("42\n", "Pulumi.test.yaml: must be a map"),
    "null": ("null\n", "Pulumi.test.yaml: must be a map"),
    "no settings": ("config:\n", "pitstop:namespace: required"),
    "settings that are a list": ("config: [1]\n", "Pulumi.test.yaml, config: must be a map"),
    "two documents": ("config: {}\n---\nconfig: {}\n", "line 2: not YAML"),
    "a tab": (f"{HEAD}\tpitstop:services: {{}}\n", "not YAML"),
    "an open bracket": (f"{SERVICES}{{webapp: [\n", "not YAML"),
    "a zero byte": (f"{SERVICES}{{webapp: \x00}}\n", "not YAML"),
    "a key that is a number": ("config:\n  1: x\n", "line 2: not YAML: the key 1 is no text; quote it"),
    "a service that is a number": (f"{SERVICES}{{1: {{}}}}\n", "the key 1 is no text; quote it"),
    "a key that is nothing": (f"{SERVICES}{{null: {{}}}}\n", "is no text; quote it"),
    "a key that is empty": (f"{SERVICES}{{? : {{}}}}\n", "a key is no text"),
    "a key that is a truth": (f"{SERVICES}{{true: {{}}}}\n", "the key true is no text"),
    "a key that is a list": (f"{SERVICES}{{? [a] : {{}}}}\n", "not YAML"),
    "a key that is a map": (f"{SERVICES}{{? {{a: b}} : {{}}}}\n", "not YAML"),
    "a key twice": (f"{SERVICES}{{webapp: {{}}, webapp: {{}}}}\n", "the key webapp stands there twice"),
    "a key of ours twice": (f"{HEAD}  pitstop:namespace: other\n", "pitstop:namespace stands there twice"),
    "a service that is a day": (f"{SERVICES}{{2027-01-01: {{}}}}\n", "unknown service"),
    "services that name themselves": (f"{SERVICES}&a {{webapp: *a}}\n", "pitstop:services"),
    "policies that name themselves": (f"{SERVICES}{{webapp: {{traffic: &a [*a]}}}}\n", "traffic[0]"),
    "an alias of nothing": (f"{SERVICES}*a\n", "not YAML: found undefined alias"),
    "what only Python has": (f"{SERVICES}!!python/object:os.system {{}}\n", "not YAML"),
    "a tag of somebody": (f"{SERVICES}!services {{}}\n", "not YAML"),
    "a list 600 deep": (f"{SERVICES}{'[' * 600}{']' * 600}\n", "not YAML: RecursionError"),
    "a map 300 deep": (f"{SERVICES}{'{webapp: ' * 300}1{'}' * 300}\n", "pitstop:services.webapp"),
    "a number of 5,000 digits": (f"{SERVICES}{'9' * 5000}\n", "not YAML: ValueError"),
    "a weight of 400 digits": (WEB % f"{{kind: split, weights: {{v1: {'9' * 400}}}}}", "from 0 to 100"),
    "a weight that is no number": (WEB % "{kind: split, weights: {v1: .nan}}", "from 0 to 100"),
    "a weight without end": (WEB % "{kind: split, weights: {v1: .inf}}", "from 0 to 100"),
    "a weight in base 60": (WEB % "{kind: split, weights: {v1: 1:40}}", 'v1 = "1:40"'),
    "a percentage that is no number": (WEB % "{kind: mirror, to: v1, percent: .nan}", "from 0.0001 to 100"),
    "a day there is not": (WEB % FAULT % "2027-02-30", "must be a date"),
    "a month there is not": (WEB % FAULT % "2027-13-01", "must be a date"),
    "a day with a time": (WEB % FAULT % "2027-01-31T10:00:00Z", "must be a date"),
    "a kind that is a list": (WEB % "{kind: [split]}", "traffic[0].kind"),
    "a kind that is a map": (WEB % "{kind: {split: 1}}", "traffic[0].kind"),
    "a kind that is nothing": (WEB % "{kind: null}", "traffic[0].kind"),
    "a kind of the wrong case": (WEB % "{kind: Split}", "traffic[0].kind = "),
    "a pattern of brackets": (WEB % ROUTE % f"{{regex: '{'(' * 200}'}}", "is no pattern"),
    "a pattern that is long": (WEB % ROUTE % f"{{regex: {'a' * 2000}}}", "at most 256 characters"),
    "a pattern that repeats too often": (WEB % ROUTE % "{regex: 'a{2000}'}", "is no pattern"),
    "a pattern that looks ahead": (WEB % ROUTE % "{regex: '(?=a)b'}", "is no pattern"),
    "a text that is a truth": (WEB % ROUTE % "true", "headers.x-a"),
    "a text that is a number": (WEB % ROUTE % "1", "headers.x-a"),
    "bytes": (f"{SERVICES}!!binary aGVsbG8=\n", "must be a map"),
    "a set": (f"{SERVICES}!!set {{a, b}}\n", "must be a map"),
    "half a character": (f'{HEAD.replace("namespace: pitstop", "namespace: ")}  a: "\\ud800"\n', "namespace"),
    "a namespace of half a character": (
        HEAD.replace("namespace: pitstop", 'namespace: "\\ud800"'),
        "must be at most 63 lower-case letters",
    ),
    "a namespace that runs backwards": (
        HEAD.replace("namespace: pitstop", 'namespace: "p\\u202egnp"'),
        "must be at most 63 lower-case letters",
    ),
    "a namespace without end": (
        HEAD.replace("namespace: pitstop", f"namespace: {'p' * 100_000}"),
        "must be at most 63 lower-case letters",
    ),
    "an encrypted value in the midst": (f"{SERVICES}{{webapp: {{secure: v1:abc}}}}\n", "secure"),
    "a secret nobody knows": (
        f"{SERVICES}{{webapp: {{}}}}\n  pitstop:sqlPasword: {{secure: v1}}\n",
        "sqlPasword",
    ),
    "a secret in plain text": (
        f"{SERVICES}{{webapp: {{}}}}\n  pitstop:seqPassword: hunter2hunter2\n",
        "must be encrypted: pulumi config set --secret pitstop:seqPassword",
    ),
    "a secret of which a part is encrypted": (
        f"{SERVICES}{{webapp: {{}}}}\n  pitstop:seqPassword: {{secure: v1:abc, more: x}}\n",
        "must be encrypted: pulumi config set --secret pitstop:seqPassword",
    ),
    "a key without its project": (
        f"{SERVICES}{{webapp: {{}}}}\n  egress: []\n",
        "stands there as egress, which the engine alone reads; valid: pitstop:egress",
    ),
    "a key with and without its project": (f"{SERVICES}{{webapp: {{}}}}\n  services: {{}}\n", "as services"),
    "a key in Pulumi's old form": (f"{SERVICES}{{webapp: {{}}}}\n  pitstop:config:egress: []\n", "unknown"),
    "a key without a name": (f"{SERVICES}{{webapp: {{}}}}\n  'pitstop:': 3\n", "unknown key"),
}
# And what may look wrong, and is read as Pulumi reads it.
TAKEN = {
    "a text that was a truth": WEB % ROUTE % "yes",
    "a text that was another": WEB % ROUTE % "off",
    "a day without quotes": WEB % FAULT % "2099-01-31",
    "a day in quotes": WEB % FAULT % "'2099-01-31'",
    "the same settings twice, by an alias": f"{SERVICES}{{webapp: &a {{}}, logserver: *a}}\n",
    "an order of its own": f"encryptionsalt: v1:abc\n{SERVICES}{{webapp: {{}}}}\n",
    "windows line ends": f"{SERVICES}{{webapp: {{}}}}\n".replace("\n", "\r\n"),
    "comments and blank lines": f"# a\n\n{SERVICES}{{webapp: {{}}}} # b\n\n",
    "other projects' keys": f"{SERVICES}{{webapp: {{}}}}\n  aws:region: {{secure: x}}\n  other:1: [1]\n",
}


def load(folder: Path, content: str | bytes) -> Settings:
    path = folder / "Pulumi.test.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return stackfile.load(path)


def wrong(refused: RefusedError) -> list[str]:
    """What is wrong with the lines; a file that is no YAML, or no map, is named by its name and line."""
    if [finding.code for finding in refused.findings] in (["not-yaml"], ["no-map"]):
        (line,) = refused.lines
        return [] if line.startswith("Pulumi.test.yaml") and len(line) < 300 else [line]
    return untold(refused)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_said_in_lines(case: str, tmp_path: Path) -> None:
    content, said = REFUSED[case]
    with pytest.raises(RefusedError) as refused:
        load(tmp_path, content)
    assert wrong(refused.value) == []
    assert any(said in line for line in refused.value.lines), refused.value.lines


@pytest.mark.parametrize("case", TAKEN)
def test_what_only_looks_wrong_is_taken(case: str, tmp_path: Path) -> None:
    assert load(tmp_path, TAKEN[case]).namespace == "pitstop"


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"Pulumi\.test\.yaml: not YAML"):
        load(tmp_path, b"config: \xff\xfe")
    (tmp_path / "Pulumi.folder.yaml").mkdir()
    with pytest.raises(RefusedError, match=r"Pulumi\.folder\.yaml: cannot be read"):
        stackfile.load(tmp_path / "Pulumi.folder.yaml")


def test_aliases_of_aliases_are_not_written_out(tmp_path: Path) -> None:
    levels = [f"  a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 80)}]\n" for level in range(1, 12)]
    bomb = f"{HEAD}  a0: &a0 [x]\n{''.join(levels)}  pitstop:services: *a11\n"
    with pytest.raises(RefusedError) as refused:
        load(tmp_path, bomb)
    assert wrong(refused.value) == []


# --- at random ----------------------------------------------------------------------------------------

LOCAL = (CHECKOUT / "Pulumi.local.yaml").read_text()
TOKENS = "&a |*a|<<: *a|!!binary |!!set |{|}|[|]|? |: |- |#|'|\"|null|~|.nan|0x1f|1_000|2027-02-30|yes"
PIECES = st.sampled_from([*TOKENS.split("|"), "|\n", ">\n", "\t", "---\n", "...\n", "%YAML 1.1\n"]) | st.text(
    max_size=4
)


@st.composite
def edited(draw: st.DrawFn) -> str:
    """The committed stack file after some accidents with the keyboard."""
    text = LOCAL
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 2, 8, 40])))
        text = text[:start] + draw(PIECES) + text[end:]
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@thoroughness(max_examples=120, deadline=None)
@given(content=edited() | st.text(max_size=60) | st.binary(max_size=60))
def test_whatever_is_in_the_file(folder: Path, content: str | bytes) -> None:
    assert wrong_with(folder, content) == []


def wrong_with(folder: Path, content: str | bytes) -> list[str]:
    try:
        load(folder, content)
    except RefusedError as refused:
        return wrong(refused)
    return []


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates()
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3)
)


@thoroughness(max_examples=60, deadline=None)
@given(key=st.sampled_from(["namespace", "mesh", "services", "egress", "sqlPassword", "x", ""]), tree=TREES)
def test_whatever_a_key_holds(folder: Path, key: str, tree: object) -> None:
    content = {"config": {"pitstop:cluster": {"kind": "local"}, f"pitstop:{key}": tree}}
    assert wrong_with(folder, yaml.safe_dump(content, allow_unicode=True)) == []
