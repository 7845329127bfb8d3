"""The databases, and a login for each service that may do no more than it must; made before services start.

Services that find their database do not make it themselves, which would take an administrator's rights.
Everything here can be run again: what is there stays.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from components.model import naming, pods
from components.model.catalogue import CATALOGUE, SQL, Login, Secret, Service
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
from components.model.secrets import in_vault
from components.model.settings import Settings
from components.model.sql import SqlServer, server
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
    secret: SecretTemplate | None  # None: made from the vault
    job: Manifest
    port: int  # of the server

    def objects(self) -> tuple[Manifest, ...]:
        """Every object but the Secret."""
        return (self.account, self.script, self.job)


def database_plan(settings: Settings) -> DatabasePlan | None:
    """What prepares SQL Server for the services of an environment; None where none has a database."""
    secret = secret_of(settings)
    if secret is None:
        return None
    clients, there, here = _clients(settings), server(settings), settings.namespace
    scripts = azure_scripts(clients) if there.azure else {"": script(clients)}
    files = {_file(database): text for database, text in scripts.items()}
    return DatabasePlan(
        service_account(DATABASE_INIT, here),
        config_map(DATABASE_INIT, here, files, DATABASE_INIT),
        None if in_vault(settings) else secret,
        _job(settings, scripts, secret),
        there.port,
    )


def secret_of(settings: Settings) -> SecretTemplate | None:
    """The Secret with what the job knows: the administrator's password, and that of every login.

    None where there is nothing to prepare: no service has a database, or the environment no server.
    """
    clients = _clients(settings)
    if not clients or (server(settings).inside and SQL.service not in settings.services):
        return None
    values = sorted({str(Secret.SQL), *(str(one.login.secret) for one in clients if one.login)})
    holds = dict(zip(values, values, strict=True))
    return SecretTemplate(DATABASE_INIT, DATABASE_INIT, settings.namespace, labels(DATABASE_INIT), holds)


def _clients(settings: Settings) -> list[Service]:
    return [CATALOGUE[name] for name in sorted(settings.services) if CATALOGUE[name].login is not None]


def _file(database: str) -> str:
    return f"{database}.sql" if database else SCRIPT


def script(clients: Iterable[Service]) -> str:
    """Transact-SQL for sqlcmd, which puts the values of environment variables in place of `$(name)`."""
    return _batched(_batches(tuple(clients)))


def azure_scripts(clients: Iterable[Service]) -> dict[str, str]:
    """The same for Azure SQL, whose connections stay in one database: a script for each, `master` first.

    The databases are there already. Services look for their own in `master`, so their logins have a user
    there too, which may see what databases there are.
    Source: https://learn.microsoft.com/azure/azure-sql/database/logins-create-manage
    """
    clients = tuple(clients)
    scripts: dict[str, list[str]] = {"master": []}
    for one in clients:
        if one.login:
            scripts["master"] += [_azure_login(one.login), _user(one.login)]
            member = f"ALTER SERVER ROLE [##MS_DefinitionReader##] ADD MEMBER [{one.login.name}];"
            scripts["master"].append(member)
    for one in clients:
        for database in one.connections.values():
            if one.login:
                scripts.setdefault(database.name, []).append(_user(one.login, ROLES[database.rights]))
    return {name: _batched(batches) for name, batches in scripts.items()}


def _azure_login(login: Login) -> str:
    """A login is made by a batch of its own there, which a text that is run is."""
    made = f"CREATE LOGIN [{login.name}] WITH PASSWORD = ''$({login.secret})''"
    return (
        f"IF NOT EXISTS (SELECT 1 FROM sys.sql_logins WHERE name = N'{login.name}') EXEC (N'{made}');\n"  # noqa: S608 - from the catalogue
        f"ELSE EXEC (N'{made.replace('CREATE', 'ALTER', 1)}');"
    )


def _user(login: Login, roles: Iterable[str] = ()) -> str:
    name = login.name
    grants = [f"ALTER ROLE [{role}] ADD MEMBER [{name}];" for role in roles]
    made = f"IF DATABASE_PRINCIPAL_ID(N'{name}') IS NULL CREATE USER [{name}] FOR LOGIN [{name}];"
    return "\n".join((made, *grants))


def _batched(batches: Iterable[str]) -> str:
    return "\n".join(f"{batch}\nGO" for batch in batches) + "\n"


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
            yield f"USE [{database.name}];"
            yield _user(one.login, ROLES[database.rights])


def _job(settings: Settings, scripts: Mapping[str, str], secret: SecretTemplate) -> Manifest:
    image = _client_image(settings)
    there = server(settings)
    name = f"{DATABASE_INIT}-{digest(*scripts.values(), image, there.address, *secret.holds)}"
    *first, last = (_container(image, there, database, list(secret.holds)) for database in scripts)
    before: Document = {"initContainers": [*first]} if first else {}
    template: Document = {
        "metadata": {
            "labels": {**labels(DATABASE_INIT), naming.IDENTITY_LABEL: DATABASE_INIT},
            # A job's pods cannot be changed: with another password it is made anew, and sets it.
            "annotations": {
                **(pods.NATIVE_SIDECAR if settings.meshed else {}),
                **pods.secret_versions(secret, settings),
            },
        },
        "spec": {
            "serviceAccountName": DATABASE_INIT,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "OnFailure",
            "securityContext": pods.security(),
            **before,
            "containers": [last],
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


def _client_image(settings: Settings) -> str:
    """SQL Server's own image has its client; with the server elsewhere, nothing else of it runs."""
    known = CATALOGUE[SQL.service]
    own = settings.services[SQL.service].versions if SQL.service in settings.services else {}
    version = first_version(own) if own else "v1"
    chosen = own[version].image if own else None
    return settings.pinned(chosen or naming.image(known.name, version, settings.image_source, known.image))


def _container(image: str, there: SqlServer, database: str, secrets: list[str]) -> Document:
    env: list[Json] = [pods.from_secret("SQLCMDPASSWORD", DATABASE_INIT, Secret.SQL)]
    env += [pods.from_secret(name, DATABASE_INIT, name) for name in secrets if name != Secret.SQL]
    # -b: an error of SQL is an error of the job. -C: the server's certificate is its own.
    options: list[Json] = ["-b"] if there.proven else ["-C", "-b"]
    options += ["-S", there.address, "-U", there.administrator, "-l", "60"]
    options += [*(("-d", database) if database else ()), "-i", f"/sql/{_file(database)}"]
    return {
        "name": database.lower() or DATABASE_INIT,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/opt/mssql-tools18/bin/sqlcmd"],
        "args": options,
        "env": env,
        "resources": pods.resources(pods.SMALL_JOB),
        "securityContext": pods.HARDENED,
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path in the pod
            {"name": "script", "mountPath": "/sql", "readOnly": True},
        ],
    }
