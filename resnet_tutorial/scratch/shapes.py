"""What the operations demand of the shapes of their arguments. Chapter: scratch/convolution."""

import numpy as np

Array = np.ndarray


def require(condition: bool, message: str) -> None:
    """Raises ValueError with `message` unless the condition holds."""
    if not condition:
        raise ValueError(message)


def require_images(x: Array) -> None:
    """x is (n, c, h, w)."""
    require(x.ndim == 4, f"expected images (n, c, h, w), got an array of shape {x.shape}")


def require_gradient(dy: Array, shape: tuple[int, ...]) -> None:
    """dy has the shape of the output; NumPy would broadcast another and return a wrong answer."""
    require(dy.shape == shape, f"dy must have the shape of the output, {shape}, got {dy.shape}")


def require_fit(image: tuple[int, int], kernel: tuple[int, int], stride: int, padding: int) -> None:
    """The kernel fits into the padded image, and stride and padding are possible."""
    require(
        stride >= 1 and padding >= 0,
        f"stride must be at least 1 and padding at least 0, got {stride} and {padding}",
    )
    padded = tuple(size + 2 * padding for size in image)
    require(
        padded[0] >= kernel[0] and padded[1] >= kernel[1],
        f"the image with its padding, {padded}, is smaller than the kernel, {kernel}",
    )
