"""The command line: the same use cases as the wire, for whoever may read the data folder."""

from countenance.cli.launch import main

__all__ = ["main"]
