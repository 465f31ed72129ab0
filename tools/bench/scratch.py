"""The NumPy network against PyTorch, and what importing the package costs."""

import subprocess
import sys

import numpy as np
import torch
import torch.nn.functional as F
from action import BATCH, Actions

from resnet_tutorial import models
from resnet_tutorial.scratch.network import SGD, ResNet


def numpy_step() -> Actions:
    """A training step of ResNet-20, batch 128, 3x32x32, float32, from the same weights."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH, 3, 32, 32), dtype=np.float32)
    labels = rng.integers(0, 10, BATCH)
    net, reference = ResNet(3, rng), models.build("resnet20")
    reference.load_state_dict({k: torch.tensor(v) for k, v in net.state_dict().items()})
    ours = SGD(net, lr=0.1)
    theirs = torch.optim.SGD(reference.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

    def torch_step():
        theirs.zero_grad()
        F.cross_entropy(reference(torch.tensor(x)), torch.tensor(labels)).backward()
        theirs.step()

    def scratch_step():
        net.loss_and_grads(x, labels)
        ours.step()

    return {"PyTorch": torch_step, "NumPy": scratch_step}


def imports() -> Actions:
    """A Python process that imports the package, against one that imports NumPy."""

    def process(statement):
        return lambda: subprocess.run([sys.executable, "-c", statement], check=True)

    return {
        "numpy": process("import numpy"),
        "numpy, resnet_tutorial": process("import numpy, resnet_tutorial"),
        "resnet_tutorial.scratch": process("import resnet_tutorial.scratch.network"),
        "torch": process("import torch"),
        "resnet_tutorial.models": process("import resnet_tutorial.models"),
    }
