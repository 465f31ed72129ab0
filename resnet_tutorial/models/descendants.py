"""Blocks that came after the first paper. Chapter: training/recipe.

Each is a block of ``resnet_tutorial.models.blocks`` with another branch or another shortcut.
"""

from torch.nn.functional import dropout, relu

from resnet_tutorial.models.blocks import BasicBlock
from resnet_tutorial.models.shortcuts import Input, Output


class DroppedBranchBlock(BasicBlock):
    """BasicBlock with half of the values between its convolutions set to zero in training.

    The place is that of wide residual networks (Zagoruyko and Komodakis 2016), in the paper's order
    of layers.

    >>> import torch
    >>> block, x = DroppedBranchBlock(16, 16).eval(), torch.rand(2, 16, 8, 8)
    >>> torch.equal(block.branch(x), BasicBlock.branch(block, x))  # nothing is dropped here
    True
    """

    def branch(self, x: Input) -> Output:
        """F(x), with dropout before the second convolution."""
        f = self.conv1(x)
        f = self.bn1(f)
        f = relu(f)
        f = dropout(f, 0.5, self.training)
        f = self.conv2(f)
        return self.bn2(f)
