"""A small run that a test may kill, stop or share: python training_script.py [FOLDER] [options]"""

import argparse
import os
import signal
import sys

import torch
from torch import nn

from resnet_tutorial import data, models, surgery, train
from resnet_tutorial.train import loop


def network(parts: str = "all") -> nn.Module:
    """A narrow ResNet-8 for the digits, the same at every call.

    With "all" it has batch norm and dropout, with "norm" no dropout, with "none" neither.
    """
    torch.manual_seed(0)
    block = models.DroppedBranchBlock if parts == "all" else models.BasicBlock
    net = models.build("resnet8", in_channels=1, widths=(4, 4, 4), block=block)
    return surgery.without_batch_norm(net) if parts == "none" else net


def recipe(epochs: int = 4, batch_size: int = 64) -> train.Recipe:
    warmup = min(20, epochs * (1297 // batch_size))  # of digits: no longer than the run
    schedule = train.Cosine(warmup)
    return train.Recipe(epochs, batch_size, lr=0.02, schedule=schedule, padding=1, flip=0.5)


def large(plan: train.Recipe) -> train.PhotoRecipe:
    """`plan` for photos, with a batch in two parts and an average of the weights."""
    return train.PhotoRecipe(
        plan.epochs, plan.batch_size, plan.lr, schedule=plan.schedule, accumulate=2, ema=0.5
    )


def run(given: argparse.Namespace) -> None:
    if given.own_folders and os.environ["RANK"] != "0":  # as on a machine with another disk
        given.folder += os.environ["RANK"]
    settings = {"device": "cpu", "folder": given.folder, "resume": True}
    plan = recipe(given.epochs, given.batch_size)
    if given.large:
        plan = large(plan)
    if given.seed_by_rank:
        settings["seed"] = int(os.environ["RANK"])
    if given.stop_at:
        stop_at(given.stop_at)
    train.fit(network(given.parts), data.load("digits"), plan, **settings)


def stop_at(step: int) -> None:
    """The second process alone gets SIGTERM, in that step."""
    take_step = loop.Training.take_step

    def watched(self, *arguments):
        if self.step == step and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGTERM)
        return take_step(self, *arguments)

    loop.Training.take_step = watched


def serve(given: argparse.Namespace) -> None:
    """Forks a run for each folder that standard input names: that saves the imports."""
    data.load("digits")
    print("ready", flush=True)
    for line in sys.stdin:
        given.folder = line.strip()
        child = os.fork()
        if child == 0:
            run(given)
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--parts", choices=("all", "norm", "none"), default="all")
    parser.add_argument("--save-seconds", type=float, default=0.0)
    parser.add_argument("--own-folders", action="store_true")
    parser.add_argument("--seed-by-rank", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--stop-at", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    loop.SAVE_SECONDS = given.save_seconds
    run(given) if given.folder else serve(given)


if __name__ == "__main__":
    try:
        main()
    except train.Interrupted as stopped:
        raise SystemExit(f"stopped: {stopped}") from None
