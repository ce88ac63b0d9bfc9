"""Pictures are standardised and distorted in the graph."""
import numpy as np

from helpers import tf
from support.captcha import preprocessing, recipes


def test_network_input():
    pixels = np.random.default_rng(0).uniform(-1, 0.5, [2, 224, 224]).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as sess:
        post = sess.run(preprocessing.network_input(tf.constant(pixels), False))
        ours = sess.run(preprocessing.network_input(tf.constant(pixels), True))
    np.testing.assert_array_equal(post, pixels[..., np.newaxis])
    for k in range(2):
        wanted = (pixels[k] - pixels[k].mean()) / pixels[k].std()
        np.testing.assert_allclose(ours[k, ..., 0], wanted, atol=1e-4)


def distorted(images, shift=0, scale=0, shear=0, size=None, **others):
    """preprocessing.distort with all limits 0 except those given."""
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(0)
        limits = recipes.Distortion(shift, scale, shear, **others)
        return sess.run(preprocessing.distort(tf.constant(images[..., np.newaxis]), limits,
                                              size))[..., 0]


def test_a_distorted_picture_is_the_picture_moved_stretched_slanted():
    """Pictures whose pixels hold their own position show where each pixel came from."""
    rows, columns = np.mgrid[:224, :224].astype(np.float32)
    images = np.stack([columns, rows] * 20)  # the column, or the row
    np.testing.assert_allclose(distorted(images), images, atol=1e-3)

    def change(**limits):
        """What was added to each pixel, away from the border, which is repeated."""
        return (distorted(images, **limits) - images)[:, 40:-40, 40:-40]

    def assert_even(values, limit):
        """One value throughout a picture, between pictures up to the limit, and near it in one."""
        np.testing.assert_allclose(values, values[:, :1, :1] * np.ones_like(values), atol=1e-3)
        assert limit / 2 < abs(values).max() <= limit + 1e-3

    moved, stretched, slanted = change(shift=10), change(scale=0.08), change(shear=0.1)
    assert_even(moved, 10)
    assert abs(moved).max() <= 10
    assert_even(np.diff(stretched[0::2], axis=2), 0.08)  # columns grow to the right
    assert_even(np.diff(stretched[1::2], axis=1), 0.08)  # rows grow downwards
    assert_even(np.diff(slanted[0::2], axis=1), 0.1)  # columns move by the row
    np.testing.assert_allclose(slanted[1::2], 0, atol=1e-3)  # and none up or down
    for part in stretched, slanted:
        np.testing.assert_allclose(part.mean((1, 2)), 0, atol=1e-3)  # the centre stays


def test_lines_lean():
    """Leaning lines, up to the limit."""
    rows, columns = np.mgrid[:224, :224].astype(np.float32)
    leaning = (distorted(np.stack([rows] * 20), lean=0.05) - rows)[:, 40:-40, 40:-40]
    rise = np.diff(leaning, axis=2)
    np.testing.assert_allclose(rise, rise[:, :1, :1] * np.ones_like(rise), atol=1e-3)
    assert 0.025 < abs(rise).max() <= 0.05 + 1e-3


def test_without_distortion_the_pictures_are_the_same_tensor():
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [2, 224, 224, 1])
        assert preprocessing.distort(x, None, (112, 112)) is x


def test_a_smaller_result_is_the_mean_of_the_pixels_that_it_replaces():
    images = np.random.default_rng(0).uniform(-1, 1, [3, 224, 224]).astype(np.float32)
    means = images.reshape(3, 112, 2, 224).mean(2)
    np.testing.assert_allclose(distorted(images, size=(112, 224)), means, atol=1e-5)
    means = means.reshape(3, 112, 112, 2).mean(3)
    np.testing.assert_allclose(distorted(images, size=(112, 112)), means, atol=1e-5)


def test_a_smaller_result_is_distorted_alike():
    """Smooth pictures, distorted at full size and then shrunk, or the other way."""
    rows, columns = np.mgrid[:224, :224].astype(np.float32)
    images = np.stack([columns, rows] * 4)
    limits = dict(shift=10, scale=0.08, shear=0.1, lean=0.05)
    full = distorted(images, **limits).reshape(8, 112, 2, 112, 2).mean((2, 4))
    half = distorted(images, **limits, size=(112, 112))
    assert abs(full - images[:, ::2, ::2]).max() > 5
    np.testing.assert_allclose(half[:, 30:-30, 30:-30], full[:, 30:-30, 30:-30], atol=1e-2)


def test_light_ink_becomes_dark():
    dark = np.full([224, 224], 0.8, np.float32)
    dark[60:160, 50:80] = -0.6  # a stroke
    pictures = np.stack([dark, -dark, 0.3 * dark, np.zeros_like(dark)])
    with tf.Graph().as_default(), tf.Session() as sess:
        turned = sess.run(preprocessing.network_input(tf.constant(pictures), True, True))[..., 0]
        plain = sess.run(preprocessing.network_input(tf.constant(pictures), False, True))[..., 0]
    np.testing.assert_allclose(turned[1], turned[0], atol=1e-5)
    np.testing.assert_allclose(turned[2], turned[0], atol=1e-4)
    assert turned[0][100, 60] < 0 < turned[0][0, 0]
    np.testing.assert_array_equal(plain, np.stack([dark, dark, 0.3 * dark, 0 * dark]))
