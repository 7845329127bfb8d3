"""The schema of the stack file says what the program says, as far as a schema can."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml

from components.model import traffic
from components.model.catalogue import CATALOGUE, Kind, Secret
from components.model.explain import parse
from components.model.findings import RefusedError
from components.model.schema import stack_schema
from ops import schema_doc
from ops.paths import CHECKOUT

STACKS = sorted(CHECKOUT.glob("Pulumi.*.yaml"))
SCHEMA = json.loads(schema_doc.text())
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
WEB: dict[str, Any] = {
    "versions": {"v1": {}, "v2": {"replicas": 2}},
    "traffic": [
        {"kind": "split", "weights": {"v1": 75, "v2": 25}},
        {"kind": "fault", "until": "2027-01-31", "abort": {"percent": 0.5, "status": 503}},
        {"kind": "route", "to": "v2", "headers": {"x-beta": "yes", "x-team": {"prefix": "blue-"}}},
    ],
}
SOUND: dict[str, Any] = {
    "config": {
        "pitstop:namespace": "pitstop",
        "pitstop:cluster": {"kind": "local"},
        "pitstop:mesh": {"kind": "helm", "size": "small"},
        "pitstop:quota": {"cpu": 4, "memory": "8Gi", "pods": 60},
        "pitstop:services": {
            "webapp": WEB,
            "invoiceservice": {
                "versions": {"v1": {}, "v2": {}},
                "release": {"kind": "replace", "live": "v1"},
            },
            "sqlserver": {},
        },
        "pitstop:sqlPassword": {"secure": "v1:abc"},
        "other:key": 3,
        "kubernetes:context": {"secure": "v1:abc"},
    },
    "secretsprovider": "passphrase",
    "encryptionsalt": "v1:abc",
}
# Where in the sound file, and what is put there.
BROKEN: dict[str, tuple[tuple[str | int, ...], object]] = {
    "an unknown key of the file": (("configs",), {}),
    "an unknown key of ours": (("config", "pitstop:namespac"), "x"),
    "a key of no project": (("config", "namespace"), "pitstop"),
    "a secret in plain text": (("config", "pitstop:sqlPassword"), "hunter2"),
    "a secret nobody knows": (("config", "pitstop:sqlPasword"), {"secure": "v1:abc"}),
    "an encrypted value that is no secret": (("config", "pitstop:namespace"), {"secure": "v1:abc"}),
    "a namespace with a space": (("config", "pitstop:namespace"), "pit stop"),
    "a namespace that is too long": (("config", "pitstop:namespace"), "p" * 64),
    "an unknown kind of cluster": (("config", "pitstop:cluster", "kind"), "docker"),
    "a context nobody asks for": (("config", "pitstop:cluster", "context"), "one"),
    "an unknown service": (("config", "pitstop:services", "webap"), {}),
    "a version by its tag": (("config", "pitstop:services", "webapp", "versions", "2.0"), {}),
    "no version": (("config", "pitstop:services", "webapp", "versions"), {}),
    "51 replicas": (("config", "pitstop:services", "webapp", "versions", "v2", "replicas"), 51),
    "a weight of 101": (("config", "pitstop:services", "webapp", "traffic", 0, "weights", "v1"), 101),
    "a weight with a fraction": (
        ("config", "pitstop:services", "webapp", "traffic", 0, "weights", "v1"),
        74.5,
    ),
    "an unknown policy": (("config", "pitstop:services", "webapp", "traffic", 0, "kind"), "canary"),
    "a policy that is no list": (("config", "pitstop:services", "webapp", "traffic"), WEB["traffic"][0]),
    "an unknown key of a policy": (("config", "pitstop:services", "webapp", "traffic", 0, "weigths"), {}),
    "a percentage of 0": (("config", "pitstop:services", "webapp", "traffic", 1, "abort", "percent"), 0),
    "a header in capitals": (
        ("config", "pitstop:services", "webapp", "traffic", 2, "headers", "X-Beta"),
        "a",
    ),
    "a worker's traffic": (("config", "pitstop:services", "invoiceservice", "traffic"), WEB["traffic"]),
    "a release of what takes requests": (
        ("config", "pitstop:services", "webapp", "release"),
        {"kind": "share"},
    ),
    "an unknown release": (("config", "pitstop:services", "invoiceservice", "release", "kind"), "canary"),
    "a CPU that is none": (("config", "pitstop:quota", "cpu"), "4 cores"),
    "a CPU of nothing": (("config", "pitstop:quota", "cpu"), 0),
}


def errors(content: object) -> list[str]:
    found = VALIDATOR.iter_errors(content)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


def changed(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    content = copy.deepcopy(SOUND)
    place: Any = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return content


def test_the_file_is_what_the_models_say_now() -> None:
    assert schema_doc.TARGET.read_text() == schema_doc.text(), "run: ./pitstop run python -m ops.schema_doc"


def test_the_file_is_written_where_it_is_missing(tmp_path: Path) -> None:
    schema_doc.main(tmp_path / "new" / "stack.schema.json")
    assert (tmp_path / "new" / "stack.schema.json").read_text() == schema_doc.text()


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", STACKS, ids=lambda path: str(path.name))
def test_a_committed_stack_file_is_valid(path: Path) -> None:
    # As an editor sees it: a date is a text.
    content = json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))
    assert errors(content) == []


def test_a_sound_file_is_valid_here_and_for_the_program() -> None:
    assert errors(SOUND) == []
    parse(ours(SOUND))


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_not(case: str) -> None:
    assert errors(changed(*BROKEN[case]))


def test_what_is_required_is() -> None:
    for key in ("namespace", "cluster", "mesh", "services"):
        content = copy.deepcopy(SOUND)
        del content["config"][f"pitstop:{key}"]
        assert any("required" in error for error in errors(content))
    assert errors({})


ONLY_SOMETIMES_WRONG = {  # what the program's checks refuse, and its types do not
    "a key of no project",
    "an unknown key of the file",
    "a worker's traffic",
    "a release of what takes requests",
    "a secret in plain text",
    "a secret nobody knows",
}


@pytest.mark.parametrize("case", sorted(set(BROKEN) - ONLY_SOMETIMES_WRONG))
def test_the_program_refuses_it_too(case: str) -> None:
    with pytest.raises(RefusedError):
        parse(ours(changed(*BROKEN[case])))


def ours(content: dict[str, Any]) -> dict[str, object]:
    """The keys of this project that are no secret."""
    found = {
        key.removeprefix("pitstop:"): value for key, value in content["config"].items() if "pitstop:" in key
    }
    return {key: value for key, value in found.items() if key not in set(Secret)}


def test_an_editor_completes_services_policies_and_secrets() -> None:
    config = SCHEMA["properties"]["config"]["properties"]
    assert list(config["pitstop:services"]["properties"]) == list(CATALOGUE)
    assert {f"pitstop:{name}" for name in Secret} < set(config)
    http = SCHEMA["$defs"]["HttpService"]["properties"]
    kinds = {
        SCHEMA["$defs"][one["$ref"].split("/")[-1]]["properties"]["kind"]["const"]
        for one in http["traffic"]["items"]["oneOf"]
    }
    assert kinds == {
        get_args(one.model_fields["kind"].annotation)[0]
        for one in get_args(get_args(traffic.TrafficPolicy)[0])
    }
    assert list(SCHEMA["$defs"]["CallerLane"]["properties"]["caller"]["enum"]) == list(CATALOGUE)
    assert "sqlserver" in SCHEMA["$defs"]["Storage"]["properties"]["sizes"]["properties"]


def test_a_service_takes_what_its_kind_has_a_use_for() -> None:
    services = SCHEMA["properties"]["config"]["properties"]["pitstop:services"]["properties"]
    keys = {kind: set(SCHEMA["$defs"][f"{kind.value.capitalize()}Service"]["properties"]) for kind in Kind}
    assert keys == {
        Kind.HTTP: {"versions", "traffic"},
        Kind.WORKER: {"versions", "release"},
        Kind.BACKING: {"versions"},
    }
    assert services["timeservice"]["$ref"] == "#/$defs/WorkerService"


def properties(schema: object, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of the schema, with where it is."""
    if isinstance(schema, list):
        for item in schema:
            yield from properties(item, place)
    if isinstance(schema, dict):
        for name, inner in schema.get("properties", {}).items():
            yield f"{place}.{name}", inner
        for name, inner in schema.items():
            yield from properties(inner, f"{place}.{name}")


def test_every_key_says_what_it_is() -> None:
    silent = [place for place, key in properties(stack_schema()) if not told(key)]
    assert silent == []


def told(key: dict[str, Any]) -> bool:
    """It has a line of its own, or that of what it holds."""
    return "description" in key or "$ref" in key or any(told(one) for one in key.get("anyOf", []))
