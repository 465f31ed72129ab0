"""Checkers for the exercises, one module a chapter.

    from resnet_tutorial.check import residual_block as check

    check.pad_backward(your_function)

A checker calls your function on inputs of its own and answers in one line: correct, not written
yet, or where and by how much it is wrong. It never raises for a wrong answer.
"""
