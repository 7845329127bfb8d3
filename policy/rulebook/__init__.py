"""Rules over what a Pulumi program registers, whoever wrote it.

Everything but `adapter` is pure and imports no Pulumi: rules are functions from plain documents to
violations.
"""
