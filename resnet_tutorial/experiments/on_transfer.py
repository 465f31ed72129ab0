"""The experiments of practice/fine_tuning: what a pretrained net is worth on few photos.

Decided before the runs: the classes (`data.tiny_imagenet`, a permutation by seed 0); the net, one,
seed 0, four epochs, the last one counts; 10, 50 and 250 pictures a class; PASSES, hence equal steps
for all arms of a size; seeds 0 to 2, which draw the pictures, the head (from scratch: all weights)
and the batches; of the rates TRIED the best one on 50 held-out training pictures a class (of equal
ones the smaller), with seed 3 and 50 pictures to learn from, for all sizes.
"""

from dataclasses import replace

from resnet_tutorial.experiments.experiment import Experiment
from resnet_tutorial.experiments.kinds import grid
from resnet_tutorial.experiments.recipes import HALVED, PRETRAINING
from resnet_tutorial.experiments.transferring import PRETRAINED_ON, Scratch, Tuned

PASSES = {10: 16, 50: 6, 250: 2}  # 125, 234 and 390 steps of 64 pictures
SEEDS, SEED_OF_RATES = range(3), 3
ARMS = ("scratch", "whole", "frozen1", "frozen2", "probe")
TRIED = {
    "scratch": (0.03, 0.1, 0.3),
    "whole": (0.01, 0.03, 0.1),
    "frozen1": (0.01, 0.03, 0.1),
    "frozen2": (0.01, 0.03, 0.1),
    "probe": (0.1, 0.3, 1.0),
}
# What transfer_rates found.
RATES = {"scratch": 0.03, "whole": 0.03, "frozen1": 0.03, "frozen2": 0.1, "probe": 0.1}
FEW = replace(PRETRAINING, epochs=1, batch_size=64)


def few(arm: str, pictures: int, rate: float, seed: int, **settings) -> Scratch:
    """The run of an arm on so many pictures a class.

    >>> few("frozen2", 10, 0.03, seed=0).frozen
    2
    """
    some = {"pictures": pictures, "passes": PASSES[pictures], "parts": HALVED, **settings}
    recipe, target = replace(FEW, lr=rate), "tiny-imagenet-50"
    if arm == "scratch":
        return Scratch("resnet20", recipe, seed, target, **some)
    return Tuned("resnet20", recipe, seed, target, frozen=ARMS.index(arm) - 1, **some)


EXPERIMENTS = {
    "transfer_pretraining": Experiment(
        "What does a ResNet-20 learn in four epochs of 150 classes of Tiny ImageNet at 32x32?",
        "practice/fine_tuning",
        grid(("resnet20",), range(1), PRETRAINING, data=PRETRAINED_ON, parts=HALVED),
    ),
    "transfer_rates": Experiment(
        "Which of three learning rates suits each way of training, on held-out pictures?",
        "practice/fine_tuning",
        [
            few(arm, 50, rate, SEED_OF_RATES, judged_on="held-out")
            for arm in ARMS
            for rate in TRIED[arm]
        ],
    ),
    "transfer": Experiment(
        "What is a pretrained net worth at 10, 50, 250 pictures a class, and what to freeze?",
        "practice/fine_tuning",
        [
            few(arm, pictures, RATES[arm], seed)
            for pictures in PASSES
            for arm in ARMS
            for seed in SEEDS
        ],
    ),
    "transfer_patience": Experiment(
        "Does a net from scratch catch up at 250 pictures a class in three times as many steps?",
        "practice/fine_tuning",
        [few("scratch", 250, RATES["scratch"], seed, passes=6) for seed in SEEDS],
    ),
}
