"""A small folder of pictures made by code: twelve light shapes on a darker, noisy ground.

A shape is an inequality in u and v, the coordinates of a pixel after a shift, a scale and a turn:
`disc` is u^2 + v^2 < 1. Colours say nothing of the class. Chapter: practice/own_images.

>>> u, v = np.array([[0.0, 0.5]]), np.zeros((1, 2))
>>> len(SHAPES), SHAPES["disc"](u, v).tolist(), SHAPES["ring"](u, v).tolist()
(12, [[True, True]], [[False, False]])
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, UInt8
from PIL import Image

from resnet_tutorial import Mistake
from resnet_tutorial.paths import expanded

Grid = Float64[np.ndarray, "h w"]


def _disc(u: Grid, v: Grid, radius: float = 1.0) -> Bool[np.ndarray, "h w"]:
    """A disc around 0."""
    return u**2 + v**2 < radius**2


#: What is inside each shape, by its name: a function of u and v.
SHAPES: dict[str, Callable[[Grid, Grid], Bool[np.ndarray, "h w"]]] = {
    "bar": lambda u, v: (abs(u) < 1) & (abs(v) < 0.3),
    "checks": lambda u, v: _disc(u, v) & (np.sin(7 * u) * np.sin(7 * v) > 0),
    "disc": _disc,
    "dots": lambda u, v: _disc(u, v) & (np.cos(7 * u) + np.cos(7 * v) > 0.6),
    "drop": lambda u, v: (v**2 < 0.36 * (1 + u) * (1 - u) ** 2) & (abs(u) < 1),
    "flower": lambda u, v: np.hypot(u, v) < 0.65 + 0.4 * np.cos(5 * np.arctan2(v, u)),
    "moon": lambda u, v: _disc(u, v) & ~_disc(u - 0.5, v, 0.9),
    "plus": lambda u, v: (np.minimum(abs(u), abs(v)) < 0.3) & (np.maximum(abs(u), abs(v)) < 1),
    "ring": lambda u, v: _disc(u, v) & ~_disc(u, v, 0.6),
    "square": lambda u, v: np.maximum(abs(u), abs(v)) < 0.8,
    "stripes": lambda u, v: _disc(u, v) & (np.sin(9 * u) > 0),
    "triangle": lambda u, v: (u > -0.6) & (u + 1.73 * abs(v) < 1),
}


def picture(name: str, rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    """One picture of a shape; `rng` draws its size, place, turn, colours and clutter.

    >>> picture("disc", np.random.default_rng(0)).shape
    (127, 113, 3)
    """
    h, w = rng.integers(72, 137, 2)
    y, x = np.mgrid[:h, :w]
    image = np.ones((h, w, 3)) * rng.uniform(30, 110, 3)
    for _ in range(3):  # soft waves
        fx, fy, phase = rng.uniform((-0.15, -0.15, 0), (0.15, 0.15, 7))
        image += np.sin(fx * x + fy * y + phase)[..., None] * rng.uniform(-25, 25, 3)
    radius = rng.uniform(0.28, 0.42) * min(h, w)
    center, turn = rng.uniform(0.38, 0.62, 2) * (h, w), rng.uniform(-0.5, 0.5)
    dy, dx = (y - center[0]) / radius, (x - center[1]) / radius
    u, v = np.cos(turn) * dx + np.sin(turn) * dy, np.cos(turn) * dy - np.sin(turn) * dx
    image[SHAPES[name](u, v)] = rng.uniform(140, 255, 3)
    return (image + rng.normal(0, 12, image.shape)).round().clip(0, 255).astype(np.uint8)


def write(path: str | os.PathLike, per_class: int = 25, seed: int = 0) -> Path:
    """Makes the folder `path` with a folder for each shape and `per_class` pictures in it.

    Every second one is a JPEG file, the others are PNG files. Raises ValueError when the folder is
    there already.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     made = write(f"{place}/shapes", per_class=2)
    ...     sorted(file.name for file in (made / "disc").iterdir())
    ['disc-00.jpg', 'disc-01.png']
    """
    path, rng = expanded(path), np.random.default_rng(seed)
    if path.exists():
        raise Mistake(f"{path} is there already; name a folder that is new")
    for name in SHAPES:
        (path / name).mkdir(parents=True)
        for i in range(per_class):
            suffix = "png" if i % 2 else "jpg"
            Image.fromarray(picture(name, rng)).save(path / name / f"{name}-{i:02}.{suffix}")
    return path
