"""Photos that stay in their files: what is trained on and evaluated, and what goes wrong."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from resnet_tutorial import Mistake, data, models, train
from resnet_tutorial.cli import recipes
from resnet_tutorial.data import Photos, decode, decoders, streamed
from resnet_tutorial.train import Batches, PhotoRecipe, Stream, loop

PLAN = PhotoRecipe(
    epochs=2,
    batch_size=8,
    lr=0.05,
    schedule=train.Cosine(warmup=2),
    color_jitter=(0.4, 0.4, 0.4),
)
SIDE = 16


def make(root, sizes, count=12, suffix="png"):
    """`count` pictures of each of two classes, reddish and bluish noise, of the sizes in turn."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(("red", "blue")):
        (root / name).mkdir(parents=True)
        for i in range(count):
            w, h = sizes[i % len(sizes)]
            pixels = rng.integers(0, 200, (h, w, 3), dtype=np.uint8)
            pixels[..., 2 * label] += 55
            Image.fromarray(pixels).save(root / name / f"{i:02}.{suffix}")
    return root


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """24 photos of three sizes in two classes."""
    return make(tmp_path_factory.mktemp("mixed") / "pets", [(30, 20), (20, 36), (24, 24)])


@pytest.fixture(scope="module")
def equal(tmp_path_factory):
    """24 pictures of 16x16 in two classes."""
    return make(tmp_path_factory.mktemp("equal") / "pets", [(SIDE, SIDE)])


def photos(root, **settings):
    found = data.load(f"folder:{root}", SIDE, **{"workers": 0} | settings)
    assert isinstance(found, Photos)
    return found


def net():
    torch.manual_seed(0)
    return models.build("resnet8", num_classes=2, widths=(4, 4, 4))


def fit(dataset, recipe=PLAN, **settings):
    model = net()
    record = train.fit(model, dataset, recipe, device="cpu", **settings)
    return model.state_dict(), [(e.train_loss, e.train_error, e.test_error) for e in record.curve]


def same(first, second):
    assert first[1] == second[1]
    for name, value in first[0].items():
        assert torch.equal(value, second[0][name]), name


# ---- the data set -------------------------------------------------------------------------------


def test_pictures_of_many_sizes_are_streamed_and_small_sets_of_one_size_stay_arrays(mixed, equal):
    assert photos(mixed).image_shape == (3, SIDE, SIDE)
    assert data.load(f"folder:{mixed}").image_shape == (3, 224, 224)
    arrays = data.load(f"folder:{equal}")
    assert type(arrays) is data.Dataset and arrays.image_shape == (3, SIDE, SIDE)


def test_what_does_not_fit_into_memory_is_streamed(equal, monkeypatch):
    monkeypatch.setattr(streamed, "MOST_RESIDENT", 24 * 3 * SIDE * SIDE - 1)
    assert len(photos(equal).train) == 20


def test_mean_and_deviation_are_those_of_the_pictures_or_of_a_fixed_sample(equal, monkeypatch):
    monkeypatch.setattr(streamed, "MOST_RESIDENT", 0)
    arrays, stream = data.folder(equal), replace(photos(equal), crop_pct=1.0)
    np.testing.assert_array_equal(stream.mean, arrays.mean)
    np.testing.assert_array_equal(stream.std, arrays.std)
    monkeypatch.setattr(streamed, "MOST_MEASURED", 5)
    samples = [replace(stream).mean for _ in range(2)]
    np.testing.assert_array_equal(*samples)
    assert (samples[0] != arrays.mean).all() and np.abs(samples[0] - arrays.mean).max() < 20


def test_the_fingerprint_is_of_names_bytes_labels_and_size(mixed, tmp_path):
    first = photos(mixed).fingerprint
    copy = make(tmp_path / "pets", [(30, 20), (20, 36), (24, 24)])
    assert photos(copy).fingerprint == first
    assert data.load(f"folder:{copy}", 20).fingerprint != first
    assert photos(copy, seed=1).fingerprint != first
    with (copy / "red" / "03.png").open("ab") as file:
        file.write(b"\0")
    assert photos(copy).fingerprint != first


def test_photos_know_what_other_data_sets_know(mixed):
    dataset = photos(mixed)
    assert dataset.label == dataset.name == "folder:pets, 20% held out (seed 0)"
    part = dataset.held_out(4)
    assert isinstance(part, Photos) and (len(part.train), len(part.test)) == (16, 4)
    with pytest.raises(Mistake, match="no mean image; leave per_pixel_mean out"):
        fit(dataset, train.Recipe(schedule=train.Steps(), batch_size=8, per_pixel_mean=True))
    with pytest.raises(Mistake, match="label 2 is not one of the 2 classes"):
        replace(dataset, train=replace(dataset.train, labels=dataset.train.labels + 1))


def test_settings_of_folders_are_for_folders():
    with pytest.raises(Mistake, match=r"digits comes as it is; .* \(size, workers\)"):
        data.load("digits", 16, workers=2)


# ---- what is evaluated and trained on -----------------------------------------------------------


def test_streamed_evaluation_of_pictures_of_one_size_equals_the_resident_one(equal, monkeypatch):
    arrays = data.folder(equal)
    monkeypatch.setattr(streamed, "MOST_RESIDENT", 0)
    stream = replace(photos(equal), crop_pct=1.0)
    for part in ("train", "test"):
        pair = [Batches.of(d, getattr(d, part), "cpu").normalized(7) for d in (arrays, stream)]
        for (images, labels), (others, other_labels) in zip(*pair, strict=True):
            assert torch.equal(images, others) and torch.equal(labels, other_labels)
    assert train.evaluate(net(), arrays) == train.evaluate(net(), stream)


def test_evaluation_cuts_the_middle_out_of_the_scaled_picture(mixed):
    dataset = photos(mixed)
    images, _ = next(Batches.of(dataset, dataset.test, "cpu").normalized(1))
    with Image.open(dataset.test.paths[0]) as image:
        w, h = image.size
        side = 0.875 * min(w, h)
        box = ((w - side) / 2, (h - side) / 2, (w + side) / 2, (h + side) / 2)
        pixels = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    expected = dataset.normalize(np.asarray(pixels).transpose(2, 0, 1)[None])
    np.testing.assert_allclose(images.numpy(), expected, atol=1e-6)


def test_a_photo_is_cut_the_same_whoever_decodes_it_and_when(mixed):
    dataset = photos(mixed)
    order = torch.randperm(len(dataset.train), generator=torch.Generator().manual_seed(1))
    found = []
    for workers, announced in ((0, False), (0, True), (2, True)):
        stream = Batches.of(replace(dataset, workers=workers), dataset.train, "cpu", PLAN)
        if announced:
            stream.ahead(order.split(5), 40)
        batches = enumerate(order.split(5))
        found.append(
            [stream.augmented(b, torch.Generator().manual_seed(40 + i))[0] for i, b in batches]
        )
        stream.close()
    for batches in zip(*found, strict=True):
        assert torch.equal(batches[0], batches[1]) and torch.equal(batches[0], batches[2])
    generator = torch.Generator().manual_seed(41)
    assert not torch.equal(stream.augmented(order[:5], generator)[0], found[0][0])


@pytest.mark.parametrize("recipe", [PLAN, train.Recipe(padding=2, flip=0.5)], ids=["boxes", "old"])
def test_processes_share_a_batch(mixed, recipe):
    dataset = photos(mixed)
    stream = Batches.of(dataset, dataset.train, "cpu", recipe)
    batch = torch.tensor([3, 1, 4, 1, 5, 9])

    def shown(share):
        return stream.augmented(batch, torch.Generator().manual_seed(7), share)

    images, labels = shown(slice(None))
    for rank in range(2):
        share = slice(rank, None, 2)
        assert torch.equal(shown(share)[0], images[share])
        assert torch.equal(shown(share)[1], labels[share])


def test_a_run_learns_and_repeats_itself_with_any_number_of_workers(mixed):
    first = fit(photos(mixed), replace(PLAN, epochs=6))
    assert first[1][-1][0] < first[1][0][0]
    same(first, fit(photos(mixed, workers=2), replace(PLAN, epochs=6)))


def test_one_set_of_workers_serves_a_run_from_its_first_step_on(mixed, monkeypatch):
    dataset, begun, pool = photos(mixed, workers=1), [], decoders.ProcessPoolExecutor
    assert dataset.mean.shape == (3, 1, 1)  # measured by workers of its own
    monkeypatch.setattr("resnet_tutorial.train.stream.FEW", 1)
    monkeypatch.setattr(decoders, "ProcessPoolExecutor", lambda *a: begun.append(a) or pool(*a))
    fit(dataset, replace(PLAN, epochs=3))  # three epochs, each with two evaluations
    assert len(begun) == 1
    others = set(psutil.Process().children())
    train.evaluate(net(), dataset)  # no run: each pass has workers of its own, and ends them
    assert len(begun) == 3 and set(psutil.Process().children()) == others


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_run_that_goes_on_takes_the_same_steps(mixed, tmp_path, monkeypatch, step):
    """Two steps an epoch: within the first one, at its end, within the second."""
    unbroken = fit(photos(mixed))
    take_step = loop.Training.take_step

    def stopping(self, *arguments):
        loss = take_step(self, *arguments)
        if self.step == step - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss

    monkeypatch.setattr(loop.Training, "take_step", stopping)
    with pytest.raises(train.Interrupted, match=f"stopped after step {step} of 4"):
        fit(photos(mixed), folder=tmp_path)
    monkeypatch.setattr(loop.Training, "take_step", take_step)
    same(unbroken, fit(photos(mixed), folder=tmp_path, resume=True))


# ---- the recipe ---------------------------------------------------------------------------------


def test_the_recipe_survives_a_record(mixed, tmp_path):
    assert recipes.read(PLAN.as_dict()) == PLAN and type(recipes.read(PLAN.as_dict())) is type(PLAN)
    assert type(recipes.read(train.Recipe().as_dict())) is train.Recipe
    with pytest.raises(Mistake, match="expected a recipe"):
        recipes.read(PLAN.as_dict() | {"label_smoothing": "much"})


@pytest.mark.parametrize(
    "settings, why",
    [
        ({"crop_scale": (0.5, 0.2)}, "crop_scale must be two shares"),
        ({"crop_scale": (0.5, 1.2)}, "crop_scale must be two shares"),
        ({"crop_ratio": (0.0, 1.0)}, "crop_ratio must be two ratios"),
        ({"color_jitter": (0.1, 0.1, 1.5)}, "color_jitter must be three strengths"),
        ({"padding": 4}, "crop_scale takes the place"),
        ({"per_pixel_mean": True}, "photos have no mean image"),
        ({"flip": 2.0}, "flip must be in"),
    ],
)
def test_values_that_make_no_recipe_are_refused(settings, why):
    with pytest.raises(Mistake, match=why):
        PhotoRecipe(**settings)


def test_colours_are_changed_as_each_factor_says():
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.uniform(60, 120, (2, 3, 4, 4))).float()
    one = torch.tensor([1.0, -1.0])[:, None, None, None]
    augment = train.PhotoAugment(torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
    augment.color_jitter = (0.5, 0.0, 0.0)
    changed = augment.recolor(images, one, one, one)
    torch.testing.assert_close(changed, images * torch.tensor([1.5, 0.5])[:, None, None, None])
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    grey = (images * weights).sum(1, keepdim=True)
    augment.color_jitter = (0.0, 0.0, 1.0)
    saturated = augment.recolor(images, one, one, one)
    torch.testing.assert_close(saturated[1:], grey[1:].expand(1, 3, 4, 4))  # no colour is left
    torch.testing.assert_close(saturated[0], 2 * images[0] - grey[0])
    augment.color_jitter = (0.0, 1.0, 0.0)
    mean = grey.mean((1, 2, 3), True)
    contrasted = augment.recolor(images, one, one, one)
    torch.testing.assert_close(contrasted[1:], mean[1:].expand(1, 3, 4, 4))
    torch.testing.assert_close(contrasted[0], (2 * images[0] - mean[0]).clamp(0, 255))


def test_an_augmentation_that_changes_nothing_changes_nothing(equal):
    arrays = data.folder(equal)
    still = PhotoRecipe(flip=0.0, crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0))
    batches = Batches.of(arrays, arrays.train, "cpu", still)
    images, _ = batches.augmented(torch.arange(4), torch.Generator().manual_seed(0))
    expected, _ = next(batches.normalized(4))
    torch.testing.assert_close(images, expected, atol=1e-4, rtol=0)


def test_boxes_of_images_in_memory_have_the_shares_that_were_asked_for(equal):
    arrays = data.folder(equal)
    recipe = PhotoRecipe(crop_scale=(0.2, 0.5), crop_ratio=(0.5, 2.0))
    augment = train.BoxAugment.of(arrays, recipe)
    images = torch.zeros(800, 3, 30, 40, dtype=torch.uint8)
    boxes = augment.draw_boxes(images, torch.Generator().manual_seed(0))
    w, h, x, y = boxes.T
    share, ratio = w * h, w * 40 / (h * 30)
    assert 0.2 <= share.min() and share.max() <= 0.5001 and 0.33 < share.mean() < 0.37
    assert 0.499 <= ratio.min() < 0.6 and 1.8 < ratio.max() <= 2.001
    assert (x.abs() + w <= 1.001).all() and (y.abs() + h <= 1.001).all()
    left = torch.arange(40.0).expand(1, 3, 30, 40)
    half = augment.boxes(left, torch.tensor([[0.5, 1.0, -0.5, 0.0]]))
    torch.testing.assert_close(half[0, 0, 0, 1:-1], (torch.arange(40.0)[1:-1] - 0.5) / 2)


# ---- what goes wrong ----------------------------------------------------------------------------


@pytest.fixture
def broken(mixed, tmp_path):
    """A copy of the photos; two of them, that are trained on, are broken."""
    root = make(tmp_path / "pets", [(30, 20), (20, 36), (24, 24)], count=40)
    victims = photos(root).train.paths[3:5]
    for path in victims:
        with open(path, "r+b") as file:
            file.truncate(300)
    return root, victims


def test_broken_photos_are_left_out_when_asked(broken):
    root, victims = broken
    with pytest.warns(UserWarning, match="left out 2 of 80 pictures that are broken"):
        dataset = photos(root, skip_broken=True, workers=2)
    assert len(dataset.train) == 62 and not {*victims} & {*dataset.train.paths}
    fit(dataset, replace(PLAN, epochs=1))


def test_a_photo_that_breaks_during_a_run_is_named(broken, monkeypatch):
    root, victims = broken
    with pytest.raises(Mistake, match="2 of 64 pictures cannot be read") as caught:
        fit(photos(root))
    assert all(path in str(caught.value) for path in victims)
    monkeypatch.setattr(streamed, "MOST_MEASURED", 3)  # so that they are met in training
    before = {*multiprocessing.active_children()}
    with pytest.raises(Mistake, match=r"blue/\d\d\.png cannot be read .*--skip-broken"):
        fit(photos(root, workers=2))
    assert {*multiprocessing.active_children()} <= before


def test_many_broken_files_are_counted_and_ten_are_named():
    said = str(decoders.broken([Mistake(f"{i}.png is odd") for i in range(12)], 5000))
    assert said.startswith("12 of 5,000 pictures cannot be read: 0.png is odd; 1.png")
    assert "9.png" in said and "10.png" not in said and "and 2 more" in said


def test_a_killed_worker_ends_the_run_in_one_line(mixed, monkeypatch):
    take_step = loop.Training.take_step

    def killing(self, *arguments):
        loss = take_step(self, *arguments)
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)
        return loss

    monkeypatch.setattr(loop.Training, "take_step", killing)
    with pytest.raises(ChildProcessError, match="was killed, perhaps because the memory") as caught:
        fit(photos(mixed, workers=2), replace(PLAN, epochs=20))
    assert "\n" not in str(caught.value) and not multiprocessing.active_children()


SCRIPT = """
import sys, torch
from resnet_tutorial import data, models, train
net = models.build("resnet8", num_classes=2, widths=(4, 4, 4))
recipe = train.PhotoRecipe(epochs=10_000, batch_size=8)
print("begun", flush=True)
train.fit(net, data.load("folder:" + sys.argv[1], 16, workers=2), recipe, device="cpu",
          folder=sys.argv[2])
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_is_left_behind(mixed, tmp_path, how):
    """Ctrl-C reaches the whole group of processes, as here: the run saves all the same."""
    command = [sys.executable, "-c", SCRIPT, str(mixed), str(tmp_path / "run")]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True, text=True)
    try:
        main, workers = psutil.Process(run.pid), []
        deadline = time.monotonic() + 60
        while len(workers) < 2 or not (tmp_path / "run" / ".lock").exists():
            assert time.monotonic() < deadline and run.poll() is None
            time.sleep(0.02)
            workers = main.children(recursive=True)
        time.sleep(0.3)
        workers = main.children(recursive=True) or workers
        os.killpg(run.pid, how)
        said = run.communicate(timeout=60)[1]
        assert not psutil.wait_procs(workers, timeout=10)[1]
        if how != signal.SIGKILL:
            assert "Interrupted: stopped after step" in said, said
            assert (tmp_path / "run" / "last.safetensors").exists()
    finally:
        run.kill()
        run.wait()


def test_a_broken_pixel_count_is_told_by_workers_too(tmp_path, monkeypatch):
    """What a worker finds out comes back as the line that it is."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.new("RGB", (30, 30)).save(tmp_path / "a.png")
    with decoders.Decoders(1) as pool, pytest.raises(Mistake, match="more than 100 pixels"):
        next(pool.map(decode.picture, [[str(tmp_path / "a.png")]]))


def test_the_parts_of_a_stream_stay_in_step(mixed):
    stream = Stream.of(photos(mixed), photos(mixed).train, "cpu", PLAN)
    assert stream.images.shape == (20, 3, SIDE, SIDE) and len(stream.spread(7)) == 7
    some = stream.take(torch.tensor([4, 2]))
    assert some.files.paths == [stream.files.paths[i] for i in (4, 2)]
    assert some.labels.tolist() == [stream.labels[i] for i in (4, 2)]
