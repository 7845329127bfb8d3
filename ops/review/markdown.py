"""Texts of other people in a comment: shown as they are, and never as markup, links to people or HTML."""

import re

_MARKUP = re.compile(r"([\\`*_\[\]|~])")
_DRAWN = re.compile(r"[^\w .,:%=*/()+<>-]")
_SIGN = re.compile(r"^ ( *)(\+-|\+\+|--|[-+~])(?= ?\S)")
_FIRST = {"+": "+", "-": "-"}
_IDLE = re.compile(r"\s*\[provider=|@ ")  # what is the same for every resource, and signs of life
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def plain(text: str) -> str:
    """A text within a line of Markdown."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    # A name after @ would be told about the comment; a space of no width keeps it a text.
    return _MARKUP.sub(r"\\\1", text).replace("@", "@\u200b")


def drawn(text: str, most: int = 60) -> str:
    """A text within quotes in a Mermaid picture."""
    kept = _DRAWN.sub("?", " ".join(text.split()))
    kept = kept.replace("<", "#lt;").replace(">", "#gt;")
    return kept if len(kept) <= most else f"{kept[: most - 3]}..."


def code(text: str, language: str = "") -> str:
    """A block of code, fenced by more backticks than stand in it."""
    text = _COLOUR.sub("", text).rstrip()
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def diff(text: str) -> str:
    """The engine's diff with a sign in the first column, by which a block of `diff` is coloured."""
    lines = (line for line in _COLOUR.sub("", text).splitlines() if not _IDLE.match(line))
    return "\n".join(
        _SIGN.sub(lambda found: _FIRST.get(found[2], "!") + found[0][1:], line) for line in lines
    )


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A table of texts that are Markdown already."""
    lines = [heads, ["---"] * len(heads), *([one or "-" for one in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
