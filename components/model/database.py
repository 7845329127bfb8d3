"""The databases, and a login for each service that may do no more than it must; made before services start.

Services that find their database do not make it themselves, which would take an administrator's rights.
Everything here can be run again: what is there stays.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from components.model import naming, pods
from components.model.catalogue import CATALOGUE, SQL, Secret, Service
from components.model.manifests import (
    Document,
    Json,
    Manifest,
    SecretTemplate,
    config_map,
    digest,
    labels,
    service_account,
)
from components.model.naming import DATABASE_INIT
from components.model.settings import Settings
from components.model.types import first_version

SCRIPT = "init.sql"
SECONDS = 600
# An owner migrates its schema; that takes no more than these.
ROLES = {"owner": ("db_datareader", "db_datawriter", "db_ddladmin"), "reader": ("db_datareader",)}


@dataclass(frozen=True, slots=True)
class DatabasePlan:
    """The job, and what it reads. It is a job of another name when it has something else to do."""

    account: Manifest
    script: Manifest
    secret: SecretTemplate
    job: Manifest

    def objects(self) -> tuple[Manifest, ...]:
        """Every object but the Secret."""
        return (self.account, self.script, self.job)


def database_plan(settings: Settings) -> DatabasePlan | None:
    """What prepares SQL Server for the services of an environment; None where none has a database."""
    clients = [CATALOGUE[name] for name in sorted(settings.services) if CATALOGUE[name].login is not None]
    if not clients or SQL.service not in settings.services:
        return None
    here, text = settings.namespace, script(clients)
    texts = {str(Secret.SQL): f"{{{Secret.SQL}}}"}
    texts |= {str(one.login.secret): f"{{{one.login.secret}}}" for one in clients if one.login}
    return DatabasePlan(
        service_account(DATABASE_INIT, here),
        config_map(DATABASE_INIT, here, {SCRIPT: text}, DATABASE_INIT),
        SecretTemplate(DATABASE_INIT, DATABASE_INIT, here, labels(DATABASE_INIT), texts),
        _job(settings, text, sorted(texts)),
    )


def script(clients: Iterable[Service]) -> str:
    """Transact-SQL for sqlcmd, which puts the values of environment variables in place of `$(name)`."""
    return "\n".join(f"{batch}\nGO" for batch in _batches(tuple(clients))) + "\n"


def _batches(clients: tuple[Service, ...]) -> Iterator[str]:
    databases = sorted({database.name for one in clients for database in one.connections.values()})
    for name in databases:
        yield f"IF DB_ID(N'{name}') IS NULL CREATE DATABASE [{name}];"
    for one in clients:
        if one.login:
            login, password = one.login.name, f"N'$({one.login.secret})'"
            yield (
                f"IF SUSER_ID(N'{login}') IS NULL CREATE LOGIN [{login}] WITH PASSWORD = {password};\n"
                f"ELSE ALTER LOGIN [{login}] WITH PASSWORD = {password};"
            )
    for one in clients:
        for database in one.connections.values():
            assert one.login is not None  # noqa: S101 - clients are the services with a login
            login = one.login.name
            grants = "\n".join(
                f"ALTER ROLE [{role}] ADD MEMBER [{login}];" for role in ROLES[database.rights]
            )
            yield f"USE [{database.name}];"
            yield (
                f"IF DATABASE_PRINCIPAL_ID(N'{login}') IS NULL CREATE USER [{login}] FOR LOGIN [{login}];\n"
                f"{grants}"
            )


def _job(settings: Settings, text: str, secrets: list[str]) -> Manifest:
    server = CATALOGUE[SQL.service]
    own = settings.services[SQL.service].versions
    version = first_version(own)
    tagged = own[version].image or naming.image(server.name, version, settings.images, server.image)
    image = settings.pinned(tagged)
    name = f"{DATABASE_INIT}-{digest(text, image, *secrets)}"
    template: Document = {
        "metadata": {"labels": {**labels(DATABASE_INIT), naming.IDENTITY_LABEL: DATABASE_INIT}},
        "spec": {
            "serviceAccountName": DATABASE_INIT,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "OnFailure",
            "securityContext": pods.security(),
            "containers": [_container(image, server.name, secrets)],
            "volumes": [
                {"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}},
                {"name": "script", "configMap": {"name": DATABASE_INIT}},
            ],
        },
    }
    spec: Document = {"backoffLimit": 6, "activeDeadlineSeconds": SECONDS, "template": template}
    return Manifest(
        DATABASE_INIT, "batch/v1", "Job", name, settings.namespace, labels(DATABASE_INIT), {"spec": spec}
    )


def _container(image: str, server: str, secrets: list[str]) -> Document:
    def variable(name: str, key: str) -> Document:
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": DATABASE_INIT, "key": key}}}

    env: list[Json] = [variable("SQLCMDPASSWORD", Secret.SQL)]
    env += [variable(name, name) for name in secrets if name != Secret.SQL]
    return {
        "name": DATABASE_INIT,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        # -b: an error of SQL is an error of the job. -C: the server's certificate is its own.
        "command": ["/opt/mssql-tools18/bin/sqlcmd"],
        "args": ["-C", "-b", "-S", server, "-U", "sa", "-l", "60", "-i", f"/sql/{SCRIPT}"],
        "env": env,
        "resources": pods.resources(pods.SMALL_JOB),
        "securityContext": pods.HARDENED,
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path in the pod
            {"name": "script", "mountPath": "/sql", "readOnly": True},
        ],
    }
