"""Draw the figure of the landing page and the README from the recorded runs."""

from pathlib import Path

from resnet_tutorial import experiments, figures

ROOT = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    axes = figures.errors_by_depth(experiments.recorded("digits_depth"))
    axes[0].figure.savefig(ROOT / "book/_static/degradation.png", dpi=160)
