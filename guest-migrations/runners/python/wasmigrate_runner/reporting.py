"""Output, progress and settings: what there is of them depends on the world."""

import io
import sys


class Reporter:
    """A transformation imports nothing; what it prints is output all the same."""

    def output(self, level, text):
        print(text, file=sys.stderr if level in ("warning", "error") else sys.stdout, flush=True)

    def progress(self, done, total):
        """The host knows how far a transformation is."""

    def settings(self):
        raise TypeError("a transformation has no settings: it is a function of its row alone")


reporter = Reporter()


def output(level, values):
    """Writes values as `print` does."""
    reporter.output(level, " ".join(str(value) for value in values))


def progress(done, total):
    reporter.progress(done, total)


def settings():
    return reporter.settings()


class Printed(io.TextIOBase):
    """What is printed, line by line."""

    def __init__(self, level):
        self.level = level
        self.begun = ""

    def writable(self):
        return True

    def write(self, text):
        *lines, self.begun = (self.begun + text).split("\n")
        for line in lines:
            reporter.output(self.level, line)
        return len(text)

    def finish(self):
        """Writes what has no end of line."""
        if self.begun:
            reporter.output(self.level, self.begun)
            self.begun = ""
