"""The one place that reads Pulumi's configuration: plain values become settings, secrets become outputs."""

import asyncio
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from components.model import naming
from components.model.catalogue import CERTIFICATE, Secret
from components.model.explain import PROJECT, key_path, no_secret, not_encrypted, parse
from components.model.findings import Finding, RefusedError
from components.model.naming import CHARTS_VARIABLE, OWNER_VARIABLE, SECRETS_VARIABLE
from components.model.outputs import Place
from components.model.plan import Plan
from components.model.secrets import version_of
from components.model.settings import Settings

# A password stands in connection strings, SQL and addresses, each with characters of its own.
PASSWORD = re.compile(r"[A-Za-z0-9_.~-]{8,128}")
CHARACTERS = "must be 8 to 128 letters, digits and _ . ~ -, e.g. the output of openssl rand -hex 16"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the program is told outside the stack file."""

    owner: str
    charts: str

    def charts_for(self, plan: Plan) -> Path:
        """Where Istio's charts are; a plan that installs nothing needs none.

        Raises:
            RefusedError: a chart the plan installs is not there.
        """
        folder = Path(self.charts)
        for release in plan.mesh.releases if plan.mesh else ():
            if not (self.charts and (folder / release.chart / "Chart.yaml").is_file()):
                text = f'no chart {release.chart} there; e.g. eval "$(make -s env)"'
                raise RefusedError([Finding("charts", CHARTS_VARIABLE, text, self.charts or "(not set)")])
        return folder


def settings() -> Settings:
    """The settings of the current stack; every key of the project is looked at, the unknown ones too.

    Raises:
        RefusedError: every mistake at once. No line shows an encrypted value.
    """
    prefix = f"{PROJECT}:"
    given = {
        key.removeprefix(prefix): str(value)
        for key, value in pulumi.runtime.get_config_env().items()
        if key.startswith(prefix)
    }
    secret = set(Secret)
    hidden = {key for key in given if pulumi.runtime.is_config_secret(f"{prefix}{key}")}
    wrong = [not_encrypted(key) for key in given if key in secret - hidden]
    wrong += [no_secret(key) for key in given if key in hidden - secret]
    return parse({key: _plain(text) for key, text in given.items() if key not in secret | hidden}, wrong)


def _plain(text: str) -> object:
    """Maps and lists arrive as JSON, everything else as it was written."""
    if not text.startswith(("{", "[")):
        return text
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secret values of an environment. Outputs of them are secret, versions are not."""

    _values: Mapping[str, str] = field(repr=False)

    def known(self) -> dict[Place, pulumi.Output[str]]:
        """Every value, for its place."""
        return {Place("secret", name): pulumi.Output.secret(text) for name, text in self._values.items()}

    def versions(self, names: Iterable[str], owner: str) -> dict[Place, pulumi.Output[str]]:
        """What changes with each of these values. Each takes a while, beside whatever else is done."""
        begin = asyncio.get_running_loop().run_in_executor
        return {
            Place("version", name): pulumi.Output.from_input(
                begin(None, version_of, self._values[name], owner, name)
            )
            for name in sorted(names)
        }


def secrets(names: Iterable[str]) -> Secrets:
    """The named secret values, from encrypted configuration or else from the checkout's own file.

    Raises:
        RefusedError: a value is nowhere.
    """
    config, generated = pulumi.Config(PROJECT), _generated()
    values: dict[str, str] = {}
    missing: list[Finding] = []
    for name in names:
        configured = config.get(name)
        if configured is not None and not _goes_everywhere(name, configured):
            missing.append(Finding("secret-characters", key_path((name,)), CHARACTERS))
        elif configured is not None:
            values[name] = configured
        elif name in generated:
            values[name] = generated[name]
        else:
            hint = f"required, e.g. pulumi config set --secret {key_path((name,))}"
            missing.append(Finding("secret-missing", key_path((name,)), hint))
    if missing:
        raise RefusedError(missing)
    return Secrets(values)


def _goes_everywhere(name: str, value: str) -> bool:
    """Whether a secret value may stand wherever it is put; certificates stand in files of their own."""
    return name in CERTIFICATE or PASSWORD.fullmatch(value) is not None


def _generated() -> dict[str, str]:
    path = os.environ.get(SECRETS_VARIABLE)
    if not path:
        return {}
    try:
        content = json.loads(Path(path).read_text())
    except (OSError, ValueError):
        finding = Finding("secrets", SECRETS_VARIABLE, 'cannot be read; e.g. eval "$(make -s env)"', path)
        raise RefusedError([finding]) from None
    return {str(name): str(value) for name, value in content.items()}


def surroundings() -> Surroundings:
    """Who owns what this stack makes, and where Istio's charts are."""
    owner = os.environ.get(OWNER_VARIABLE) or naming.owner(pulumi.get_project(), pulumi.get_stack())
    return Surroundings(owner, os.environ.get(CHARTS_VARIABLE, ""))
