import pytest
import torch

from resnet_tutorial import models, surgery
from resnet_tutorial.surgery import identity_extension, make_identity

PARTS = {"num_classes": 5, "in_channels": 1, "widths": (3, 4, 5)}


def plain(name, **parts):
    return models.build(name, **PARTS | parts).double()


@pytest.fixture
def images():
    torch.manual_seed(0)
    return torch.randn(16, 1, 8, 8, dtype=torch.float64)


@pytest.fixture
def shallow(images):
    """A net whose every parameter and average differs from its initial value."""
    net = plain("plain20")
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.2 * torch.rand_like(parameter))
        for _ in range(20):
            net.train()(images)
    return net.eval()


def test_layer_is_the_identity_for_any_averages():
    conv, bn = torch.nn.Conv2d(3, 3, 3, padding=1, bias=False), torch.nn.BatchNorm2d(3, eps=0.1)
    mean, var = torch.tensor([-1.0, 0.0, 2.0]), torch.tensor([0.0, 1.0, 9.0])
    make_identity(conv, bn, mean, var)
    x = torch.rand(2, 3, 4, 5)
    torch.testing.assert_close(torch.relu(bn.eval()(conv(x))), x)
    assert torch.equal(bn.running_mean, mean) and torch.equal(bn.running_var, var)


def test_extension_computes_the_same_on_other_images(shallow, images):
    deep = identity_extension(shallow, plain("plain56"), images)
    assert not deep.training and len(deep.layer1) == 9
    other = 3 * torch.randn(7, 1, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(deep(other), shallow(other), rtol=1e-11, atol=1e-11)


def test_extension_is_close_in_training_mode(shallow, images):
    """Its averages are those of `images`: with averages 0 and 1 this would be far off."""
    for layer in (m for m in shallow.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        layer.momentum = None  # averages over all batches, here one
        layer.reset_running_stats()
    with torch.no_grad():
        shallow.train()(images)
    deep = identity_extension(shallow, plain("plain56"), images).train()
    with torch.no_grad():
        gap = (deep(images) - shallow(images)).norm() / shallow(images).norm()
    assert gap < 0.1


def test_arguments_stay_as_they_were(shallow, images):
    deep = plain("plain56")
    before = [{k: v.clone() for k, v in net.state_dict().items()} for net in (shallow, deep)]
    shallow.train(), deep.train()
    identity_extension(shallow, deep, images)
    assert shallow.training and deep.training
    for net, state in zip((shallow, deep), before, strict=True):
        assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
        assert not any(module._forward_hooks for module in net.modules())


def test_the_same_depth_gives_a_copy(shallow, images):
    copy = identity_extension(shallow, plain("plain20"), images)
    assert torch.equal(copy(images), shallow(images))


@pytest.mark.parametrize(
    "small, large, message",
    [
        (plain("plain20"), models.build("resnet20", **PARTS), "plain nets, got one of BasicBlock"),
        (plain("plain20"), plain("plain56", widths=(3, 4, 6)), "differ in stage_sizes alone"),
        (plain("plain20"), plain("plain56", num_classes=6), "differ in stage_sizes alone"),
        (plain("plain20"), plain("plain56", in_channels=3), "differ in stage_sizes alone"),
        (plain("plain20"), plain("plain8"), "at least the blocks of the shallow one"),
    ],
)
def test_nets_that_do_not_fit_are_refused(small, large, message, images):
    with pytest.raises(ValueError, match=message):
        surgery.identity_extension(small, large, images)


@pytest.fixture
def labels():
    return torch.arange(16) % 5


def outputs(net, images):
    return net.train()(images).detach()


def test_batch_norm_is_taken_out_and_nothing_else(images):
    net = models.build("resnet8", **PARTS).double()
    bare = surgery.without_batch_norm(net)
    left = [p for name, p in net.named_parameters() if "bn" not in name]
    assert all(torch.equal(a, b) for a, b in zip(left, bare.parameters(), strict=True))
    x = torch.relu(net.conv1(images))
    block = net.layer1[0]
    expected = torch.relu(x + block.conv2(torch.relu(block.conv1(x))))
    assert torch.equal(bare.layer1[0](torch.relu(bare.conv1(images))), expected)
    assert isinstance(net.bn1, torch.nn.BatchNorm2d)


@pytest.mark.parametrize("number", [0.5, 7.0])
def test_a_scale_free_group_times_a_number_changes_nothing(shallow, images, number):
    """Up to epsilon, which is made negligible here."""
    for module in shallow.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 1e-30
    expected = outputs(shallow, images)
    groups = surgery.scale_free_groups(shallow)
    assert [len(group) for group in groups] == [1, 2] * 18 + [1]
    for group in groups:
        for parameter in group:
            parameter.data.mul_(number)
    torch.testing.assert_close(outputs(shallow, images), expected, rtol=1e-8, atol=1e-8)


def test_equal_gradients_of_the_same_function(shallow, images, labels):
    before = surgery.relative_gradients(shallow, images, labels)
    net = surgery.equalise_gradients(shallow, images, labels)
    after = surgery.relative_gradients(net, images, labels)
    assert before.max() > 2 * before.min()
    torch.testing.assert_close(after, before[-1].expand(37), rtol=1e-6, atol=0)
    torch.testing.assert_close(outputs(net, images), outputs(shallow, images), rtol=1e-8, atol=1e-8)


def test_relative_gradients_are_norms_of_gradient_over_parameter(shallow, images, labels):
    torch.nn.functional.cross_entropy(shallow.train()(images), labels).backward()
    found = surgery.relative_gradients(shallow, images, labels)
    first, bn = shallow.conv1.weight, shallow.bn1
    assert found[0].item() == pytest.approx((first.grad.norm() / first.norm()).item())
    gradient = torch.cat([bn.weight.grad, bn.bias.grad]).norm()
    assert found[1].item() == pytest.approx(
        (gradient / torch.cat([bn.weight, bn.bias]).norm()).item()
    )


def test_nets_with_shortcuts_have_no_free_scales(images, labels):
    net = models.build("resnet8", **PARTS).double()
    with pytest.raises(ValueError, match="expected plain nets, got one of BasicBlock"):
        surgery.equalise_gradients(net, images, labels)


def test_levelled_gradients_have_the_norm_of_their_layer_and_their_direction(images, labels):
    torch.manual_seed(0)
    net = models.build("plain8", in_channels=images.shape[1]).double()
    twin = models.build("plain8", in_channels=images.shape[1]).double()
    twin.load_state_dict(net.state_dict())
    surgery.level_gradients(net)
    for _ in range(2):  # zero_grad begins each step anew
        for one in (net, twin):
            one.zero_grad()
            torch.nn.functional.cross_entropy(one(images), labels).backward()
    layers = 0
    for module, other in zip(net.modules(), twin.modules(), strict=True):
        layer, plain = (list(m.parameters(recurse=False)) for m in (module, other))
        if layer:
            layers += 1
            w, g, h = (
                torch.cat([t.detach().flatten() for t in tensors])
                for tensors in (layer, [p.grad for p in layer], [p.grad for p in plain])
            )
            torch.testing.assert_close(g, h * w.norm() / h.norm(), rtol=1e-9, atol=1e-12)
    assert layers == 7 + 7 + 1


def test_a_gradient_of_zero_stays_when_levelled():
    net = torch.nn.Linear(3, 2)
    surgery.level_gradients(net)
    (0 * net(torch.ones(1, 3))).sum().backward()
    assert net.weight.grad.abs().max() == 0
