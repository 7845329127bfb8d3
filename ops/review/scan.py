"""Looks for secret values where none may be: state, exports, manifests, logs, comments.

A value is looked for as it is and in the forms it takes on its way: in base64 (whole, and inside of a
longer text), in a URL, in JSON. What is found is told by place and by the secret's name, never by value.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

from ops.errors import UserError
from ops.review import files as documents

LEAST = 6  # characters of a value that is looked for; shorter ones would be found in anything
# Of a text of several lines, such as a key, every line this long is looked for as well.
LEAST_LINE = 20


@dataclass(frozen=True, slots=True, order=True)
class Leak:
    """Where a secret value stands, and in which form."""

    place: str
    line: int
    secret: str
    form: str

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: the value of {self.secret} in {self.form}"


def forms(value: str) -> dict[str, str]:
    """How a value may stand somewhere: the form's words, by what to look for."""
    raw = value.encode()
    found = {value: "plain text"}
    for shift in range(3):
        # Inside of a longer text base64 begins at one of three places; the ends depend on the neighbours.
        encoded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        start, cut = -(-shift * 8 // 6), len(raw) + shift
        kept = encoded[start : cut * 8 // 6]
        if len(kept) >= LEAST:
            found.setdefault(kept, "base64")
            found.setdefault(kept.translate(str.maketrans("+/", "-_")), "base64 for URLs")
    found.setdefault(quote(value, safe=""), "a URL")
    found.setdefault(quote_plus(value), "a form")
    escaped = json.dumps(value)[1:-1]
    found.setdefault(escaped, "JSON")
    found.setdefault(json.dumps(escaped)[1:-1], "JSON within JSON")
    found.setdefault(raw.hex(), "hexadecimal")
    return found


def patterns(secrets: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """What to look for, each with the secret's name and the form.

    Raises:
        UserError: a value is too short to be told from other text.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, value in sorted(secrets.items()):
        if len(value) < LEAST:
            raise UserError(f"{name}: has {len(value)} characters; valid: {LEAST} and more can be looked for")
        lines = value.splitlines() if "\n" in value.strip() else []
        for part in [value, *(line for line in lines if len(line) >= LEAST_LINE and not _public(line))]:
            for text, form in forms(part).items():
                found.setdefault(text, (name, form))
    return found


def _public(line: str) -> bool:
    """The lines around a key, which every key has."""
    return line.startswith("-----")


def scan(sources: Iterable[tuple[str, str]], secrets: Mapping[str, str]) -> list[Leak]:
    """Every place in texts (name and content) where a value stands."""
    wanted = patterns(secrets)
    if not wanted:
        return []
    # The longest first, so that JSON's form is told as such.
    looked = re.compile("|".join(re.escape(text) for text in sorted(wanted, key=len, reverse=True)))
    return sorted({leak for place, text in sources for leak in _leaks(place, text, looked, wanted)})


def _leaks(
    place: str, text: str, looked: re.Pattern[str], wanted: Mapping[str, tuple[str, str]]
) -> Iterator[Leak]:
    for found in looked.finditer(text):
        name, form = wanted[found[0]]
        yield Leak(place, text.count("\n", 0, found.start()) + 1, name, form)


def files(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """The files, and all files below the folders, as texts.

    Raises:
        UserError: one cannot be read, or there is none.
    """
    for path in paths:
        below = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        if not below:
            raise UserError(f"{path}: has no file to look at; valid: a file, or a folder with files")
        for one in below:
            try:
                yield str(one), one.read_bytes().decode(errors="replace")
            except OSError as error:
                raise UserError(f"{one}: cannot be read ({error.strerror}); valid: a file") from None


def values(path: Path) -> dict[str, str]:
    """The secret values in a file: a map of texts in JSON, readable by its owner alone.

    Raises:
        UserError: it is something else; no value is shown.
    """
    content = documents.decoded(path, "a JSON map of texts")
    if not isinstance(content, dict) or not all(isinstance(one, str) for one in content.values()):
        raise UserError(f"{path}: is no map of texts; valid: what secrets.json of an environment is")
    return content
