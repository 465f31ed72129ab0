import numpy as np
import torch
from exercises import verdict_tests

from resnet_tutorial.check import your_hardware as check


def right_combined(gradients, sizes):
    return np.average(gradients, axis=0, weights=sizes)


WRONG_COMBINED = {
    "the plain mean": lambda g, n: np.mean(g, axis=0),
    "the sum": lambda g, n: np.sum(g, axis=0),
    "the weighted sum": lambda g, n: sum(x * s for x, s in zip(g, n, strict=True)),
    "weights upside down": lambda g, n: np.average(g, axis=0, weights=1 / np.array(n)),
    "the largest share": lambda g, n: g[int(np.argmax(n))],
}


test_right, test_wrong = verdict_tests(
    {"combined": (check.combined, right_combined, WRONG_COMBINED)}
)


def test_combined_shares_have_the_gradient_of_the_whole_batch():
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    w = torch.ones(3, dtype=torch.float64, requires_grad=True)

    def gradient(part):
        return torch.autograd.grad((part @ w).square().mean(), w)[0].numpy()

    parts = x.split([3, 2])
    np.testing.assert_allclose(right_combined(list(map(gradient, parts)), (3, 2)), gradient(x))
