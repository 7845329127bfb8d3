"""A changed secret value starts exactly the pods anew that use it, and nothing plain says what it is."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.model.catalogue import CERTIFICATE, Secret
from components.model.render import render
from tests.model.examples import WHOLE, Node, plan, raw
from tests.program.conftest import SECRETS, Recorder, Run

PASSWORDS = sorted(set(Secret) - CERTIFICATE)
RUNS_PODS = {"Deployment", "StatefulSet", "Job"}
Resources = Mapping[tuple[str, str], Node]
EVERY: Node = {"ingress.tls": {"kind": "values"}}


def registered(run: Run, recorder: Recorder, content: Node) -> Resources:
    """What one run of the program registers."""
    before = len(recorder.requests)
    run(content)
    return {(one.kind, one.name): one.inputs for one in recorder.requests[before:] if one.custom}


def changed(before: Resources, after: Resources) -> set[tuple[str, str]]:
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def readers(resources: Resources, name: str) -> set[tuple[str, str]]:
    """What runs pods that read a secret value, by what their variables say."""
    return {
        key
        for key, inputs in resources.items()
        if key[0] in RUNS_PODS and re.search(rf'"secretKeyRef": {{[^}}]*"key": "{name}"', json.dumps(inputs))
    }


def holders(resources: Resources, value: str) -> set[tuple[str, str]]:
    """The Secrets that hold a value."""
    return {key for key, inputs in resources.items() if key[0] == "Secret" and value in json.dumps(inputs)}


@pytest.mark.parametrize("name", PASSWORDS)
def test_another_password_starts_exactly_its_readers_anew(
    run: Run, recorder: Recorder, environ: Path, name: str
) -> None:
    content = raw(base=WHOLE)
    before = registered(run, recorder, content)
    (environ / "secrets.json").write_text(json.dumps(SECRETS | {name: "another-value"}))
    after = registered(run, recorder, content)
    expected = readers(before, name)
    assert expected, f"nothing reads {name}"
    assert changed(before, after) == expected | holders(before, SECRETS[name])
    assert not holders(after, SECRETS[name])
    for key in expected:  # and the preview names it
        path = f"secret.pitstop.dev/{name}"
        old, new = (annotations(one[key]) for one in (before, after))
        assert old[path] != new[path]
        assert {**old, path: ""} == {**new, path: ""}


def annotations(inputs: Node) -> Node:
    """The annotations of a workload's pods."""
    found: Any = inputs
    return dict(found["spec"]["template"]["metadata"]["annotations"])


def test_a_login_is_set_anew_by_a_job_that_is_made_anew(run: Run, recorder: Recorder) -> None:
    readers_of_login = readers(registered(run, recorder, raw(base=WHOLE)), Secret.SQL_CUSTOMERS)
    assert {kind for kind, _ in readers_of_login} == {"Deployment", "Job"}


def test_the_same_values_change_nothing(run: Run, recorder: Recorder) -> None:
    before, after = (registered(run, recorder, raw(EVERY, WHOLE)) for _ in range(2))
    assert changed(before, after) == set()


def test_another_certificate_starts_nothing_anew(run: Run, recorder: Recorder, environ: Path) -> None:
    content = raw({"ingress.tls": {"kind": "values"}, "ingress.hosts": ["pitstop.example.org"]})
    before = registered(run, recorder, content)
    (environ / "secrets.json").write_text(json.dumps(SECRETS | dict.fromkeys(CERTIFICATE, "another")))
    assert changed(before, registered(run, recorder, content)) == {("Secret", "webapp-certificate")}


# --- nothing helps to guess ---------------------------------------------------------------------------


def told(text: str, value: str, names: tuple[str, ...] = ("",)) -> list[str]:
    """What of a value, or of something quickly made from it, stands in a text."""
    salted = [value.encode()]
    salted += [f"{name}{between}{value}".encode() for name in names for between in ("", "/", ":", "\0")]
    made = {
        "itself": {value, base64.b64encode(value.encode()).decode(), value.encode().hex()},
        **{
            kind: {digest for one in salted for digest in _forms(hashlib.new(kind, one).digest())}
            for kind in ("md5", "sha1", "sha256", "sha512")
        },
    }
    return [kind for kind, forms in made.items() if any(form in text for form in forms)]


def _forms(digest: bytes) -> tuple[str, ...]:
    """A digest as people write one, cut as short as one would still tell something."""
    return (digest.hex()[:8], base64.b64encode(digest).decode()[:8], base64.b32encode(digest).decode()[:8])


def test_nothing_registered_in_plain_tells_anything_of_a_value(whole: Recorder) -> None:
    hidden = {"Secret", "kubernetes"}
    text = json.dumps([one.inputs for one in whole.requests if one.kind not in hidden])
    for name, value in SECRETS.items():
        assert told(text, value, ("", name, "pitstop", "pitstop.test")) == []


def test_nothing_rendered_tells_anything_of_a_value() -> None:
    text = render(plan(EVERY, WHOLE))
    assert not [name for name, value in SECRETS.items() if told(text, value)]


@pytest.mark.parametrize(
    "leak",
    [
        "Value-of-x",
        base64.b64encode(b"Value-of-x").decode(),
        hashlib.sha256(b"Value-of-x").hexdigest(),
        hashlib.md5(b"Value-of-x", usedforsecurity=False).hexdigest()[:8],
        base64.b64encode(hashlib.sha1(b"x/Value-of-x", usedforsecurity=False).digest()).decode(),
    ],
)
def test_what_would_tell_is_noticed(leak: str) -> None:
    assert told(f"pitstop.dev/secrets: {leak}", "Value-of-x", ("x",))
