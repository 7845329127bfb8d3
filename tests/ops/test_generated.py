"""Generated values: what is there stays, what is missing is made, and nobody else can read them."""

import json
import re
import ssl
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.model.catalogue import CATALOGUE, CERTIFICATE, Secret
from ops import generated
from ops.errors import UserError
from ops.paths import write_private


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets.json"


def values(path: Path) -> dict[str, str]:
    content = json.loads(path.read_text())
    assert isinstance(content, dict)
    return content


def test_every_secret_has_a_value_of_its_own(path: Path) -> None:
    made = values(generated.ensure(path, ["*"]))
    assert set(made) == set(Secret)
    assert len(set(made.values())) == len(made)


def test_passwords_are_what_every_server_accepts(path: Path) -> None:
    made = values(generated.ensure(path, ["*"]))
    databases = {database.name for one in CATALOGUE.values() for database in one.connections.values()}
    for name in set(Secret) - CERTIFICATE:
        # Three kinds of characters for SQL Server, none that a connection string, a URL or T-SQL reads.
        assert re.fullmatch(r"Aa1[0-9a-f]{32}", made[name])
        assert not [database for database in databases if database in made[name]]


def test_only_the_owner_reads_them(path: Path) -> None:
    generated.ensure(path, ["*"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(one.name for one in path.parent.iterdir()) == ["secrets.json", "secrets.lock"]


def test_a_second_time_changes_nothing(path: Path) -> None:
    first = generated.ensure(path, ["*"]).read_bytes()
    written = path.stat().st_mtime_ns
    assert generated.ensure(path, ["other.example.org"]).read_bytes() == first
    assert path.stat().st_mtime_ns == written


def test_what_is_missing_is_made_and_what_is_there_stays(path: Path) -> None:
    whole = values(generated.ensure(path, ["*"]))
    kept = {name: text for name, text in whole.items() if name not in {Secret.SEQ, Secret.SQL_EVENTS}}
    path.write_text(json.dumps(kept | {"somethingElse": "stays"}))
    path.chmod(0o644)
    again = values(generated.ensure(path, ["*"]))
    assert again.items() >= kept.items()
    assert again["somethingElse"] == "stays"
    assert again[Secret.SEQ] != whole[Secret.SEQ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("lost", sorted(CERTIFICATE))
def test_half_a_certificate_is_made_anew_as_a_whole(path: Path, lost: str) -> None:
    whole = values(generated.ensure(path, ["*"]))
    path.write_text(json.dumps({name: text for name, text in whole.items() if name != lost}))
    again = values(generated.ensure(path, ["*"]))
    changed = {name for name in again if again[name] != whole[name]}
    assert changed == CERTIFICATE
    pair(path, again)


def pair(path: Path, made: dict[str, str], key: str = "") -> ssl.SSLContext:
    """A server with the certificate; a key of another certificate raises."""
    file = path.with_name("pair.pem")
    file.write_text(made[Secret.TLS_CERTIFICATE] + (key or made[Secret.TLS_KEY]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_a_key_of_another_certificate_would_be_noticed(path: Path, tmp_path: Path) -> None:
    made = values(generated.ensure(path, ["*"]))
    other = values(generated.ensure(tmp_path / "other.json", ["*"]))
    with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
        pair(path, made, other[Secret.TLS_KEY])


def shakes_hands(path: Path, made: dict[str, str], host: str) -> bool:
    """Whether a client that trusts this very certificate talks to the server under a name."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(cadata=made[Secret.TLS_CERTIFICATE])
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        pair(path, made).wrap_bio(to_server, to_client, server_side=True),
    ]
    try:
        for _ in range(3):
            for end in list(ends):
                try:
                    end.do_handshake()
                    ends.remove(end)
                except ssl.SSLWantReadError:
                    pass
    except ssl.SSLCertVerificationError:
        return False
    return not ends


@pytest.mark.parametrize(
    ("hosts", "host", "fits"),
    [
        (["*"], "localhost", True),
        (["*"], "pitstop.example.org", False),
        (["pitstop.example.org", "*.pitstop.test"], "pitstop.example.org", True),
        (["pitstop.example.org", "*.pitstop.test"], "a.pitstop.test", True),
        (["pitstop.example.org", "*"], "localhost", False),
    ],
)
def test_the_certificate_is_for_the_hosts(path: Path, hosts: list[str], host: str, fits: bool) -> None:
    made = values(generated.ensure(path, hosts))
    assert shakes_hands(path, made, host) is fits


@pytest.mark.parametrize("content", ["{", "[]", '"text"'])
def test_a_file_that_cannot_be_read_is_not_overwritten(path: Path, content: str) -> None:
    # The running servers have the passwords that were in it: with others nobody would get in.
    path.write_text(content)
    with pytest.raises(UserError, match=rf"^{re.escape(str(path))}: cannot be read \(.*take the environment"):
        generated.ensure(path, ["*"])
    assert path.read_text() == content


def test_of_several_runs_at_once_one_makes_the_values(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    write = write_private

    def slowly(where: Path, text: str) -> None:
        time.sleep(0.05)  # so that another run would look before this one has written
        written.append(threading.current_thread().name)
        write(where, text)

    monkeypatch.setattr(generated, "write_private", slowly)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: generated.ensure(path, ["*"]), range(4)))
    assert len(written) == 1
