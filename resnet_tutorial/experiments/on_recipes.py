"""More experiments on the digits: what a line of the recipe does, and its controls."""

from dataclasses import replace

from resnet_tutorial.experiments.experiment import Experiment
from resnet_tutorial.experiments.kinds import DefaultStart, grid
from resnet_tutorial.experiments.recipes import BRIEF, DIGITS, brief
from resnet_tutorial.train import Steps

# Five seeds each, decided before the runs.
EXPERIMENTS = {
    "digits_warm_decay": Experiment(
        "What does the strong weight decay reach with a warm-up?",
        "training/recipe",
        grid(("resnet110",), range(5), replace(DIGITS, weight_decay=0.01)),
    ),
    "digits_warmup_none": Experiment(
        "What does ResNet-110 reach at the rate 0.1 without any warm-up?",
        "training/recipe",
        grid(("resnet110",), range(5), BRIEF),
    ),
    "digits_recipe_default_start": Experiment(
        "What changes from PyTorch's default initialisation?",
        "training/recipe",
        brief(kind=DefaultStart),
    ),
    "digits_batch256": Experiment(
        "What changes with a batch four times as large at the same learning rate?",
        "training/your_hardware",
        brief(batch_size=256),
    ),
    "digits_batch256_scaled": Experiment(
        "What changes with a batch and a learning rate four times as large?",
        "training/your_hardware",
        brief(batch_size=256, lr=0.4),
    ),
    # Decided after the rate 0.4 had failed without a warm-up.
    "digits_batch256_warm": Experiment(
        "Does a warm-up save the batch and the learning rate that are four times as large?",
        "training/your_hardware",
        brief(batch_size=256, lr=0.4, schedule=Steps(warmup=20)),
    ),
    "digits_batch16": Experiment(
        "What changes with a quarter of the batch at the same learning rate?",
        "training/your_hardware",
        brief(batch_size=16),
    ),
    "digits_batch16_scaled": Experiment(
        "What changes with a quarter of the batch and of the learning rate?",
        "training/your_hardware",
        brief(batch_size=16, lr=0.025),
    ),
}
