from math import ceil, floor, log

from exercises import verdict_tests

from resnet_tutorial.check import fine_tuning as check


def steps(share, momentum):
    return ceil(log(share) / log(1 - momentum))


def rates(rate, q, parts):
    return [rate * q ** (parts - 1 - k) for k in range(parts)]


test_right, test_wrong = verdict_tests(
    {
        "steps": (
            check.steps_to_forget,
            steps,
            {
                "momentum of the old": lambda s, m: ceil(log(s) / log(m)),
                "rounded down": lambda s, m: floor(log(s) / log(1 - m)),
                "a fraction": lambda s, m: log(s) / log(1 - m),
                "the share that is new": lambda s, m: ceil(log(1 - s) / log(1 - m)),
                "a straight line": lambda s, m: ceil((1 - s) / m),
                "one more": lambda s, m: steps(s, m) + 1,
            },
        ),
        "rates": (
            check.layer_rates,
            rates,
            {
                "upside down": lambda r, q, n: rates(r, q, n)[::-1],
                "the head too": lambda r, q, n: [q * x for x in rates(r, q, n)],
                "a straight line": lambda r, q, n: [r * (1 - q * (n - 1 - k)) for k in range(n)],
                "one rate": lambda r, q, n: [r] * n,
                "without the head": lambda r, q, n: rates(r, q, n)[:-1],
                "divided": lambda r, q, n: [r / q ** (n - 1 - k) for k in range(n)],
            },
        ),
        "head": (
            check.head_parameters,
            lambda d, old, new: ((d + 1) * old, (d + 1) * new),
            {
                "no bias": lambda d, old, new: (d * old, d * new),
                "one bias": lambda d, old, new: (d * old + 1, d * new + 1),
                "swapped": lambda d, old, new: ((d + 1) * new, (d + 1) * old),
                "both heads kept": lambda d, old, new: ((d + 1) * old, (d + 1) * (old + new)),
            },
        ),
    }
)
