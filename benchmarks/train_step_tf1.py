"""The post's own training graph, for the interpreter it was written for: Python 3.6, TF 1.14.

Command:  python3.6 benchmarks/train_step_tf1.py --batch 25 --steps 6
          python3.6 benchmarks/train_step_tf1.py --save folder
          python3.6 benchmarks/train_step_tf1.py --restore folder/crack_captcha.model-6000
Reads:    nothing, or a checkpoint
Writes:   one line of JSON on stdout: seconds of each step and peak memory, or, with --save and
          --restore, logits; with --save the checkpoint folder/crack_captcha.model-6000
Takes:    seconds per step

train_step.py runs it as one of its rows, exchange.py with --save and --restore. Written from the
post's table with tf.contrib.slim.
"""
import argparse
import json
import os
import resource
import time

import numpy as np
import tensorflow as tf


def alexnet_v2(inputs, num_classes, is_training):
    """The post's network: AlexNet v2 of slim, with four heads after dropout7."""
    slim = tf.contrib.slim
    normal = tf.truncated_normal_initializer(stddev=0.005)
    with slim.arg_scope([slim.conv2d], padding='SAME',
                        biases_initializer=tf.constant_initializer(0.1),
                        weights_regularizer=slim.l2_regularizer(0.0005)), \
            tf.variable_scope('alexnet_v2'):
        net = slim.conv2d(inputs, 64, [11, 11], 4, padding='VALID', scope='conv1')
        net = slim.max_pool2d(net, [3, 3], 2, scope='pool1')
        net = slim.conv2d(net, 192, [5, 5], scope='conv2')
        net = slim.max_pool2d(net, [3, 3], 2, scope='pool2')
        net = slim.conv2d(net, 384, [3, 3], scope='conv3')
        net = slim.conv2d(net, 384, [3, 3], scope='conv4')
        net = slim.conv2d(net, 256, [3, 3], scope='conv5')
        net = slim.max_pool2d(net, [3, 3], 2, scope='pool5')
        with slim.arg_scope([slim.conv2d], weights_initializer=normal, padding='VALID'):
            net = slim.conv2d(net, 4096, [5, 5], scope='fc6')
            net = slim.dropout(net, 0.5, is_training=is_training, scope='dropout6')
            net = slim.conv2d(net, 4096, [1, 1], scope='fc7')
            net = slim.dropout(net, 0.5, is_training=is_training, scope='dropout7')
            heads = [slim.conv2d(net, num_classes, [1, 1], activation_fn=None,
                                 biases_initializer=tf.zeros_initializer(), scope='fc8_%d' % k)
                     for k in range(4)]
    return [tf.squeeze(head, [1, 2]) for head in heads]


def pixels(batch):
    """The same pictures on every side: float32 [batch, 224, 224], -1 ... 1."""
    return np.random.RandomState(0).uniform(-1, 1, [batch, 224, 224]).astype(np.float32)


def time_steps(batch, steps):
    """Seconds of each step of the post's training graph, and peak memory: a dict."""
    x = tf.placeholder(tf.float32, [None, 224, 224])
    y = [tf.placeholder(tf.float32, [None]) for _ in range(4)]
    heads = alexnet_v2(tf.reshape(x, [batch, 224, 224, 1]), 10, True)
    losses = [tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(
        labels=tf.one_hot(tf.cast(label, tf.int32), 10), logits=head))
        for head, label in zip(heads, y)]
    lr = tf.Variable(0.001, dtype=tf.float32)
    step = tf.train.AdamOptimizer(lr).minimize(sum(losses) / 4)
    feed = {x: pixels(batch)}
    feed.update({label: np.arange(batch) % 10 for label in y})
    seconds = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(steps + 1):  # the first is not counted: it allocates
            start = time.time()
            sess.run(step, feed)
            seconds.append(time.time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024  # KiB -> GiB
    return {'seconds': seconds[1:], 'peak_gib': peak}


def logits(restore, save):
    """The logits of a checkpoint, or of new initial values, which are saved in a folder: a dict."""
    x = tf.placeholder(tf.float32, [None, 224, 224])
    heads = alexnet_v2(tf.expand_dims(x, -1), 10, False)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        if restore:
            saver.restore(sess, restore)
        else:
            sess.run(tf.global_variables_initializer())
            saver.save(sess, os.path.join(save, 'crack_captcha.model'), global_step=6000)
        return {'logits': np.array(sess.run(heads, {x: pixels(4)})).tolist()}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--batch', type=int, default=25)
    parser.add_argument('--steps', type=int, default=6)
    parser.add_argument('--save', metavar='FOLDER')
    parser.add_argument('--restore', metavar='CHECKPOINT')
    args = parser.parse_args()
    if tf.__version__ != '1.14.0':
        parser.error('expected TensorFlow 1.14.0, found %s' % tf.__version__)
    tf.logging.set_verbosity(tf.logging.ERROR)
    if args.save or args.restore:
        result = logits(args.restore, args.save)
    else:
        result = time_steps(args.batch, args.steps)
    print(json.dumps(result))


if __name__ == '__main__':
    main()
