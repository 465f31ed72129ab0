"""What the operations and layers demand of their arguments. Chapter: scratch/convolution.

Integers are refused and not converted: NumPy's integers overflow without a word, and whether pixels
are 0..255 or 0..1 is for the caller to say. So is float16, whose sums overflow at 65,504.
"""

import numpy as np

from resnet_tutorial import Mistake

Array = np.ndarray
FLOATS = (np.float32, np.float64)


def require(condition: bool | np.bool, message: str) -> None:
    """Raises ValueError with `message` unless the condition holds."""
    if not condition:
        raise Mistake(message)


def require_array(**arrays: object) -> None:
    """Plain NumPy arrays: of a masked one, the operations would use what the mask hides."""
    for name, array in arrays.items():
        kind = type(array)
        plain = kind in (np.ndarray, np.memmap)
        require(plain, f"{name} must be a plain NumPy array, got {kind.__name__}: convert it first")


def require_floats(**arrays: object) -> None:
    """float32 or float64 arrays. Every operation asks this of every array, dy included."""
    require_array(**arrays)
    for name, array in arrays.items():
        advice = f"use {name}.astype(np.float32)"
        right = array.dtype in FLOATS
        require(right, f"{name} must be float32 or float64, got {array.dtype}: {advice}")


def require_whole(least: int, **numbers: object) -> None:
    """Python's or NumPy's integers that are at least `least`."""
    for name, number in numbers.items():
        whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
        fits = whole and number >= least
        require(fits, f"{name} must be at least {least} and an int, got {number!r}")


def require_rates(**numbers: object) -> None:
    """Finite numbers that are not negative: a learning rate, a momentum, an eps."""
    for name, number in numbers.items():
        real = isinstance(number, int | float | np.integer | np.floating)
        fits = real and 0 <= number < np.inf
        require(fits, f"{name} must be a finite number and not negative, got {number!r}")


def require_generator(rng: object) -> None:
    """A seed alone would give every layer the same weights."""
    right = isinstance(rng, np.random.Generator)
    require(right, f"rng must be a generator, got {rng!r}: use np.random.default_rng(0)")


def require_images(x: object) -> None:
    """x is (n, c, h, w), and an image has pixels."""
    require_floats(x=x)
    require(x.ndim == 4, f"expected images (n, c, h, w), got an array of shape {x.shape}")
    require(min(x.shape[1:]) > 0, f"images without pixels, an array of shape {x.shape}")


def require_gradient(dy: object, shape: tuple[int, ...]) -> None:
    """dy has the shape of the output; NumPy would broadcast another and return a wrong answer."""
    require_floats(dy=dy)
    require(dy.shape == shape, f"dy must have the shape of the output, {shape}, got {dy.shape}")


def require_fit(image: tuple[int, int], kernel: tuple[int, int], stride: int, padding: int) -> None:
    """The kernel fits into the padded image, and stride and padding are possible."""
    require_whole(1, stride=stride)
    require_whole(0, padding=padding)
    require_whole(1, **{"the kernel's height": kernel[0], "the kernel's width": kernel[1]})
    padded = tuple(size + 2 * padding for size in image)
    require(
        padded[0] >= kernel[0] and padded[1] >= kernel[1],
        f"the image with its padding, {padded}, is smaller than the kernel, {kernel}",
    )
