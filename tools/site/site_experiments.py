"""Sphinx extension: the page Experiments, written from the experiments and their records.

It takes the place of the comment `% experiments` in book/experiments.md at every build.
"""

import re
from itertools import groupby
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

import yaml
from scipy.stats import t

from resnet_tutorial import data, experiments
from resnet_tutorial.experiments import EXPERIMENTS

PAGE, MARK = "book/experiments", "% experiments"
ROOT = Path(__file__).resolve().parents[2]
CONFIDENCE = 0.95


def with_interval(values):
    """Mean and half of the 95 % t-interval over seeds; of one value, the value: in percent."""
    percent = [100 * value for value in values]
    if len(percent) < 2:
        return f"{percent[0]:.2f} (one seed)"
    quantile = t.ppf((1 + CONFIDENCE) / 2, len(percent) - 1)
    return f"{fmean(percent):.2f} ± {quantile * stdev(percent) / sqrt(len(percent)):.2f}"


def settings_of(record):
    """What tells runs of one net apart, but the seed: parts of the variant, and the rate."""
    parts = {key: re.sub(r"-seed[0-9]+$", "", value) for key, value in record.variant.items()}
    return {**parts, "rate": f"{record.recipe['lr']:g}"}


def row_names(records):
    """For each record the net, and the settings in which records of this net differ."""
    found = []
    for record in records:
        own = settings_of(record)
        others = [settings_of(other) for other in records if other.model == record.model]
        keys = [key for key in own if any(own[key] != other.get(key) for other in others)]
        found.append(", ".join([record.model, *(f"{key} {own[key]}" for key in keys)]))
    return found


def results(records):
    """A row for each net and setting, of the runs that finished; the others are counted."""
    rows = ["| net | training error (%) | test error (%) |", "| --- | --- | --- |"]
    names = row_names(records)
    for name in dict.fromkeys(names):
        own = [record for record, of in zip(records, names, strict=True) if of == name]
        done = [record for record in own if record.status == "finished"]
        errors = [
            with_interval([getattr(record, part) for record in done]) if done else "none finished"
            for part in ("train_error", "test_error")
        ]
        said = name if len(done) == len(own) else f"{name}, {len(done)} of {len(own)} finished"
        rows.append(f"| {said} | {errors[0]} | {errors[1]} |")
    return "\n".join(rows) if records else ""


def setting(runs):
    """Data, nets, how they differ from the named ones, epochs and seeds."""
    names = dict.fromkeys(data.CATALOGUE[run.data].label for run in runs)
    nets = dict.fromkeys(run.model for run in runs)
    variants = dict.fromkeys(
        f"{key} {re.sub(r'-seed[0-9]+$', '', value)}"
        for run in runs
        for key, value in run.variant.items()
        if (key, value) != ("kind", "Run")
    )
    recipes = dict.fromkeys(f"{r.epochs} epochs, rate {r.lr:g}" for r in (x.recipe for x in runs))
    seeds = sorted({run.seed for run in runs})
    parts = [f"Data: {', '.join(names)}", f"nets: {', '.join(nets)}"]
    parts += [f"with `{'`, `'.join(variants)}`"] if variants else []
    parts += [" and ".join(recipes), f"seeds: {', '.join(map(str, seeds))}"]
    return "; ".join(parts) + "."


def links(chapters):
    return ", ".join(f"{{doc}}`/book/{chapter}`" for chapter in chapters)


def section(name, experiment):
    """One experiment as MyST."""
    absent = experiments.missing(name)
    paragraphs = [f"### {name}", experiment.question, setting(experiment.runs)]
    paragraphs.append(results(experiments.available(name)))
    command = f"`resnet-tutorial reproduce {name}`"
    if absent:
        count = f"{len(absent)} of {len(experiment.runs)} runs"
        paragraphs.append(f"*Not run yet*: {count}. Command: {command}")
    else:
        paragraphs.append(f"Command: {command}")
    if experiment.also:
        paragraphs.append(f"Also in {links(experiment.also)}.")
    return "\n\n".join(filter(None, paragraphs))


def in_order_of_the_book():
    """The chapters of _toc.yml, as in "problem/degradation"."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"]
    return [page["file"].removeprefix("book/") for part in parts for page in part["chapters"]]


def title(chapter):
    """A chapter's first heading."""
    text = (ROOT / "book" / f"{chapter}.ipynb").read_text()
    return re.search(r'"# ([^"\\]+)', text)[1]


def everything():
    """All experiments as MyST, under the chapters that ask."""
    order = in_order_of_the_book()
    rows = sorted(EXPERIMENTS.items(), key=lambda row: order.index(row[1].chapter))
    out = []
    for chapter, group in groupby(rows, key=lambda row: row[1].chapter):
        out += [f"## {title(chapter)}", f"Chapter: {links([chapter])}"]
        out += [section(name, experiment) for name, experiment in group]
    return "\n\n".join(out)


def write(app, docname, source):
    if docname == PAGE:
        source[0] = source[0].replace(MARK, everything())


def setup(app):
    app.connect("source-read", write)
    app.connect("env-get-outdated", lambda *_: [PAGE])  # records are no source that Sphinx knows
    return {"parallel_read_safe": True, "parallel_write_safe": True}
