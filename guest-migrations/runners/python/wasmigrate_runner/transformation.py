"""Transformations: a pure function from old columns of a table to new ones."""

import inspect

MARK = "__wasmigrate_transformation__"


class Transformation:
    """What a transformation says of itself, and its function."""

    def __init__(self, function, *, table, derives, inputs=None, drops=(), key=(), where=None, summary=None):
        if not isinstance(table, str):
            raise TypeError("a transformation names its `table`")
        if not isinstance(derives, dict) or not derives:
            raise TypeError("a transformation says what it `derives`")
        self.function = function
        self.table = table
        self.derived = [(name, *derived_column(name, column)) for name, column in derives.items()]
        self.names = list(derives)
        self.inputs = names(inputs, "inputs") if inputs is not None else parameters(function)
        self.drops = names(drops, "drops")
        self.key = names(key, "key")
        self.where = where
        documentation = inspect.getdoc(function) or ""
        self.summary = summary or documentation.partition("\n")[0]

    def made(self, values):
        """The derived columns of one row."""
        made = self.function(*values)
        if isinstance(made, dict):
            missing = [name for name in self.names if name not in made]
            if missing:
                raise TypeError(f"it returns a dict without `{missing[0]}`: None is what is empty")
            return [made[name] for name in self.names]
        if not isinstance(made, tuple):
            made = (made,)
        if len(made) != len(self.names):
            raise TypeError(f"it returns {len(made)} values for {len(self.names)} derived columns")
        return made


def transform(**description):
    """Makes a transformation of the function under it: its parameters are columns, and it returns the derived ones as a tuple."""

    def decorate(function):
        setattr(function, MARK, Transformation(function, **description))
        return function

    return decorate


def names(given, what):
    if isinstance(given, str):
        raise TypeError(f"`{what}` is a list of columns")
    return [str(name) for name in given]


def parameters(function):
    """The columns that a function is given: the names of its parameters."""
    return list(inspect.signature(function).parameters)


def derived_column(name, column):
    """The type of a derived column, whether it may be null, and what it replaces."""
    if isinstance(column, str):
        column = {"type": column}
    unknown = [part for part in column if part not in ("type", "replaces")]
    if unknown:
        raise TypeError(f"the derived column `{name}` has no `{unknown[0]}`")
    declared = str(column.get("type", "")).strip()
    if not declared:
        raise TypeError(f"the derived column `{name}` has no type: write `{{'{name}': 'TEXT'}}`")
    is_nullable = not declared.upper().endswith("NOT NULL")
    if not is_nullable:
        declared = declared[: -len("NOT NULL")].strip()
    return declared, is_nullable, column.get("replaces")
