"""A plugin of Penstock that adds what a table says of a product."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from penstock_plugin import Plugin, Record, Refused, setting


@dataclass
class Settings:
    """What a pipeline file says."""

    table: str = setting(default="products.csv", doc="A CSV file with a header, from the folder of this program on. Its first column is what is looked up.")
    field: str = setting(default="item", doc="The field of the value that is looked up.")
    into: str = setting(default="product", doc="The field that takes the row.")
    missing: Literal["refuse", "pass", "drop"] = setting(default="refuse", doc="What becomes of a record that the table has nothing for.")


class Enrich:
    """Adds rows of the table."""

    def __init__(self, settings: Settings) -> None:
        """Read the table."""
        self.settings = settings
        with open(Path(__file__).parent / settings.table, encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            key = (rows.fieldnames or [""])[0]
            self.rows = {row[key]: row for row in rows}

    def __call__(self, record: Record) -> Record | None:
        """Add the row of a record."""
        if not isinstance(record.value, dict):
            raise Refused("the value is no object")
        row = self.rows.get(record.value.get(self.settings.field, ""))
        if row is not None:
            record.value[self.settings.into] = row
        elif self.settings.missing == "refuse":
            raise Refused("the table has nothing for the record")
        elif self.settings.missing == "drop":
            return None
        return record


plugin = Plugin("enrich", version="1.0.0", doc="Adds what a table says of a product.", settings=Settings, new=Enrich, example="field: item\ninto: product\n")

if __name__ == "__main__":
    plugin.serve()
