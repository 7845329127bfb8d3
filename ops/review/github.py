"""What is written to GitHub: one comment for each stack, one issue for each stack that drifted.

The token comes from the environment alone (`GITHUB_TOKEN`) and is never shown.
Source of the calls: https://docs.github.com/rest/issues
"""

import io
import re
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

import httpx2
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ops.errors import UserError

BOT = "github-actions[bot]"  # who a workflow's own token writes as
SECONDS = 30.0
TRIES = 4
PASSING = frozenset({429, 500, 502, 503, 504})
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")
_WHY = {
    401: "the token is not valid",
    403: "the token may not do this; valid: permissions pull-requests: write, or issues: write for drift",
    404: "no such repository, pull request or issue, or the token may not see it",
    422: "GitHub takes no such text",
}


class _Foreign(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _User(_Foreign):
    login: str = ""


class _Head(_Foreign):
    sha: str = ""


class _Run(_Foreign):
    repository: int = Field(alias="repository_id")
    head: int | None = Field(default=None, alias="head_repository_id")
    commit: str = Field(alias="head_sha")

    @property
    def own(self) -> bool:
        return self.repository == self.head


class _Artifact(_Foreign):
    id: int
    expired: bool = False
    created: str = Field(default="", alias="created_at")
    run: _Run | None = Field(default=None, alias="workflow_run")


class _Artifacts(_Foreign):
    artifacts: list[_Artifact]


class Text(_Foreign):
    """A comment, an issue or a pull request: its number or id, and what it says."""

    id: int
    number: int = 0
    body: str | None = ""
    user: _User | None = None
    url: str = ""
    html_url: str = ""
    pull_request: dict[str, Any] | None = None
    merged_at: str | None = None
    head: _Head | None = None

    def begins(self, marker: str, author: str) -> bool:
        """Whether it is ours: written by us, and with the marker as its first line."""
        return bool(
            self.user
            and self.user.login == author
            and (self.body or "").replace("\r\n", "\n").startswith(f"{marker}\n")
        )


_Kind = TypeVar("_Kind")
Done = Literal["created", "edited", "closed", "left as it is"]


@dataclass(frozen=True, slots=True)
class GitHub:
    """One repository."""

    client: httpx2.Client
    repository: str
    author: str = BOT

    @classmethod
    def of(cls, environ: Mapping[str, str], repository: str = "", author: str = BOT) -> Self:
        """By the variables a workflow has: GITHUB_TOKEN, GITHUB_REPOSITORY, GITHUB_API_URL.

        Raises:
            UserError: one is missing or wrong.
        """
        token, name = environ.get("GITHUB_TOKEN", ""), repository or environ.get("GITHUB_REPOSITORY", "")
        if not token:
            raise UserError(
                "GITHUB_TOKEN: not set; valid: a token, e.g. export GITHUB_TOKEN=$(gh auth token)"
            )
        if not _REPOSITORY.fullmatch(name):
            raise UserError(f"--repo = {name}: is no repository; valid: OWNER/NAME, e.g. example/pitstop")
        client = httpx2.Client(
            base_url=environ.get("GITHUB_API_URL") or "https://api.github.com",
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            timeout=SECONDS,
            follow_redirects=True,  # to where archives are kept; the client sends no token to another host
        )
        return cls(client, name, author)

    def comment(self, pull: int, marker: str, body: str) -> tuple[Done, str]:
        """Has the one comment with this marker say `body`; how that was done, and where it is.

        Raises:
            UserError: GitHub does not take it.
        """
        path = f"/repos/{self.repository}/issues/{pull}/comments"
        ours = next((one for one in self._all(path) if one.begins(marker, self.author)), None)
        if ours is None:
            return "created", self._one("POST", path, {"body": body}).html_url
        if (ours.body or "").replace("\r\n", "\n").rstrip() == body.rstrip():
            return "left as it is", ours.html_url
        edit = f"/repos/{self.repository}/issues/comments/{ours.id}"
        return "edited", self._one("PATCH", edit, {"body": body}).html_url

    def issue(self, marker: str, title: str, body: str) -> tuple[Done, str]:
        """Has the one open issue with this marker say `body`; without a body, has none be open.

        Raises:
            UserError: GitHub does not take it.
        """
        path = f"/repos/{self.repository}/issues"
        found = self._all(path, state="open", creator=self.author)
        ours = next((one for one in found if not one.pull_request and one.begins(marker, self.author)), None)
        if ours is None:
            if not body:
                return "left as it is", ""
            return "created", self._one("POST", path, {"title": title, "body": body}).html_url
        if body and (ours.body or "").replace("\r\n", "\n").rstrip() == body.rstrip():
            return "left as it is", ours.html_url
        wanted = {"title": title, "body": body} if body else {"state": "closed", "state_reason": "completed"}
        said = self._one("PATCH", f"{path}/{ours.number}", wanted)
        return ("edited" if body else "closed"), said.html_url

    def pull_of(self, commit: str) -> Text | None:
        """The pull request that a commit of the main branch was merged by; None for one that was pushed."""
        found = self._all(f"/repos/{self.repository}/commits/{commit}/pulls")
        return next((one for one in found if one.merged_at), None)

    def pull_from(self, head: str, commit: str) -> Text | None:
        """The open pull request from OWNER:BRANCH whose last commit this is; None where it has moved on."""
        found = self._all(f"/repos/{self.repository}/pulls", state="open", head=head)
        return next((one for one in found if one.head and one.head.sha == commit), None)

    def artifact(self, name: str, commit: str, member: str) -> bytes | None:
        """A file that a run for this commit of this very repository has left; None where there is none.

        Runs for forks may leave anything under any name, and are not asked.

        Raises:
            UserError: what was left is no archive.
        """
        path = f"/repos/{self.repository}/actions/artifacts"
        answer = self._ask("GET", path, parameters={"name": name, "per_page": "100"})
        left = _parsed(_Artifacts, answer).artifacts
        ours = [
            one for one in left if not one.expired and one.run and one.run.own and one.run.commit == commit
        ]
        if not ours:
            return None
        newest = max(ours, key=lambda one: one.created)
        packed = self._ask("GET", f"{path}/{newest.id}/zip").content
        try:
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                return archive.read(member)
        except (zipfile.BadZipFile, KeyError):
            raise UserError(f"{name}: what was left has no {member}") from None

    def _all(self, path: str, **query: str) -> Iterator[Text]:
        """Every page of a list."""
        address: str | httpx2.URL = path
        parameters: dict[str, str] | None = {**query, "per_page": "100"}
        while address:
            answer = self._ask("GET", address, parameters=parameters)
            yield from _parsed(list[Text], answer)
            following = answer.links.get("next", {}).get("url", "")
            # A token is sent to no other host than the one it is for.
            address = following if httpx2.URL(following).host == self.client.base_url.host else ""
            parameters = None

    def _one(self, method: str, path: str, body: Mapping[str, str]) -> Text:
        answer = self._ask(method, path, body=body)
        return _parsed(Text, answer)

    def _ask(
        self,
        method: str,
        address: str | httpx2.URL,
        *,
        parameters: Mapping[str, str] | None = None,
        body: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        for left in reversed(range(TRIES)):
            try:
                answer = self.client.request(method, address, params=parameters, json=body)
            except httpx2.HTTPError as error:
                if left and method == "GET":
                    time.sleep(_pause(left))
                    continue
                raise UserError(f"{self.client.base_url.host}: does not answer ({error})") from None
            if answer.status_code in PASSING and left:
                time.sleep(_pause(left, answer.headers.get("retry-after", "")))
                continue
            break
        if answer.is_success:
            return answer
        why = _WHY.get(answer.status_code, "try again later")
        raise UserError(f"{method} {answer.url.path}: GitHub answered {answer.status_code}; {why}")


def _parsed(kind: type[_Kind], answer: httpx2.Response) -> _Kind:
    try:
        return TypeAdapter(kind).validate_json(answer.content)
    except ValidationError:
        reason = "what answers is not GitHub's API; valid: GITHUB_API_URL of it"
        raise UserError(f"{answer.url.host}: {reason}") from None


def _pause(left: int, asked: str = "") -> float:
    """Seconds before the next try; what the server asks for, up to a minute."""
    return min(float(asked), 60.0) if asked.isdigit() else float(TRIES - left)
