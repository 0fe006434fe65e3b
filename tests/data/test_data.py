"""Data sets and the batches made of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from mock_images import mocked
from places import TFDS

from tfp_realnvp import data
from tfp_realnvp.data import batches
from tfp_realnvp.data.datasets import celeba, lsun
from tfp_realnvp.data.other_images import other_images


def test_digits():
    digits = data.load("digits")
    assert digits.event_shape == (8, 8, 1)
    assert (digits.num_levels, digits.num_classes, digits.num_train, digits.num_test) == (17, 10, 1437, 360)
    images = np.stack([x for x, _ in digits.train.as_numpy_iterator()])
    assert (images.min(), images.max()) == (0, 16)
    assert sorted({int(y) for _, y in digits.test.as_numpy_iterator()}) == list(range(10))


def test_training_batches():
    digits = data.load("digits")
    batches = data.training_batches(digits, 64, conditional=True, seed=1)
    assert [spec.shape for spec in batches.element_spec] == [(64, 8, 8, 1), (64, 10)]  # All of one size.
    batches = batches.as_numpy_iterator()
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


def test_orders_are_of_the_seed_and_of_the_pass():
    numbers = np.arange(32, dtype=np.uint8)
    split = numbers[:, None, None, None], np.zeros(32, np.int64)
    images = data.image_data.arrays(split, split)
    orders = []
    for seed in (1, 2):
        passes = data.training_batches(images, 32, seed=seed).as_numpy_iterator()
        orders += [tuple(next(passes).ravel()) for _ in range(2)]
    assert len(set(orders)) == 4
    assert {tuple(sorted(order)) for order in orders} == {tuple(numbers)}


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


def test_a_folder_keeps_its_order(tmp_path):
    for i in range(30):
        image = np.full((4, 5, 1 if i % 2 else 3), i, np.uint8)
        keras.utils.save_img(tmp_path / f"{i}.png", image, scale=False)  # Grey ones, too.
    images = data.load("folder", str(tmp_path))
    once, again = (
        np.concatenate(list(data.evaluation_batches(images, 9, split="train").as_numpy_iterator()))
        for _ in range(2)
    )
    np.testing.assert_array_equal(once, again)
    assert once.shape == (27, 4, 5, 3)
    assert np.ptp(once, axis=(1, 2, 3)).max() == 0


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


def test_classes_stay_with_their_images(tmp_path):
    numbers = np.arange(40)
    np.savez(tmp_path / "images.npz", x=np.tile(numbers[:, None, None], (1, 4, 4)), y=7 * numbers % 8)
    loaded = data.load("array", str(tmp_path / "images.npz"))
    for split in (loaded.train, loaded.test):
        for image, label in split.as_numpy_iterator():
            assert label == 7 * int(image[0, 0, 0]) % 8


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


@pytest.mark.parametrize(
    "shape, said",
    [
        ((6, 3, 8, 8), "channels first: `np.moveaxis"),
        ((6, 1, 28, 28), "channels first: `np.moveaxis"),
        ((6, 4, 6, 8), "channels first: `np.moveaxis"),
        ((32, 32, 3), "a single one"),
    ],
)
def test_arrays_with_their_channels_elsewhere(tmp_path, shape, said):
    np.savez(tmp_path / "bad.npz", x_train=np.ones(shape, int), x_test=np.ones(shape, int))
    with pytest.raises(ValueError, match=rf"`x_train` of `.*bad.npz` must hold images \[n, height.*{said}"):
        data.load("array", str(tmp_path / "bad.npz"))


@pytest.mark.parametrize(
    "shape", [(6, 8, 8, 2), (6, 8, 8, 4), (6, 8, 8, 5), (6, 2, 2, 3), (6, 4, 4), (6, 9, 9, 20)]
)
def test_arrays_of_any_number_of_channels(tmp_path, shape):
    np.save(tmp_path / "x.npy", np.ones(shape, int))
    assert data.load("array", str(tmp_path / "x.npy")).event_shape == (*shape[1:], 1)[:3]


def test_cifar10():
    if not TFDS.exists():
        pytest.skip(f"CIFAR-10 is not at {TFDS}")
    cifar = data.load("cifar10", str(TFDS))
    assert (cifar.num_train, cifar.num_test, cifar.num_classes) == (50_000, 10_000, 10)
    mean = np.mean([x.mean(axis=(0, 1)) for x, _ in cifar.train.take(2000).as_numpy_iterator()], axis=0)
    np.testing.assert_allclose(mean, [125.31, 122.95, 113.87], atol=3.0)  # Published, of all 50,000.


def test_evaluation_noise_is_of_the_seed_and_the_number_of_the_image():
    digits = data.load("digits")
    plain, noisy, other_batches, other_seed = (
        np.concatenate(list(data.evaluation_batches(digits, size, **options).as_numpy_iterator()))
        for size, options in [
            (50, {}),
            (50, {"noise_seed": 3}),
            (7, {"noise_seed": 3}),
            (50, {"noise_seed": 4}),
        ]
    )
    np.testing.assert_array_equal(np.floor(noisy), plain)
    np.testing.assert_array_equal(noisy, other_batches)
    noise = noisy - plain
    assert np.abs(noise - (other_seed - plain)).mean() > 0.2
    assert np.unique(noise[:, 0, 0, 0]).size > 350  # Another one for each image.
    np.testing.assert_allclose([noise.mean(), noise.std()], [0.5, 12**-0.5], atol=0.01)


def test_splits_of_evaluation():
    digits = data.load("digits")
    train = np.concatenate(list(data.evaluation_batches(digits, 64, split="train").as_numpy_iterator()))
    np.testing.assert_array_equal(train, [x for x, _ in digits.train.as_numpy_iterator()])
    with pytest.raises(ValueError, match="`split` must be 'test' or 'train'; got 'valid'"):
        data.evaluation_batches(digits, 64, split="valid")
    images, conditions = data.first_images(digits, 5, "train")
    np.testing.assert_array_equal(images, train[:5])
    classes = [int(y) for _, y in digits.train.take(5).as_numpy_iterator()]
    np.testing.assert_array_equal(conditions, np.eye(10)[classes])


def test_conditions_need_labels(tmp_path):
    np.save(tmp_path / "images.npy", np.ones((20, 4, 4), np.uint8))
    images = data.load("array", str(tmp_path / "images.npy"))
    assert images.num_conditions is None
    assert data.first_images(images, 3)[1] is None
    needed = "`conditional` needs images with classes or attributes"
    for make in (data.training_batches, data.evaluation_batches):
        with pytest.raises(ValueError, match=needed):
            next(iter(make(images, 2, conditional=True)))
    with pytest.raises(ValueError, match=needed):
        data.conditions_to_draw(images)


@pytest.mark.parametrize("side", [32, 64])
def test_imagenet(side):
    with mocked():
        images = data.load(f"imagenet{side}")
    assert images.event_shape == (side, side, 3)
    assert (images.num_train, images.num_test, images.num_conditions) == (12, 6, None)
    assert next(iter(data.training_batches(images, 4))).shape == (4, side, side, 3)


@pytest.mark.parametrize(
    "category", ["tower", *(pytest.param(c, marks=pytest.mark.slow) for c in ("bedroom", "church_outdoor"))]
)
def test_lsun(category):
    with mocked():
        images = data.load(f"lsun_{category}")
    assert images.event_shape == (64, 64, 3)
    assert images.num_conditions is None
    for image, _ in images.train:
        assert min(image.shape[:2]) == 96 and image.dtype == tf.uint8
    stream = data.training_batches(images, 12, seed=0).as_numpy_iterator()
    first, second = next(stream), next(stream)
    assert first.shape == (12, 64, 64, 3)
    assert {x.tobytes() for x in first}.isdisjoint({x.tobytes() for x in second})  # New windows.
    again = data.training_batches(images, 12, seed=0).as_numpy_iterator()
    np.testing.assert_array_equal(next(again), first)
    test = [np.concatenate(list(data.evaluation_batches(images, n).as_numpy_iterator())) for n in (6, 4)]
    np.testing.assert_array_equal(*test)  # The same windows each time, whatever the batch.
    whole = [x for x, _ in images.test.as_numpy_iterator()]
    assert all(is_window(window, image) for window, image in zip(test[0], whole, strict=True))


def is_window(window, image):
    """Whether `window` is in `image`."""
    sides = [a - b + 1 for a, b in zip(image.shape[:2], window.shape[:2], strict=True)]
    places = [(i, j) for i in range(sides[0]) for j in range(sides[1])]
    height, width = window.shape[:2]
    return any(np.array_equal(image[i : i + height, j : j + width], window) for i, j in places)


@pytest.mark.parametrize("shape", [(256, 341, 3), (400, 256, 3), (96, 96, 3), (50, 61, 3)])
def test_lsun_keeps_proportions(shape):
    ramp = np.linspace(0, 255, shape[1])[None, :, None] * np.ones(shape)
    resized = lsun.resized(ramp.astype(np.uint8)).numpy()
    height, width, _ = resized.shape
    assert min(height, width) == 96
    assert width / height == pytest.approx(shape[1] / shape[0], rel=0.01)
    np.testing.assert_allclose(resized[40], resized[60].astype(int), atol=1)
    np.testing.assert_allclose(resized[0, :, 0], np.linspace(0, 255, width), atol=3)


def test_celeba():
    with mocked():
        images = data.load("celeba")
    assert images.event_shape == (64, 64, 3)
    assert len(images.attributes) == images.num_conditions == 40
    assert (
        images.attributes[:2] == ("5_o_Clock_Shadow", "Arched_Eyebrows") and images.attributes[-1] == "Young"
    )
    x, conditions = next(data.evaluation_batches(images, 6, conditional=True).as_numpy_iterator())
    assert x.shape == (6, 64, 64, 3) and x.dtype == np.uint8
    # The mock's faces have their attribute number i, and no other.
    np.testing.assert_array_equal(conditions, np.eye(40)[:6])
    assert images.has_same_class(conditions, 2).all()  # Attributes may differ, classes may not.
    classes = data.ImageData(images.train, images.test, images.event_shape, num_classes=40)
    np.testing.assert_array_equal(classes.has_same_class(conditions, 2), np.arange(6) == 2)


def test_celeba_crops_the_face():
    image = np.zeros((218, 178, 3), np.uint8)
    image[40:188, 15:163] = 200
    np.testing.assert_array_equal(celeba.cropped(image), np.full((64, 64, 3), 200))
    image[40:114, 15:163] = 100  # The upper half.
    halves = celeba.cropped(image).numpy()
    assert (halves[:32] == 100).all() and (halves[32:] == 200).all()


def test_small_data_sets_are_read_once(monkeypatch):
    read = []

    def counted(image, label):
        tf.py_function(lambda: read.append(1), [], [])
        return image, label

    def times(cached_bytes):
        read.clear()
        monkeypatch.setattr(batches, "CACHED_BYTES", cached_bytes)
        digits = data.load("digits")
        counting = data.ImageData(digits.train.take(64).map(counted), digits.test, digits.event_shape)
        stream = iter(data.training_batches(counting, 64))
        for _ in range(4):
            next(stream)
        return len(read)

    assert times(2**20) == 64
    assert times(0) >= 4 * 64


def test_batches_go_on_where_they_stopped():
    """In the second pass over the images, too, mirrored as they would have been."""
    digits = data.load("digits")
    options = {"conditional": True, "flip": True, "seed": 5}
    whole = data.training_batches(digits, 200, **options).as_numpy_iterator()
    for start in range(10):
        expected = next(whole)
        if start in (3, 9):
            again = data.training_batches(digits, 200, start=start, **options).as_numpy_iterator()
            for a, b in zip(next(again), expected, strict=True):
                np.testing.assert_array_equal(a, b)


def test_the_same_seed_gives_the_same_mirror_images():
    digits = data.load("digits")
    streams = [data.training_batches(digits, 64, flip=True, seed=5).as_numpy_iterator() for _ in range(2)]
    for _ in range(30):
        np.testing.assert_array_equal(*(next(stream) for stream in streams))


@pytest.mark.parametrize("shape, levels", [((8, 8, 1), 17), ((32, 32, 3), 256), ((500, 64, 3), 256)])
def test_elsewhere(shape, levels):
    nothing = tf.data.Dataset.range(0)
    others = other_images(data.ImageData(nothing, nothing, shape, levels), 20)
    assert set(others) == {"noise", "single colour", "photographs", "handwritten digits"}
    for images in others.values():
        assert images.shape == (20, *shape) and images.dtype == np.uint8 and images.max() < levels
    assert np.ptp(others["single colour"], axis=(1, 2)).max() == 0
    assert len(np.unique(others["noise"])) == levels
    for name in ("photographs", "handwritten digits"):
        assert len({image.tobytes() for image in others[name]}) > 15
        assert others[name].std(axis=(1, 2)).mean() > levels / 40
    again = other_images(data.ImageData(nothing, nothing, shape, levels), 20)
    np.testing.assert_array_equal(again["photographs"], others["photographs"])


@pytest.mark.parametrize(
    "name, folder",
    [
        ("cifar10", "cifar10/3.0.2"),
        ("imagenet64", "downsampled_imagenet/64x64/2.0.0"),
        ("lsun_tower", "lsun/tower/3.1.0"),
        ("celeba", "celeb_a/2.1.0"),
    ],
)
def test_missing_data_say_what_to_put_where(name, folder, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise ConnectionError("no network\nand a long story")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(FileNotFoundError) as caught:
        data.load(name, str(tmp_path))
    message = str(caught.value)
    assert f"`{folder}`" in message and "`data_dir`" in message and str(tmp_path) in message
    assert "no network" in message and "\n" not in message
