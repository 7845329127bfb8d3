"""Azure as data: what an environment on AKS consists of, before anything is registered."""
