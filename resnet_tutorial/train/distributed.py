"""Several processes, one run: what PyTorch's distributed package leaves to its user.

Start them with `torchrun`, which tells each process its number; `DistributedDataParallel` then
averages the gradients. Chapter: training/scaling_up.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from resnet_tutorial.train.launch import launched


@dataclass(frozen=True)
class World:
    """The processes of a run: this one's `rank`, and how many there are, 1 without torchrun.

    >>> World().writes, World(rank=1, size=4).share
    (True, slice(1, None, 4))
    """

    rank: int = 0
    size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this is the one process that prints and writes files."""
        return self.rank == 0

    @property
    def share(self) -> slice:
        """This process's part of anything that all processes have in the same order."""
        return slice(self.rank, None, self.size)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, on each of them."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes, on the CPU, in float64, which not every device has."""
        if self.size == 1:
            return values.cpu().double()
        return self.sum(values.double()).cpu() / self.size

    def max(self, value: int, device: torch.device) -> int:
        """The largest value of all processes, which all must ask for."""
        if self.size == 1:
            return value
        largest = torch.tensor(value, device=device)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest.item())

    def parallel(self, model: nn.Module) -> nn.Module:
        """`model`, its gradients averaged over all processes. Batch norm sees each one's part.

        Its running averages are the first process's: see `broadcast_buffers`.
        """
        if self.size == 1:
            return model
        return nn.parallel.DistributedDataParallel(model, broadcast_buffers=False)

    def broadcast_buffers(self, model: nn.Module) -> None:
        """Gives every process the running averages of the first."""
        if self.size > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """The world that torchrun started this process in; a world of one without torchrun.

    >>> with joined(torch.device("cpu")) as world:
    ...     world.size  # without torchrun
    1
    """
    if not launched():
        yield World()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    world = World(dist.get_rank(), dist.get_world_size())
    try:
        yield world
    except RuntimeError as error:  # what a broken connection raises, among other things
        problem = str(error).strip().splitlines()[0]
        raise ConnectionError(
            f"process {world.rank} of {world.size} had to stop: {problem}; when another process "
            "ended before, its message stands above or in its log; start the run again with "
            "resume and it goes on from the last checkpoint"
        ) from error
    finally:
        dist.destroy_process_group()
