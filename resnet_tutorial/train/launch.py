"""What torchrun tells each process that it starts, in environment variables.

Chapter: training/your_hardware.
"""

import os

from resnet_tutorial import Mistake

TOGETHER = ("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what comes with RANK
MEND = "start with torchrun, or unset"


def launched() -> bool:
    """Whether torchrun, or what sets the same variables, started this process.

    Raises ValueError when only some of them are set, or to what they cannot be.

    >>> launched()  # in a process of its own
    False
    """
    if "RANK" not in os.environ:
        return False
    if absent := [name for name in TOGETHER if not os.environ.get(name)]:
        raise Mistake(f"RANK is set, but not {', '.join(absent)}; {MEND} RANK")
    rank, size = number("RANK"), number("WORLD_SIZE")
    if rank >= size:
        raise Mistake(f"expected RANK below WORLD_SIZE={size}, got {rank}; {MEND} RANK")
    if not 0 < number("MASTER_PORT") < 1 << 16:
        port = os.environ["MASTER_PORT"]
        raise Mistake(f"expected MASTER_PORT from 1 to 65535, got {port}; {MEND} RANK")
    return True


def number(name: str) -> int:
    """The whole number in the variable `name`, 0 when it is not set. ValueError for anything else.

    >>> number("LOCAL_RANK")  # in a process of its own
    0
    """
    text = os.environ.get(name, "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        cause = "LOCAL_RANK" if name == "LOCAL_RANK" else "RANK"  # which makes the others count
        raise Mistake(f"expected {name} to be a whole number, got {text[:50]!r}; {MEND} {cause}")
    return int(text)
