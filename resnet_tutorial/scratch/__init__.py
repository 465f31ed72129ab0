"""A residual network in NumPy alone, every gradient by hand. Chapter: scratch/residual_block.

``ops`` holds the operations, ``layers`` gives them parameters, ``blocks`` composes the layers,
``network`` the blocks, and ``gradcheck`` judges every backward pass.
"""
