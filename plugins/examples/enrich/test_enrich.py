"""Tests of enrich."""

import unittest

from enrich import plugin
from penstock_plugin import Refused
from penstock_plugin.testing import one, problems


class Enrich(unittest.TestCase):
    """The rows of the table."""

    def test_found(self) -> None:
        became = one(plugin, {}, {"item": "sku-2"})
        assert not isinstance(became, Refused)
        self.assertEqual(became[0].value["product"]["category"], "hats")

    def test_missing(self) -> None:
        refused = one(plugin, {}, {"item": "sku-9"})
        assert isinstance(refused, Refused)
        self.assertEqual(refused.why, "the table has nothing for the record")
        self.assertEqual(one(plugin, {"missing": "drop"}, {"item": "sku-9"}), [])

    def test_settings(self) -> None:
        self.assertEqual(problems(plugin, {"missing": "gone"}), ["missing: has to be one of refuse, pass, drop"])


if __name__ == "__main__":
    unittest.main()
