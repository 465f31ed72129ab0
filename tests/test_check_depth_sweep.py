from math import ceil

from exercises import verdict_tests

from resnet_tutorial.check import depth_sweep as check


def epochs(images, batch, rate, decay, momentum, clock):
    return ceil(clock * (1 - momentum) / (rate * decay) / (images // batch))


test_right, test_wrong = verdict_tests(
    {
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
