"""The book's drawings: a block, a net or an array in, a ``Drawing`` out."""

from resnet_tutorial.drawings.blocks import blocks, shortcuts
from resnet_tutorial.drawings.columns import inserted, layers
from resnet_tutorial.drawings.convolution import im2col, spread, stamps, window
from resnet_tutorial.drawings.curves import histogram, slopes
from resnet_tutorial.drawings.flow import flow, paths
from resnet_tutorial.drawings.ideas import classifier
from resnet_tutorial.drawings.networks import stages
from resnet_tutorial.drawings.norm import norm_axes, removed
from resnet_tutorial.drawings.plane import arms, decay_triangle, discs
from resnet_tutorial.drawings.svg import Canvas, Drawing
from resnet_tutorial.drawings.training import bars, intervals, schedules, shares

__all__ = [
    "Canvas",
    "Drawing",
    "arms",
    "bars",
    "blocks",
    "classifier",
    "decay_triangle",
    "discs",
    "flow",
    "histogram",
    "im2col",
    "inserted",
    "intervals",
    "layers",
    "norm_axes",
    "paths",
    "removed",
    "schedules",
    "shares",
    "shortcuts",
    "slopes",
    "spread",
    "stages",
    "stamps",
    "window",
]
