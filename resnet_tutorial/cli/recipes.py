"""How a recipe is written on the command line: its fields as options, its schedule as words."""

import contextlib
import math
import re
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import asdict, fields
from typing import get_args, get_type_hints

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from resnet_tutorial import Mistake
from resnet_tutorial.names import lookup
from resnet_tutorial.train.photo_recipe import IMAGENET, PhotoRecipe
from resnet_tutorial.train.recipe import PAPER, Recipe

RECIPES = {  # what --like names
    "digits": Recipe(),
    "paper": PAPER,
    "photos": PhotoRecipe(),
    "imagenet": IMAGENET,
}
KINDS = (PhotoRecipe, Recipe)  # a record's recipe is of the first whose usual values it names
FIRST = "digits"

_start = ContextVar("_start", default=RECIPES[FIRST])

REGISTRY = ConstructorRegistry()
SCHEDULE = get_type_hints(Recipe)["schedule"]  # the union of all schedules


def _spelled(name: str) -> str:
    """one-cycle for OneCycle."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


SCHEDULES = {_spelled(kind.__name__): kind for kind in get_args(SCHEDULE)}


@contextlib.contextmanager
def starting_from(name: str) -> Iterator[None]:
    """While the context is open, `start` gives the recipe called `name`."""
    token = _start.set(lookup(RECIPES, name, "recipe"))
    try:
        yield
    finally:
        _start.reset(token)


def start() -> Recipe:
    """The recipe that the options change."""
    return _start.get()


def words(schedule: object) -> list[str]:
    """A schedule as it is written after --schedule.

    >>> words(PAPER.schedule)
    ['steps', 'drops=0.5,0.75', 'warmup=0']
    """
    values = {field.name: getattr(schedule, field.name) for field in fields(schedule)}
    return [
        _spelled(type(schedule).__name__),
        *(
            f"{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
            for name, value in values.items()
        ),
    ]


def read(values: dict) -> Recipe:
    """The recipe that `Recipe.as_dict` gave, as records and files of weights keep it.

    Raises ValueError for what is no such recipe.

    >>> read(PAPER.as_dict()) == PAPER
    True
    """
    kinds = {kind.__name__: kind for kind in SCHEDULES.values()}
    try:
        settings = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values["schedule"].items()
        }
        moves = kinds[settings.pop("name")](**settings)
        clip = math.inf if values["clip"] is None else values["clip"]
        kind = next((k for k in KINDS if k().as_dict().keys() <= values.keys()), Recipe)
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        recipe = kind(**{**given, "schedule": moves, "clip": clip})
        usual = asdict(kind())
        for name, value in asdict(recipe).items():
            expected = type(usual[name])
            if type(value) is not expected and (type(value), expected) != (int, float):
                raise TypeError(f"{name} is {value!r}")
        return recipe
    except (KeyError, TypeError, AttributeError) as error:
        why = " ".join(str(error).split())[:200]
        raise Mistake(f"expected a recipe, got {str(values)[:50]} ({why})") from None


def schedule(written: list[str]) -> object:
    """The schedule that `words` writes. Raises ValueError that names what there is.

    >>> schedule(["steps", "warmup=400"])
    Steps(drops=(0.5, 0.75), warmup=400)
    """
    if not written:
        raise Mistake(f"expected a name, one of {', '.join(SCHEDULES)}")
    name, *settings = written
    kind = lookup(SCHEDULES, name, "schedule")
    types = {field.name: field.type for field in fields(kind)}
    given = {}
    for setting in settings:
        field, _, value = setting.partition("=")
        given[field] = _value(lookup(types, field, f"{name} setting"), field, value)
    return kind(**given)


def _value(kind: object, field: str, value: str) -> object:
    """The number, or the numbers with commas between, that `value` writes."""
    numbers = get_args(kind)
    try:
        if numbers:
            return tuple(numbers[0](part) for part in value.split(",") if part)
        return kind(value)
    except ValueError:
        example = "0.5,0.75" if numbers else "20" if kind is int else "0.5"
        raise Mistake(f"expected a setting as in {field}={example}, got {field}={value}") from None


@REGISTRY.primitive_rule
def _rule(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    """Makes the schedule one option, where tyro would ask for a subcommand."""
    if info.type != SCHEDULE:
        return None
    forms = (" ".join([name, *(f"[{s}]" for s in settings)]) for name, *settings in
             (words(kind()) for kind in SCHEDULES.values()))  # fmt: skip
    return PrimitiveConstructorSpec(
        nargs="*",
        metavar=f"{{{' | '.join(forms)}}}",
        instance_from_str=schedule,
        is_instance=lambda value: isinstance(value, SCHEDULE),
        str_from_instance=words,
    )
