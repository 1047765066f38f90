"""What steps import, outside of the sandbox: for tests and editors. A migration itself never loads this package."""

import inspect

__all__ = [
    "Database",
    "DatabaseError",
    "debug",
    "error",
    "info",
    "progress",
    "setting",
    "settings",
    "transform",
    "warning",
]

_settings = {}


class Database:
    """What a script is handed; `wasmigrate.testing` has one for tests."""


class DatabaseError(Exception):
    """What the database said, raised."""

    def __init__(self, message, kind="other", code=None):
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.detail = self.hint = self.table = self.column = self.constraint = None
        self.retryable = kind == "busy"


def debug(*values):
    """Writes output that is shown on request only."""
    print("debug:", *values)


def info(*values):
    """Writes output; `print` does the same."""
    print(*values)


def warning(*values):
    """Writes what the operator should look at."""
    print("warning:", *values)


def error(*values):
    """Writes what went wrong."""
    print("error:", *values)


def progress(done, total=None):
    """Says how far the step is."""


def setting(name):
    """One of the operator's `[settings]`; None without one."""
    return _settings.get(name)


def settings():
    """All of the operator's `[settings]`, by name."""
    return dict(_settings)


def transform(*, table, derives, inputs=None, drops=(), key=(), where=None, summary=None):
    """Makes a transformation of a function: its parameters are columns, and it returns the derived ones."""

    def described(function):
        function.transformation = {
            "table": table,
            "derives": dict(derives),
            "inputs": list(inputs if inputs is not None else inspect.signature(function).parameters),
            "drops": list(drops),
            "key": list(key),
            "where": where,
            "summary": summary or (function.__doc__ or "").strip().partition("\n")[0],
        }
        return function

    return described
