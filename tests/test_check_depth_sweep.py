from math import ceil

from exercises import verdict_tests

from resnet_tutorial.check import depth_sweep as check


def epochs(images, batch, rate, decay, momentum, clock):
    return ceil(clock * (1 - momentum) / (rate * decay) / (images // batch))


def parts(train_a, test_a, train_b, test_b):
    return train_a - train_b, (test_a - train_a) - (test_b - train_b)


test_right, test_wrong = verdict_tests(
    {
        "parts": (
            check.parts,
            parts,
            {
                "B minus A": lambda a, b, c, d: parts(c, d, a, b),
                "gap the wrong way": lambda a, b, c, d: (a - c, (a - b) - (c - d)),
                "the test errors' difference": lambda a, b, c, d: (a - c, b - d),
                "gaps added": lambda a, b, c, d: (a - c, (b - a) + (d - c)),
                "the other order": lambda a, b, c, d: parts(a, b, c, d)[::-1],
                "A alone": lambda a, b, c, d: (a, b - a),
            },
        ),
        "epochs": (
            check.epochs,
            epochs,
            {
                "momentum forgotten": lambda i, b, r, w, m, c: epochs(i, b, r, w, 0.0, c),
                "momentum on the wrong side": lambda i, b, r, w, m, c: ceil(
                    c / (1 - m) / (r * w) / (i // b)
                ),
                "steps": lambda i, b, r, w, m, c: ceil(c * (1 - m) / (r * w)),
                "the incomplete batch": lambda i, b, r, w, m, c: ceil(
                    c * (1 - m) / (r * w) / (-(-i // b))
                ),
                "round()": lambda i, b, r, w, m, c: round(c * (1 - m) / (r * w) / (i // b)),
                "rounded steps, too": lambda i, b, r, w, m, c: (
                    ceil(c * (1 - m) / (r * w)) // (i // b)
                ),
                "rounded down": lambda i, b, r, w, m, c: int(c * (1 - m) / (r * w) / (i // b)),
                "no decay": lambda i, b, r, w, m, c: ceil(c * (1 - m) / r / (i // b)),
            },
        ),
    }
)
