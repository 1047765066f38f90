"""Values and rows: Python's on one side, the database's on the other."""

from datetime import date, datetime, time
from decimal import Decimal
from itertools import accumulate, chain
from uuid import UUID

from wit_world.imports import types

LEAST, MOST = -(2**63), 2**63 - 1

# How many rows go to the host in one call.
MOST_ROWS = 5_000


def plain(value, which):
    """A value as one of the types that a batch has; `which` says which one it is where it is refused."""
    kind = type(value)
    if value is None or kind is bool or kind is float or (kind is str and value.isascii()):
        return value
    if isinstance(value, int):
        if not LEAST <= value <= MOST:
            raise OverflowError(f"{which} is {value}, which has more than 64 bits: pass it as a text")
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{which} is a text with half of a surrogate pair, which no database can store") from None
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    raise TypeError(
        f"{which} is of the type {type(value).__name__}: a value for the database is None, a bool, an int, a float, a str, bytes, a "
        "Decimal, a date, a time or a UUID; lists and dicts go as json.dumps(value)"
    )


VALUES = {
    type(None): lambda _: types.Value_Null(),
    bool: types.Value_Boolean,
    int: types.Value_Integer,
    float: types.Value_Float,
    str: types.Value_Text,
    bytes: types.Value_Bytes,
}


def parameters(given):
    """Parameters of one statement."""
    if isinstance(given, (str, bytes, dict, set)):
        raise TypeError("parameters are a list or a tuple, such as [id, name]")
    made = []
    for number, value in enumerate(given, 1):
        value = plain(value, f"${number}")
        made.append(VALUES[type(value)](value))
    return made


def from_value(value):
    """A single value from the database."""
    if isinstance(value, types.Value_Null):
        return None
    if isinstance(value, types.Value_Other):
        return value.value.text
    return value.value


def columns(batch):
    """The columns of a batch, each a list of its cells."""
    return [cells(column) for column in batch.columns]


def cells(column):
    """The cells of a column."""
    values = column.values
    found = values.value
    if isinstance(values, types.ColumnValues_Texts):
        found = texts(found)
    elif isinstance(values, types.ColumnValues_Bytes):
        found = pieces(found.data, found.ends)
    elif isinstance(values, types.ColumnValues_Mixed):
        return [from_value(value) for value in found]
    if column.validity:
        return [value if is_there else None for value, is_there in zip(found, column.validity)]
    return found


def texts(many):
    """Many texts that stand in one. Ends are counted in bytes."""
    if many.data.isascii():
        return pieces(many.data, many.ends)
    return [str(piece, "utf-8") for piece in pieces(many.data.encode(), many.ends)]


def pieces(data, ends):
    return [data[start:end] for start, end in zip(chain((0,), ends), ends)]


def batches(rows, width, names):
    """Rows as batches of the host's: lists or tuples in the order of the columns or, where these have names, dicts."""
    if isinstance(rows, (str, bytes, dict)):
        raise TypeError("rows are a list of lists, tuples or dicts")
    rows = rows if isinstance(rows, (list, tuple)) else list(rows)
    for start in range(0, len(rows), MOST_ROWS):
        yield batch(rows[start : start + MOST_ROWS], start, width, names)


def batch(rows, start, width, names):
    first = rows[0]
    if isinstance(first, dict):
        if names is None:
            raise TypeError(f"row {start + 1} is a dict: the parameters of a statement have numbers, so that each row is a tuple")
        rows = [of_dict(row, number, names) for number, row in enumerate(rows, start + 1)]
    for number, row in enumerate(rows, start + 1):
        if not isinstance(row, (list, tuple)):
            raise TypeError(f"row {number} is no list or tuple of values")
        if len(row) != width:
            raise TypeError(f"row {number} has {len(row)} values instead of {width}")
    made = [
        column(cells, start, names[place] if names else f"${place + 1}") for place, cells in enumerate(zip(*rows))
    ]
    return types.Batch(len(rows), made)


def of_dict(row, number, names):
    try:
        return [row[name] for name in names]
    except KeyError as missing:
        raise TypeError(f"row {number} has no {missing}: None is what is empty") from None


def column(cells, start, name):
    """Cells as a column of a batch."""
    kinds = set(map(type, cells))
    if not is_plain(cells, kinds):
        cells = [plain(value, f"row {number}: `{name}`") for number, value in enumerate(cells, start + 1)]
        kinds = set(map(type, cells))
    is_nullable = type(None) in kinds
    kinds.discard(type(None))
    if len(kinds) != 1:
        return types.ColumnData(b"", types.ColumnValues_Mixed([VALUES[type(value)](value) for value in cells]))
    (kind,) = kinds
    validity = b""
    if is_nullable:
        validity = bytes(value is not None for value in cells)
        empty = kind()
        cells = [empty if value is None else value for value in cells]
    return types.ColumnData(validity, COLUMNS[kind](list(cells)))


def is_plain(cells, kinds):
    """Whether a batch can have all cells as they are."""
    if not kinds <= VALUES.keys():
        return False
    if int in kinds:
        numbers = [value for value in cells if type(value) is int]
        if min(numbers) < LEAST or max(numbers) > MOST:
            return False
    if str in kinds:
        data = "".join(value for value in cells if type(value) is str)
        try:
            data.isascii() or data.encode()
        except UnicodeEncodeError:
            return False
    return True


def together(cells):
    """Many texts, as one with the ends of each."""
    data = "".join(cells)
    lengths = map(len, cells) if data.isascii() else (len(text.encode()) for text in cells)
    return types.ColumnValues_Texts(types.Texts(list(accumulate(lengths)), data))


COLUMNS = {
    bool: types.ColumnValues_Booleans,
    int: types.ColumnValues_Integers,
    float: types.ColumnValues_Floats,
    str: together,
    bytes: lambda cells: types.ColumnValues_Bytes(types.Blobs(list(accumulate(map(len, cells))), b"".join(cells))),
}
