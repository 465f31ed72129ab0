"""Several processes, one run: what PyTorch's distributed package leaves to its user.

Start them with `torchrun`, which tells each process its number; `DistributedDataParallel` then
averages the gradients. Chapter: training/your_hardware.
"""

import contextlib
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnet_tutorial.train import launch
from resnet_tutorial.train.stopping import at_once

# How gloo and NCCL begin the RuntimeError of a broken connection; they have no type for it.
LOST = re.compile(r"gloo|Connection (closed|reset|refused)|Broken pipe|Timed out|NCCL", re.I)
T = TypeVar("T")


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

    def max(self, value: int) -> int:
        """The largest value of all processes, which all must ask for; the device does not wait."""
        if self.size == 1:
            return value
        largest = torch.tensor(value)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest.item())

    def first(self, work: Callable[[], T]) -> T:
        """What `work` gives in the first process, in all of them; its error, too, is raised in all.

        >>> World().first(lambda: 3)
        3
        """
        if self.size == 1:
            return work()
        told = [None, None]
        if self.writes:
            try:
                told = [work(), None]
            except Exception as error:  # the others wait for an answer
                told = [None, error]
        dist.broadcast_object_list(told)
        result, error = told
        if error is not None:
            raise error
        return result

    def parallel(self, model: nn.Module) -> nn.Module:
        """`model`, its gradients averaged over all processes. Batch norm sees each one's part.

        Its running averages are the first process's: see `broadcast_buffers`.
        """
        if self.size == 1:
            return model
        parallel = nn.parallel.DistributedDataParallel
        new = "forward_sync_buffers"  # its name from torch 2.13 on
        name = new if new in inspect.signature(parallel).parameters else "broadcast_buffers"
        return parallel(model, **{name: False})

    @contextlib.contextmanager
    def alone(self, forward: nn.Module, alone: bool) -> Iterator[None]:
        """While open, and if `alone`, gradients stay in each process: more is to be added to them.

        >>> with World().alone(nn.Identity(), True):
        ...     pass
        """
        with forward.no_sync() if alone and self.size > 1 else contextlib.nullcontext():
            yield

    def broadcast_buffers(self, model: nn.Module) -> None:
        """Gives every process the running averages of the first."""
        if self.size > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)


@contextlib.contextmanager
def synchronised(model: nn.Module) -> Iterator[None]:
    """While open, the batch norms of `model` normalise by the batches of all processes together.

    Parameters and averages are the same objects before, within and after.

    >>> net = nn.Sequential(nn.BatchNorm2d(3))
    >>> with synchronised(net):
    ...     net[0]
    SyncBatchNorm(3, ...)
    >>> net[0]
    BatchNorm2d(3, ...)
    """
    norms = {name: m for name, m in model.named_modules() if isinstance(m, _BatchNorm)}
    nn.SyncBatchNorm.convert_sync_batchnorm(model)
    try:
        yield
    finally:
        for name, norm in norms.items():
            parent, _, own = name.rpartition(".")
            norm.train(model.get_submodule(name).training)
            setattr(model.get_submodule(parent), own, norm)


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """The world that torchrun started this process in; a world of one without torchrun.

    Raises ValueError when the environment does not say which, and ConnectionError when another
    process is lost; other errors are passed on as they are.

    >>> with joined(torch.device("cpu")) as world:
    ...     world.size  # without torchrun
    1
    """
    if not launch.launched():
        yield World()
        return
    world = World(launch.number("RANK"), launch.number("WORLD_SIZE"))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        with at_once():  # the others may never come
            # On GPUs the processes agree about signals without waiting for the device.
            dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
        yield world
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and not LOST.search(str(error)):
            raise
        problem = str(error).strip().splitlines()[0]
        raise ConnectionError(
            f"process {world.rank} of {world.size} had to stop: {problem}; when another process "
            "ended before, its message stands above or in its log; start the run again with "
            "resume and it goes on from the last checkpoint"
        ) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
