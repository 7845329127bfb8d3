"""Every command line of the pages is one that exists."""

import re
from collections.abc import Iterator

import pytest
from typer.exceptions import TyperException

from ops.paths import CHECKOUT
from tests.review import typed

PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
# Where a command begins: a line of code, with variables or without, what is put into another, what follows.
COMMAND = re.compile(r"(?:^(?:[A-Z_]+=\S+ )*|\$\(|&& )((?:\./pitstop|make) [^#)]*[^#)\s])")
FENCED = re.compile(r"^```(?:sh)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def lines(text: str) -> Iterator[tuple[str, bool]]:
    """Each command line of a page, and whether it is whole; one within a sentence may be a mention."""
    for block in FENCED.findall(text):
        for line in block.splitlines():
            yield from ((found, True) for found in COMMAND.findall(line))
    text = FENCED.sub("", text)
    for line in text.splitlines():
        if line.startswith("    "):
            yield from ((found, True) for found in COMMAND.findall(line.strip()))
        else:
            for code in re.findall(r"`([^`]+)`", line):
                yield from ((found, False) for found in COMMAND.findall(code))


TYPED = [
    pytest.param(line, whole, id=f"{page.stem}: {line}")
    for page in PAGES
    for line, whole in sorted(set(lines(page.read_text())))
]


@pytest.mark.parametrize(("line", "whole"), TYPED)
def test_a_command_of_a_page_exists(line: str, whole: bool) -> None:
    typed.check(line, whole=whole)


def test_the_commands_of_the_pages_are_found() -> None:
    found = {str(one.values[0]) for one in TYPED}
    assert {"./pitstop secrets --env dev", "make up ENV=dev", "make measure", "make -s env"} <= found
    assert len(found) > 30


@pytest.mark.parametrize(
    "line",
    [
        "./pitstop nothing",
        "./pitstop review",
        "./pitstop review guard --stack dev --sure",
        "./pitstop up --env",
        "make policy ARGS=--nothing",
    ],
)
def test_a_command_that_is_none_is_told(line: str) -> None:
    with pytest.raises(TyperException):
        typed.check(line, whole=False)


@pytest.mark.parametrize("line", ["make nothing", "make up STACK=dev"])
def test_a_target_or_a_variable_that_is_none_is_told(line: str) -> None:
    with pytest.raises(AssertionError):
        typed.check(line)
