"""The pack as Pulumi runs it: `pulumi preview --policy-pack policy --policy-pack-config policy/dev.json`."""

# The folder of a program that is run is where Python looks first.
from rulebook.adapter import pack  # type: ignore[import-not-found]

pack()
