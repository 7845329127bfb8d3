"""The comment and the issue, against a GitHub of its own on loopback."""

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from typer.testing import CliRunner

from ops.errors import UserError
from ops.review import drift
from ops.review import github as module
from ops.review.commands import app
from ops.review.github import BOT, GitHub
from tests.review import recorded

TOKEN = "ghs_not-a-token"  # noqa: S105 - of the fake
MARKER = "<!-- pitstop-review: dev -->"
PAGE = 2


@dataclass
class Fake:
    """Comments and issues of o/r, as GitHub's REST API gives them, two to a page."""

    texts: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)  # statuses to answer first
    address: str = ""
    others: dict[str, object] = field(default_factory=dict)  # what else is answered, by path

    def add(self, body: str, login: str = BOT, **more: object) -> dict[str, Any]:
        number = len(self.texts) + 1
        one = {"id": 100 + number, "number": number, "body": body, "user": {"login": login}, "state": "open"}
        self.texts.append({**one, "html_url": f"https://github.invalid/o/r/{number}", **more})
        return self.texts[-1]

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, object, dict[str, str]]:
        if self.failures:
            return self.failures.pop(0), {"message": "no"}, {"Retry-After": "0"}
        where, _, query = path.partition("?")
        if where in self.others:
            return 200, self.others[where], {}
        if method == "POST":
            return 201, self.add(**body), {}
        if method == "PATCH":
            last = int(where.rpartition("/")[2])
            (one,) = [text for text in self.texts if last in (text["id"], text["number"])]
            one.update(body)
            return 200, one, {}
        page = int(dict(part.split("=") for part in query.split("&")).get("page", "1"))
        found = [one for one in self.texts if one["state"] == "open"]
        following = (
            {"Link": f'<{self.address}{where}?page={page + 1}>; rel="next"'}
            if len(found) > page * PAGE
            else {}
        )
        return 200, found[(page - 1) * PAGE : page * PAGE], following


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    github = Fake()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            github.requests.append((self.command, self.path))
            assert self.headers["Authorization"] == f"Bearer {TOKEN}"
            status, said, headers = github.answer(self.command, self.path, body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said if isinstance(said, bytes) else json.dumps(said).encode())

        do_GET = do_POST = do_PATCH = _any  # noqa: N815 - the server's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    github.address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("GITHUB_API_URL", github.address)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("GITHUB_REPOSITORY", "o/r")
    monkeypatch.setattr(module, "_pause", lambda *_: 0.0)
    yield github
    server.shutdown()
    thread.join()
    server.server_close()


def post(folder: Path, text: str) -> tuple[int, str]:
    file = folder / "comment.md"
    file.write_text(text)
    done = CliRunner().invoke(app, ["post", "--pull", "7", "--comment", str(file)])
    return done.exit_code, done.stdout if done.exit_code == 0 else str(done.exception)


def test_a_comment_is_made_once_and_then_edited(fake: Fake, tmp_path: Path) -> None:
    assert post(tmp_path, f"{MARKER}\nfirst\n") == (0, "comment created: https://github.invalid/o/r/1\n")
    assert post(tmp_path, f"{MARKER}\nsecond\n") == (0, "comment edited: https://github.invalid/o/r/1\n")
    assert post(tmp_path, f"{MARKER}\nsecond\n") == (
        0,
        "comment left as it is: https://github.invalid/o/r/1\n",
    )
    assert [one["body"] for one in fake.texts] == [f"{MARKER}\nsecond\n"]
    assert ("POST", "/repos/o/r/issues/7/comments") in fake.requests
    assert ("PATCH", "/repos/o/r/issues/comments/101") in fake.requests


def test_comments_of_others_are_left_alone(fake: Fake, tmp_path: Path) -> None:
    others = [
        fake.add(f"{MARKER}\nmine, says somebody", login="somebody"),
        fake.add(f"quoting {MARKER}\nof the bot"),
        fake.add("<!-- pitstop-review: prod -->\nanother stack"),
    ]
    before = [dict(one) for one in others]
    assert post(tmp_path, f"{MARKER}\nfirst\n")[0] == 0
    assert fake.texts[:3] == before
    assert len(fake.texts) == 4


def test_ours_is_found_on_a_later_page(fake: Fake, tmp_path: Path) -> None:
    for number in range(5):
        fake.add(f"talk {number}", login="somebody")
    ours = fake.add(f"{MARKER}\r\nold")
    assert post(tmp_path, f"{MARKER}\nnew\n")[0] == 0
    assert ours["body"] == f"{MARKER}\nnew\n"
    assert len(fake.texts) == 6


def test_a_text_without_a_marker_is_not_posted(fake: Fake, tmp_path: Path) -> None:
    status, said = post(tmp_path, "hello\n")
    assert status == 1
    assert "has no marker" in said
    assert fake.requests == []


@pytest.mark.parametrize("status", [429, 502])
def test_what_passes_is_tried_again(fake: Fake, tmp_path: Path, status: int) -> None:
    fake.failures = [status, status]
    assert post(tmp_path, f"{MARKER}\nfirst\n")[0] == 0
    assert len(fake.texts) == 1


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, "the token is not valid"),
        (403, "pull-requests: write"),
        (404, "no such repository"),
        (422, "no such text"),
    ],
)
def test_what_does_not_pass_is_one_line_without_the_token(
    fake: Fake, tmp_path: Path, status: int, why: str
) -> None:
    fake.failures = [status]
    code, said = post(tmp_path, f"{MARKER}\nfirst\n")
    assert code == 1
    assert f"GitHub answered {status}; " in said
    assert why in said
    assert TOKEN not in said
    assert len(fake.requests) == 1


def test_a_server_that_stays_down_is_one_line(fake: Fake, tmp_path: Path) -> None:
    fake.failures = [503] * 9
    assert "GitHub answered 503" in post(tmp_path, f"{MARKER}\nfirst\n")[1]
    assert len(fake.requests) == module.TRIES


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({}, "GITHUB_TOKEN: not set"),
        ({"GITHUB_TOKEN": "t"}, "is no repository; valid: OWNER/NAME"),
        ({"GITHUB_TOKEN": "t", "GITHUB_REPOSITORY": "o/r/../x"}, "is no repository"),
    ],
)
def test_what_is_missing_is_told(variables: dict[str, str], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        GitHub.of(variables)


def drifted(name: str, *more: str) -> tuple[int, str]:
    file = str(recorded.FIXTURES / f"{name}.json")
    done = CliRunner().invoke(app, ["drift", "--stack", "dev", "--refresh", file, *more])
    return done.exit_code, done.stdout


def test_one_issue_is_opened_kept_and_closed(fake: Fake) -> None:
    fake.add(f"{drift.marker('dev')}\n\na pull request", pull_request={"url": "x"})
    assert drifted("drift", "--issue") == (2, "issue created https://github.invalid/o/r/2\n")
    issue = fake.texts[1]
    assert issue["title"] == "Drift: dev is not as its last update left it"
    assert "- Registry registry: is gone" in issue["body"]
    assert drifted("drift", "--issue") == (2, "issue left as it is https://github.invalid/o/r/2\n")
    assert drifted("drift", "--issue", "--run", "run 2") == (2, "issue edited https://github.invalid/o/r/2\n")
    assert len(fake.texts) == 2
    assert drifted("nothing", "--issue")[1].startswith("issue closed https://github.invalid/o/r/2\n")
    assert issue["state"] == "closed"
    assert drifted("nothing", "--issue")[1].startswith("issue left as it is\n")
    assert fake.texts[0]["state"] == "open"


def test_without_issue_nothing_is_asked(fake: Fake) -> None:
    assert drifted("drift")[0] == 2
    assert fake.requests == []


HEAD = "0123456789abcdef"


def _pull(number: int, sha: str, **more: object) -> dict[str, object]:
    return {"id": number, "number": number, "body": "allow: nothing", "head": {"sha": sha}, **more}


def test_a_forks_pull_request_is_found_by_where_it_comes_from(fake: Fake, tmp_path: Path) -> None:
    fake.others["/repos/o/r/pulls"] = [_pull(6, "older"), _pull(9, HEAD)]
    file = tmp_path / "comment.md"
    file.write_text(f"{MARKER}\nhello\n")
    run = CliRunner()
    done = run.invoke(app, ["post", "--comment", str(file), "--head", f"me:branch@{HEAD}"])
    assert (done.exit_code, done.stdout) == (0, "comment created: https://github.invalid/o/r/1\n"), (
        done.exception
    )
    assert ("POST", "/repos/o/r/issues/9/comments") in fake.requests
    renovate = run.invoke(app, ["post", "--comment", str(file), "--head", f"me:renovate/@types-node@{HEAD}"])
    assert renovate.exit_code == 0, renovate.exception
    assert any(urlencode({"head": "me:renovate/@types-node"}) in path for _, path in fake.requests)
    moved = run.invoke(app, ["post", "--comment", str(file), "--head", "me:branch@moved-on"])
    assert "nothing to say" in moved.stdout
    assert len(fake.texts) == 1


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--pull", "7", "--head", "me:branch@1a2b"],
        ["--pull", "7", "--head", "me:branch"],
        ["--head", "me:branch"],
        ["--head", "me:branch@"],
    ],
)
def test_one_pull_request_is_named(fake: Fake, tmp_path: Path, options: list[str]) -> None:
    file = tmp_path / "comment.md"
    file.write_text(f"{MARKER}\nhello\n")
    done = CliRunner().invoke(app, ["post", "--comment", str(file), *options])
    assert "exactly one is needed; valid: --pull 7, or --head me:branch@1a2b3c" in str(done.exception)
    assert fake.requests == []


def _left(
    identity: int, *, head: int = 1, sha: str = HEAD, created: str = "2026-01-01", expired: bool = False
) -> object:
    run = {"id": 5, "repository_id": 1, "head_repository_id": head, "head_sha": sha}
    return {"id": identity, "expired": expired, "created_at": created, "workflow_run": run}


def reviewed(folder: Path) -> tuple[int, str]:
    arguments = ["reviewed", "--stack", "dev", "--commit", "merge", "--output", str(folder)]
    done = CliRunner().invoke(app, arguments)
    return done.exit_code, done.stdout + done.stderr + str(done.exception or "")


def test_what_was_reviewed_is_found_and_what_a_fork_left_is_not_taken_for_it(
    fake: Fake, tmp_path: Path
) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("preview.json", '{"steps": []}')
    fake.others |= {
        "/repos/o/r/commits/merge/pulls": [_pull(8, "open"), _pull(9, HEAD, merged_at="2026-01-02")],
        "/repos/o/r/actions/artifacts": {
            "artifacts": [
                _left(1, created="2026-01-01"),
                _left(2, created="2026-01-03"),
                _left(3, created="2026-01-09", head=2),  # of a fork
                _left(4, created="2026-01-09", sha="another"),
                _left(5, created="2026-01-09", expired=True),
            ]
        },
        "/repos/o/r/actions/artifacts/2/zip": archive.getvalue(),
    }
    assert reviewed(tmp_path) == (0, "reviewed in pull request 9\n")
    assert (tmp_path / "reviewed.json").read_text() == '{"steps": []}'
    assert (tmp_path / "pull.md").read_text() == "allow: nothing"
    assert ("GET", f"/repos/o/r/actions/artifacts?name=preview-dev-{HEAD}&per_page=100") in fake.requests


def test_what_nobody_reviewed_is_told(fake: Fake, tmp_path: Path) -> None:
    fake.others["/repos/o/r/commits/merge/pulls"] = [_pull(8, "open")]
    status, said = reviewed(tmp_path)
    assert status == 2
    assert "merge: came by no pull request, so nobody has reviewed its plan" in said
    assert (tmp_path / "pull.md").read_text() == ""  # no allowances either
    fake.others["/repos/o/r/commits/merge/pulls"] = [_pull(9, HEAD, merged_at="2026-01-02")]
    fake.others["/repos/o/r/actions/artifacts"] = {"artifacts": [_left(3, head=2)]}
    status, said = reviewed(tmp_path)
    assert status == 2
    assert "pull request 9: left no preview of dev" in said


def test_an_archive_of_something_else_is_one_line(fake: Fake, tmp_path: Path) -> None:
    fake.others |= {
        "/repos/o/r/commits/merge/pulls": [_pull(9, HEAD, merged_at="2026-01-02")],
        "/repos/o/r/actions/artifacts": {"artifacts": [_left(1)]},
        "/repos/o/r/actions/artifacts/1/zip": b"no archive",
    }
    assert "what was left has no preview.json" in reviewed(tmp_path)[1]


def test_what_is_no_github_is_told(fake: Fake, tmp_path: Path) -> None:
    fake.others["/repos/o/r/issues/7/comments"] = b"<html>"
    assert "what answers is not GitHub's API" in post(tmp_path, f"{MARKER}\nfirst\n")[1]
