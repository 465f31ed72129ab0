"""The experiments on Fashion-MNIST and CIFAR."""

from resnet_tutorial import models
from resnet_tutorial.experiments.experiment import Experiment
from resnet_tutorial.experiments.kinds import grid
from resnet_tutorial.experiments.recipes import FAMILY, ON_GPU, PHOTOS, PHOTOS_SHORT, PROXY, fashion

EXPERIMENTS = {
    "fashion_depth": Experiment(
        "Do plain nets degrade on Fashion-MNIST too, in one epoch?",
        "training/depth_sweep",
        fashion(("plain56", "resnet56", "plain20", "resnet20")),
        also=("pytorch/architectures", "training/recipe"),
    ),
    "fashion_option_b": Experiment(
        "What do projections change where the shape changes (option B)?",
        "pytorch/architectures",
        fashion(("resnet20",), (("shortcut", models.option_b),)),
    ),
    "fashion_option_c": Experiment(
        "What do projections in all shortcuts change (option C)?",
        "pytorch/architectures",
        fashion(("resnet20",), (("shortcut", models.option_c),)),
    ),
    "fashion_dropped_branch": Experiment(
        "What does dropout in the residual branch change on Fashion-MNIST?",
        "training/recipe",
        fashion(("resnet20",), (("block", models.DroppedBranchBlock),)),
    ),
    "fashion_dropped_shortcut": Experiment(
        "What does dropout on the shortcut change on Fashion-MNIST?",
        "training/recipe",
        fashion(("resnet20",), (("shortcut", models.option_a_dropped),)),
    ),
    "cifar10_jpeg75_proxy": Experiment(
        "Do plain nets degrade on photos, CIFAR-10 (JPEG-75 copy), in one epoch?",
        "training/depth_sweep",
        grid(
            ("plain56", "resnet56", "plain20", "resnet20"), range(1), PROXY, data="cifar10-jpeg75"
        ),
    ),
    "cifar10_jpeg75_10": Experiment(
        "Does the paper's picture show itself on CIFAR-10 (JPEG-75 copy) after ten epochs?",
        "training/depth_sweep",
        grid(
            ("plain20", "resnet20", "plain56", "resnet56"),
            range(3),
            PHOTOS_SHORT,
            data="cifar10-jpeg75",
        ),
    ),
    "cifar10_jpeg75_30": Experiment(
        "Does the paper's picture show itself on CIFAR-10 (JPEG-75 copy) after 30 epochs?",
        "problem/degradation",
        grid(
            ("plain20", "resnet20", "plain56", "resnet56"), range(3), PHOTOS, data="cifar10-jpeg75"
        ),
        also=("training/depth_sweep", "training/your_hardware"),
    ),
    "cifar10_jpeg75_paper": Experiment(
        "What does the paper's training of 64k iterations reach on CIFAR-10 (JPEG-75 copy)?",
        "training/depth_sweep",
        grid(FAMILY, range(3), ON_GPU, data="cifar10-jpeg75"),
    ),
    "cifar10_paper": Experiment(
        "What does the paper's training of 64k iterations reach on CIFAR-10 itself?",
        "training/depth_sweep",
        grid(FAMILY, range(3), ON_GPU, data="cifar10"),
    ),
}
