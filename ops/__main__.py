from ops.errors import plainly


def _command() -> None:
    from ops.cli import command  # an interrupt meanwhile is told, too

    command()


plainly(_command)
