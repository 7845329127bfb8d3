"""Rules over traffic policies: what Istio would take without a word, and then do something else."""
