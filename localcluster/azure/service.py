"""What answers in Azure's place: the operations of a provider on plain values, without its protocol."""

import base64
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcluster.azure import faults, kinds, outputs, paths, rules, schema, sdk
from localcluster.azure.backing import BEHIND_VARIABLE, Behind, BehindError, behind
from localcluster.azure.computed import Facts
from localcluster.azure.differ import Change, changes
from localcluster.azure.errors import AzureError, HalfwayError, Made
from localcluster.azure.faults import Operation
from localcluster.azure.state import FAILED, SUCCEEDED, Cloud, Record, State
from localcluster.azure.values import UNKNOWN, Document, guid, opened_map, sealed_map

DELAY_VARIABLE = "PITSTOP_REHEARSAL_DELAY"
LONGEST_DELAY = 60.0  # seconds; a rehearsal is no waiting room
ATTEMPTS = 4  # of an operation that is throttled
PAUSE = 0.1  # seconds before the second attempt; twice as long before each further one
CLUSTER, POOL, VAULT = "containerservice:ManagedCluster", "containerservice:AgentPool", "keyvault:Vault"
SECRET = "keyvault:Secret"  # noqa: S105 - a type token
CREDENTIAL = "managedidentity:FederatedIdentityCredential"  # not a secret: it names who may sign in
CREATING = "Creating"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the provider acts for, and where."""

    subscription: str
    tenant: str
    client: str
    location: str

    @classmethod
    def of(cls, config: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> "Account":
        """From the provider's configuration, else from the variables azure-native reads, else made up."""

        def told(key: str, variable: str) -> str:
            return config.get(key) or environ.get(variable) or guid("rehearsal", key)

        return cls(
            subscription=told("subscriptionId", "ARM_SUBSCRIPTION_ID"),
            tenant=told("tenantId", "ARM_TENANT_ID"),
            client=told("clientId", "ARM_CLIENT_ID"),
            location=config.get("location") or environ.get("ARM_LOCATION") or "",
        )


class Azure:
    """One rehearsal's Azure, as one provider process sees it."""

    def __init__(self, folder: Path, account: Account, environ: Mapping[str, str] = os.environ) -> None:
        """Read how it is to behave.

        Raises:
            ValueError: a variable is wrong.
        """
        self.account = account
        self.cloud = Cloud(folder)
        self.stopped = threading.Event()
        self._faults = faults.read(environ.get(faults.VARIABLE))
        self._delay = _delay(environ.get(DELAY_VARIABLE))
        self._entry = environ.get(BEHIND_VARIABLE)
        self._behind: Behind | None = None
        self._guard = threading.Lock()
        self._writing: set[str] = set()

    # --- what the engine asks ---------------------------------------------------------------------------

    def check(self, token: str, wire: Mapping[str, object]) -> tuple[Document, list[str]]:
        """The inputs to go on with, and what is wrong with them."""
        inputs: Document = {name: value for name, value in wire.items() if value is not None}
        try:
            known = schema.inputs_of(token)
        except sdk.UnknownTokenError as error:
            return inputs, [str(error)]
        if "location" in known and "location" not in inputs and self.account.location:
            inputs["location"] = self.account.location
        found = sdk.problems(token, inputs) + kinds.name_problems(token, opened_map(inputs))
        return inputs, list(dict.fromkeys(found))

    def diff(
        self, token: str, old: Mapping[str, object], new: Mapping[str, object], state: Mapping[str, object]
    ) -> list[Change]:
        """What changed between inputs."""
        return changes(token, opened_map(old), opened_map(new), opened_map(state))

    def preview(self, token: str, wire: Mapping[str, object], identity: str = "") -> Document:
        """The outputs as far as they are known before anything is made; with an id, before it is changed."""
        inputs = opened_map(wire)
        if identity:
            facts = self._facts(self.cloud.look(), identity, inputs, UNKNOWN)
            return sealed_map(outputs.outputs(token, facts), wire)
        facts = self._facts(State(), f"/subscriptions/{UNKNOWN}/{UNKNOWN}", inputs, UNKNOWN)
        return sealed_map(outputs.preview(token, inputs, facts), wire)

    def create(self, token: str, wire: Mapping[str, object], say: Say) -> Made:
        """Make a resource.

        Raises:
            AzureError: Azure would not.
            HalfwayError: it is there, and failed.
        """
        token, inputs = token.removeprefix(f"{schema.PACKAGE}:"), opened_map(wire)
        identity = kinds.identity(token, inputs, self.account.subscription)

        def begin(state: State) -> None:
            there = state.get(identity)
            if there is not None and there.state != CREATING:
                raise AzureError(409, "Conflict", f"cannot create already existing resource '{identity}'")
            if there is not None:
                say("found half made by a run that was killed; Azure's would have to be imported first")
            rules.creating(state, token, identity, inputs)
            state.put(Record(identity, token, inputs, {}, state=CREATING))

        with self._alone(token, identity):
            fault = self._begin("create", token, identity, say, begin)
            return self._finish(token, identity, wire, fault, say)

    def update(self, token: str, identity: str, wire: Mapping[str, object], say: Say) -> Made:
        """Change a resource in place; one that is gone is made again, as Azure's PUT does.

        Raises:
            AzureError: Azure would not.
            HalfwayError: it was changed, and failed.
        """
        token, inputs = token.removeprefix(f"{schema.PACKAGE}:"), opened_map(wire)

        def begin(state: State) -> None:
            record = state.get(identity)
            if record is None:
                rules.creating(state, token, identity, inputs)
                state.put(Record(identity, token, inputs, {}, state=CREATING))
            else:
                rules.updating(state, record, inputs)

        with self._alone(token, identity):
            fault = self._begin("update", token, identity, say, begin)
            return self._finish(token, identity, wire, fault, say)

    def read(
        self, token: str, identity: str, old: Mapping[str, object], old_inputs: Mapping[str, object]
    ) -> Made | None:
        """A resource as it is now; nothing, if it is gone.

        Raises:
            AzureError: Azure would not say.
        """
        token = token.removeprefix(f"{schema.PACKAGE}:")
        self._begin("read", token, identity, lambda _line: None, lambda _state: None)
        record = self.cloud.look().get(identity)
        if record is None or record.token != token:
            return None
        return Made(
            record.identity, sealed_map(record.outputs, old), sealed_map(record.inputs, old_inputs or old)
        )

    def delete(self, token: str, identity: str, say: Say) -> None:
        """Remove a resource and what is in it; one that is gone already is no error.

        Raises:
            AzureError: Azure would not.
        """
        token = token.removeprefix(f"{schema.PACKAGE}:")

        def begin(state: State) -> None:
            if record := state.get(identity):
                rules.deleting(state, record)

        self._begin("delete", token, identity, say, begin)
        with self._alone(token, identity):
            self._wait(token, "Deleting", say)
            state = self.cloud.look()
            for record in [*state.below(identity), *filter(None, [state.get(identity)])]:
                if record.token in {CLUSTER, POOL}:
                    self._real(say).remove(record.identity)
            with self.cloud.change() as state:
                gone = state.remove(identity)
                state.deleted |= {
                    kinds.name_of(one.identity).lower(): one for one in gone if one.token == VAULT
                }
            if any(one.token == SECRET for one in gone):
                self._real(say).secrets()

    def invoke(self, token: str, wire: Mapping[str, object], say: Say) -> tuple[Document, list[str]]:
        """The answer of a function, or what is wrong with its arguments.

        Raises:
            AzureError: Azure would not answer.
        """
        token, arguments = token.removeprefix(f"{schema.PACKAGE}:"), opened_map(wire)
        try:
            if found := sdk.argument_problems(token, wire):
                return {}, found
        except sdk.UnknownTokenError as error:
            return {}, [str(error)]
        name = token.partition(":")[2]
        if token == "authorization:getClientConfig":  # noqa: S105 - a function's token
            return self._client(), []
        if token in _CREDENTIALS:
            return self._credentials(token, arguments, say), []
        if name.startswith("get"):
            return self._get(token, arguments), []
        raise AzureError(501, "NotInRehearsal", f"the rehearsal has no answer for {token}")

    # --- how it is done ---------------------------------------------------------------------------------

    def _begin(
        self, operation: Operation, token: str, identity: str, say: Say, work: Callable[[State], None]
    ) -> HalfwayError | None:
        """The first step of an operation, after any injected failure; throttling is waited for."""
        for attempt in range(1, ATTEMPTS + 1):
            fault = None
            if self._faults:
                with self.cloud.change() as state:
                    fault = faults.strike(state, self._faults, operation, token, identity)
            if not isinstance(fault, AzureError):
                if operation != "read":
                    with self.cloud.change() as state:
                        work(state)
                return fault
            if fault.status != 429 or attempt == ATTEMPTS:
                raise fault
            say(f"throttled; attempt {attempt + 1} of {ATTEMPTS}")
            self.stopped.wait(PAUSE * 2 ** (attempt - 1))
        return None

    def _finish(
        self, token: str, identity: str, wire: Mapping[str, object], fault: HalfwayError | None, say: Say
    ) -> Made:
        """The second step of a creation or change: wait, have the cluster behind it follow, remember."""
        inputs = opened_map(wire)
        problem = fault or self._work(token, identity, inputs, say)
        with self.cloud.change() as state:
            record = state.get(identity)
            if record is None:
                raise AzureError(404, "ResourceNotFound", f"{identity} was removed meanwhile")
            record.version += record.state != CREATING
            record.inputs = inputs
            record.outputs = outputs.outputs(token, self._facts(state, identity, inputs, str(record.version)))
            record.state = FAILED if problem else SUCCEEDED
            if "provisioningState" in record.outputs:
                record.outputs["provisioningState"] = record.state
        made = Made(identity, sealed_map(record.outputs, wire), dict(wire))
        if problem:
            problem.made = made
            raise problem
        if token == SECRET:
            self._real(say).secrets()
        return made

    def _work(self, token: str, identity: str, inputs: Document, say: Say) -> HalfwayError | None:
        from ops.errors import UserError

        self._wait(token, "Creating", say)
        if self.stopped.is_set():
            return HalfwayError(identity, "interrupted; the next update goes on from here")
        try:
            if token == CLUSTER:
                self._real(say).cluster(identity, inputs)
            elif token == POOL:
                self._real(say).pool(identity, inputs)
        except (BehindError, UserError) as error:
            return HalfwayError(identity, str(error))
        return None

    def _wait(self, token: str, doing: str, say: Say) -> None:
        """The time Azure takes for what it does after it answered; a line each quarter of it."""
        if not kinds.kind_of(token).slow or not self._delay:
            return
        for quarter in range(4):
            say(f"{doing}: {self._delay * quarter / 4:.1f} of {self._delay:.1f} s")
            if self.stopped.wait(self._delay / 4):
                return

    @contextmanager
    def _alone(self, token: str, identity: str) -> Iterator[None]:
        """Credentials of one identity are written one at a time, or refused.

        Source: https://github.com/Azure/bicep-registry-modules/issues/1447
        """
        if token != CREDENTIAL:
            yield
            return
        above = kinds.parent(identity).lower()
        with self._guard:
            if above in self._writing:
                raise AzureError(
                    409,
                    "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
                    "Too many federated identity credentials are written concurrently for the managed "
                    f"identity {kinds.name_of(above)}; write one after the other.",
                )
            self._writing.add(above)
        try:
            time.sleep(PAUSE)
            yield
        finally:
            with self._guard:
                self._writing.discard(above)

    def _real(self, say: Say) -> Behind:
        with self._guard:
            if self._behind is None:
                self._behind = behind(self._entry, say, self._vaults)
            return self._behind

    def _vaults(self) -> Mapping[str, Mapping[str, str]]:
        """The current values of every secret in a vault."""
        found: dict[str, dict[str, str]] = {}
        for record in self.cloud.look().resources.values():
            if record.token == SECRET:
                value = paths.at(record.inputs, "properties.value")
                vault = kinds.name_of(kinds.parent(record.identity))
                found.setdefault(vault, {})[kinds.name_of(record.identity)] = str(value or "")
        return found

    def _facts(self, state: State, identity: str, inputs: Mapping[str, object], version: str) -> Facts:
        root = f"/subscriptions/{self.account.subscription}"
        group = state.get(f"{root}/resourceGroups/{kinds.group_of(identity)}")
        location = inputs.get("location") or (group.inputs.get("location") if group else None) or UNKNOWN
        return Facts(
            identity=identity,
            inputs=inputs,
            location=str(location).replace(" ", "").lower(),
            subscription=self.account.subscription,
            tenant=self.account.tenant,
            version=version,
        )

    def _client(self) -> Document:
        return {
            "clientId": self.account.client,
            "objectId": guid(self.account.client, "object"),
            "subscriptionId": self.account.subscription,
            "tenantId": self.account.tenant,
        }

    def _existing(self, token: str, arguments: Document) -> Record:
        identity = kinds.identity(token, arguments, self.account.subscription)
        state = self.cloud.look()
        rules.standing(state, identity)
        record = state.get(identity)
        if record is None:
            raise AzureError(404, "ResourceNotFound", f"The Resource '{identity}' was not found.")
        return record

    def _credentials(self, token: str, arguments: Document, say: Say) -> Document:
        record = self._existing(CLUSTER, arguments)
        if "Admin" in token and record.inputs.get("disableLocalAccounts") is True:
            # Source: https://learn.microsoft.com/azure/aks/manage-local-accounts-managed-azure-ad
            raise AzureError(
                400,
                "BadRequest",
                "Getting static credential is not allowed: local accounts of this cluster are disabled.",
            )
        text = self._real(say).kubeconfig(record.identity)
        name = "clusterAdmin" if "Admin" in token else "clusterUser"
        return {"kubeconfigs": [{"name": name, "value": base64.b64encode(text.encode()).decode()}]}

    def _get(self, token: str, arguments: Document) -> Document:
        module, _, function = token.partition(":")
        record = self._existing(f"{module}:{function.removeprefix('get')}", arguments)
        known = schema.results_of(token)
        return {name: value for name, value in record.outputs.items() if name in known} | (
            {"id": record.identity} if "id" in known else {}
        )


_CREDENTIALS = {
    f"containerservice:listManagedCluster{whose}Credentials" for whose in ("User", "Admin", "MonitoringUser")
}


def _delay(text: str | None) -> float:
    try:
        seconds = float(text or 0)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= LONGEST_DELAY:
        raise ValueError(f"{DELAY_VARIABLE} = {text}: must be 0 to {LONGEST_DELAY:.0f} seconds, e.g. 2")
    return seconds
