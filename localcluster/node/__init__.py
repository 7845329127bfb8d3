"""A real single-node cluster inside namespaces of its own, and what to use where it cannot run."""
