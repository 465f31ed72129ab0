"""Residual networks, derived and measured: the package that the book builds.

Importing it costs nearly nothing: a submodule, and with it torch or matplotlib, is loaded when it
is first used, so ``resnet_tutorial.scratch`` works where torch is absent.
"""

import importlib


class Mistake(ValueError):
    """What the user can mend: one line that says what was expected, what came, and what to do.

    The package raises it where a mistake is understood, and the command line shows it without a
    traceback. A ValueError from anywhere else is a fault of the code and keeps its traceback.

    >>> from resnet_tutorial import data
    >>> data.load("digit")
    Traceback (most recent call last):
    resnet_tutorial.Mistake: unknown data set 'digit'; nearest: digits; all: ...
    """


def __getattr__(name: str):
    if name == "__version__":
        return _version()
    # Dunder names are asked for by tools, and importing __main__ would run the command line.
    if not name.startswith("_"):
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            # A submodule that lacks its own dependency must say so, not look absent.
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    import pkgutil

    submodules = [module.name for module in pkgutil.iter_modules(__path__)]
    return sorted({*globals(), "__version__", *(n for n in submodules if not n.startswith("_"))})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("resnet_tutorial")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"
