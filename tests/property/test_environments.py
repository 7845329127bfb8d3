"""Whatever environment is accepted is one a cluster takes, and is the same however it is written down."""

import json
from random import Random

import jsonschema_rs
from hypothesis import Phase, given
from hypothesis import settings as thoroughness
from hypothesis import strategies as st

from components.model.checks import check_plan, check_settings, plan_for
from components.model.explain import parse
from components.model.manifests import Document
from components.model.outputs import PLACE
from localcluster.azure.sdk import problems as inputs_of
from ops.schema_doc import text
from tests.property.strategies import TODAY, Node, environments
from tests.validate.references import dangling
from tests.validate.validators import MINORS, problems

OWNER = "pitstop.test"
# Making a whole environment smaller takes minutes, and what is wrong is said without.
FOUND = (Phase.explicit, Phase.reuse, Phase.generate)
SCHEMA = jsonschema_rs.Draft7Validator(json.loads(text()))


def is_place(value: object) -> bool:
    return isinstance(value, str) and PLACE.fullmatch(value) is not None


def documents(content: Node) -> list[Document]:
    """Everything a plan makes, what it stands on in Azure included."""
    plan = plan_for(parse(content), OWNER, TODAY)
    azure = plan.azure.resources if plan.azure else ()
    return [*plan.documents(), *({"key": one.key, **one.inputs} for one in azure)]


@thoroughness(max_examples=50, deadline=None, phases=FOUND)
@given(environments())
def test_what_is_accepted_is_what_a_cluster_takes(content: Node) -> None:
    settings = parse(content)
    assert list(check_settings(settings, TODAY)) == []
    plan = plan_for(settings, OWNER, TODAY)
    assert list(check_plan(plan)) == []
    objects = list(plan.documents())
    assert [line for one in objects for minor in MINORS for line in problems(one, minor)] == []
    assert dangling(objects) == []
    azure = plan.azure.resources if plan.azure else ()
    assert [line for one in azure for line in inputs_of(one.token, one.inputs, opaque=is_place)] == []


@thoroughness(max_examples=25, deadline=None, phases=FOUND)
@given(environments(), st.randoms(use_true_random=False))
def test_the_order_in_which_keys_are_written_changes_nothing(content: Node, chance: Random) -> None:
    def shuffled(value: object) -> object:
        if isinstance(value, list):
            return [shuffled(item) for item in value]
        if not isinstance(value, dict):
            return value
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key]) for key in keys}

    other = shuffled(content)
    assert isinstance(other, dict)
    # As texts: the order of keys in what is rendered is part of what stays the same.
    assert json.dumps(documents(other)) == json.dumps(documents(content))


@thoroughness(max_examples=25, deadline=None, phases=FOUND)
@given(environments())
def test_an_editor_finds_nothing_wrong_with_what_is_accepted(content: Node) -> None:
    file = {"config": {f"pitstop:{key}": value for key, value in content.items()}}
    assert [error.message for error in SCHEMA.iter_errors(file)] == []
