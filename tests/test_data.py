"""Data sets and the batches made of them."""

import pathlib

import keras
import numpy as np
import pytest

from tfp_realnvp import data

TFDS = pathlib.Path(__file__).parents[2] / "shared" / "tfds"


def test_digits():
    digits = data.load("digits")
    assert digits.event_shape == (8, 8, 1)
    assert (digits.num_levels, digits.num_classes, digits.num_train, digits.num_test) == (17, 10, 1437, 360)
    images = np.stack([x for x, _ in digits.train.as_numpy_iterator()])
    assert (images.min(), images.max()) == (0, 16)
    assert sorted({int(y) for _, y in digits.test.as_numpy_iterator()}) == list(range(10))


def test_training_batches():
    digits = data.load("digits")
    batches = data.training_batches(digits, 64, conditional=True, seed=1).as_numpy_iterator()
    epochs = [[next(batches) for _ in range(digits.num_train // 64)] for _ in range(2)]
    images, classes = epochs[0][0]
    assert images.shape == (64, 8, 8, 1)
    assert images.dtype == np.uint8
    assert classes.shape == (64, 10)
    np.testing.assert_array_equal(classes.sum(axis=1), 1)
    first, second = (np.concatenate([x for x, _ in e]) for e in epochs)
    assert not np.array_equal(first, second)
    again = data.training_batches(digits, 64, conditional=True, seed=1).as_numpy_iterator()
    np.testing.assert_array_equal(next(again)[0], images)
    with pytest.raises(ValueError, match="`batch_size` must be at most"):
        data.training_batches(digits, 2000)


def test_flips_mirror_half_of_the_images():
    digits = data.load("digits")
    plain, flipped = (
        next(data.training_batches(digits, 512, flip=f, seed=1).as_numpy_iterator()) for f in (False, True)
    )
    mirrored = (flipped == plain[:, :, ::-1]).all(axis=(1, 2, 3))
    unchanged = (flipped == plain).all(axis=(1, 2, 3))
    assert (mirrored | unchanged).all()
    assert 0.4 < mirrored.mean() < 0.6


def test_evaluation_batches_keep_the_order():
    digits = data.load("digits")
    expected = np.stack([x for x, _ in digits.test.as_numpy_iterator()])
    actual = np.concatenate(list(data.evaluation_batches(digits, 50).as_numpy_iterator()))
    np.testing.assert_array_equal(actual, expected)
    some = list(data.evaluation_batches(digits, 50, num_images=70).as_numpy_iterator())
    assert [len(x) for x in some] == [50, 20]


@pytest.mark.parametrize("classes", [True, False])
def test_folder(tmp_path, classes):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, size=(20, 6, 10, 3)).astype(np.uint8)
    for i, image in enumerate(images):
        folder = tmp_path / ("cat" if i % 2 else "dog/young" if classes else ".")
        folder.mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(folder / f"{i}.png", image, scale=False)
    loaded = data.load("folder", str(tmp_path))
    assert loaded.event_shape == (6, 10, 3)
    assert (loaded.num_train, loaded.num_test) == (18, 2)
    assert loaded.num_classes == (2 if classes else None)
    pixels = [x for split in (loaded.train, loaded.test) for x, _ in split.as_numpy_iterator()]
    assert {x.tobytes() for x in pixels} == {x.tobytes() for x in images}
    test = [
        [x.tobytes() for x, _ in data.load("folder", str(tmp_path)).test.as_numpy_iterator()]
        for _ in range(2)
    ]
    assert test[0] == test[1]
    resized = data.load("folder", str(tmp_path), image_size=4)
    assert resized.event_shape == (4, 4, 3)
    assert next(resized.train.as_numpy_iterator())[0].shape == (4, 4, 3)


@pytest.mark.parametrize(
    "content, levels, classes",
    [
        ({"x": np.arange(40 * 16).reshape(40, 4, 4) % 256}, 256, None),
        ({"images": np.arange(40 * 16).reshape(40, 4, 4, 1) % 5}, 5, None),
        ({"x": np.ones((40, 4, 4, 3), np.uint8), "y": np.arange(40) % 7}, 2, 7),
        ({"x_train": np.ones((30, 4, 4), int), "x_test": np.zeros((10, 4, 4), int)}, 2, None),
    ],
    ids=["x", "any_name", "classes", "splits"],
)
def test_array(tmp_path, content, levels, classes):
    np.savez(tmp_path / "images.npz", **content)
    loaded = data.load("array", str(tmp_path / "images.npz"))
    assert loaded.num_train + loaded.num_test == 40
    assert loaded.num_levels == levels
    assert loaded.num_classes == classes
    assert len(loaded.event_shape) == 3


def test_npy(tmp_path):
    np.save(
        tmp_path / "images.npy", np.zeros((20, 4, 4), np.uint8) + np.arange(20, dtype=np.uint8)[:, None, None]
    )
    loaded = data.load("array", str(tmp_path / "images.npy"))
    values = {int(x[0, 0, 0]) for s in (loaded.train, loaded.test) for x, _ in s.as_numpy_iterator()}
    assert values == set(range(20))


@pytest.mark.parametrize(
    "bad", [np.zeros((20, 4)), np.zeros((20, 4, 4)), np.full((20, 4, 4), 300), np.full((20, 4, 4), -1)]
)
def test_bad_arrays(tmp_path, bad):
    np.save(tmp_path / "bad.npy", bad)
    with pytest.raises(ValueError, match=r"bad.npy` must hold"):
        data.load("array", str(tmp_path / "bad.npy"))


def test_cifar10():
    if not TFDS.exists():
        pytest.skip(f"CIFAR-10 is not at {TFDS}")
    cifar = data.load("cifar10", str(TFDS))
    assert (cifar.num_train, cifar.num_test, cifar.num_classes) == (50_000, 10_000, 10)
    mean = np.mean([x.mean(axis=(0, 1)) for x, _ in cifar.train.take(2000).as_numpy_iterator()], axis=0)
    np.testing.assert_allclose(mean, [125.31, 122.95, 113.87], atol=3.0)  # Published, of all 50,000.


def test_missing_cifar10_says_what_to_do(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    def fail(*args, **kwargs):
        raise ConnectionError("no network")

    monkeypatch.setattr(tfds, "load", fail)
    with pytest.raises(FileNotFoundError, match=r"cifar10/3.0.2.*data_dir.*no network"):
        data.load("cifar10", str(tmp_path))
