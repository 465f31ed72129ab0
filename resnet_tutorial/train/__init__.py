"""Training: a loop that loses nothing, and an honest record.

The loop is the paper's (He et al. 2015, section 4.2): SGD with momentum and weight decay on every
parameter. The data lie on the device as bytes; images are shifted, mirrored and normalised there a
batch at a time, and nothing inside a step waits for the device. Every random number of a step is
drawn from the seed and the number of the step, so a run that goes on after a stop takes the same
steps. Chapters: problem/degradation, training/recipe, training/your_hardware.
"""

import importlib

# Each name is loaded when it is first used: the command line reads recipes without torch.
_ROOMS = {  # in the order of the reference
    "fit": "fitting",
    "evaluate": "evaluation",
    "predict": "evaluation",
    "error": "evaluation",
    "best_device": "fitting",
    "Batches": "batches",
    "Stream": "stream",
    "Augment": "augment",
    "PhotoAugment": "photo_augment",
    "BoxAugment": "photo_augment",
    "Interrupted": "stopping",
    "Watch": "watch",
    "Step": "watch",
    "History": "watch",
    "Plot": "watch",
    "TensorBoard": "watch",
    "Several": "watch",
    "Warnings": "symptoms",
    "Recipe": "recipe",
    "PhotoRecipe": "photo_recipe",
    "PAPER": "recipe",
    "IMAGENET": "photo_recipe",
    "Tuning": "tuning",
    "Cosine": "recipe",
    "Steps": "recipe",
    "OneCycle": "recipe",
}
__all__ = list(_ROOMS)


def __getattr__(name: str):
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
