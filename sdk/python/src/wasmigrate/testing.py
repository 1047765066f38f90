"""Unit tests of steps, without a sandbox and in an ordinary Python:

    from wasmigrate.testing import Database, load_step, transformed

    def test_lines_become_purchases():
        step = load_step("migrations/0002_parse_orders.py")
        db = Database("CREATE TABLE order_line (id BIGINT PRIMARY KEY, line TEXT NOT NULL)")
        db.execute("INSERT INTO order_line VALUES ($1, $2)", [1, "Ada|2 x tea|1,20 EUR"])
        step.migrate(db, None)
        assert db.query("SELECT customer, cents FROM purchase") == [("Ada", 120)]

It is quick, and it is SQLite alone: `wasmigrate test` proves the step where it will run.
"""

import importlib.util
import json
import sqlite3
import sys
from collections import namedtuple
from contextlib import contextmanager
from pathlib import Path

import wasmigrate

__all__ = ["Database", "load_step", "settings", "transformed"]

_KINDS = {
    sqlite3.IntegrityError: "constraint-violated",
    sqlite3.OperationalError: "syntax",
    sqlite3.ProgrammingError: "invalid-argument",
}


class Database(wasmigrate.Database):
    """A database in memory with the functions that a step is handed."""

    kind = "sqlite"
    version = sqlite3.sqlite_version

    def __init__(self, script=""):
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.executescript(script)
        self.positions = []
        """The positions of all checkpoints."""
        self._savepoints = 0

    def _run(self, statement, parameters):
        # `$1` is a name for SQLite, and the name of the first parameter is 1.
        named = {str(number): _plain(value) for number, value in enumerate(parameters, 1)}
        try:
            return self._connection.execute(statement, named)
        except sqlite3.Error as failed:
            raise wasmigrate.DatabaseError(
                str(failed), _KINDS.get(type(failed), "other"), getattr(failed, "sqlite_errorname", None)
            ) from failed

    def execute(self, statement, parameters=()):
        """Runs one statement; returns how many rows it changed."""
        return max(self._run(statement, parameters).rowcount, 0)

    def execute_many(self, statement, rows):
        """Runs one statement once for each row of parameters."""
        return sum(self.execute(statement, row) for row in rows)

    def load(self, table, columns, rows):
        """Inserts rows: tuples in the order of the columns, or dicts."""
        names = ", ".join(f'"{column}"' for column in columns)
        places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        values = ([row[column] for column in columns] if hasattr(row, "keys") else row for row in rows)
        return self.execute_many(f'INSERT INTO "{table}" ({names}) VALUES ({places})', values)

    def query(self, statement, parameters=()):
        """All rows of a result."""
        found = self._run(statement, parameters)
        row = namedtuple("Row", [column[0] for column in found.description], rename=True)
        return [row._make(cells) for cells in found]

    def value(self, statement, parameters=()):
        """The only value of the only row; None without a row."""
        found = self.query(statement, parameters)
        if len(found) > 1 or (found and len(found[0]) != 1):
            raise ValueError(f"one value was asked for, but there are {len(found)} rows with {len(found[0])} columns")
        return found[0][0] if found else None

    def batches(self, statement, parameters=(), size=1000):
        """A result of any size, in lists of at most `size` rows."""
        found = self.query(statement, parameters)
        for start in range(0, len(found), size):
            yield found[start : start + size]

    def rows(self, statement, parameters=()):
        """A result of any size, one row after the other."""
        yield from self.query(statement, parameters)

    @contextmanager
    def savepoint(self):
        """What raises inside is undone, and only that."""
        self._savepoints += 1
        name = f"savepoint_{self._savepoints}"
        self._connection.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            self._connection.execute(f"ROLLBACK TO {name}")
            self._connection.execute(f"RELEASE {name}")
            raise
        self._connection.execute(f"RELEASE {name}")

    def checkpoint(self, position):
        """Keeps the position, as JSON would."""
        if position is None:
            raise ValueError("a position is not None: that is what `migrate` begins with")
        self.positions.append(json.loads(json.dumps(position)))


def _plain(value):
    """A value as SQLite takes it."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (list, dict, set, tuple)):
        raise TypeError(f"a {type(value).__name__} is no value of a database: write json.dumps(value)")
    return str(value)


def load_step(path):
    """The module of a step, whose name no `import` could say. Its `lib` is found beside it."""
    path = Path(path)
    directory = str(path.resolve().parent)
    spec = importlib.util.spec_from_file_location(f"step_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, directory)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(directory)
    return module


def transformed(function, **inputs):
    """The derived columns of one row, by their names."""
    described = function.transformation
    computed = function(*(inputs[name] for name in described["inputs"]))
    names = list(described["derives"])
    if isinstance(computed, dict):
        return {name: computed[name] for name in names}
    if not isinstance(computed, tuple) or len(computed) != len(names):
        raise ValueError(f"{len(names)} columns are derived, and this was returned: {computed!r}")
    return dict(zip(names, computed))


@contextmanager
def settings(**values):
    """What `setting` answers within."""
    before = dict(wasmigrate._settings)
    wasmigrate._settings.update(values)
    try:
        yield
    finally:
        wasmigrate._settings.clear()
        wasmigrate._settings.update(before)
