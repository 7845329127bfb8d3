"""Secret values are found in every form, and never shown."""

import base64
import json
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ops.errors import UserError
from ops.review.commands import app
from ops.review.scan import Leak, scan, values

VALUE = 'Aa1 k&"x\\y+z/ü'
KEY = (
    "-----BEGIN KEY-----\nMIIBVAIBADANBgkqhkiG9w0BAQEFAASCAT4wggE6AgEA\nsecond+line/of+a+key/0123456789\n"
    "-----END KEY-----\n"
)
# How a value may be written, and what the form is called.
WRITTEN = {
    "plain text": VALUE,
    "base64": base64.b64encode(VALUE.encode()).decode(),
    "a URL": quote(VALUE, safe=""),
    "a form": urlencode({"p": VALUE}),
    "JSON": json.dumps({"p": VALUE}),
    "JSON within JSON": json.dumps(json.dumps({"p": VALUE})),
    "hexadecimal": VALUE.encode().hex(),
}


@pytest.mark.parametrize("form", WRITTEN)
def test_each_form_is_found_where_it_stands(form: str) -> None:
    found = scan([("a.log", f"one line\nanother {WRITTEN[form]} end")], {"sqlPassword": VALUE})
    assert found == [Leak("a.log", 2, "sqlPassword", form)]


def test_nothing_is_found_where_nothing_is() -> None:
    near = [("a.log", VALUE[:-1]), ("b.log", base64.b64encode(VALUE[1:].encode()).decode()), ("c.log", "")]
    assert scan(near, {"sqlPassword": VALUE}) == []
    assert scan(near, {}) == []


@given(
    st.text("abcdefghij0123456789+/=-", min_size=8, max_size=40), st.binary(max_size=9), st.binary(max_size=9)
)
def test_base64_of_a_longer_text_gives_a_value_away(value: str, before: bytes, after: bytes) -> None:
    text = base64.b64encode(before + value.encode() + after).decode()
    assert scan([("f", text)], {"s": value})
    assert scan([("f", text.translate(str.maketrans("+/", "-_")))], {"s": value})


def test_a_line_of_a_key_gives_the_key_away() -> None:
    line = KEY.splitlines()[2]
    assert scan([("f", f'{{"key": "{line}"}}')], {"tlsKey": KEY}) == [Leak("f", 1, "tlsKey", "plain text")]
    assert scan([("f", quote_plus(line))], {"tlsKey": KEY})
    assert scan([("f", json.dumps(KEY))], {"tlsKey": KEY})
    assert scan([("f", "-----BEGIN KEY-----")], {"tlsKey": KEY}) == []


def test_a_value_too_short_to_look_for_is_refused_without_being_shown() -> None:
    with pytest.raises(UserError, match=r"^pin: has 4 characters; valid: 6") as refused:
        scan([("f", "x")], {"pin": "7391"})
    assert "7391" not in str(refused.value)


def test_the_command_tells_where_and_never_what(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text(json.dumps({"sqlPassword": VALUE, "other": "never-there"}))
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "clean.log").write_text("nothing\n")
    command = ["scan", "--secrets", str(tmp_path / "secrets.json"), str(logs)]
    clean = CliRunner().invoke(app, command)
    assert (clean.exit_code, clean.stdout) == (0, "none of 2 secret values in 1 files\n")
    (logs / "export.json").write_bytes(b"\xff\n" + json.dumps({"a": WRITTEN["base64"]}).encode())
    leaking = CliRunner().invoke(app, command)
    assert leaking.exit_code == 2
    assert leaking.stderr == f"{logs / 'export.json'}:2: the value of sqlPassword in base64\n"
    for written in WRITTEN.values():
        assert written not in leaking.output


@pytest.mark.parametrize("content", ["[]", '{"a": 1}', "secret-value"])
def test_a_file_of_something_else_is_refused_without_being_shown(tmp_path: Path, content: str) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(content)
    with pytest.raises(UserError, match="valid: ") as refused:
        values(file)
    assert "secret-value" not in str(refused.value)


def test_nothing_to_look_at_is_not_taken_for_nothing_found(tmp_path: Path) -> None:
    secrets, empty = tmp_path / "secrets.json", tmp_path / "empty"
    secrets.write_text(json.dumps({"sqlPassword": VALUE}))
    empty.mkdir()
    done = CliRunner().invoke(app, ["scan", "--secrets", str(secrets), str(empty)])
    assert "has no file to look at" in str(done.exception)


def test_nothing_to_look_for_is_not_taken_for_nothing_found(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.json"
    secrets.write_text("{}")
    done = CliRunner().invoke(app, ["scan", "--secrets", str(secrets), str(tmp_path)])
    assert str(done.exception).startswith("--secrets: holds no value to look for; valid: ")
