import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from resnet_tutorial import models, probes


@pytest.fixture
def net():
    torch.manual_seed(0)
    return models.build("resnet8", widths=(4, 8, 16)).double()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(6, 3, 8, 8, generator=generator, dtype=torch.float64)
    return images, torch.arange(6)


PROBES = {
    "weight gradients": lambda net, x, y: probes.weight_gradient_norms(net, x, y),
    "output gradients": lambda net, x, y: probes.output_gradient_norms(net, x, y),
    "total gradient": lambda net, x, y: probes.total_gradient_norm(net, x, y),
    "outputs": lambda net, x, y: probes.outputs(net, x, probes.main_path(net), torch.std),
    "branches": lambda net, x, y: probes.branch_ratios(net, x),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_a_probe_leaves_the_model_as_it_found_it(net, batch, probe, training):
    net.train(training)
    before = copy.deepcopy(net.state_dict())
    probe(net, *batch)
    assert net.training is training
    assert all(p.grad is None for p in net.parameters())
    assert not any(m._forward_hooks for m in net.modules())
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_main_path_has_the_layers_of_the_depth_without_the_classifier(net):
    assert len(probes.main_path(net)) == 8 - 1
    projected = models.build("resnet8", shortcut=models.option_b)
    assert len(probes.main_path(projected)) == 8 - 1
    assert len(probes.layer_names(projected)) == 8 - 1 + 2
    assert probes.main_path(net)[0] == "conv1" and probes.main_path(net)[-1] == "layer3.0.conv2"


def test_gradient_norms_are_those_of_autograd(net, batch):
    images, labels = batch
    loss = F.cross_entropy(copy.deepcopy(net).train()(images), labels)
    found = probes.weight_gradient_norms(net, images, labels)
    clone = copy.deepcopy(net).train()
    F.cross_entropy(clone(images), labels).backward()
    assert loss.isfinite()
    assert found[0] == pytest.approx(clone.conv1.weight.grad.norm().item())
    assert found[-1] == pytest.approx(clone.layer3[0].conv2.weight.grad.norm().item())
    total = sum(p.grad.square().sum() for p in clone.parameters()).sqrt().item()
    assert probes.total_gradient_norm(net, images, labels) == pytest.approx(total)


def test_output_gradients_and_weight_gradients_agree_where_the_input_is_known(net, batch):
    """The first convolution's dW is the correlation of the images with dL/dy."""
    images, labels = batch
    clone = copy.deepcopy(net).train()
    kept = {}
    clone.conv1.register_forward_hook(lambda m, i, o: (o.retain_grad(), kept.update(y=o))[0])
    F.cross_entropy(clone(images), labels).backward()
    found = probes.output_gradient_norms(net, images, labels)
    assert found[0] == pytest.approx(kept["y"].grad.norm().item())
    assert len(found) == 7 and (found > 0).all()


def test_outputs_come_in_the_order_asked_for(net, batch):
    names = ["layer2.0.conv1", "conv1"]
    found = probes.outputs(net, batch[0], names, lambda y: torch.tensor(float(y.shape[1])))
    np.testing.assert_array_equal(found, [8, 4])


def test_a_zero_branch_has_ratio_zero_and_doubling_gamma_doubles_the_ratio(net, batch):
    net.eval()
    before = probes.branch_ratios(net, batch[0])
    with torch.no_grad():
        net.layer3[0].bn2.weight.mul_(2)
    doubled = probes.branch_ratios(net, batch[0])
    np.testing.assert_allclose(doubled / before, [1, 1, 2], rtol=1e-12)
    with torch.no_grad():
        net.layer3[0].bn2.weight.zero_()
    assert probes.branch_ratios(net, batch[0])[-1] == 0
