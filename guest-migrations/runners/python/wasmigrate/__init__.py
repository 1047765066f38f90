"""What scripts see: `from wasmigrate import info, progress, transform`."""

from wasmigrate_runner import reporting as _reporting
from wasmigrate_runner.database import Database
from wasmigrate_runner.errors import DatabaseError
from wasmigrate_runner.transformation import transform

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


def debug(*values):
    """Writes output that is shown on request only."""
    _reporting.output("debug", values)


def info(*values):
    """Writes output; `print` does the same."""
    _reporting.output("info", values)


def warning(*values):
    """Writes what the operator should look at."""
    _reporting.output("warning", values)


def error(*values):
    """Writes what went wrong."""
    _reporting.output("error", values)


def progress(done, total=None):
    """Says how far the step is, in rows or whatever it counts."""
    _reporting.progress(done, total)


def setting(name):
    """One of the operator's `[settings]`; None without one."""
    return _reporting.settings().get(name)


def settings():
    """All of the operator's `[settings]`, by name."""
    return _reporting.settings()
