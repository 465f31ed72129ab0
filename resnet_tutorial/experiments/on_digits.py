"""The experiments on the digits, which chapters can run again in minutes."""

from dataclasses import replace

from resnet_tutorial import models
from resnet_tutorial.experiments.experiment import Experiment
from resnet_tutorial.experiments.kinds import Rescaled, Unnormalized, grid
from resnet_tutorial.experiments.recipes import (
    BRIEF,
    COLD,
    DEPTHS,
    DIGITS,
    GENTLE,
    LONG,
    NARROW,
    QUICK,
    SHORT,
    brief,
    degrading,
    extended,
)
from resnet_tutorial.train import Cosine, OneCycle, Steps

EXPERIMENTS = {
    "digits_depth": Experiment(
        "How do both errors change with depth, for plain and for residual nets?",
        "problem/degradation",
        grid(DEPTHS[::-1], range(5), DIGITS),
        also=("start/one_sitting", "training/recipe", "training/depth_sweep"),
    ),
    "digits_long": Experiment(
        "Is the deep plain net only slow? What does it reach in almost three times the epochs?",
        "problem/degradation",
        grid(("plain56", "resnet56"), range(3), replace(DIGITS, epochs=40)),
    ),
    "digits_extended": Experiment(
        "Does training keep what plain-20 learned when identity layers make it deeper?",
        "problem/degradation",
        [extended(m, s, QUICK) for m in ("plain56", "plain20") for s in range(5)],
    ),
    "digits_extended_gentle": Experiment(
        "Does training keep what the extended net knows at a tenth of the rate?",
        "problem/degradation",
        [extended("plain56", seed, GENTLE) for seed in range(5)],
    ),
    "digits_gentle": Experiment(
        "What does the deep plain net reach from the usual start at a tenth of the rate?",
        "problem/degradation",
        grid(("plain56",), range(5), GENTLE, parts=NARROW),
        also=("theory/gradient_flow",),
    ),
    # Two seeds, decided before the runs: each takes minutes.
    "digits_gentle_long": Experiment(
        "Is the deep plain net only slow at the small rate? What do ten times the epochs reach?",
        "problem/degradation",
        grid(("plain56", "plain20"), range(2), replace(GENTLE, epochs=80), parts=NARROW),
    ),
    "digits_gentle_longest": Experiment(
        "Does SGD find a solution for the deep plain net at the small rate in 200 epochs?",
        "problem/degradation",
        grid(("plain56",), range(2), replace(GENTLE, epochs=200), parts=NARROW),
    ),
    "digits_longest": Experiment(
        "Is more time enough at the usual rate? What does the deep plain net reach in 200 epochs?",
        "problem/degradation",
        grid(("plain56",), range(2), replace(DIGITS, epochs=200)),
    ),
    "digits_decay_weak": Experiment(
        "Where does the usual weight decay leave the branches of plain and residual nets?",
        "problem/residual_learning",
        grid(("plain20", "resnet20"), range(5), SHORT, parts=NARROW),
    ),
    "digits_decay_strong": Experiment(
        "Does strong decay pull a residual net to the identity, a plain one to nothing?",
        "problem/residual_learning",
        grid(("plain20", "resnet20"), range(5), replace(SHORT, weight_decay=0.1), parts=NARROW),
    ),
    "digits_quick_residual": Experiment(
        "What do residual nets of two depths reach under the recipe that degrades plain ones?",
        "theory/gradient_flow",
        grid(("resnet56", "resnet20"), range(3), QUICK, parts=NARROW),
        also=("problem/degradation",),
    ),
    "digits_no_norm": Experiment(
        "What do both families reach without batch norm, at a tenth of the learning rate?",
        "theory/gradient_flow",
        [
            Unnormalized(f"{kind}{depth}", GENTLE, seed, parts=NARROW)
            for depth in (56, 20)
            for kind in ("plain", "resnet")
            for seed in range(3)
        ],
    ),
    "digits_quick": Experiment(
        "By how much do plain nets degrade with depth under the quick recipe?",
        "theory/gradient_flow",
        degrading(QUICK),
        also=("problem/degradation",),
    ),
    "digits_clip": Experiment(
        "Does degradation end when the norm of the gradient is clipped?",
        "theory/gradient_flow",
        degrading(replace(QUICK, clip=1.0)),
    ),
    "digits_warm": Experiment(
        "Does degradation end with a warm-up four times as long?",
        "theory/gradient_flow",
        degrading(replace(QUICK, schedule=Cosine(warmup=40))),
    ),
    "digits_gentle_shallow": Experiment(
        "What does the shallow plain net reach at a tenth of the learning rate?",
        "theory/gradient_flow",
        grid(("plain20",), range(3), GENTLE, parts=NARROW),
        also=("problem/degradation",),
    ),
    "digits_gentlest": Experiment(
        "Does degradation end at a hundredth of the learning rate?",
        "theory/gradient_flow",
        degrading(replace(QUICK, lr=0.001)),
    ),
    "digits_rescaled": Experiment(
        "Does degradation end when all layers start with equal relative gradients?",
        "theory/gradient_flow",
        degrading(QUICK, Rescaled),
    ),
    "digits_rescaled_lr03": Experiment(
        "Does the rescaled net degrade at three times the learning rate?",
        "theory/gradient_flow",
        degrading(replace(QUICK, lr=0.3), Rescaled),
    ),
    "digits_rescaled_lr1": Experiment(
        "Does the rescaled net degrade at ten times the learning rate?",
        "theory/gradient_flow",
        degrading(replace(QUICK, lr=1.0), Rescaled),
    ),
    "digits_quick_long": Experiment(
        "How much of the degradation is left after three times as many epochs?",
        "theory/gradient_flow",
        degrading(LONG),
    ),
    "digits_rescaled_long": Experiment(
        "Does the rescaled net degrade in three times as many epochs at the rate 0.3?",
        "theory/gradient_flow",
        degrading(replace(LONG, lr=0.3), Rescaled),
    ),
    "digits_warm_long": Experiment(
        "Does the longer warm-up help when training lasts three times as long?",
        "theory/gradient_flow",
        degrading(replace(LONG, schedule=Cosine(warmup=120))),
    ),
    "digits_clip_long": Experiment(
        "Does clipping help when training lasts three times as long?",
        "theory/gradient_flow",
        degrading(replace(LONG, clip=1.0)),
    ),
    "digits_cold": Experiment(
        "What do the deepest nets reach without a warm-up?",
        "training/recipe",
        grid(("plain110", "resnet110"), range(5), COLD),
    ),
    "digits_cold_decay": Experiment(
        "Does weight decay that acts within 50 steps repair a start without warm-up?",
        "training/recipe",
        grid(("resnet110",), range(5), replace(COLD, weight_decay=0.01)),
    ),
    "digits_warmup_ends": Experiment(
        "What does ResNet-110 reach with a warm-up that ends after 20 steps?",
        "training/recipe",
        grid(("resnet110",), range(5), replace(BRIEF, schedule=Steps(warmup=20))),
    ),
    "digits_warmup_rule": Experiment(
        "What does a warm-up reach that ends when the training error is below 80 %?",
        "training/recipe",
        grid(("resnet110",), range(5), replace(BRIEF, schedule=Steps(warmup=40))),
    ),
    "digits_warmup_stays": Experiment(
        "What does popular code's warm-up reach, which lasts to the first drop of the rate?",
        "training/recipe",
        grid(("resnet110",), range(5), replace(BRIEF, lr=0.01)),
    ),
    "digits_recipe": Experiment(
        "What does ResNet-20 reach under the paper's recipe in short, to compare changes with?",
        "training/recipe",
        brief(),
        also=("training/your_hardware", "training/where_the_time_goes"),
    ),
    "digits_recipe_no_drops": Experiment(
        "What changes when the learning rate never drops?",
        "training/recipe",
        brief(schedule=Steps(drops=())),
    ),
    "digits_recipe_cosine": Experiment(
        "What changes when the learning rate falls along a cosine?",
        "training/recipe",
        brief(schedule=Cosine(warmup=0)),
    ),
    "digits_recipe_one_cycle": Experiment(
        "What changes when the learning rate rises and falls once?",
        "training/recipe",
        brief(schedule=OneCycle()),
    ),
    "digits_recipe_no_momentum": Experiment(
        "What changes without momentum at the same learning rate?",
        "training/recipe",
        brief(momentum=0.0),
    ),
    "digits_recipe_no_momentum_lr1": Experiment(
        "What changes without momentum at ten times the learning rate?",
        "training/recipe",
        brief(momentum=0.0, lr=1.0),
    ),
    "digits_recipe_no_momentum_lr1_warm": Experiment(
        "Does a warm-up help at ten times the learning rate without momentum?",
        "training/recipe",
        brief(momentum=0.0, lr=1.0, schedule=Steps(warmup=20)),
    ),
    "digits_recipe_no_decay": Experiment(
        "What changes without weight decay?",
        "training/recipe",
        brief(weight_decay=0.0),
    ),
    "digits_recipe_no_shift": Experiment(
        "What changes when training images are not shifted?",
        "training/recipe",
        brief(padding=0),
    ),
    "digits_recipe_mirror": Experiment(
        "What changes when half of the training images are mirrored?",
        "training/recipe",
        brief(flip=0.5),
    ),
    "digits_recipe_smoothing": Experiment(
        "What changes with label smoothing?",
        "training/recipe",
        brief(label_smoothing=0.1),
    ),
    "digits_recipe_bfloat16": Experiment(
        "Does training in bfloat16 cost accuracy?",
        "training/where_the_time_goes",
        brief(precision="bfloat16"),
        also=("training/recipe",),
    ),
    "digits_recipe_dropped_branch": Experiment(
        "What does dropout in the residual branch change?",
        "training/recipe",
        brief((("block", models.DroppedBranchBlock),)),
    ),
    "digits_recipe_dropped_shortcut": Experiment(
        "What does dropout on the shortcut change?",
        "training/recipe",
        brief((("shortcut", models.option_a_dropped),)),
    ),
    "digits_recipe_no_norm": Experiment(
        "What changes without batch norm at the same learning rate?",
        "training/recipe",
        brief(kind=Unnormalized),
    ),
    "digits_recipe_no_norm_lr001": Experiment(
        "What changes without batch norm at a tenth of the learning rate?",
        "training/recipe",
        brief(kind=Unnormalized, lr=0.01),
    ),
    "digits_recipe_decay001": Experiment(
        "What changes when weight decay is a hundred times as strong?",
        "training/recipe",
        brief(weight_decay=0.01),
    ),
}
