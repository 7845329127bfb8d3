"""What a version's settings may not say: what the program sets, in any spelling, and what hangs on it."""

from collections.abc import Callable

import pytest

from components.model import pods
from components.model.catalogue import CATALOGUE, MAIL_HOST, Secret, Service
from components.model.findings import RefusedError
from components.model.pods import Running
from components.model.reserved import FREE, reserved
from components.model.settings import VersionSettings
from tests.model.examples import Node, items, settings

OWN = "is set by the program itself; remove the key"
MOVES = "moves a port or a folder that the program counts on; remove the key"
SHOWN = (
    "would show a secret in the stack file and in the pod; secret values come from pulumi config set --secret"
)
WORKER = "services.invoiceservice"


WHOLE = settings()


def variables(service: Service) -> set[str]:
    """Every variable the program gives to a service's pods, a shadow's among them."""
    shadow = Running("v2", VersionSettings(), 1, queue=f"{service.queue}-v2" if service.queue else "")
    document = pods.workload(service, shadow, WHOLE).document()
    (container,) = items(document, "spec", "template", "spec", "containers")
    return {str(one["name"]) for one in items(container, "env")}


SET = sorted(set().union(*map(variables, CATALOGUE.values())) - {MAIL_HOST} - set(Secret))


@pytest.mark.parametrize("spell", [str, str.lower, str.upper], ids=["as it is", "lower", "upper"])
def test_what_the_program_sets_is_its_own_in_every_spelling(spell: Callable[[str], str]) -> None:
    assert {name.lower() for name in SET if not reserved(spell(name))} == FREE
    assert len(SET) > 20


REFUSED = {
    "the queue of the live version": ("RabbitMQHandler__Queue", "Auditlog", OWN),
    "the queue, in small letters": ("rabbitmqhandler__queue", "Auditlog", OWN),
    "another broker": ("RabbitMQPublisher__Host", "elsewhere", OWN),
    "a connection string": ("connectionstrings__InvoiceServiceCN", "server=sql;user id=sa", OWN),
    "a connection string by another name": ("SQLCONNSTR_InvoiceServiceCN", "server=sql", OWN),
    "an address of an API": ("apiservicelocations__CustomerManagementAPI", "elsewhere:1", OWN),
    "the folder of the audit log": ("Auditlog__path", "/data", OWN),
    "the environment's name": ("DOTNET_Environment", "Development", OWN),
    "an address to listen at": ("ASPNETCORE_URLS", "http://*:8080", MOVES),
    "a port to listen at": ("ASPNETCORE_HTTP_PORTS", "8080", MOVES),
    "a port, by the older name": ("DOTNET_urls", "http://*:8080", MOVES),
    "a port, in Kestrel's own words": ("Kestrel__Endpoints__Http__Url", "http://*:8080", MOVES),
    "another port of the broker": ("RABBITMQ_NODE_PORT", "5673", MOVES),
    "another folder of the databases": ("MSSQL_DATA_DIR", "/data", MOVES),
    "a password in a text": ("ReportsCN", "server=sql;user id=sa;password=hunter2", SHOWN),
    "a password with a space": ("ReportsCN", "server=sql;uid=sa;Pwd = hunter2", SHOWN),
    "a short password": ("Reports", "user=sa pass=hunter2", SHOWN),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_setting_that_contradicts_the_program_is_refused(case: str) -> None:
    name, text, why = REFUSED[case]
    with pytest.raises(RefusedError) as refused:
        settings({WORKER: {"versions": {"v1": {"settings": {name: text}}}}})
    assert refused.value.lines == (f'pitstop:{WORKER}.versions.v1.settings.{name} = "{text}": {why}',)


FREELY: Node = {
    "Serilog__MinimumLevel": "Debug",
    "Serilog__WriteTo__1__Args__serverUrl": "http://logserver:5341",
    "Logging__LogLevel__Default": "Warning",
    "Email__Port": "2525",
    "MSSQL_MEMORY_LIMIT_MB": "6144",
    "ASPNETCORE_FORWARDEDHEADERS_ENABLED": "true",
    "DOTNET_gcServer": "1",
    "Reports": "bypass=on; by the way: no password",
    "Email__Host": "smtp.example.org",  # real mail; a shadow alone has another key for it
}


def test_other_settings_stay_free() -> None:
    made = settings({WORKER: {"versions": {"v1": {"settings": FREELY}}}})
    assert made.services["invoiceservice"].versions["v1"].settings == FREELY
