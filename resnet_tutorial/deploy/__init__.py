"""A trained network for use elsewhere: batch norms folded away, and an ONNX file that is checked.

All of it takes a network in evaluation mode and leaves that as it is. Chapter: practice/deploy.
"""

from resnet_tutorial.deploy.folding import fold, fold_batch_norm
from resnet_tutorial.deploy.onnx_file import FromPixels, export_onnx

__all__ = ["FromPixels", "export_onnx", "fold", "fold_batch_norm"]
