"""What goes wrong, in words for the operator."""

from itertools import islice

from componentize_py_types import Err
from wit_world.imports import types


class DatabaseError(Exception):
    """What the database, or the host, said of a statement."""

    def __init__(self, cause):
        self.cause = cause
        self.kind = KINDS.get(type(cause), "other")
        self.retryable = self.kind == "busy"
        said = getattr(cause, "value", None)
        has_parts = isinstance(said, types.DatabaseError)
        for part in "code", "detail", "hint", "table", "column", "constraint":
            setattr(self, part, getattr(said, part) if has_parts else None)
        super().__init__(message(cause))


KINDS = {
    types.Error_ConstraintViolated: "constraint-violated",
    types.Error_Syntax: "syntax",
    types.Error_Busy: "busy",
    types.Error_LimitExceeded: "limit-exceeded",
    types.Error_Cancelled: "cancelled",
    types.Error_NotPermitted: "not-permitted",
    types.Error_InvalidArgument: "invalid-argument",
    types.Error_Other: "other",
}


def message(cause):
    """What the host said, in words."""
    said = getattr(cause, "value", None)
    if isinstance(cause, types.Error_Cancelled):
        return "the run was cancelled, or its time is over"
    if isinstance(said, types.Limit):
        return f"the limit {said.name} of {said.value} was reached"
    return said.message if isinstance(said, types.DatabaseError) else str(said)


def asked(function, *arguments):
    """Calls the host; what it refuses is raised as a `DatabaseError`."""
    try:
        return function(*arguments)
    except Err as refused:
        raise DatabaseError(refused.value) from None


class Told:
    """An exception as it is told: what, where, and who called whom; of what lies outside of the script nothing."""

    def __init__(self, error, files):
        self.error = error
        places = [place for place in places_of(error.__traceback__) if place.file in files]
        places.reverse()
        if isinstance(error, SyntaxError) and error.filename in files:
            places.insert(0, Place(error.filename, error.lineno, error.offset, None))
        self.message = text_of(error)
        if places:
            self.message += f" ({places[0].told()})"
        self.stack = [place.short() for place in places]
        reason = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if isinstance(reason, Exception) and reason is not error:
            self.stack.append(f"while it was handled: {text_of(reason)}")

    def lines(self):
        """The message and the stack, where that says more."""
        if len(self.stack) < 2:
            return None
        return "\n    at ".join([self.message, *self.stack])


class Place:
    """A place in a script."""

    def __init__(self, file, line, column, function):
        self.file = file
        self.line = line
        self.column = column
        self.function = None if function in (None, "<module>") else function

    def told(self):
        """In words."""
        text = f"{self.file}, line {self.line}"
        if self.column is not None:
            text += f", column {self.column}"
        return f"{text}, in {self.function}" if self.function else text

    def short(self):
        """In the manner of a stack."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return f"{self.function} ({place})" if self.function else place


def places_of(traceback):
    """The places of a traceback, the outermost first."""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        instruction = traceback.tb_lasti // 2
        _, _, column, _ = next(islice(code.co_positions(), instruction, None), (None,) * 4)
        column = None if column is None else column + 1
        yield Place(code.co_filename, traceback.tb_lineno, column, code.co_qualname)
        traceback = traceback.tb_next


def text_of(error):
    """The exception without its place. What was raised on purpose needs no name in front of it."""
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:
        text = "it cannot be shown"
    name = type(error).__name__
    if type(error) is Exception or isinstance(error, DatabaseError):
        return text or name
    return f"{name}: {text}" if text else name
