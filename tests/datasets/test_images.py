"""Tiny files of the published formats come back pixel by pixel; damaged ones are named."""

import io
import pickle
import shutil
import struct

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from deem.datasets.images import ImageFiles, augment, load_images
from deem.datasets.images._pickled import read_pickled
from deem.datasets.images.layouts import IMAGE_LAYOUTS
from deem.utils.exception import ArgumentError, ShapeError

N = 4
"""Images of each file."""


def pixels(seed, n=N, shape=(3, 32, 32)):
    return np.random.default_rng(seed).integers(256, size=(n, *shape), dtype=np.uint8)


class Python2Pickler(pickle._Pickler):
    """Writes bytes as the texts of Python 2, as in the published files."""

    def save_bytes(self, value):
        self.write(b"T" + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch = {**pickle._Pickler.dispatch, bytes: save_bytes}  # noqa: RUF012


def write_pickle(path, content):
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(content)
    path.write_bytes(buffer.getvalue().replace(b"numpy._core", b"numpy.core"))


def labels(seed):
    return [(seed + i) % 2 for i in range(N)]


def cifar10(folder, is_binary=True):
    home = folder / ("cifar-10-batches-bin" if is_binary else "cifar-10-batches-py")
    home.mkdir()
    for seed, name in enumerate(["test_batch", *(f"data_batch_{i}" for i in range(1, 6))]):
        rows, codes = pixels(seed).reshape(N, -1), labels(seed)
        if is_binary:
            (home / f"{name}.bin").write_bytes(np.column_stack([codes, rows]).astype("u1"))
        else:
            write_pickle(home / name, {b"data": rows, b"labels": codes, b"batch_label": b"x"})
    if is_binary:
        (home / "batches.meta.txt").write_text("plane\ncar\n\n")
    else:
        write_pickle(home / "batches.meta", {b"label_names": [b"plane", b"car"]})
    return home


def cifar100(folder, is_binary=True):
    home = folder / ("cifar-100-binary" if is_binary else "cifar-100-python")
    home.mkdir()
    for seed, name in enumerate(["test", "train"]):
        rows, codes = pixels(seed).reshape(N, -1), labels(seed)
        if is_binary:
            records = np.column_stack([np.full(N, 7), codes, rows]).astype("u1")
            (home / f"{name}.bin").write_bytes(records)
        else:
            write_pickle(home / name, {b"data": np.asfortranarray(rows), b"fine_labels": codes})
    if is_binary:
        (home / "fine_label_names.txt").write_text("apple\nfish\n")
    else:
        write_pickle(home / "meta", {b"fine_label_names": [b"apple", b"fish"]})
    return home


def svhn(folder):
    for seed, name in enumerate(["test", "train"]):
        content = {
            "X": pixels(seed).transpose(2, 3, 1, 0),
            "y": np.array([[10], [9], [10], [9]], dtype=np.uint8),
        }
        savemat(folder / f"{name}_32x32.mat", content, do_compression=True)
    return folder


def image(path, colour, size=(24, 16)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


COLOURS = {"n01 cat": (255, 0, 0), "n02 dog": (0, 0, 255)}


def image_folder(folder, parts=("train", "test"), n=3):
    for part in parts:
        for name, colour in COLOURS.items():
            for i in range(n):
                image(folder / part / name / f"{i}.{('PNG', 'jpg', 'JPEG')[i % 3]}", colour)
        (folder / part / ".cache").mkdir()
    return folder


def kaggle(folder):
    home = folder / "ILSVRC" / "Data" / "CLS-LOC"
    rows = ["ImageId,PredictionString"]
    for i, (name, colour) in enumerate(COLOURS.items()):
        wnid = name[:3]
        for j in range(3):
            image(home / "train" / wnid / f"{wnid}_{j}.JPEG", colour)
        # The later class comes first among the validation images.
        image(home / "val" / f"val_{1 - i}.JPEG", colour)
        rows.append(f"val_{1 - i},{wnid} 85 1 499 272 {wnid} 3 4 5 6 ")
    (folder / "LOC_val_solution.csv").write_text("\n".join(rows))
    (folder / "LOC_synset_mapping.txt").write_text("n01 cat, tom\nn02 dog\nn03 unused\n")
    return folder


def plain(part, like):
    """Pixels of a part, moved back by the statistics that standardise `like`."""
    x = torch.from_numpy(like).double() / 255
    mean, std = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), correction=0, keepdim=True)
    return ((part.data.double() * std + mean) * 255).round().to(torch.uint8)


ARRAYS = {
    "cifar10": (cifar10, ("plane", "car"), 5),
    "cifar10 python": (lambda folder: cifar10(folder, False), ("plane", "car"), 5),
    "cifar100": (cifar100, ("apple", "fish"), 1),
    "cifar100 python": (lambda folder: cifar100(folder, False), ("apple", "fish"), 1),
    "svhn": (svhn, tuple("0123456789"), 1),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_images_in_memory_come_back_pixel_by_pixel(name, tmp_path):
    write, classes, n_files = ARRAYS[name]
    home = write(tmp_path)
    splits = load_images(name.partition(" ")[0], tmp_path, n_validation=0)
    sources = np.concatenate([pixels(seed) for seed in range(1, 1 + n_files)])
    assert splits.classes == classes
    assert (splits.validation, len(splits.train)) == (None, n_files * N)
    assert torch.equal(plain(splits.test, sources), torch.from_numpy(pixels(0)))
    expected = [0, 9, 0, 9] if name == "svhn" else labels(0)
    assert splits.test.targets.tolist() == expected
    found = plain(splits.train, sources).flatten(1).tolist()
    assert sorted(found) == sorted(sources.reshape(len(sources), -1).tolist())
    truth = {tuple(x.ravel()): i % 2 for i, x in enumerate(pixels(1))}
    codes = [truth[tuple(x)] for x in found if tuple(x) in truth]
    known = [int(y) for x, y in zip(found, splits.train.targets, strict=True) if tuple(x) in truth]
    first = [0, 9] if name == "svhn" else labels(1)[:2]
    assert known == [first[code] for code in codes]
    again = load_images(name.partition(" ")[0], str(home), n_validation=0)
    assert torch.equal(again.train.data, splits.train.data)


def test_statistics_are_of_the_training_part_alone(tmp_path):
    cifar10(tmp_path)
    splits = load_images("cifar10", tmp_path, n_validation=6)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (14, 6, 4)
    assert splits.train.data.mean((0, 2, 3)).abs().max() < 1e-6
    assert splits.validation.data.mean((0, 2, 3)).abs().max() > 1e-4
    assert splits.validation.targets.bincount().tolist() == [3, 3]
    rows = torch.cat([splits.train.data, splits.validation.data]).flatten(1)
    assert len(rows.unique(dim=0)) == 20
    other = load_images("cifar10", tmp_path, n_validation=6, random_state=1)
    assert not torch.equal(other.validation.data, splits.validation.data)
    assert torch.equal(
        load_images("cifar10", tmp_path).validation.targets.sort()[0], torch.arange(2)
    )


@pytest.mark.parametrize("write", [image_folder, kaggle])
def test_image_files_have_their_colours_and_classes(write, tmp_path):
    layout = {image_folder: "folder", kaggle: "imagenet"}[write]
    splits = load_images(layout, write(tmp_path), n_validation=2, size=8)
    expected = {image_folder: tuple(COLOURS), kaggle: ("n01 cat, tom", "n02 dog")}[write]
    assert splits.classes == expected
    assert sorted(splits.validation.targets.tolist()) == [0, 1]
    assert not set(splits.train.paths) & set(splits.validation.paths)
    mean, std = (torch.tensor(x)[:, None, None] for x in (splits.test.mean, splits.test.std))
    for part, n in ((splits.train, 4), (splits.validation, 2), (splits.test, None)):
        assert n in (None, len(part))
        for x, y in (part[i] for i in range(len(part))):
            assert (x.shape, x.dtype) == ((3, 8, 8), torch.float32)
            colour = torch.tensor(list(COLOURS.values())[y])[:, None, None] / 255
            assert (x * std + mean - colour).abs().max() < 0.02
    loader = torch.utils.data.DataLoader(splits.test, batch_size=2, generator=torch.Generator())
    assert [y.dtype for _, y in loader] == [torch.int64] * (len(splits.test) // 2)


def test_a_folder_may_have_validation_images_of_its_own(tmp_path):
    image_folder(tmp_path, ("train", "val"))
    splits = load_images("folder", tmp_path, n_validation=2)
    assert all("/val/" in path for path in splits.test.paths)
    image_folder(tmp_path, ("test",))
    splits = load_images("folder", tmp_path)
    assert len(splits.train) == 6
    assert all("/val/" in path for path in splits.validation.paths)
    assert all("/test/" in path for path in splits.test.paths)
    with pytest.raises(ArgumentError, match="n_validation=2, but the folder has validation"):
        load_images("folder", tmp_path, n_validation=2)


@pytest.fixture
def ramp(tmp_path):
    """Image (64, 128) that gets red to the right and green to the bottom."""
    rows, columns = np.mgrid[:64, :128]
    Image.fromarray(np.stack([columns, rows, 0 * rows], 2).astype("u1")).save(tmp_path / "a.png")
    return str(tmp_path / "a.png")


PLAIN = {"mean": (0, 0, 0), "std": (1, 1, 1)}


def test_the_square_is_in_the_middle(ramp):
    image, code = ImageFiles([ramp], [3], size=56, **PLAIN)[0]
    # 7/8 of 64 is 56, so that nothing is scaled.
    rows, columns = np.mgrid[4:60, 36:92]
    np.testing.assert_allclose(image[0] * 255, columns, atol=1e-4)
    np.testing.assert_allclose(image[1] * 255, rows, atol=1e-4)
    assert code == 3


def test_random_crops_depend_on_seed_epoch_and_index_alone(ramp):
    def crop(index=0, epoch=0, seed=0):
        files = ImageFiles(
            [ramp] * 300,
            [0] * 300,
            16,
            **PLAIN,
            random_crop=True,
            random_flip=True,
            random_state=seed,
        )
        files.epoch = epoch
        return files[index][0]

    first = crop()
    assert torch.equal(first, crop())
    assert torch.equal(crop(-1), crop(299))
    for other in (crop(1), crop(epoch=1), crop(seed=1)):
        assert not torch.equal(first, other)


def test_random_crops_have_the_areas_and_flips_asked_for(ramp):
    files = ImageFiles([ramp] * 200, [0] * 200, 16, **PLAIN, random_crop=True, random_flip=True)
    images = torch.stack([image for image, _ in files]) * 255
    slope = (images[:, 0, :, -2] - images[:, 0, :, 1]).mean(1) / 13
    rise = (images[:, 1, -2] - images[:, 1, 1]).mean(1) / 13
    # Five standard errors of a fair coin thrown 200 times.
    assert abs((slope < 0).double().mean() - 0.5) < 5 * 0.5 / 200**0.5
    width, height = 16 * slope.abs(), 16 * rise
    ratio = width / height
    assert 0.7 < ratio.min() < 0.9
    assert 1.1 < ratio.max() < 1.4
    area = width * height / (64 * 128)
    assert 0.07 < area.min() < 0.15
    # No square of these ratios covers more than 64 * 64 * 4/3 pixels.
    assert 0.5 < area.max() < 0.68


def test_a_grey_image_has_three_equal_channels(tmp_path):
    Image.new("L", (9, 9), 51).save(tmp_path / "grey.png")
    image, _ = ImageFiles([str(tmp_path / "grey.png")], [0], 4, **PLAIN)[0]
    torch.testing.assert_close(image, torch.full((3, 4, 4), 0.2))


@pytest.fixture
def generator(seed):
    return torch.Generator().manual_seed(seed)


def test_augmented_images_are_shifts_and_mirror_images(generator):
    x = torch.rand(1, 2, 5, 6, generator=generator).expand(600, -1, -1, -1).contiguous()
    before = x.clone()
    found = augment(x, generator, padding=1)
    assert torch.equal(x, before)
    padded = torch.nn.functional.pad(x[0], (1, 1, 1, 1))
    counts = np.zeros((3, 3, 2), int)
    for image in found:
        matches = [
            (top, left, flip)
            for top in range(3)
            for left in range(3)
            for flip in range(2)
            if torch.equal(
                image.flip(2) if flip else image, padded[:, top : top + 5, left : left + 6]
            )
        ]
        assert len(matches) == 1
        counts[matches[0]] += 1
    # Chi-squared with 17 degrees of freedom; 45 is exceeded three times in 10 000.
    assert ((counts - 600 / 18) ** 2 / (600 / 18)).sum() < 45


def test_without_padding_and_flips_nothing_changes(generator):
    x = torch.rand(8, 1, 8, 8, generator=generator)
    assert torch.equal(augment(x, generator, padding=0, flip=False), x)
    mirrored = augment(x, generator, padding=0)
    assert any(torch.equal(a, b.flip(2)) for a, b in zip(mirrored, x, strict=True))
    assert augment(x[:0], generator).shape == (0, 1, 8, 8)


def test_augmentation_follows_its_generator(generator, seed):
    x = torch.rand(8, 3, 8, 8, generator=generator)
    first = augment(x, torch.Generator().manual_seed(seed))
    assert torch.equal(first, augment(x, torch.Generator().manual_seed(seed)))
    assert not torch.equal(first, augment(x, torch.Generator().manual_seed(seed + 1)))
    with pytest.raises(ShapeError, match=r"x has shape \(8, 8\); expected images"):
        augment(x[0, 0], generator)


def test_only_digits_may_not_be_mirrored():
    assert [name for name, layout in IMAGE_LAYOUTS.items() if not layout.may_flip] == ["svhn"]


class Call:
    """Asks who reads its pickle to write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_can_name_nothing_but_arrays(tmp_path):
    trap, path = tmp_path / "trap", tmp_path / "data"
    path.write_bytes(pickle.dumps({b"data": Call(trap)}))
    with pytest.raises(ArgumentError, match=r"it names _?io.open"):
        read_pickled(path)
    assert not trap.exists()
    # The trap works where anything may be named.
    pickle.loads(path.read_bytes())[b"data"].close()
    assert trap.exists()


@pytest.mark.parametrize(
    "content",
    [np.zeros(3), np.zeros(3, dtype="u2"), np.array([None]), np.zeros(2, dtype="u1,u1")],
    ids=["floats", "pairs of bytes", "objects", "records"],
)
def test_a_pickle_holds_no_other_arrays(content, tmp_path):
    (tmp_path / "data").write_bytes(pickle.dumps({b"data": content}, protocol=3))
    with pytest.raises(ArgumentError, match="is truncated, or no file of images"):
        read_pickled(tmp_path / "data")


def cut(path, n=1):
    path.write_bytes(path.read_bytes()[:-n])


def broken_binary(folder):
    cut(cifar10(folder) / "data_batch_3.bin")


def missing_binary(folder):
    home = cifar10(folder)
    (home / "data_batch_3.bin").unlink()
    (home / "test_batch.bin").unlink()


def empty_binary(folder):
    (cifar10(folder) / "data_batch_3.bin").write_bytes(b"")


def wrong_class(folder):
    (cifar10(folder) / "batches.meta.txt").write_text("plane\n")


def no_names(folder):
    (cifar10(folder) / "batches.meta.txt").write_text("\n")


def broken_pickle(folder):
    cut(cifar10(folder, False) / "data_batch_3", 200)


def other_pickle(folder):
    write_pickle(cifar10(folder, False) / "data_batch_3", {b"weights": [1]})


def short_labels(folder):
    content = {b"data": pixels(0).reshape(N, -1), b"labels": [0]}
    write_pickle(cifar10(folder, False) / "data_batch_3", content)


def broken_mat(folder):
    cut(svhn(folder) / "train_32x32.mat", 500)


def text_mat(folder):
    (svhn(folder) / "train_32x32.mat").write_text("not found")


def other_mat(folder):
    savemat(svhn(folder) / "train_32x32.mat", {"X": np.zeros((2, 2)), "y": np.ones((2, 1))})


def empty_class(folder):
    (image_folder(folder) / "train" / "n03").mkdir()


def unknown_class(folder):
    image(image_folder(folder) / "test" / "n03" / "0.png", (0, 0, 0))


def no_class(folder):
    for part in ("train", "test"):
        image(folder / part / "0.png", (0, 0, 0))


def missing_image(folder):
    (kaggle(folder) / "ILSVRC" / "Data" / "CLS-LOC" / "val" / "val_1.JPEG").unlink()


def missing_csv(folder):
    (kaggle(folder) / "LOC_val_solution.csv").unlink()


def other_csv(folder):
    (kaggle(folder) / "LOC_val_solution.csv").write_text("a,b\n1,2\n")


def missing_train(folder):
    shutil.rmtree(kaggle(folder) / "ILSVRC" / "Data" / "CLS-LOC" / "train" / "n02")


def unnamed_class(folder):
    (kaggle(folder) / "LOC_synset_mapping.txt").write_text("n01 cat\n")


def only_train(folder):
    image_folder(folder, ["train", "a", "b"])


@pytest.mark.parametrize(
    ("layout", "write", "message"),
    [
        ("cifar10", broken_binary, r"data_batch_3.bin' has 12291 bytes, no multiple of the 3073"),
        ("cifar10", missing_binary, "lacks data_batch_3.bin, test_batch.bin; unpack"),
        ("cifar10", empty_binary, "data_batch_3.bin' holds no image"),
        ("cifar10", wrong_class, "labels from 0 to 1, expected 0 to 0"),
        ("cifar10", no_names, "names no class"),
        ("cifar10", broken_pickle, r"data_batch_3' is truncated, .* use the binary version"),
        ("cifar10", other_pickle, "has no 'data' and 'labels' but weights"),
        ("cifar10", short_labels, r"data of shape \(4, 3072\), expected \(1, 3072\)"),
        ("cifar100", cifar10, "does not hold cifar100: .* found cifar-10-batches-bin; unpack"),
        ("svhn", broken_mat, "train_32x32.mat' is truncated"),
        ("svhn", text_mat, "train_32x32.mat' is truncated, or no MATLAB file"),
        ("svhn", other_mat, r"X float64 of shape \(2, 2\), expected uint8 \(32, 32, 3, 2\)"),
        ("svhn", image_folder, "looked for train_32x32.mat and test_32x32.mat, found test, train"),
        (
            "folder",
            only_train,
            "looked for train/<class> and test/<class> or .* found a, b, train",
        ),
        ("folder", empty_class, r"n03' holds no image \(.jpg, .jpeg, .png\)"),
        ("folder", unknown_class, "test/n03' is of no class that the training images have"),
        ("folder", no_class, "train' has no folder of a class"),
        ("imagenet", only_train, "val/<class> or ILSVRC/Data/CLS-LOC, found"),
        ("imagenet", missing_image, "lacks 1 of 2 images, the first is val_1"),
        ("imagenet", missing_csv, "lacks LOC_val_solution.csv; put it there"),
        ("imagenet", other_csv, "has no rows of ImageId and PredictionString"),
        ("imagenet", missing_train, "has the class 'n02', of which"),
        ("imagenet", unnamed_class, "does not name n02"),
    ],
)
def test_what_is_missing_or_damaged_is_named(layout, write, message, tmp_path):
    write(tmp_path)
    with pytest.raises(ArgumentError, match=message):
        load_images(layout, tmp_path)


def test_images_that_cannot_be_opened_are_named(tmp_path):
    image_folder(tmp_path)
    cut(tmp_path / "test" / "n01 cat" / "0.PNG", 30)
    (tmp_path / "test" / "n01 cat" / "1.jpg").write_text("not found")
    cut(tmp_path / "test" / "n01 cat" / "2.JPEG", 200)
    splits = load_images("folder", tmp_path, n_validation=2)
    for index, name in enumerate(["0.PNG", "1.jpg", "2.JPEG"]):
        with pytest.raises(ArgumentError, match=f"{name}' cannot be opened as an image"):
            splits.test[index]


@pytest.mark.parametrize(
    ("layout", "options", "message"),
    [
        ("mnist", {}, "layout='mnist' is unknown; choose one of: cifar10, cifar100, svhn"),
        ("cifar10", {"size": 64}, "size=64, but images of cifar10 are 32 wide"),
        ("cifar10", {"random_flip": True}, "call augment on the batches"),
        ("cifar10", {"n_validation": 20}, "n_validation=20 leaves no training image"),
        ("cifar10", {"n_validation": 1}, "n_validation comes to 1 samples, none of them of class"),
        ("folder", {"size": 0}, "size=0; expected a whole number of at least 1"),
    ],
)
def test_options_that_do_not_fit_are_named(layout, options, message, tmp_path):
    cifar10(tmp_path)
    image_folder(tmp_path)
    with pytest.raises(ArgumentError, match=message):
        load_images(layout, tmp_path, **{"n_validation": 2, **options})


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(ArgumentError, match="none' is no folder; check the path"):
        load_images("cifar10", tmp_path / "none")
