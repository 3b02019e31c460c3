"""A plugin of Penstock that does nothing: what it takes is what any plugin in Python takes."""

import sys
from dataclasses import dataclass

sys.path.insert(0, sys.argv[1])

from penstock_plugin import Plugin, Record  # noqa: E402


@dataclass
class Nothing:
    """Settings of a plugin that takes none."""


def new(_: Nothing):
    """Make a transform that gives each record back."""

    def same(record: Record) -> Record:
        return record

    return same


if __name__ == "__main__":
    Plugin("nothing", version="1", doc="Does nothing.", settings=Nothing, new=new).serve()
