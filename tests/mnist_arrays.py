"""Helpers of the MNIST tests: the network in NumPy, and checkpoints made of plain arrays."""
import os

import numpy as np
import tensorflow.compat.v1 as tf

# The keys TensorFlow 1.14 gave the post's variables, with dtype and shape.
TF1_KEYS = {'Variable': ('float32', [784, 500]), 'Variable_1': ('float32', [500]),
            'Variable_2': ('float32', [500, 10]), 'Variable_3': ('float32', [10]),
            'Variable/ExponentialMovingAverage': ('float32', [784, 500]),
            'Variable_1/ExponentialMovingAverage': ('float32', [500]),
            'Variable_2/ExponentialMovingAverage': ('float32', [500, 10]),
            'Variable_3/ExponentialMovingAverage': ('float32', [10]),
            'Variable_4': ('int32', [])}


def random_arrays(step, seed=0):
    """A value for each key, the averages unlike the variables."""
    random = np.random.RandomState(seed)
    arrays = {key: (random.randn(*shape) * 0.1).astype(dtype)
              for key, (dtype, shape) in TF1_KEYS.items() if shape}
    return {**arrays, 'Variable_4': np.int32(step)}


def write_checkpoint(folder, arrays, step):
    """Write `arrays` as the checkpoint folder/mnist_model-<step>; no variable is involved."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f'mnist_model-{step}')
    with tf.Graph().as_default(), tf.Session() as sess:
        sess.run(tf.raw_ops.SaveV2(prefix=path, tensor_names=list(arrays),
                                   shape_and_slices=[''] * len(arrays),
                                   tensors=list(arrays.values())))
    tf.train.update_checkpoint_state(str(folder), path)
    return path


def read_checkpoint(path):
    """Return all arrays of a checkpoint, by key."""
    reader = tf.train.load_checkpoint(str(path))
    return {key: reader.get_tensor(key) for key in reader.get_variable_to_shape_map()}


def logits(images, arrays, averages=False):
    """The network's answer by NumPy, float64 [batch, 10]."""
    end = '/ExponentialMovingAverage' if averages else ''
    w1, b1, w2, b2 = (arrays[key + end].astype(np.float64)
                      for key in ('Variable', 'Variable_1', 'Variable_2', 'Variable_3'))
    return np.maximum(images @ w1 + b1, 0) @ w2 + b2
