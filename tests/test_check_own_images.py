import numpy as np
from exercises import verdict_tests

from resnet_tutorial import calibration
from resnet_tutorial.check import own_images as check


def right_middle(w, h, share):
    side = share * min(w, h)
    return (w - side) / 2, (h - side) / 2, (w + side) / 2, (h + side) / 2


def right_alike(bits, most):
    n = len(bits)
    return [(i, j) for i in range(n) for j in range(i + 1, n) if (bits[i] ^ bits[j]).sum() <= most]


def right_cooled(p, temperature):
    logits = np.log(p) / temperature
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


WRONG_MIDDLE = {
    "of the longer side": lambda w, h, share: right_middle(max(w, h), max(w, h), share),
    "no square": lambda w, h, c: tuple(
        x / 2 for x in (w * (1 - c), h * (1 - c), w * (1 + c), h * (1 + c))
    ),  # fmt: skip
    "width and height": lambda w, h, c: (*right_middle(w, h, c)[:2], c * min(w, h), c * min(w, h)),
    "upper left corner": lambda w, h, share: (0, 0, share * min(w, h), share * min(w, h)),
    "axes swapped": lambda w, h, share: right_middle(h, w, share),
    "a number": lambda w, h, share: share * min(w, h),
}
WRONG_ALIKE = {
    "below": lambda bits, most: right_alike(bits, most - 1),
    "one more": lambda bits, most: right_alike(bits, most + 1),
    "each with itself": lambda bits, most: np.argwhere(
        np.triu((bits[:, None] != bits).sum(2) <= most)
    ),  # fmt: skip
    "both ways": lambda bits, most: [
        (i, j) for i in range(4) for j in range(4) if i != j and (bits[i] ^ bits[j]).sum() <= most
    ],
    "equal bits": lambda bits, most: [
        (i, j) for i, j in np.argwhere(np.triu((bits[:, None] == bits).sum(2) <= most, 1))
    ],
    "the first only": lambda bits, most: [pair for pair in right_alike(bits, most) if not pair[0]],
}
WRONG_COOLED = {
    "divided": lambda p, t: p / t,
    "not normalised": lambda p, t: p ** (1 / t),
    "heated": lambda p, t: right_cooled(p, 1 / t),
    "softmax of p": lambda p, t: np.exp(p / t) / np.exp(p / t).sum(1, keepdims=True),
    "sum of all": lambda p, t: p ** (1 / t) / (p ** (1 / t)).sum(),
    "unchanged": lambda p, t: p,
}
EXERCISES = {
    "middle": (check.middle, right_middle, WRONG_MIDDLE),
    "alike": (check.alike, right_alike, WRONG_ALIKE),
    "cooled": (check.cooled, right_cooled, WRONG_COOLED),
}

test_right, test_wrong = verdict_tests(EXERCISES)


def test_no_pair_may_be_an_empty_list_or_an_empty_array():
    assert check.alike(lambda bits, most: np.array(right_alike(bits, most)))


def test_the_package_cools_alike():
    assert check.cooled(calibration.soften)
