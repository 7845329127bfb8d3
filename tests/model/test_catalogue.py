"""The catalogue states facts that hang together."""

import re

import pytest

from components.model.catalogue import CATALOGUE, Kind, Service
from components.model.plan import hard_needs
from localcluster.images.catalogue import STANDIN_PORTS

SERVICES = list(CATALOGUE.values())


def by_name(service: Service) -> str:
    return service.name


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
    for name, value in service.env.items():
        if name.startswith("APIServiceLocations__"):
            host, port = value.split(":")
            assert int(port) in {own.number for own in CATALOGUE[host].ports}
        if name.endswith("__Host"):
            assert value in CATALOGUE


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_no_connection_string_holds_its_database_name_twice(service: Service) -> None:
    # The services replace that word to find the master database.
    for text in service.secret_env.values():
        found = re.search(r"database=(\w+);", text)
        if found:
            assert text.count(found[1]) == 1


def test_the_workshop_api_is_not_asked_for_databases_it_makes_on_its_first_request() -> None:
    assert CATALOGUE["workshopmanagementapi"].health == ""


def test_services_with_a_port_that_speaks_first_are_no_http() -> None:
    assert {port.protocol for port in CATALOGUE["mailserver"].ports if port.name == "smtp"} == {"tcp"}
