"""A stand-in for Azure: what `REHEARSE=1` puts in the place of the azure-native provider.

Nothing here talks to Azure. What a rehearsal shows is the program, its plan and its order against rules
taken from Azure's own documents, and not that Azure would agree.
"""
