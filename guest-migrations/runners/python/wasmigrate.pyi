"""What steps of wasmigrate in Python may call. Editors read it; nothing runs it."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, TypedDict
from uuid import UUID

Value = None | bool | int | float | str | bytes | Decimal | datetime | date | time | UUID
"""A value that the database takes. Decimals, times and UUIDs come back as text."""

Row = Any
"""A tuple whose values have the names of their columns, too: `row.id`, and `id, name = row`."""

class Database:
    """What a script is handed: the transaction of its step."""

    @property
    def kind(self) -> str: ...
    @property
    def version(self) -> str: ...
    def execute(self, statement: str, parameters: Sequence[Value] = ...) -> int:
        """Runs one statement, with parameters `$1`, `$2` …; returns how many rows it changed."""
    def execute_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> int:
        """Runs one statement once for each row of parameters; returns how many rows were changed in all."""
    def load(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Value] | Mapping[str, Value]]) -> int:
        """Inserts rows, the fast way."""
    def query(self, statement: str, parameters: Sequence[Value] = ...) -> list[Row]:
        """A small result."""
    def value(self, statement: str, parameters: Sequence[Value] = ...) -> Any:
        """The only value of the only row; None without a row."""
    def batches(self, statement: str, parameters: Sequence[Value] = ..., size: int = 1000) -> Generator[list[Row]]:
        """A result of any size, in lists of at most `size` rows."""
    def rows(self, statement: str, parameters: Sequence[Value] = ...) -> Generator[Row]:
        """A result of any size, one row after the other."""
    def savepoint(self) -> AbstractContextManager[None]:
        """What raises inside of `with db.savepoint():` is undone, and only that."""
    def checkpoint(self, position: Any) -> None:
        """Commits what was done so far; after a crash `migrate` is called with this position: a value that JSON has, and not None."""

class DatabaseError(Exception):
    """What the database said, raised."""

    kind: str
    code: str | None
    detail: str | None
    hint: str | None
    table: str | None
    column: str | None
    constraint: str | None
    retryable: bool

def debug(*values: object) -> None: ...
def info(*values: object) -> None:
    """Writes output; `print` does the same."""

def warning(*values: object) -> None: ...
def error(*values: object) -> None: ...
def progress(done: int, total: int | None = None) -> None:
    """How far the step is, in rows or whatever it counts."""

def setting(name: str) -> str | None:
    """One of the operator's `[settings]`."""

def settings() -> dict[str, str]:
    """All of them."""

class Derived(TypedDict, total=False):
    """A derived column: its type, and the old column whose place it takes."""

    type: str
    replaces: str

def transform[F: Callable[..., Any]](
    *,
    table: str,
    derives: Mapping[str, str | Derived],
    inputs: Sequence[str] | None = None,
    drops: Sequence[str] = (),
    key: Sequence[str] = (),
    where: str | None = None,
    summary: str | None = None,
) -> Callable[[F], F]:
    """Makes a transformation of a function: its parameters are columns, and it returns the derived ones as a tuple."""
