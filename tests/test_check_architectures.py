"""Each checker accepts a right answer and rejects the typical wrong ones."""

import numpy as np
import torch
from exercises import verdict_tests

from resnet_tutorial.check import architectures as check


def rate(iteration):
    if iteration < 400:
        return 0.01
    return 0.1 * 0.1 ** ((iteration >= 32_000) + (iteration >= 48_000))


def schedule(start=0.01, end=400, drops=(32_000, 48_000), full=0.1):
    def answer(i):
        return start if i < end else full * 0.1 ** sum(i >= drop for drop in drops)

    return answer


RATES = {
    "warm-up that never ends": schedule(full=0.01),
    "no warm-up": schedule(end=0),
    "warm-up from a tenth too low": schedule(start=0.001),
    "one iteration too long": schedule(end=401),
    "one iteration too short": schedule(end=399),
    "one drop": schedule(drops=(32_000,)),
    "drops one late": schedule(drops=(32_001, 48_001)),
    "drops counted after the warm-up": schedule(drops=(32_400, 48_400)),
    "epochs for iterations": schedule(end=1, drops=(82, 123)),
    "linear warm-up": lambda i: 0.1 * (i + 1) / 400 if i < 400 else rate(i),
    "raises": lambda i: i["rate"],
}


def parameters(sizes, first=6, stage1=1, norms=12, projection_norm=8, fc=2_049_000, stem=9536):
    total = stem + fc
    for k, b in enumerate(sizes):
        w = 64 * 2**k
        total += (17 * b + (first if k else stage1)) * w**2 + (norms * b + projection_norm) * w
    return total


COUNTS = {
    "no projections": lambda s: parameters(s, first=-2, stage1=-3, projection_norm=0),
    "no projection in stage 1": lambda s: parameters(s, stage1=-3) - 8 * 64,
    "projections without norm": lambda s: parameters(s, projection_norm=0),
    "identity blocks only": lambda s: parameters(s, first=0, stage1=0),
    "v1.5 multiply-adds for parameters": lambda s: parameters(s, first=12),
    "4 w channels into every block": lambda s: parameters(s, first=16, stage1=16),
    "no norms": lambda s: parameters(s, norms=0, projection_norm=0) - 128,
    "gamma without beta": lambda s: parameters(s, norms=6, projection_norm=4) - 64,
    "classifier without bias": lambda s: parameters(s, fc=2_048_000),
    "classifier of 512": lambda s: parameters(s, fc=513_000),
    "running averages": lambda s: parameters(s, norms=24, projection_norm=16) + 128,
    "no stem": lambda s: parameters(s, stem=0),
    "one too many": lambda s: parameters(s) + 1,
    "resnet50 always": lambda s: 25_557_032,
}


def from_keras(b, gamma, beta, mean, var):
    return gamma, beta, mean - b, var + 1e-3 - 1e-5


def by_gamma(b, gamma, beta, mean, var):
    scale = np.sqrt((var + 1e-5) / (var + 1e-3))
    return gamma * scale, beta, mean - b, var


def by_beta(b, gamma, beta, mean, var):
    return gamma, beta + gamma * b / np.sqrt(var + 1e-3), mean, var + 1e-3 - 1e-5


NORMS = {
    "bias left out": lambda b, g, s, m, v: (g, s, m, v + 1e-3 - 1e-5),
    "bias added to the mean": lambda b, g, s, m, v: (g, s, m + b, v + 1e-3 - 1e-5),
    "bias added to beta": lambda b, g, s, m, v: (g, s + b, m, v + 1e-3 - 1e-5),
    "bias times gamma in beta": lambda b, g, s, m, v: (g, s + g * b, m, v + 1e-3 - 1e-5),
    "epsilon left out": lambda b, g, s, m, v: (g, s, m - b, v),
    "epsilon the wrong way": lambda b, g, s, m, v: (g, s, m - b, v - 1e-3 + 1e-5),
    "old epsilon stays": lambda b, g, s, m, v: (g, s, m - b, v + 1e-3),
    "gamma inverted": lambda b, g, s, m, v: (
        g * np.sqrt((v + 1e-3) / (v + 1e-5)),
        s,
        m - b,
        v,
    ),
    "three arrays": lambda b, g, s, m, v: (g, s, m - b),
    "one array": lambda b, g, s, m, v: m - b,
}


def transfer(net, weights):
    own = {name: t for name, t in net.state_dict().items() if name.startswith("fc.")}
    net.load_state_dict(weights | own)
    return net


def lenient(net, weights):
    body = {name: t for name, t in weights.items() if not name.startswith("fc.")}
    net.load_state_dict(body, strict=False)
    return net


def only_shared_names(net, weights):
    state = net.state_dict()
    same = {k: t for k, t in weights.items() if k in state and t.shape == state[k].shape}
    net.load_state_dict(state | same)
    return net


def parameters_only(net, weights):
    """Forgets the running averages."""
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if not name.startswith("fc."):
                parameter.copy_(weights[name])
    if set(weights) != set(net.state_dict()):
        raise KeyError("names differ")
    return net


def new_classifier(net, weights):
    net = transfer(net, weights)
    net.fc.reset_parameters()
    return net


def zero_classifier(net, weights):
    net = transfer(net, weights)
    torch.nn.init.zeros_(net.fc.weight)
    return net


def old_classifier(net, weights):
    net.fc = torch.nn.Linear(8, 10)
    net.load_state_dict(weights)
    return net


def changes_the_weights(net, weights):
    own = {name: t for name, t in net.state_dict().items() if name.startswith("fc.")}
    weights.update(own)
    net.load_state_dict(weights)
    return net


def by_length(net, weights):
    body = {name: t for name, t in weights.items() if not name.startswith("fc.")}
    if len(weights) != len(net.state_dict()):
        raise KeyError("names differ")
    net.load_state_dict(body, strict=False)
    return net


def missing_alone(net, weights):
    body = {name: t for name, t in weights.items() if not name.startswith("fc.")}
    if net.load_state_dict(body, strict=False).missing_keys != ["fc.weight", "fc.bias"]:
        raise KeyError("missing")
    return net


def foreign_alone(net, weights):
    body = {name: t for name, t in weights.items() if not name.startswith("fc.")}
    if net.load_state_dict(body, strict=False).unexpected_keys:
        raise KeyError("foreign")
    return net


def by_assert(net, weights):
    """Another right answer."""
    assert weights.keys() == net.state_dict().keys()
    return lenient(net, weights)


TRANSFERS = {
    "by length and strict=False": by_length,
    "missing names alone": missing_alone,
    "foreign names alone": foreign_alone,
    "strict": lambda net, weights: net.load_state_dict(weights) and net,
    "strict=False": lambda net, weights: net.load_state_dict(weights, strict=False) and net,
    "strict=False without fc": lenient,
    "whatever fits": only_shared_names,
    "no running averages": parameters_only,
    "a new classifier": new_classifier,
    "a classifier of zeros": zero_classifier,
    "the old classifier": old_classifier,
    "changes the weights": changes_the_weights,
    "nothing loaded": lambda net, weights: net,
}

EXERCISES = {
    "rate": (check.rate, rate, RATES),
    "parameters": (check.parameters, parameters, COUNTS),
    "from_keras": (check.from_keras, from_keras, NORMS),
    "from_keras, gamma": (check.from_keras, by_gamma, {}),
    "from_keras, beta": (check.from_keras, by_beta, {}),
    "transfer": (check.transfer, transfer, TRANSFERS),
    "transfer, a bare assert": (check.transfer, by_assert, {}),
}
test_right, test_wrong = verdict_tests(EXERCISES)


def test_the_readers_random_numbers_stay_as_they_were():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    check.parameters(parameters)
    check.transfer(transfer)
    assert torch.equal(torch.rand(3), expected)
