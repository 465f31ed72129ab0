"""The book's drawings: a block, a net or an array in, a ``Drawing`` out."""

from resnet_tutorial.drawings.angles import cosine_maps, half_circles
from resnet_tutorial.drawings.backward import kernels_back, stamps, way_back
from resnet_tutorial.drawings.blocks import blocks, shortcuts
from resnet_tutorial.drawings.chain import averaged, blame, chain, picked
from resnet_tutorial.drawings.columns import inserted, layers
from resnet_tutorial.drawings.convolution import im2col, window
from resnet_tutorial.drawings.counted import layout, pairs, shares
from resnet_tutorial.drawings.curves import histogram, kink, sizes, slopes
from resnet_tutorial.drawings.field import field
from resnet_tutorial.drawings.flow import flow, paths
from resnet_tutorial.drawings.ideas import classifier, descents
from resnet_tutorial.drawings.networks import stages
from resnet_tutorial.drawings.norm import norm_axes, removed, statistics
from resnet_tutorial.drawings.photos import cuts, pipeline
from resnet_tutorial.drawings.plane import arms, decay_triangle, discs, turns
from resnet_tutorial.drawings.svg import Canvas, Drawing
from resnet_tutorial.drawings.training import bars, batch_shares, intervals, schedules
from resnet_tutorial.drawings.troubles import looks, reached, runs
from resnet_tutorial.drawings.tuning import errors, frozen

__all__ = [
    "Canvas",
    "Drawing",
    "arms",
    "averaged",
    "bars",
    "batch_shares",
    "blame",
    "blocks",
    "chain",
    "classifier",
    "cosine_maps",
    "cuts",
    "decay_triangle",
    "descents",
    "discs",
    "errors",
    "field",
    "flow",
    "frozen",
    "half_circles",
    "histogram",
    "im2col",
    "inserted",
    "intervals",
    "kernels_back",
    "kink",
    "layers",
    "layout",
    "looks",
    "norm_axes",
    "pairs",
    "paths",
    "picked",
    "pipeline",
    "reached",
    "removed",
    "runs",
    "schedules",
    "shares",
    "shortcuts",
    "sizes",
    "slopes",
    "stages",
    "stamps",
    "statistics",
    "turns",
    "way_back",
    "window",
]
