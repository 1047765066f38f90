"""The object `db`, which the functions of a script are handed."""

from collections import namedtuple
from contextlib import contextmanager

from wit_world.imports import database, report

from .errors import asked
from .positions import kept
from .values import batches, columns, from_value, parameters


class Database:
    """The transaction of a step."""

    def __init__(self):
        self._product = None

    @property
    def kind(self):
        """`sqlite`, `postgres`, or the name of another database."""
        kind = self._server().kind
        if isinstance(kind, database.Kind_Other):
            return kind.value
        return "sqlite" if isinstance(kind, database.Kind_Sqlite) else "postgres"

    @property
    def version(self):
        """The database's version."""
        return self._server().version

    def _server(self):
        if self._product is None:
            self._product = database.server()
        return self._product

    def execute(self, statement, parameters_=()):
        """Runs one statement and returns how many rows it changed."""
        return asked(database.execute, statement, parameters(parameters_))

    def execute_many(self, statement, rows):
        """Runs one statement once for each row, whose values are its parameters; returns how many rows were changed in all."""
        rows = list(rows)
        width = len(rows[0]) if rows else 0
        return sum(asked(database.execute_many, statement, batch) for batch in batches(rows, width, None))

    def load(self, table, columns, rows):
        """Inserts rows as fast as the database can: tuples in the order of the columns, or dicts."""
        columns = list(columns)
        return sum(asked(database.load, table, columns, batch) for batch in batches(rows, len(columns), columns))

    def query(self, statement, parameters_=()):
        """All rows of a small result."""
        found = asked(database.query_rows, statement, parameters(parameters_))
        row = row_type(found.columns)
        return [row._make(map(from_value, cells)) for cells in found.rows]

    def value(self, statement, parameters_=()):
        """The only value of the only row; None where there is no row."""
        found = asked(database.query_rows, statement, parameters(parameters_))
        if len(found.rows) > 1 or len(found.columns) != 1:
            raise ValueError(f"one value was asked for, but there are {len(found.rows)} rows with {len(found.columns)} columns")
        return from_value(found.rows[0][0]) if found.rows else None

    def batches(self, statement, parameters_=(), size=1000):
        """The rows of a result of any size, in lists of at most `size`."""
        with asked(database.query, statement, parameters(parameters_)) as cursor:
            row = row_type(cursor.columns())
            while True:
                batch = asked(cursor.next, size)
                if batch.row_count == 0:
                    return
                yield list(map(row._make, zip(*columns(batch))))

    def rows(self, statement, parameters_=()):
        """The rows of a result of any size, one after the other."""
        for batch in self.batches(statement, parameters_):
            yield from batch

    @contextmanager
    def savepoint(self):
        """What raises inside of `with db.savepoint():` is undone, and only that."""
        savepoint = asked(database.Savepoint.open)
        try:
            yield
        except BaseException:
            savepoint.__exit__(None, None, None)
            raise
        asked(database.Savepoint.release, savepoint)

    def checkpoint(self, position):
        """Commits what was done so far; after a crash `migrate` is called again with this position. Any value that JSON has."""
        if position is None:
            raise ValueError("a position is not None: that is what `migrate` begins with")
        asked(report.checkpoint, kept(position))


def row_type(described):
    """Rows are tuples whose values have the names of their columns as well."""
    return namedtuple("Row", [column.name for column in described], rename=True)
