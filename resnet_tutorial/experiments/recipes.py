"""Recipes, and runs in groups, that the experiments of the book are made of.

Names of recipes and of
experiments that end in `proxy`, or stand for one, are schedules that two CPU cores finish in
minutes; the paper's own is `train.PAPER`.
"""

from collections.abc import Sequence
from dataclasses import replace

from resnet_tutorial.experiments.kinds import Decayed, Extended, Run, grid
from resnet_tutorial.models import option_c
from resnet_tutorial.train import PAPER, Cosine, OneCycle, Recipe, Steps

DEPTHS = (
    "plain110",
    "resnet110",
    "plain56",
    "resnet56",
    "plain20",
    "resnet20",
    "plain8",
    "resnet8",
)
DIGITS = Recipe(epochs=15, batch_size=64, lr=0.05, schedule=Cosine(warmup=20))
COLD = replace(DIGITS, schedule=Cosine(warmup=0))
SHORT, NARROW = replace(DIGITS, epochs=6), (("widths", (8, 16, 32)),)
ALL_PROJECTED = (*NARROW, ("shortcut", option_c))
QUICK = Recipe(epochs=8, batch_size=128, lr=0.1, schedule=Cosine(warmup=10))
GENTLE = replace(QUICK, lr=0.01)
LONG = replace(QUICK, epochs=24)


def degrading(recipe: Recipe, kind: type[Run] = Run) -> list[Run]:
    """A deep narrow plain net and the shallow one to compare it with, three seeds each."""
    return [kind(m, recipe, s, parts=NARROW) for m in ("plain56", "plain20") for s in range(3)]


def extended(model: str, seed: int, recipe: Recipe) -> Extended:
    """`model`, narrow, from what plain20 learned under QUICK."""
    shallow = Run("plain20", QUICK, seed, parts=NARROW)
    return Extended(model, recipe, seed, parts=NARROW, shallow=shallow)


def decayed(
    *groups: str, models: Sequence[str] = ("plain20", "resnet20"), epsilon: float | None = None
) -> list[Run]:
    """Narrow nets under SHORT, five seeds, with a decay of 0.1 on these groups and no other."""
    recipe = replace(SHORT, weight_decay=0.0)
    some = {"groups": groups, "decay": 0.1, "epsilon": epsilon, "parts": NARROW}
    return [Decayed(m, recipe, s, **some) for m in models for s in range(5)]


# The paper's recipe in short: the digits' 8x8 pixels allow a shift by one, and no mirror image.
BRIEF = Recipe(epochs=15, batch_size=64, lr=0.1, schedule=Steps(), padding=1)
# Schedules that two CPU cores finish. They are proxies: named so wherever their results stand.
FASHION = Recipe(epochs=1, batch_size=64, lr=0.1, schedule=OneCycle(peak=0.2), precision="bfloat16")
FAMILY = [f"{kind}{depth}" for depth in (20, 32, 44, 56, 110) for kind in ("resnet", "plain")]
ON_GPU = replace(PAPER, precision="bfloat16")
# 30 epochs on photos: three quarters of an hour for a 20-layer net on one core.
PHOTOS = Recipe(
    epochs=30,
    batch_size=128,
    lr=0.1,
    schedule=OneCycle(peak=0.2),
    weight_decay=5e-4,
    padding=4,
    flip=0.5,
    per_pixel_mean=True,
    precision="bfloat16",
)
PHOTOS_SHORT = replace(PHOTOS, epochs=10)
# 75,000 photos for a net whose first stage halves its maps: five minutes of one core.
PRETRAINING, HALVED = replace(PHOTOS, epochs=4, per_pixel_mean=False), (("strides", (2, 2, 2)),)
PROXY = replace(FASHION, padding=4, flip=0.5, per_pixel_mean=True)


def brief(parts: tuple = (), kind: type[Run] = Run, **changes) -> list[Run]:
    """ResNet-20 on the digits under BRIEF with `changes`, five seeds."""
    return [kind("resnet20", replace(BRIEF, **changes), s, parts=parts) for s in range(5)]


def fashion(models: Sequence[str], parts: tuple = ()) -> list[Run]:
    """Runs on Fashion-MNIST, three seeds."""
    return grid(models, range(3), FASHION, data="fashion_mnist", parts=parts)
