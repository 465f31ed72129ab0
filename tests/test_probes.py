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
    "responses": lambda net, x, y: probes.response_stds(net),
    "outputs": lambda net, x, y: probes.outputs(net, x, probes.main_path(net), torch.std),
    "branches": lambda net, x, y: probes.branch_ratios(net, x),
    "cosines": lambda net, x, y: probes.weight_gradient_cosines(net, (x, y), (x, y)),
    "Jacobians": lambda net, x, y: probes.block_jacobians(net, x[:1]),
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


def test_ratios_of_pre_activation_blocks_are_those_of_what_is_added(batch):
    """The last batch norm of such a block stands before its last convolution."""
    torch.manual_seed(0)
    net = models.build("preact_resnet110", stage_sizes=(2, 1), widths=(4, 8)).double().eval()
    seen = {}
    for name, module in net.named_modules():
        module.register_forward_hook(lambda m, i, o, name=name: seen.update({name: (i[0], o)}))
    net(batch[0])
    expected = []
    for name in ("layer1.0", "layer1.1", "layer2.0"):
        [x, y], f = seen[name], seen[f"{name}.conv2"][1]
        shortcut = seen[f"{name}.downsample"][1]
        assert torch.equal(y, shortcut + f)
        assert torch.equal(shortcut, x) == (name != "layer2.0")
        expected.append((f.norm() / shortcut.norm()).item())
    np.testing.assert_allclose(probes.branch_ratios(net, batch[0]), expected, rtol=1e-12)


def test_responses_of_a_sequential_stem():
    """The batch norm behind a convolution is found by what it is given, not by its name."""

    def stem(in_channels, width):
        conv = torch.nn.Conv2d(in_channels, width, 3, padding=1)
        return torch.nn.Sequential(
            conv, torch.nn.BatchNorm2d(width), torch.nn.ReLU(), torch.nn.Conv2d(width, width, 1)
        )

    net = models.build("resnet8", stem=stem, widths=(4, 8, 16))
    assert probes.main_path(net)[:2] == ["conv1.0", "conv1.3"]
    np.testing.assert_allclose(probes.response_stds(net), np.ones(8), rtol=1e-5)


def test_cosines_are_one_for_equal_batches_and_do_not_see_the_scale_of_the_weights(net, batch):
    images, labels = batch
    np.testing.assert_allclose(probes.weight_gradient_cosines(net, batch, batch), 1, rtol=1e-12)
    other = images.flip(0), labels
    before = probes.weight_gradient_cosines(net, batch, other)
    clone = copy.deepcopy(net).train()
    gradients = []
    for x, y in (batch, other):
        loss = F.cross_entropy(clone(x), y)
        [gradient] = torch.autograd.grad(loss, [clone.conv1.weight])
        gradients.append(gradient.flatten())
    expected = F.cosine_similarity(*gradients, dim=0).item()
    assert before[0] == pytest.approx(expected) and abs(expected) < 0.99
    for norm in (m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        norm.eps = 1e-30  # with it the net would notice the scale a little
    before = probes.weight_gradient_cosines(net, batch, other)
    with torch.no_grad():
        net.conv1.weight.mul_(3)
    np.testing.assert_allclose(probes.weight_gradient_cosines(net, batch, other), before)


def test_block_jacobians_are_those_of_finite_differences():
    torch.manual_seed(0)
    net = models.build("preact_resnet110", stage_sizes=(1, 2), widths=(2, 3)).double().eval()
    image = torch.randn(1, 3, 4, 4, dtype=torch.float64)
    found = probes.block_jacobians(net, image)
    assert list(found) == ["layer1.0", "layer2.1"]  # layer2.0 changes the shape
    x = net.layer2[0](net.layer1(torch.relu(net.bn1(net.conv1(image)))))
    block, step = net.layer2[1], 1e-6
    for j in (0, 5, 11):
        e = torch.zeros(12, dtype=torch.float64)
        e[j] = step
        e = e.view_as(x)
        column = (block(x + e) - block(x - e)).flatten() / (2 * step)
        np.testing.assert_allclose(
            found["layer2.1"][:, j], column.detach().numpy(), rtol=0, atol=1e-6
        )


def test_responses_are_those_of_the_data_whose_statistics_are_stored(net, batch):
    """In training mode, with gammas, betas and epsilons that matter."""
    images, _ = batch
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(-2, 2)
                module.bias.uniform_(-1, 1)
                module.eps, module.momentum = 1.0, 1.0
    clone = copy.deepcopy(net).train()
    layers = probes.layer_names(net, (torch.nn.BatchNorm2d,))
    expected = probes.outputs(net, images, layers, lambda y: y.std(correction=0))
    clone(images)
    found = probes.response_stds(clone)
    # what is stored is the unbiased variance of 6 images of 2x2 pixels or more
    np.testing.assert_allclose(found, expected, rtol=1 / (6 * 2 * 2))
    assert np.abs(found / probes.response_stds(net) - 1).max() > 0.1  # the data do count


def test_every_response_is_one_before_training_if_epsilon_is_negligible(net):
    np.testing.assert_allclose(probes.response_stds(net), np.ones(7), rtol=1e-5)


def test_responses_need_a_batch_norm_behind_each_convolution(net):
    # conv1 has one, bn2; behind conv2 comes the addition
    with pytest.raises(ValueError, match="behind each convolution, found none for layer1.0.conv2"):
        probes.response_stds(models.build("preact_resnet110", stage_sizes=(1, 1, 1)))
