"""Data sets of TFDS that are not at hand, as TFDS's own mocks with their true shapes."""

import contextlib

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds


@contextlib.contextmanager
def mocked(num_train=12, num_test=6):
    """Within, `tfds` gives random images, so many of a training split and of others."""

    def as_dataset(builder, split=None, **kwargs):
        return _as_dataset(builder, num_train if split == "train" else num_test)

    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        yield


def _as_dataset(builder, n):
    features = builder.info.features
    examples = [_example(builder, features, i) for i in range(n)]
    signature = tf.nest.map_structure(
        lambda spec: tf.TensorSpec(spec.shape, spec.dtype), dict(features.get_tensor_info())
    )
    dataset = tf.data.Dataset.from_generator(lambda: iter(examples), output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(n))


def _example(builder, features, i):
    random = np.random.default_rng(i)
    example = {}
    for name, feature in features.items():
        if name == "image":
            example[name] = random.integers(0, 256, _image_shape(builder, feature, i)).astype(np.uint8)
        elif name == "attributes":
            example[name] = {key: j == i for j, key in enumerate(feature)}
        elif isinstance(feature, tfds.features.FeaturesDict):
            example[name] = dict.fromkeys(feature, 0)
        elif isinstance(feature, tfds.features.Text):
            example[name] = str(i).encode()
        else:
            example[name] = i % 10
    return example


def _image_shape(builder, feature, i):
    if builder.name == "downsampled_imagenet":
        side = int(builder.builder_config.name.split("x")[0])
        return side, side, 3
    if builder.name == "lsun":  # The smaller side is 256 there, the other one is not fixed.
        return (256, 300 + i, 3) if i % 2 else (280 + 7 * i, 256, 3)
    return feature.shape
