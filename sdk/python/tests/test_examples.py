"""The examples, tested as a user would test a step: `python -m unittest` in this package's directory."""

import unittest
from pathlib import Path

import wasmigrate
from wasmigrate.testing import Database, load_step, settings, transformed

EXAMPLES = Path(__file__).parent.parent / "examples"


class Examples(unittest.TestCase):
    def test_lines_become_purchases(self):
        step = load_step(EXAMPLES / "0002_parse_orders.py")
        db = Database("CREATE TABLE order_line (id BIGINT PRIMARY KEY, line TEXT NOT NULL)")
        db.load("order_line", ["id", "line"], [(1, "Ada|2 x tea|1.200,50 EUR"), {"id": 2, "line": "nothing"}])
        self.assertEqual(step.count(db), 2)
        step.migrate(db, None)
        self.assertEqual(db.positions, ["parsed"])
        self.assertEqual(db.query("SELECT customer, cents FROM purchase"), [("Ada", 120050)])
        self.assertEqual(db.value("SELECT reason FROM bad_line"), "not three parts")
        step.reset(db)
        with self.assertRaises(wasmigrate.DatabaseError) as failed:
            db.query("SELECT * FROM purchase")
        self.assertEqual(failed.exception.kind, "syntax")

    def test_people_have_two_names(self):
        people = load_step(EXAMPLES / "0003_people.py").people
        self.assertEqual(people.transformation["inputs"], ["name", "phone"])
        self.assertEqual(
            transformed(people, name="Ada Lovelace", phone="0 44 12345"),
            {"given_name": "Ada", "family_name": "Lovelace", "e164": "+494412345"},
        )

    def test_what_is_undone_and_what_is_set(self):
        db = Database("CREATE TABLE a (b BIGINT PRIMARY KEY)")
        with self.assertRaises(wasmigrate.DatabaseError), db.savepoint():
            db.execute_many("INSERT INTO a VALUES ($1)", [[1], [1]])
        self.assertEqual(db.value("SELECT count(*) FROM a"), 0)
        db.execute("CREATE TABLE c (d BLOB)")
        db.execute("INSERT INTO c VALUES ($1)", [bytearray(b"bytes")])
        self.assertEqual(db.value("SELECT d FROM c"), b"bytes")
        with settings(region="north"):
            self.assertEqual(wasmigrate.setting("region"), "north")
        self.assertIsNone(wasmigrate.setting("region"))


if __name__ == "__main__":
    unittest.main()
