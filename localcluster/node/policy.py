"""Whether the node can enforce NetworkPolicy: asked of the kernel by the program that would do it."""

from localcluster.node.machine import Machine

CHECK = ("network-policy", "--check")


def obstacle(machine: Machine) -> str:
    """What this kernel lacks, in the words of the program that missed it; nothing where it lacks nothing."""
    done = machine.run(*CHECK)
    if done.returncode == 0:
        return ""
    return next(reversed(done.stderr.strip().splitlines()), "no reason given")[-300:]
