"""Predictions for pictures, from nothing but a file of weights that says what it is given.

Chapter: practice/own_images.
"""

import os
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image
from torch import nn

from resnet_tutorial import Mistake, models
from resnet_tutorial.data import decode
from resnet_tutorial.inputs import Inputs
from resnet_tutorial.models import weights
from resnet_tutorial.train.evaluation import batch_size, evaluating

__all__ = ["Predictor"]
Picture = str | os.PathLike | Image.Image | np.ndarray | torch.Tensor
CHANNELS = (1, 3)  # of grey and coloured pictures


class Predictor:
    """Pictures in, probabilities out. ValueError for a network of other than 1 or 3 channels.

    >>> from resnet_tutorial import data, models
    >>> digits = data.load("digits")
    >>> predictor = Predictor(models.build("resnet8", in_channels=1), digits.inputs())
    >>> predictor(digits.test.images[:5]).shape, predictor.classes[:3]
    ((5, 10), ('0', '1', '2'))
    """

    def __init__(self, net: nn.Module, inputs: Inputs):
        if inputs.shape[0] not in CHANNELS:
            raise Mistake(
                f"expected a network for grey pictures or colours, got one for {inputs.shape[0]} "
                "channels; call it on arrays that you prepared"
            )
        self.net, self.inputs = net.eval(), inputs

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the columns of what a call returns."""
        return self.inputs.classes

    @classmethod
    def load(
        cls,
        source: str | os.PathLike,
        model: str | None = None,
        inputs: Inputs | None = None,
        device: str | torch.device = "cpu",
    ) -> "Predictor":
        """The predictor of a run's folder, or of a file of weights.

        `model` is the network's name and `inputs` how pictures become its input, for files that do
        not say so: those of other programs and of older versions. Raises ValueError when one of
        them is missing.

        >>> Predictor.load("no_such_run")
        Traceback (most recent call last):
        resnet_tutorial.Mistake: no_such_run does not exist; ...
        """
        path = weights.located(source)
        name = model or weights.load(path)[1].get("model")
        if name is None:
            raise Mistake(f"{path} does not say which network it is; give model, as in resnet18")
        net = models.build(name, weights=path)
        inputs = inputs or net.inputs
        if inputs is None:
            raise Mistake(
                f"{path} does not say how pictures become its input; give the data set that it was "
                "trained on: inputs=dataset.inputs(), on the command line --data"
            )
        if (outputs := net.architecture.num_classes) != len(inputs.classes):
            raise Mistake(
                f"{path} has {outputs} outputs, but {len(inputs.classes)} classes are named; give "
                "the data set that it was trained on"
            )
        return cls(net.to(device), inputs)

    def __call__(self, pictures: Picture | Sequence) -> Float32[np.ndarray, "n k"]:
        """The probability of each class, a row for each picture, in evaluation mode.

        A picture is the path of a file, an image of Pillow, or an array of uint8 as Pillow gives
        it, `(h, w)` or `(h, w, 3)`, or as a Dataset holds it, `(c, h, w)`. Of any size: see
        `Inputs`. Raises ValueError in one line for what is no picture, and for pixels that were
        scaled or normalised: the predictor does that itself.
        """
        images = self.prepared(pictures)
        device = next(self.net.parameters()).device
        found = []
        with evaluating(self.net):
            for part in torch.from_numpy(images).split(batch_size(torch.from_numpy(images))):
                normal = torch.from_numpy(self.inputs.normalize(part.numpy())).to(device)
                found.append(self.net(normal).float().softmax(1).cpu())
        return torch.cat(found).numpy()

    def prepared(self, pictures: Picture | Sequence) -> UInt8[np.ndarray, "n c h w"]:
        """The pictures cut, scaled and with as many channels as the network's, not normalised."""
        single = isinstance(pictures, str | os.PathLike | Image.Image)
        if isinstance(pictures, np.ndarray | torch.Tensor):
            pictures = np.asarray(pictures)
            _check_pixels(pictures)
            single = pictures.ndim < 4
        pictures = [pictures] if single else pictures
        if len(pictures) == 0:
            raise Mistake("expected at least one picture, got none")
        return np.stack([self._prepared(picture) for picture in pictures])

    def _prepared(self, picture: object) -> UInt8[np.ndarray, "c h w"]:
        channels, h, w = self.inputs.shape
        if isinstance(picture, str | os.PathLike) and (channels, h) == (3, w):  # as in evaluation
            return decode.center(picture, h, self.inputs.crop_pct).transpose(2, 0, 1)
        return fitted(pixels(picture), self.inputs)


def pixels(picture: object) -> UInt8[np.ndarray, "c h w"]:
    """One picture as bytes, grey `(1, h, w)` or coloured `(3, h, w)`.

    >>> pixels(np.zeros((20, 30, 3), np.uint8)).shape
    (3, 20, 30)
    """
    if isinstance(picture, str | os.PathLike):
        return decode.picture(picture)
    if isinstance(picture, Image.Image):
        picture = np.asarray(decode.upright(picture))
    if not isinstance(picture, np.ndarray | torch.Tensor):
        raise Mistake(
            "expected a path, an image of Pillow or an array of uint8, got "
            f"{type(picture).__name__}"
        )
    picture = np.asarray(picture)
    _check_pixels(picture)
    if picture.ndim == 2:
        return picture[None]
    last, first = picture.shape[-1] in CHANNELS, picture.shape[0] in CHANNELS
    if picture.ndim != 3 or last == first:
        raise Mistake(
            f"expected a picture of shape (h, w), (h, w, 3) or (c, h, w) with 1 or 3 channels, got "
            f"{picture.shape}"
        )
    return picture.transpose(2, 0, 1) if last else picture


def _check_pixels(array: np.ndarray) -> None:
    """ValueError unless these are bytes; what they are instead is told from their values."""
    if array.dtype == np.uint8:
        return
    expected = "expected the pixels as stored, uint8 from 0 to 255"
    if array.dtype.kind not in "iuf" or array.size == 0 or not np.isfinite(array).all():
        raise Mistake(f"{expected}, got {array.dtype} {array.shape}; give the picture itself")
    low, high = array.min(), array.max()
    if low < 0:
        what = "already normalised? Give the picture as it was: the predictor normalises by itself"
    elif high <= 1:
        what = "divided by 255? Undo it: (255 * images).round().astype(np.uint8)"
    elif high <= 255:
        what = "convert them: images.round().astype(np.uint8)"
    else:
        what = "more than 8 bits? Scale them to 0 to 255, as in (images / 257).astype(np.uint8)"
    raise Mistake(f"{expected}, got {array.dtype} from {low:.6g} to {high:.6g}: {what}")


def fitted(picture: UInt8[np.ndarray, "c h w"], inputs: Inputs) -> UInt8[np.ndarray, "c2 h2 w2"]:
    """The middle of a picture in the shape of `inputs`; grey is repeated, colours become grey.

    >>> from resnet_tutorial.models import imagenet
    >>> fitted(np.zeros((1, 300, 400), np.uint8), imagenet.inputs()).shape
    (3, 224, 224)
    """
    channels, h, w = inputs.shape
    image = Image.fromarray(picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0))
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (w, h):
        scale = inputs.crop_pct * min(image.width / w, image.height / h)
        left, upper = (image.width - scale * w) / 2, (image.height - scale * h) / 2
        box = (left, upper, left + scale * w, upper + scale * h)
        image = image.resize((w, h), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
