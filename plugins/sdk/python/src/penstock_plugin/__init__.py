"""Transforms for Penstock pipelines, in Python.

A plugin is a callable that is made of the settings of a pipeline, and that is given one
record after the other. It gives back what becomes of each: the record, changed or not, a
list of records, or None, and the record goes no further. To refuse one, raise Refused.

A record may come again after a failure, in another process; calls come from several threads
at once. Standard error goes to Penstock's log, and so does what is printed.
"""

from .blocks import Header
from .record import Record
from .serve import Plugin, Refused
from .settings import Problem, setting

__all__ = ["Header", "Plugin", "Problem", "Record", "Refused", "setting"]
