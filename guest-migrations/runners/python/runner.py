"""The exports of the component: those of a step, and those of a transformation."""

import sys

import wasmigrate  # noqa: F401
import wit_world
from componentize_py_types import Err
from wasmigrate_runner import library, reporting  # noqa: F401
from wasmigrate_runner.database import Database
from wasmigrate_runner.errors import DatabaseError
from wasmigrate_runner.positions import resumed
from wasmigrate_runner.script import Refused, Script
from wit_world import Form
from wasmigrate_runner.values import column, columns, plain
from wit_world.imports import report, settings, transformations, types

LEVELS = {
    "debug": report.Level.DEBUG,
    "info": report.Level.INFO,
    "warning": report.Level.WARNING,
    "error": report.Level.ERROR,
}


class Reporter(reporting.Reporter):
    """A step has the host's own ways to report."""

    def output(self, level, text):
        report.output(LEVELS[level], text)

    def progress(self, done, total):
        report.progress(counted(done), None if total is None else counted(total))

    def settings(self):
        return dict(settings.all())


def counted(number):
    number = int(number)
    if not 0 <= number < 2**64:
        raise ValueError(f"progress is counted from 0 on, not {number}")
    return number


class Running:
    """The script, loaded once for all calls of an instance."""

    script = None

    @classmethod
    def load(cls, is_transformation=False):
        if cls.script is None:
            if not is_transformation:
                reporting.reporter = Reporter()
                sys.stdout = reporting.Printed("info")
                sys.stderr = reporting.Printed("warning")
            cls.script = Script()
        return cls.script


def called(name, *arguments):
    """Calls a function of the script, where it has one; what it raises is the failure of the step."""
    try:
        script = Running.load()
    except Refused as refused:
        raise Err(types.Failure(str(refused), False, None)) from None
    function = script.function(name)
    if function is None:
        return None
    try:
        return function(*arguments)
    except BaseException as error:
        told = script.told(error)
        lines = told.lines()
        if lines:
            reporting.reporter.output("error", lines)
        is_retryable = getattr(error, "retryable", False) is True
        cause = error.cause if isinstance(error, DatabaseError) else None
        raise Err(types.Failure(told.message, is_retryable, cause)) from None
    finally:
        for stream in sys.stdout, sys.stderr:
            if isinstance(stream, reporting.Printed):
                stream.finish()


def failed(message):
    return Err(types.Failure(message, False, None))


class WitWorld(wit_world.WitWorld):
    def inspect(self):
        try:
            script = Running.load()
        except Refused as refused:
            raise Err(str(refused)) from None
        return Form.STEP if script.transformation is None else Form.TRANSFORMATION

    def describe(self):
        script = Running.load()
        return types.Description(script.summary, script.transactional)

    def has_finalize(self):
        return Running.load().function("finalize") is not None

    def has_reset(self):
        return Running.load().function("reset") is not None

    def check(self):
        called("check", Database())

    def count(self):
        counted = called("count", Database())
        if counted is None:
            return None
        if not isinstance(counted, int) or not 0 <= counted < 2**64:
            raise failed("`count` returns how many rows there are, or None")
        return int(counted)

    def migrate(self, resume):
        position = resumed(resume)
        called("migrate", Database(), *([position] if takes_position() else []))

    def finalize(self):
        called("finalize", Database())

    def reset(self):
        if not self.has_reset():
            raise failed("has no reset")
        called("reset", Database())

    def describe_transformation(self):
        described = Running.load(is_transformation=True).transformation
        return transformations.Transformation(
            described.summary,
            described.table,
            described.key,
            described.inputs,
            [transformations.DerivedColumn(*derived) for derived in described.derived],
            described.drops,
            described.where,
        )

    def transform(self, rows):
        script = Running.load(is_transformation=True)
        transformation = script.transformation
        shown = [f"`{name}`" for name in transformation.names]
        made, rejected = [], []
        given = zip(*columns(rows)) if rows.columns else [()] * rows.row_count
        for number, values in enumerate(given):
            try:
                made.append(derived(transformation, shown, values))
            except Exception as error:
                rejected.append(transformations.RejectedRow(number, script.told(error).message))
        sys.stdout.flush()
        if rejected:
            raise Err(rejected)
        cells = zip(*made) if made else [()] * len(transformation.names)
        return types.Batch(
            rows.row_count,
            [column(cells, 0, name) for cells, name in zip(cells, transformation.names)],
        )


def derived(transformation, shown, values):
    """The derived columns of a row, each of which means something to a database."""
    return [plain(value, name) for value, name in zip(transformation.made(values), shown)]


def takes_position():
    """Whether `migrate` wants to know where an earlier attempt was cut off."""
    migrate = Running.load().function("migrate")
    code = getattr(migrate, "__code__", None)
    return code is None or code.co_argcount > 1 or bool(code.co_flags & 0x04)
