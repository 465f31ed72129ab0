"""The experiments on the digits, which chapters can run again in minutes."""

from dataclasses import replace

from resnet_tutorial import models
from resnet_tutorial.experiments.experiment import Experiment
from resnet_tutorial.experiments.kinds import Unnormalized, grid
from resnet_tutorial.experiments.recipes import (
    ALL_PROJECTED,
    BRIEF,
    COLD,
    DEPTHS,
    DIGITS,
    GENTLE,
    NARROW,
    QUICK,
    SHORT,
    brief,
    decayed,
    extended,
)
from resnet_tutorial.train import Cosine, OneCycle, Steps

FORGOTTEN = (("shortcut", models.option_a_forgotten),)

EXPERIMENTS = {
    "digits_depth": Experiment(
        "How do both errors change with depth, for plain and for residual nets?",
        "problem/degradation",
        grid(DEPTHS[::-1], range(5), DIGITS),
        also=(
            "start/one_sitting",
            "scratch/residual_block",
            "training/recipe",
            "training/depth_sweep",
            "training/comparing",
        ),
    ),
    # Forward the nets of digits_depth, backward without the shortcuts' gradient.
    "digits_forgotten": Experiment(
        "Would the errors tell that a backward pass forgets the shortcuts' gradient?",
        "scratch/residual_block",
        grid(("resnet56", "resnet20", "resnet8"), range(5), DIGITS, parts=FORGOTTEN),
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
        also=("theory/explosion",),
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
    # Option C against the identity, at three lengths; three seeds each, decided before the runs.
    **{
        f"digits_option_a_{epochs}": Experiment(
            f"What do {epochs} epochs of the quick recipe make of plain-56 and of option A?",
            "pytorch/architectures",
            grid(("plain56", "resnet56"), range(3), replace(QUICK, epochs=epochs), parts=NARROW),
        )
        for epochs in (5, 20, 40)
    },
    **{
        f"digits_option_c_{epochs}": Experiment(
            f"What do {epochs} epochs make of 56 layers with a projection in every shortcut?",
            "pytorch/architectures",
            grid(("resnet56",), range(3), replace(QUICK, epochs=epochs), parts=ALL_PROJECTED),
        )
        for epochs in (5, 20, 40)
    },
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
    "digits_decay_kernels": Experiment(
        "What does strong weight decay do when it acts on the kernels only?",
        "problem/residual_learning",
        decayed("kernels"),
    ),
    "digits_decay_inner": Experiment(
        "What does strong decay do on gamma and beta of all batch norms but the last?",
        "problem/residual_learning",
        decayed("inner"),
    ),
    "digits_decay_head": Experiment(
        "What does strong decay do on the last batch norm and the classifier?",
        "problem/residual_learning",
        decayed("head"),
    ),
    "digits_decay_epsilon": Experiment(
        "Is batch norm's epsilon why strong decay fails the plain net? What if it is 1e-12?",
        "problem/residual_learning",
        decayed("kernels", "inner", "head", models=("plain20",), epsilon=1e-12),
    ),
    "digits_cold": Experiment(
        "What do the deepest nets reach without a warm-up?",
        "training/recipe",
        grid(("plain110", "resnet110"), range(5), COLD),
    ),
    "digits_cold_decay": Experiment(
        "Does a hundred times the weight decay repair a start without warm-up?",
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
