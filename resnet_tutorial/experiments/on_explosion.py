"""The experiments on the digits that take the explosion of the gradient out.

Chapter: theory/explosion.
"""

from dataclasses import replace

from resnet_tutorial.experiments.experiment import Experiment
from resnet_tutorial.experiments.kinds import Levelled, Rescaled, Unnormalized, grid
from resnet_tutorial.experiments.recipes import GENTLE, LONG, NARROW, QUICK, degrading
from resnet_tutorial.train import Cosine

EXPERIMENTS = {
    "digits_quick_residual": Experiment(
        "What do residual nets of two depths reach under the recipe that degrades plain ones?",
        "theory/explosion",
        grid(("resnet56", "resnet20"), range(3), QUICK, parts=NARROW),
        also=("problem/degradation",),
    ),
    "digits_no_norm": Experiment(
        "What do both families reach without batch norm, at a tenth of the learning rate?",
        "theory/explosion",
        [
            Unnormalized(f"{kind}{depth}", GENTLE, seed, parts=NARROW)
            for depth in (56, 20)
            for kind in ("plain", "resnet")
            for seed in range(3)
        ],
    ),
    "digits_quick": Experiment(
        "By how much do plain nets degrade with depth under the quick recipe?",
        "theory/explosion",
        degrading(QUICK),
        also=("problem/degradation",),
    ),
    "digits_clip": Experiment(
        "Does degradation end when the norm of the gradient is clipped?",
        "theory/explosion",
        degrading(replace(QUICK, clip=1.0)),
    ),
    "digits_warm": Experiment(
        "Does degradation end with a warm-up four times as long?",
        "theory/explosion",
        degrading(replace(QUICK, schedule=Cosine(warmup=40))),
    ),
    "digits_gentle_shallow": Experiment(
        "What does the shallow plain net reach at a tenth of the learning rate?",
        "theory/explosion",
        grid(("plain20",), range(3), GENTLE, parts=NARROW),
        also=("problem/degradation",),
    ),
    "digits_gentlest": Experiment(
        "Does degradation end at a hundredth of the learning rate?",
        "theory/explosion",
        degrading(replace(QUICK, lr=0.001)),
    ),
    "digits_rescaled": Experiment(
        "Does degradation end when all layers start with equal relative gradients?",
        "theory/explosion",
        degrading(QUICK, Rescaled),
    ),
    "digits_rescaled_lr03": Experiment(
        "Does the rescaled net degrade at three times the learning rate?",
        "theory/explosion",
        degrading(replace(QUICK, lr=0.3), Rescaled),
    ),
    "digits_rescaled_lr1": Experiment(
        "Does the rescaled net degrade at ten times the learning rate?",
        "theory/explosion",
        degrading(replace(QUICK, lr=1.0), Rescaled),
    ),
    # Three seeds and three rates, decided before the runs.
    "digits_levelled_lr0003": Experiment(
        "Does degradation end when every layer's step is 0.003 of its size, all through training?",
        "theory/explosion",
        degrading(replace(QUICK, lr=0.003), Levelled),
    ),
    "digits_levelled": Experiment(
        "Does degradation end when every layer's step is 0.01 of its size, all through training?",
        "theory/explosion",
        degrading(replace(QUICK, lr=0.01), Levelled),
    ),
    "digits_levelled_lr003": Experiment(
        "Does degradation end when every layer's step is 0.03 of its size, all through training?",
        "theory/explosion",
        degrading(replace(QUICK, lr=0.03), Levelled),
    ),
    "digits_levelled_exact": Experiment(
        "Does degradation end when the steps are level exactly, without momentum?",
        "theory/explosion",
        degrading(replace(QUICK, lr=0.05, momentum=0.0), Levelled),
    ),
    "digits_levelled_long": Experiment(
        "Does degradation end with level steps and three times as many epochs?",
        "theory/explosion",
        degrading(replace(LONG, lr=0.01), Levelled),
    ),
    # Five seeds more, set when the first three of digits_levelled_long ended at 9, 76 and 16 %.
    "digits_levelled_long_seeds": Experiment(
        "How often does the deep plain net learn with level steps in three times as many epochs?",
        "theory/explosion",
        [Levelled("plain56", replace(LONG, lr=0.01), s, parts=NARROW) for s in range(3, 8)],
    ),
    # A control, set after digits_levelled_long: is it the level, or the small rate?
    "digits_quick_long_lr001": Experiment(
        "How much of the degradation is left after 24 epochs at a tenth of the rate?",
        "theory/explosion",
        degrading(replace(LONG, lr=0.01)),
    ),
    "digits_quick_long": Experiment(
        "How much of the degradation is left after three times as many epochs?",
        "theory/explosion",
        degrading(LONG),
        also=("problem/degradation",),
    ),
    # The seeds of digits_levelled_long_seeds, so that both arms have eight; set before the runs.
    "digits_quick_long_seeds": Experiment(
        "How often does the deep plain net learn as usual in three times as many epochs?",
        "theory/explosion",
        grid(("plain56",), range(3, 8), LONG, parts=NARROW),
    ),
    "digits_rescaled_long": Experiment(
        "Does the rescaled net degrade in three times as many epochs at the rate 0.3?",
        "theory/explosion",
        degrading(replace(LONG, lr=0.3), Rescaled),
    ),
    "digits_warm_long": Experiment(
        "Does the longer warm-up help when training lasts three times as long?",
        "theory/explosion",
        degrading(replace(LONG, schedule=Cosine(warmup=120))),
    ),
    "digits_clip_long": Experiment(
        "Does clipping help when training lasts three times as long?",
        "theory/explosion",
        degrading(replace(LONG, clip=1.0)),
    ),
}
