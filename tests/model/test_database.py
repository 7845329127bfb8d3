"""The script that makes databases and logins can run again, and gives nobody more than they must have."""

import re
from collections.abc import Mapping

import pytest

from components.model import database
from components.model.catalogue import CATALOGUE, Secret
from components.model.database import DatabasePlan
from components.model.manifests import Document
from tests.model.examples import CANARY, REMOVE, WHOLE, Node, items, pick, plan

CLIENTS = [CATALOGUE[name] for name in sorted(CATALOGUE) if CATALOGUE[name].login]
SCRIPT = database.script(CLIENTS)
BATCHES = SCRIPT.removesuffix("\nGO\n").split("\nGO\n")
NAMES = sorted({one.name for client in CLIENTS for one in client.connections.values()})
OWNER_ROLES = {"db_datareader", "db_datawriter", "db_ddladmin"}


def prepared(changes: Mapping[str, object] | None = None, base: Node = CANARY) -> DatabasePlan:
    found = plan(changes, base).database
    assert found is not None
    return found


def test_the_script_for_one_service_as_it_is() -> None:
    assert database.script([CATALOGUE["customermanagementapi"]]) == (
        "IF DB_ID(N'CustomerManagement') IS NULL CREATE DATABASE [CustomerManagement];\n"
        "GO\n"
        "IF SUSER_ID(N'customers') IS NULL CREATE LOGIN [customers] WITH PASSWORD = "
        "N'$(sqlCustomersPassword)';\n"
        "ELSE ALTER LOGIN [customers] WITH PASSWORD = N'$(sqlCustomersPassword)';\n"
        "GO\n"
        "USE [CustomerManagement];\n"
        "GO\n"
        "IF DATABASE_PRINCIPAL_ID(N'customers') IS NULL CREATE USER [customers] FOR LOGIN [customers];\n"
        "ALTER ROLE [db_datareader] ADD MEMBER [customers];\n"
        "ALTER ROLE [db_datawriter] ADD MEMBER [customers];\n"
        "ALTER ROLE [db_ddladmin] ADD MEMBER [customers];\n"
        "GO\n"
    )


def test_every_database_is_made_where_it_is_not_there() -> None:
    made = re.findall(r"IF DB_ID\(N'(\w+)'\) IS NULL CREATE DATABASE \[(\w+)\];", SCRIPT)
    assert made == [(name, name) for name in NAMES]
    assert len(NAMES) == 6
    assert len(re.findall("CREATE DATABASE", SCRIPT)) == len(NAMES)


def test_every_login_is_made_or_gets_its_password_again() -> None:
    for client in CLIENTS:
        assert client.login is not None
        name, password = client.login.name, f"N'$({client.login.secret})'"
        assert (
            f"IF SUSER_ID(N'{name}') IS NULL CREATE LOGIN [{name}] WITH PASSWORD = {password};\n"
            f"ELSE ALTER LOGIN [{name}] WITH PASSWORD = {password};"
        ) in BATCHES
    assert len(re.findall("CREATE LOGIN", SCRIPT)) == len(CLIENTS) == 6


def granted() -> dict[tuple[str, str], set[str]]:
    """For each database and user, the roles the script gives, read batch by batch as sqlcmd does."""
    found: dict[tuple[str, str], set[str]] = {}
    used = "master"
    for batch in BATCHES:
        if use := re.fullmatch(r"USE \[(\w+)\];", batch):
            used = use[1]
        for user, login in re.findall(r"CREATE USER \[(\w+)\] FOR LOGIN \[(\w+)\]", batch):
            assert user == login
            found[used, user] = set()
        for role, user in re.findall(r"ALTER ROLE \[(\w+)\] ADD MEMBER \[(\w+)\];", batch):
            found[used, user].add(role)  # a user that is not there yet would be a KeyError
    return found


def test_roles_are_those_of_the_rights_and_only_in_the_services_own_databases() -> None:
    expected = {
        (one.name, client.login.name): OWNER_ROLES if one.rights == "owner" else {"db_datareader"}
        for client in CLIENTS
        for one in client.connections.values()
        if client.login
    }
    assert granted() == expected
    assert expected["WorkshopManagement", "workshop"] == {"db_datareader"}
    assert expected["WorkshopManagement", "events"] == OWNER_ROLES
    assert not re.search(r"db_owner|sysadmin|SERVER ROLE", SCRIPT)


def test_everything_can_be_run_again() -> None:
    for line in SCRIPT.splitlines():
        # Adding a member that is one already is no error.
        assert re.match(
            r"IF .* IS NULL CREATE |ELSE ALTER LOGIN |ALTER ROLE .* ADD MEMBER |USE |GO$", line
        ), line


def hidden_names(text: str) -> list[str]:
    """Databases whose exact name stands in a text the services replace it in."""
    return [name for name in NAMES if name in text]


def test_no_login_secret_or_server_has_the_name_of_a_database() -> None:
    for client in CLIENTS:
        assert client.login is not None
        assert hidden_names(client.login.name) == hidden_names(client.login.secret) == []
    for service in CATALOGUE:
        assert hidden_names(service) == []
    assert hidden_names("user id=Notification") == ["Notification"]  # upper case is what would hurt


def test_passwords_are_named_and_every_name_is_filled() -> None:
    named = re.findall(r"\$\((\w+)\)", SCRIPT)
    assert len(re.findall("PASSWORD = ", SCRIPT)) == len(re.findall(r"PASSWORD = N'\$\(\w+\)';", SCRIPT))
    made = prepared(base=WHOLE)
    variables = items(made.job.document(), "spec", "template", "spec", "containers", 0, "env")
    keys = {str(one["name"]): pick(one, "valueFrom", "secretKeyRef", "key") for one in variables}
    assert keys == {name: name for name in named} | {"SQLCMDPASSWORD": "sqlPassword"}
    assert {pick(one, "valueFrom", "secretKeyRef", "name") for one in variables} == {"database-init"}
    assert made.secret is not None
    assert made.secret.holds == {str(name): name for name in [*named, Secret.SQL]}
    assert Secret.RABBITMQ not in made.secret.values_needed()


def test_the_script_is_what_the_job_reads() -> None:
    made = prepared()
    assert made.script.document()["data"] == {
        "init.sql": database.script([CATALOGUE["customermanagementapi"]])
    }
    spec = pick(made.job.document(), "spec", "template", "spec")
    assert {"name": "script", "configMap": {"name": made.script.name}} in items(spec, "volumes")
    assert {"name": "script", "mountPath": "/sql", "readOnly": True} in items(
        spec, "containers", 0, "volumeMounts"
    )
    arguments = pick(spec, "containers", 0, "args")
    assert isinstance(arguments, list)
    assert arguments[-2:] == ["-i", "/sql/init.sql"]
    assert "-b" in arguments  # an error of SQL is one of the job
    assert arguments[arguments.index("-S") + 1] == "sqlserver"


def test_the_job_has_an_end_and_an_identity_of_its_own() -> None:
    made = prepared()
    document = made.job.document()
    assert pick(document, "spec", "activeDeadlineSeconds") == database.SECONDS
    assert pick(document, "spec", "template", "spec", "restartPolicy") == "OnFailure"
    assert (
        pick(document, "spec", "template", "spec", "serviceAccountName")
        == made.account.name
        == "database-init"
    )
    labels = pick(document, "spec", "template", "metadata", "labels")
    assert pick(labels, "pitstop.dev/identity") == pick(labels, "app") == "database-init"
    assert [one.kind for one in made.objects()] == ["ServiceAccount", "ConfigMap", "Job"]


OTHERS: dict[str, Mapping[str, object]] = {
    "another client": {"services.vehiclemanagementapi": {}},
    "another image": {"services.sqlserver.versions": {"v1": {"image": "ghcr.io/acme/sqlserver:2"}}},
    "another source of images": {"images": "upstream"},
}
SAME: dict[str, Mapping[str, object]] = {
    "a service without a database": {"services.webapp": REMOVE},
    "more pods of a client": {"services.customermanagementapi.versions": {"v1": {"replicas": 3}, "v2": {}}},
    "other weights": {"services.customermanagementapi.traffic[0].weights": {"v1": 10, "v2": 90}},
    "another mesh": {"mesh": {"kind": "existing"}},
    "other storage": {"storage": {"retain": True}},
    "another order": {"services.customermanagementapi.versions": {"v2": {}, "v1": {}}},
}


def same_job(one: DatabasePlan, other: DatabasePlan) -> bool:
    """Whether the second is the first, or could not take its place: a Job's template cannot be changed."""
    if one.job.name == other.job.name:
        assert one.job.document() == other.job.document()
        return True
    return False


@pytest.mark.parametrize("case", OTHERS)
def test_something_else_to_do_is_a_job_of_another_name(case: str) -> None:
    assert not same_job(prepared(), prepared(OTHERS[case]))


def test_other_rights_alone_are_another_job(monkeypatch: pytest.MonkeyPatch) -> None:
    before = prepared()
    monkeypatch.setitem(database.ROLES, "owner", ("db_owner",))
    assert "db_owner" in str(prepared().script.document())
    assert not same_job(before, prepared())


@pytest.mark.parametrize("case", SAME)
def test_the_same_to_do_is_the_same_job(case: str) -> None:
    assert same_job(prepared(), prepared(SAME[case]))


@pytest.mark.parametrize(
    "changes",
    [
        {"services": {"webapp": {}}},
        {"services": {"sqlserver": {}}},
        {"services": {"timeservice": {}, "rabbitmq": {}, "sqlserver": {}}},
    ],
)
def test_where_nobody_has_a_database_nothing_is_prepared(changes: Node) -> None:
    assert plan(changes).database is None


def test_a_script_for_nobody_is_empty() -> None:
    assert database.script([]).strip() == ""


def container(made: DatabasePlan) -> Document:
    return items(made.job.document(), "spec", "template", "spec", "containers")[0]


def test_the_administrator_is_used_by_the_server_and_the_job_alone() -> None:
    environment = plan(base=WHOLE)
    users = [one.name for one in environment.secrets() if Secret.SQL in one.values_needed()]
    assert sorted(users) == ["database-init", "sqlserver"]
    assert "sa" in str(container(prepared())["args"])
