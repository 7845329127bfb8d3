"""What every refusal must be: lines a person can act on, each with its key."""

import re

from components.model.findings import Finding, RefusedError

# Words of pydantic's own: they say nothing about a stack file.
STRANGE = re.compile(
    r"Input should|should have|Value error|Keys should|Unable to|Dictionary|Field required|Extra"
)
# How a line says what would be valid.
HELPFUL = re.compile(r"must |e\.g\. |valid: |required|remove|is set by the program")
LONGEST = 1200  # characters; the longest names every service there is


def untold(refused: RefusedError) -> list[str]:
    """Everything that is wrong with what is said; nothing where it is all right."""
    found = [text for finding in refused.findings for text in _untold(finding)]
    if not refused.lines:
        found.append("refused without a word")
    for line in refused.lines:
        if "\n" in line or len(line) > LONGEST:
            found.append(f"no line: {line[:200]}")
        line.encode()  # it can be printed
    return found


def _untold(finding: Finding) -> list[str]:
    found = []
    if not finding.path.startswith("pitstop:"):
        found.append(f"no key: {finding}")
    if STRANGE.search(finding.message):
        found.append(f"in somebody else's words: {finding}")
    if not HELPFUL.search(finding.message):
        found.append(f"does not say what is valid: {finding}")
    return found
