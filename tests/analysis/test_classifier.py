"""The classifier that reads what models draw."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfp_realnvp import data
from tfp_realnvp.analysis.classifier import accuracy, read_conditions, trained_classifier


def test_it_reads_digits():
    digits = data.load("digits")
    classifier = trained_classifier(digits, steps=300)
    x, conditions = data.first_images(digits, 360)
    ends = classifier.layers[1](np.array([0.0, 16.0], np.float32))
    np.testing.assert_allclose(ends, [-1, 1], rtol=1e-6)
    read = read_conditions(classifier, x + 0.9, 17)
    np.testing.assert_array_equal(read.sum(axis=-1), 1)
    assert accuracy(read, conditions, one_hot=True) > 0.95
    np.testing.assert_array_equal(read_conditions(classifier, x, 17), read)
    outside = np.where(x == 16, 300.0, np.where(x == 0, -5.0, x))
    np.testing.assert_array_equal(read_conditions(classifier, outside, 17), read)


def test_it_reads_attributes():
    """Whether the left half is bright, and whether the lower half is: a third one is never true."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (512, 3)) * [1, 1, 0]
    images = random.integers(0, 60, (512, 8, 8, 3))
    images[:, :, :4] += 90 * labels[:, 0, None, None, None]
    images[:, 4:] += 90 * labels[:, 1, None, None, None]
    dataset = tf.data.Dataset.from_tensor_slices((images.astype(np.uint8), labels.astype(bool)))
    source = data.ImageData(dataset, dataset, (8, 8, 3), attributes=("left", "lower", "never"))
    classifier = trained_classifier(source, steps=150)
    read = read_conditions(classifier, images, 256)
    assert accuracy(read, labels, one_hot=False) > 0.97
    assert not read[:, 2].any()


def test_it_needs_labels(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((200, 4, 4), np.uint8))
    with pytest.raises(ValueError, match="`conditional` needs images with classes or attributes"):
        trained_classifier(data.load("array", str(tmp_path / "x.npy")), steps=1)


def test_accuracy():
    classes = np.eye(3)[[0, 1, 2, 2]]
    read = np.eye(3)[[0, 1, 1, 2]]
    assert accuracy(read, classes, True) == 0.75
    assert accuracy(read, classes, True, before=np.eye(3)[[0, 0, 0, 0]]) == pytest.approx(2 / 3)
    attributes = np.array([[1, 1, 0, 0], [1, 1, 1, 0]])
    read = np.array([[1, 0, 0, 0], [1, 1, 1, 1]])
    assert accuracy(read, attributes, False) == 0.75
    before = np.array([[1, 0, 0, 0], [1, 1, 0, 0]])  # One attribute changes in each.
    assert accuracy(read, attributes, False, before) == 0.5


def test_keras_seed_gives_the_weights():
    digits = data.load("digits")
    weights = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        weights.append(trained_classifier(digits, steps=2).get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
