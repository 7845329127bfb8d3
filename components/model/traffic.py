"""Traffic policies as a stack file states them: a tagged union, one `kind` for each strategy.

Weights live in the stack file and both versions stay routable: a policy only says who gets what.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from components.model.types import Model, VersionName, Weight, invalid


class WeightedSplit(Model):
    """A share of the requests for each version, in percent (a canary moves these)."""

    kind: Literal["split"]
    weights: dict[VersionName, Weight]

    @field_validator("weights")
    @classmethod
    def _sums_to_100(cls, weights: dict[str, int]) -> dict[str, int]:
        # Istio takes any weights and divides by their sum: 90 and 20 would silently mean 82 % and 18 %.
        total = sum(weights.values())
        if total != 100:
            raise invalid(f"the sum is {total} and must be 100, e.g. {_example(weights)}")
        return weights

    def shares(self) -> dict[str, int]:
        """Percent of the requests for each version named."""
        return dict(sorted(self.weights.items()))


class BlueGreen(Model):
    """Every request to one version; the other stays up, one change away."""

    kind: Literal["bluegreen"]
    live: VersionName

    def shares(self) -> dict[str, int]:
        """Percent of the requests for each version named."""
        return {self.live: 100}


Traffic = Annotated[WeightedSplit | BlueGreen, Field(discriminator="kind")]


def _example(weights: dict[str, int]) -> str:
    """The weights as they are, the last one changed to what is left, where something is."""
    *kept, last = sorted(weights) or ["v1"]
    left = 100 - sum(weights[name] for name in kept)
    shares = {**{name: weights[name] for name in kept}, last: left}
    if left < 0:
        shares = dict.fromkeys(kept, 0) | {last: 100}
    return ", ".join(f"{name}: {share}" for name, share in shares.items())
