"""A script, read and evaluated, with its functions at hand."""

import os
import random
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from wit_world.imports import script as given

from .errors import Told
from .transformation import MARK

# The directory beside the steps that scripts import from.
LIBRARY = "lib"

FUNCTIONS = "migrate", "finalize", "reset", "check", "count"

NO_PACKAGES = (
    "a script may import 'wasmigrate', files under `lib/` of its directory (`from lib.names import …`), and what of Python's standard "
    "library needs no files and no network"
)


class Refused(Exception):
    """What is wrong with a script, in words for the operator."""


class Script:
    """A script that was evaluated."""

    def __init__(self):
        main, *library = given.modules()
        self.files = {module.name for module in [main, *library]}
        # The host gives what it has recorded of the run, so that a second try is the same.
        random.seed(os.urandom(16))
        sys.meta_path.insert(0, Library(library))
        module = ModuleType("__main__")
        module.__file__ = main.name
        sys.modules["__main__"] = module
        try:
            exec(compile(main.text, main.name, "exec", dont_inherit=True), module.__dict__)
            self.exports = vars(module)
            self.summary, self.transactional, self.transformation = self._understood()
        except BaseException as error:
            raise Refused(self._refusal(error)) from error

    def function(self, name):
        """A function of the script, where it has one."""
        return self.exports.get(name)

    def told(self, error):
        """An exception as it is told."""
        return Told(error, self.files)

    def _understood(self):
        found = {id(value): value for value in self.exports.values() if callable(value) and MARK in getattr(value, "__dict__", ())}
        migrate = self.exports.get("migrate")
        if len(found) > 1:
            raise TypeError("the script has more than one transformation: make a file of each")
        if found:
            if migrate is not None:
                raise TypeError("the script has both `migrate` and a transformation: make two files of it")
            (function,) = found.values()
            return "", True, getattr(function, MARK)
        if not callable(migrate):
            raise TypeError("the script has neither a function `migrate` nor a function with `@transform(…)`")
        for name in FUNCTIONS:
            if not callable(self.exports.get(name, migrate)):
                raise TypeError(f"`{name}` is no function")
        transactional = self.exports.get("transactional", True)
        if not isinstance(transactional, bool):
            raise TypeError("`transactional` is True or False")
        summary = self.exports.get("summary", self.exports.get("__doc__")) or ""
        if not isinstance(summary, str):
            raise TypeError("`summary` is a text")
        return summary.strip().partition("\n")[0], transactional, None

    def _refusal(self, error):
        message = self.told(error).message
        return f"{message}: {NO_PACKAGES}" if isinstance(error, ModuleNotFoundError) else message


class Library(MetaPathFinder, Loader):
    """Finds the files that a script imports, and reads them."""

    def __init__(self, modules):
        self.modules = {}
        self.packages = {LIBRARY}
        for module in modules:
            *parents, last = module.name.removesuffix(".py").split("/")
            for length in range(1, len(parents) + 1):
                self.packages.add(".".join(parents[:length]))
            is_package = last == "__init__"
            self.modules[".".join(parents if is_package else [*parents, last])] = module

    def find_spec(self, name, path=None, target=None):
        if name not in self.modules and name not in self.packages:
            return None
        return ModuleSpec(name, self, is_package=name in self.packages)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        source = self.modules.get(module.__name__)
        if source is not None:
            module.__file__ = source.name
            exec(compile(source.text, source.name, "exec", dont_inherit=True), module.__dict__)
