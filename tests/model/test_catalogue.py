"""The catalogue states facts that hang together."""

from collections import Counter

import pytest

from components.model import pods
from components.model.catalogue import CATALOGUE, Kind, Secret, Service
from components.model.plan import hard_needs
from components.model.settings import ServiceSettings
from localcluster.images.catalogue import STANDIN_PORTS
from tests.model.examples import WHOLE, items, settings

SERVICES = list(CATALOGUE.values())
ENVIRONMENT = settings(base=WHOLE)
DATABASES = sorted({database.name for service in SERVICES for database in service.connections.values()})


def by_name(service: Service) -> str:
    return service.name


def variables(service: Service) -> dict[str, str]:
    """The environment variables of a service's container that hold no secret."""
    (one,) = pods.running(service, ServiceSettings())
    container = items(
        pods.workload(service, one, ENVIRONMENT).document(), "spec", "template", "spec", "containers"
    )[0]
    return {
        str(variable["name"]): str(variable["value"])
        for variable in items(container, "env")
        if "value" in variable
    }


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_a_need_names_a_port_that_is_there(service: Service) -> None:
    for need in service.needs:
        assert need.port in {port.name for port in CATALOGUE[need.service].ports}


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_what_is_needed_to_start_goes_in_no_circle(service: Service) -> None:
    reached: set[str] = set()
    waiting = [service.name]
    while waiting:
        for need in hard_needs(CATALOGUE[waiting.pop()]):
            assert need.service != service.name
            if need.service not in reached:
                reached.add(need.service)
                waiting.append(need.service)


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_a_worker_has_no_port_and_every_other_service_has_one(service: Service) -> None:
    assert bool(service.ports) == (service.kind is not Kind.WORKER)


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_the_image_listens_where_the_service_says(service: Service) -> None:
    assert {port.target for port in service.ports} == set(STANDIN_PORTS[service.name])


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_addresses_in_variables_are_services_of_the_catalogue(service: Service) -> None:
    for name, value in variables(service).items():
        if name.startswith("APIServiceLocations__"):
            host, port = value.split(":")
            assert int(port) in {own.number for own in CATALOGUE[host].ports}
        if name.endswith("__Host"):
            assert value in CATALOGUE


def test_who_needs_the_broker_or_mail_is_told_where_it_is() -> None:
    for service in SERVICES:
        named = {value for name, value in variables(service).items() if name.endswith("__Host")}
        assert named == {need.service for need in service.needs} & {"rabbitmq", "mailserver"}


@pytest.mark.parametrize("service", [one for one in SERVICES if one.connections], ids=by_name)
def test_no_connection_string_holds_a_databases_name_but_its_own(service: Service) -> None:
    # The services replace that word to find the master database, and so may any other service's name be.
    strings = {
        name: text for name, text in variables(service).items() if name.startswith("ConnectionStrings__")
    }
    assert set(strings) == {f"ConnectionStrings__{name}" for name in service.connections}
    for name, text in strings.items():
        own = service.connections[name.removeprefix("ConnectionStrings__")].name
        assert f";database={own};" in text
        without = text.replace(f"database={own};", "")
        assert not [other for other in DATABASES if other in without]


def test_every_database_has_one_owner_and_every_client_a_login_of_its_own() -> None:
    owners = Counter(
        database.name
        for service in SERVICES
        for database in service.connections.values()
        if database.rights == "owner"
    )
    assert owners == Counter(DATABASES)
    logins = [service.login for service in SERVICES if service.login]
    assert {service.name for service in SERVICES if service.login} == {
        service.name for service in SERVICES if service.connections
    }
    assert len({login.name for login in logins}) == len({login.secret for login in logins}) == len(logins)
    assert Secret.SQL not in {login.secret for login in logins}


def test_the_workshop_api_is_not_asked_for_databases_it_makes_on_its_first_request() -> None:
    assert CATALOGUE["workshopmanagementapi"].health == ""


def test_services_with_a_port_that_speaks_first_are_no_http() -> None:
    assert {port.protocol for port in CATALOGUE["mailserver"].ports if port.name == "smtp"} == {"tcp"}
