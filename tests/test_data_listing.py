"""What is found in folders that nobody prepared; no picture is opened."""

import os
import unicodedata

import numpy as np
import pytest

from resnet_tutorial import Mistake
from resnet_tutorial.data.listing import EMPTY, HIDDEN, LOOSE, UNFOUND, UNNAMED, UNUSUAL, listing


def put(root, *names, content=b"x"):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def names(part):
    return list(part.names)


@pytest.fixture
def pets(tmp_path):
    """Ten cats and five dogs, a folder each."""
    put(tmp_path, *(f"cat/{i}.jpg" for i in range(10)), *(f"dog/{i}.png" for i in range(5)))
    return tmp_path


@pytest.mark.parametrize("test", ["val", "test", "valid", "validation"])
def test_a_split_that_is_there_is_taken(tmp_path, test):
    put(tmp_path, "train/b/1.png", "train/a/1.png", "train/a/0/2.JPG", f"{test}/a/1.gif")
    put(tmp_path, f"{test}/b/1.webp")
    found = listing(tmp_path)
    assert (found.classes, found.drawn) == (("a", "b"), "")
    assert names(found.train) == ["train/a/0/2.JPG", "train/a/1.png", "train/b/1.png"]
    assert found.train.labels.tolist() == [0, 0, 1] and found.test.labels.tolist() == [0, 1]
    assert found.train.sizes.tolist() == [1, 1, 1] and not +found.left_out


def test_one_folder_a_class_is_split_by_seed_the_same_share_of_each(pets):
    found = listing(pets)
    assert np.bincount(found.train.labels).tolist() == [8, 4]
    assert np.bincount(found.test.labels).tolist() == [2, 1]
    assert found.drawn == "20% held out (seed 0)"
    assert {*names(found.train)} | {*names(found.test)} == {
        str(path.relative_to(pets)) for path in pets.rglob("*.*")
    }
    assert names(listing(pets).test) == names(found.test)
    assert names(listing(pets, seed=1).test) != names(found.test)
    assert len(listing(pets, held_out=0.5).test) == 7


def test_another_class_changes_nothing_in_the_split_of_these(pets):
    before = names(listing(pets).test)
    put(pets, *(f"ant/{i}.png" for i in range(7)))
    assert [name for name in names(listing(pets).test) if "ant" not in name] == before


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_every_class_has_a_picture_on_both_sides(pets, share):
    found = listing(pets, held_out=share)
    assert {*found.train.labels.tolist()} == {*found.test.labels.tolist()} == {0, 1}


def test_a_class_of_one_picture_cannot_be_split(pets):
    put(pets, "fox/only.png")
    with pytest.raises(Mistake, match="class fox has 1 picture in .*, expected at least 2"):
        listing(pets)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 20.0])
def test_a_share_that_is_none_is_refused(pets, share):
    with pytest.raises(Mistake, match="held_out must be a share between 0 and 1"):
        listing(pets, held_out=share)


def test_what_is_left_out_is_counted_with_its_reason(pets):
    put(pets, ".ipynb_checkpoints/a.png", "cat/.DS_Store", "cat/Thumbs.db", "cat/@eaDir/0.jpg")
    put(pets, "__MACOSX/cat/0.jpg", "cat/._0.jpg", "loose.png", "notes.txt", "cat/raw.heic")
    put(pets, "cat/README")
    put(pets, "dog/empty.png", content=b"")
    os.mkfifo(pets / "dog" / "pipe.png")
    (pets / "dog" / "gone.png").symlink_to("nowhere.png")
    found = listing(pets)
    assert found.classes == ("cat", "dog") and len(found.train) + len(found.test) == 15
    assert found.left_out == {
        HIDDEN: 6, LOOSE: 1, EMPTY: 1, UNUSUAL: 2,
        "files .txt": 1, "files .heic": 1, "files without a suffix": 1,
    }  # fmt: skip


def test_names_that_look_the_same_are_one_class(pets):
    for i, form in enumerate(("NFC", "NFD")):
        put(pets, *(f"{unicodedata.normalize(form, 'süß')}/{i}{j}.png" for j in range(3)))
    found = listing(pets)
    assert found.classes == ("cat", "dog", unicodedata.normalize("NFC", "süß"))
    assert (np.concatenate([found.train.labels, found.test.labels]) == 2).sum() == 6


def test_a_class_name_that_is_no_text_is_refused(pets):
    put(pets, os.fsdecode(b"caf\xe9/0.png"))
    with pytest.raises(Mistake, match="is not UTF-8; rename it"):
        listing(pets)


def test_a_class_that_exists_only_in_val_is_refused(tmp_path):
    put(tmp_path, "train/a/1.png", "train/b/1.png", "val/a/1.png", "val/b/1.png", "val/c/1.png")
    with pytest.raises(Mistake, match=r"different classes: c only in one of them \(c only in val"):
        listing(tmp_path)


def test_train_alone_says_how_a_part_of_it_is_held_out(pets, tmp_path_factory):
    place = tmp_path_factory.mktemp("alone")
    pets.rename(place / "train")
    with pytest.raises(Mistake, match="name the folder train itself"):
        listing(place)
    assert len(listing(place / "train").test) == 3


def test_folders_beside_train_and_val_are_counted(tmp_path):
    put(tmp_path, *(f"{part}/{c}/1.png" for part in ("train", "val", "test") for c in "ab"))
    found = listing(tmp_path)
    assert names(found.test) == ["val/a/1.png", "val/b/1.png"]
    assert found.left_out == {"the folder test beside train and val": 1}


def test_links_to_classes_are_followed_and_circles_are_not(tmp_path, pets):
    (pets / "cat" / "again").symlink_to(pets / "cat")
    (pets / "more").symlink_to(pets / "dog")
    found = listing(pets)
    assert found.classes == ("cat", "dog", "more")
    assert sum(len(part) for part in (found.train, found.test)) == 20


# ---- a CSV file of labels -----------------------------------------------------------------------


@pytest.fixture
def flat(tmp_path):
    """Six pictures in a folder below the CSV file, which the tests write."""
    put(tmp_path, *(f"images/{i}.jpg" for i in range(6)))
    return tmp_path


def write(root, text, encoding="utf-8", name="labels.csv"):
    (root / name).write_text(text, encoding)


@pytest.mark.parametrize(
    "head, row, separator",
    [
        ("filename,label", "images/{}.jpg", ","),
        ("Class;Image", "{}.jpg", ";"),
        ("id\tpath\tcategory", "{}", "\t"),
        ("file, class", "./images/{}.jpg", ","),
        ("file,label", "images\\{}.jpg", ","),
    ],
)
def test_columns_and_pictures_are_found_by_name(flat, head, row, separator):
    columns = [name.strip().lower() for name in head.split(separator)]
    lines = [head]
    for i in range(6):
        values = {"label": "ab"[i % 2], "id": str(i)}
        values |= dict.fromkeys(("class", "category"), values["label"])
        file = row.format(i)
        lines.append(separator.join(values.get(column, file) for column in columns))
    write(flat, "\r\n".join(lines), "utf-8-sig")
    found = listing(flat)
    assert found.classes == ("a", "b") and not +found.left_out
    both = {*names(found.train), *names(found.test)}
    assert both == {f"images/{i}.jpg" for i in range(6)}
    for part in (found.train, found.test):
        expected = [int(name[-5]) % 2 for name in part.names]
        assert part.labels.tolist() == expected


def test_rows_without_picture_and_pictures_without_row_are_counted(flat):
    write(flat, "file,label\n0.jpg,a\n1.jpg,a\n2.jpg,b\n3.jpg,b\n3.jpg,b\n9.jpg,b\n\n")
    found = listing(flat)
    assert found.left_out == {UNFOUND: 1, UNNAMED: 2}


def test_a_name_that_two_pictures_have_needs_its_folder(flat):
    put(flat, "other/0.jpg")
    rows = "".join(f"{i}.jpg,{'ab'[i % 2]}\n" for i in range(6))
    write(flat, f"file,label\n{rows}other/0.jpg,a\n")
    (flat / "other").rename(flat / "images" / "other")
    assert listing(flat).left_out == {UNFOUND: 1, UNNAMED: 1}


@pytest.mark.parametrize(
    "text, why",
    [
        ("file,label\n0.jpg,a\n0.jpg,b\n1.jpg,b", "0.jpg is b, and a in an earlier row"),
        ("file,label\n0.jpg,a\n1.jpg,a", "at least two classes, got 1"),
        ("file,label\n0.jpg\n1.jpg,a", "row 2: expected a file and its label"),
        ("name,kind\n0.jpg,a\n1.jpg,b", "has no column of file names"),
        ("", "has no column of file names"),
    ],
)
def test_a_table_that_makes_no_sense_is_told(flat, text, why):
    write(flat, text)
    with pytest.raises(Mistake, match=why):
        listing(flat)


def test_a_table_that_is_no_text_is_told(flat):
    (flat / "labels.csv").write_bytes(b"file,label\n\xff\xfe\x00,a\n")
    with pytest.raises(Mistake, match=r"labels\.csv cannot be read as CSV .*save it as UTF-8"):
        listing(flat)


def test_of_two_tables_none_is_chosen(flat):
    write(flat, "file,label\n0.jpg,a")
    write(flat, "file,label\n0.jpg,b", name="more.csv")
    with pytest.raises(Mistake, match="expected one CSV file of labels in .*, got 2"):
        listing(flat)


def test_a_table_beside_class_folders_is_no_table_of_labels(pets):
    write(pets, "file,label\n0.jpg,a")
    assert listing(pets).left_out == {"files .csv": 1}
