"""Every experiment of the book by name: a list of runs, none of them hidden in code.

Each stands under the question it answers and the chapter that asks it. Names of recipes and of
experiments that end in `proxy`, or stand for one, are schedules that two CPU cores finish in
minutes; the paper's own is `train.PAPER`.
"""

from collections.abc import Sequence
from dataclasses import replace

from resnet_tutorial import models
from resnet_tutorial.experiments.kinds import Extended, Rescaled, Run, Unnormalized, grid
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
PROXY = replace(FASHION, padding=4, flip=0.5, per_pixel_mean=True)


def brief(parts: tuple = (), kind: type[Run] = Run, **changes) -> list[Run]:
    """ResNet-20 on the digits under BRIEF with `changes`, five seeds."""
    return [kind("resnet20", replace(BRIEF, **changes), s, parts=parts) for s in range(5)]


def fashion(models: Sequence[str], parts: tuple = ()) -> list[Run]:
    """Runs on Fashion-MNIST, three seeds."""
    return grid(models, range(3), FASHION, data="fashion_mnist", parts=parts)


EXPERIMENTS: dict[str, list[Run]] = {
    # Training and test error against depth: problem/degradation.
    "digits_depth": grid(DEPTHS[::-1], range(5), DIGITS),
    # Is it only slow? Almost three times as long: problem/degradation.
    "digits_long": grid(("plain56", "resnet56"), range(3), replace(DIGITS, epochs=40)),
    # From a trained plain-20, deeper by identities, at the usual rate and a tenth of it; and the
    # small rate from the usual start: problem/degradation.
    "digits_extended": [extended(m, s, QUICK) for m in ("plain56", "plain20") for s in range(5)],
    "digits_extended_gentle": [extended("plain56", seed, GENTLE) for seed in range(5)],
    "digits_gentle": grid(("plain56",), range(5), GENTLE, parts=NARROW),
    # Weight decay as a pull to the identity or to nothing: problem/residual_learning.
    "digits_decay_weak": grid(("plain20", "resnet20"), range(5), SHORT, parts=NARROW),
    "digits_decay_strong": grid(
        ("plain20", "resnet20"), range(5), replace(SHORT, weight_decay=0.1), parts=NARROW
    ),
    # Both families under one recipe, and without batch norm at a tenth of the rate:
    # theory/gradient_flow.
    "digits_quick_residual": grid(("resnet56", "resnet20"), range(3), QUICK, parts=NARROW),
    "digits_no_norm": [
        Unnormalized(f"{kind}{depth}", GENTLE, seed, parts=NARROW)
        for depth in (56, 20)
        for kind in ("plain", "resnet")
        for seed in range(3)
    ],
    # Does degradation end with the explosion of the gradient? theory/gradient_flow.
    "digits_quick": degrading(QUICK),
    "digits_clip": degrading(replace(QUICK, clip=1.0)),
    "digits_warm": degrading(replace(QUICK, schedule=Cosine(warmup=40))),
    "digits_gentle_shallow": grid(("plain20",), range(3), GENTLE, parts=NARROW),
    "digits_gentlest": degrading(replace(QUICK, lr=0.001)),
    "digits_rescaled": degrading(QUICK, Rescaled),
    "digits_rescaled_lr03": degrading(replace(QUICK, lr=0.3), Rescaled),
    "digits_rescaled_lr1": degrading(replace(QUICK, lr=1.0), Rescaled),
    # The same, three times as long.
    "digits_quick_long": degrading(LONG),
    "digits_rescaled_long": degrading(replace(LONG, lr=0.3), Rescaled),
    "digits_warm_long": degrading(replace(LONG, schedule=Cosine(warmup=120))),
    "digits_clip_long": degrading(replace(LONG, clip=1.0)),
    # The deepest pair without a warm-up: training/recipe.
    "digits_cold": grid(("plain110", "resnet110"), range(5), COLD),
    # The same with weight decay that acts within 50 steps: training/recipe.
    "digits_cold_decay": grid(("resnet110",), range(5), replace(COLD, weight_decay=0.01)),
    # A warm-up that ends after 20 steps; one that ends by the paper's rule, when the training error
    # is below 80 %; and popular code's, which lasts to the first drop: training/recipe.
    "digits_warmup_ends": grid(("resnet110",), range(5), replace(BRIEF, schedule=Steps(warmup=20))),
    "digits_warmup_rule": grid(("resnet110",), range(5), replace(BRIEF, schedule=Steps(warmup=40))),
    "digits_warmup_stays": grid(("resnet110",), range(5), replace(BRIEF, lr=0.01)),
    # One line of the recipe changed at a time: training/recipe.
    "digits_recipe": brief(),
    "digits_recipe_no_drops": brief(schedule=Steps(drops=())),
    "digits_recipe_cosine": brief(schedule=Cosine(warmup=0)),
    "digits_recipe_one_cycle": brief(schedule=OneCycle()),
    "digits_recipe_no_momentum": brief(momentum=0.0),
    "digits_recipe_no_momentum_lr1": brief(momentum=0.0, lr=1.0),
    "digits_recipe_no_momentum_lr1_warm": brief(momentum=0.0, lr=1.0, schedule=Steps(warmup=20)),
    "digits_recipe_no_decay": brief(weight_decay=0.0),
    "digits_recipe_no_shift": brief(padding=0),
    "digits_recipe_mirror": brief(flip=0.5),
    "digits_recipe_smoothing": brief(label_smoothing=0.1),
    "digits_recipe_bfloat16": brief(precision="bfloat16"),
    "digits_recipe_dropped_branch": brief((("block", models.DroppedBranchBlock),)),
    "digits_recipe_dropped_shortcut": brief((("shortcut", models.option_a_dropped),)),
    "digits_recipe_no_norm": brief(kind=Unnormalized),
    "digits_recipe_no_norm_lr001": brief(kind=Unnormalized, lr=0.01),
    "digits_recipe_decay001": brief(weight_decay=0.01),
    # Plain and residual at two depths, and the shortcuts, under a proxy schedule:
    # pytorch/architectures, training/recipe, training/depth_sweep.
    "fashion_depth": fashion(("plain56", "resnet56", "plain20", "resnet20")),
    "fashion_option_b": fashion(("resnet20",), (("shortcut", models.option_b),)),
    "fashion_option_c": fashion(("resnet20",), (("shortcut", models.option_c),)),
    "fashion_dropped_branch": fashion(("resnet20",), (("block", models.DroppedBranchBlock),)),
    "fashion_dropped_shortcut": fashion(("resnet20",), (("shortcut", models.option_a_dropped),)),
    # CIFAR-10 (JPEG-75 copy) under a proxy schedule: training/depth_sweep.
    "cifar10_jpeg75_proxy": grid(
        ("plain56", "resnet56", "plain20", "resnet20"), range(1), PROXY, data="cifar10-jpeg75"
    ),
    # The paper's picture on CIFAR-10 (JPEG-75 copy), 30 epochs: problem/degradation,
    # training/depth_sweep.
    "cifar10_jpeg75_30": grid(
        ("plain20", "resnet20", "plain56", "resnet56"), range(3), PHOTOS, data="cifar10-jpeg75"
    ),
    # The paper's 64k iterations, for a GPU: on the JPEG-75 copy, and on the data themselves.
    "cifar10_jpeg75_paper": grid(FAMILY, range(3), ON_GPU, data="cifar10-jpeg75"),
    "cifar10_paper": grid(FAMILY, range(3), ON_GPU, data="cifar10"),
}
