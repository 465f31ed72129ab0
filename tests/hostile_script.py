"""What the type checker of the test run would stop, as a user meets it: python hostile_script.py

Prints, as JSON, what became of each attempt: the error and its message, or a value.
"""

import json
import math

import numpy as np
import torch
from stripes import fitted

from resnet_tutorial.train import Cosine, Recipe, Steps

SEEDS = {"2**31": 2**31, "2**63": 2**63, "10**30": 10**30, "-1": -1, "1.5": 1.5, "text": "1"}
SEEDS |= {"None": None, "np.float64": np.float64(1)}
WHOLE = {"np.int64": np.int64(3), "np.uint8": np.uint8(3), "tensor": torch.tensor(3)}
RECIPES = [
    {"epochs": 1.5}, {"epochs": True}, {"epochs": np.int64(3)}, {"batch_size": 8.0},
    {"padding": 0.5}, {"lr": "0.1"}, {"lr": np.float32(0.1)}, {"lr": math.inf},
    {"lr": math.nan}, {"weight_decay": math.inf}, {"momentum": None}, {"flip": math.nan},
    {"per_pixel_mean": 1}, {"clip": math.nan},
]  # fmt: skip


def told(work):
    try:
        return work()
    except Exception as error:
        return [type(error).__name__, str(error)]


def main():
    found = {f"seed {k}": told(lambda v=v: fitted(seed=v)[1].seed) for k, v in SEEDS.items()}
    found |= {f"whole {k}": told(lambda v=v: fitted(seed=v)[1].seed) for k, v in WHOLE.items()}
    for wrong in RECIPES:
        found[f"recipe {wrong}"] = told(lambda wrong=wrong: str(Recipe(**wrong)))
    for kind in (Cosine, Steps):
        found[f"warmup {kind.__name__}"] = told(lambda kind=kind: str(kind(warmup=1.5)))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
