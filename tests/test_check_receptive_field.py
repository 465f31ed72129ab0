import math

from exercises import verdict_tests

from resnet_tutorial.check import receptive_field as check


def field(layers, own=False, kernel=lambda k: k - 1, start=1, use_stride=True):
    r, jump = start, 1
    for k, s in layers:
        jump = jump * s if own else jump
        r += kernel(k) * jump
        jump = jump * s if not own and use_stride else jump
    return r


FIELDS = {
    "its own stride too": lambda layers: field(layers, own=True),
    "no strides": lambda layers: field(layers, use_stride=False),
    "k for k - 1": lambda layers: field(layers, kernel=lambda k: k),
    "starts at 0": lambda layers: field(layers, start=0),
    "from the wrong end": lambda layers: field(layers[::-1]),
    "half of the kernel": lambda layers: field(layers, kernel=lambda k: k // 2),
}


def distance(layers, step=lambda k: (k * k - 1) / 12, own=False, square=2, root=math.sqrt):
    """Each layer adds the variance of 1, ..., k, times the squared strides before it."""
    total, jump = 0, 1
    for k, s in layers:
        jump = jump * s if own else jump
        total += step(k) * jump**square
        jump = jump if own else jump * s
    return root(total)


DISTANCES = {
    "the variance": lambda layers: distance(layers, root=float),
    "strides not squared": lambda layers: distance(layers, square=1),
    "no strides": lambda layers: distance(layers, square=0),
    "its own stride too": lambda layers: distance(layers, own=True),
    "k squared without - 1": lambda layers: distance(layers, step=lambda k: k * k / 12),
    "divided by k - 1": lambda layers: distance(layers, step=lambda k: k * (k + 1) / 12),
    "half of the kernel": lambda layers: distance(layers, step=lambda k: (k // 2) ** 2),
    "distances add": lambda layers: distance(
        layers, step=lambda k: math.sqrt((k * k - 1) / 12), square=1, root=float
    ),
    "the rim": lambda layers: (field(layers) - 1) / 2,
    "from the wrong end": lambda layers: distance(layers[::-1]),
}


def macs(c, o, k, stride, padding, side, out=None):
    out = (side + 2 * padding - k) // stride + 1 if out is None else out
    return k * k * c * o * out * out


MACS = {
    "on the input's side": lambda c, o, k, s, p, side: macs(c, o, k, s, p, side, out=side),
    "one side only": lambda *a: macs(*a[:5], a[5]) // ((a[5] + 2 * a[4] - a[2]) // a[3] + 1),
    "without the kernel": lambda *a: macs(*a) // a[2] ** 2,
    "the kernel once": lambda *a: macs(*a) // a[2],
    "without the input's channels": lambda *a: macs(*a) // a[0],
    "without the output's channels": lambda *a: macs(*a) // a[1],
    "twice": lambda *a: 2 * macs(*a),
    "the side over the stride": lambda c, o, k, s, p, side: macs(
        c, o, k, s, p, side, -(-side // s)
    ),
    "no padding": lambda c, o, k, s, p, side: macs(c, o, k, s, 0, side),
    "the parameters": lambda *a: macs(*a, out=1),
}

test_right, test_wrong = verdict_tests(
    {
        "receptive_field": (check.receptive_field, field, FIELDS),
        "typical_distance": (check.typical_distance, distance, DISTANCES),
        "multiply_adds": (check.multiply_adds, macs, MACS),
    }
)
