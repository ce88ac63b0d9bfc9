"""Train a network with four heads to read captchas: multi-task learning, joint training.

Command:  python captcha_train.py                        the post's AlexNet, made to learn
          python captcha_train.py --network small_cnn    minutes instead of an hour
          python captcha_train.py --recipe post          the post's own numbers: stays at chance
          python captcha_train.py --method vector        the post's Method 1: one head, not four
          python captcha_train.py --no-distort           training sees the pictures as they are
          tensorboard --logdir captcha/log               curves, graph and input pictures
          Each of these five needs a folder of its own, say --model-dir captcha/small_cnn
Reads:    captcha/train.tfrecords to learn from, captcha/test.tfrecords to be measured on
Writes:   every 1,000 iterations and at the end a checkpoint captcha/crack_captcha.model-<i>
          (the two newest are kept), and TensorBoard summaries in captcha/log
Takes:    AlexNet 45 to 75 minutes, small_cnn 5 to 10, on two cores without a GPU

Ctrl-C or SIGTERM saves first; the same command, without --restart, goes on from there.

How the start looks: a network that guesses has the loss ln(classes), 2.303 for digits and 3.584
for digits and letters. AlexNet's loss stays there for the first 150 to 300 iterations, while
nothing seems to happen, and then falls quickly; small_cnn's falls at once. If it is still there
after 1,500 iterations, the script says so, once, and what to try. In the last third of the run
AlexNet's rate is so small that the post's four decimals show it as 0.0000. The accuracies in these
lines are of a training batch, distorted, and in AlexNet with dropout; the held-out pictures are
read without either, so they may well be read better.
"""
import argparse
import collections
import contextlib
import glob
import math
import os
import shlex
import sys
import types

import numpy as np

import captcha_data
import cli
from captcha_data import read_and_decode  # stays importable from here, as in the post

with cli.quiet_start():
    import tensorflow.compat.v1 as tf

from nets import nets_factory

# --- files
TFRECORD_FILE = captcha_data.TRAIN_FILE
TEST_FILE = captcha_data.TEST_FILE
MODEL_DIR = captcha_data.MODEL_DIR

# --- data
CHAR_SET_LEN = 10  # classes of each head for digits; records with letters make it 36
IMAGE_HEIGHT = captcha_data.IMAGE_HEIGHT  # of a captcha as it was drawn, not of its record
IMAGE_WIDTH = captcha_data.IMAGE_WIDTH
CAPACITY = 5000  # pictures that the shuffling queue holds at most ...
MIN_AFTER_DEQUEUE = 1000  # ... and at least, so that a batch is drawn from many
# How much a training picture is changed at most, each time anew, by the default recipe
SHIFT = 10  # pixels of 224, both ways
SCALE = 0.08  # of the width and of the height
SHEAR = 0.1  # pixels to the side for each one down

# --- model
NETWORK = 'alexnet_v2'
METHOD = 'heads'  # the post's Method 2; 'vector' is its Method 1
WEIGHT_DECAY = 0.0005  # of the L2 losses that the network collects; like the post, none is added
WITH_DROPOUT = ('alexnet_v2',)  # networks that have it; each knows the share that it keeps

# --- optimiser
STEPS = 6001
BATCH_SIZE = 25
# The variable's initial value. Iteration 0 runs at it and then divides it by 3, as in the post.
# README.md says what each departure of 'default' from 'post' is for. One more, each picture brought
# to mean 0 and deviation 1, is in captcha_data.network_input, because testing needs it too.
RECIPES = {'default': dict(learning_rate=0.0003, initialization='he', distort=True,
                           divide_every=None),  # once, after two thirds of the run
           'post': dict(learning_rate=0.003, initialization='post', distort=False,
                        divide_every=2000)}  # iterations
DIVIDE_BY = 3
# A small network learns fast enough to let the rate fall to 0 along a cosine, once over the run.
COSINE = {'small_cnn': dict(steps=3001, batch_size=64, learning_rate=0.003)}

# --- what is shown and kept
PRINT_EVERY = 20  # iterations
SAVE_EVERY = 1000
KEEP = 2  # checkpoints
EVAL_BATCH_SIZE = 100  # pictures in a held-out batch: only memory depends on it
PLATEAU = 1500  # iterations at chance after which to warn


def build_inputs(filename, batch_size, seed=None):
    """A shuffled batch from the records: queues, filled by threads of their own.

    Returns: images float32 [batch_size, 224, 224], -1 ... 1, and four labels int32 [batch_size].
    """
    image, label0, label1, label2, label3 = read_and_decode(filename)
    return tf.train.shuffle_batch([image, label0, label1, label2, label3],
                                  batch_size=batch_size, capacity=CAPACITY,
                                  min_after_dequeue=MIN_AFTER_DEQUEUE, num_threads=1, seed=seed)


def build_placeholders():
    """x float32 [None, 224, 224] and y0 ... y3 float32 [None]."""
    size = captcha_data.IMAGE_SIZE
    x = tf.placeholder(tf.float32, [None, size, size])  # -1 ... 1
    return x, [tf.placeholder(tf.float32, [None]) for _ in range(captcha_data.TEXT_LENGTH)]


def distort(images, batch_size):
    """Move, stretch and slant each picture at random, so that none is ever seen twice.

    Args: images: float32 [batch_size, 224, 224].
    Returns: the same shape and range; what comes in from outside repeats the border.
    """
    def up_to(limit):
        return tf.random.uniform([batch_size], -limit, limit)

    # Seen from the centre, the new pixel (x, y) is the old (width x + slant y + dx, height y + dy).
    width, height, slant = 1 + up_to(SCALE), 1 + up_to(SCALE), up_to(SHEAR)
    dx, dy, zeros = up_to(SHIFT), up_to(SHIFT), tf.zeros([batch_size])
    centre = (captcha_data.IMAGE_SIZE - 1) / 2
    transforms = tf.stack([width, slant, centre * (1 - width - slant) + dx,
                           zeros, height, centre * (1 - height) + dy,
                           zeros, zeros], axis=1)  # [batch_size, 8]
    return tf.squeeze(tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.expand_dims(images, -1), transforms=transforms, output_shape=images.shape[1:],
        fill_value=0.0, interpolation='BILINEAR', fill_mode='NEAREST'), -1)


def build_networks(x, varied, batch_size, network, num_classes, recipe, method=METHOD,
                   keep_prob=None):
    """The network twice over the same variables: to train it, and to measure it.

    Args:
      x, varied: float32 [None, 224, 224], the pictures and what training sees of them.
      keep_prob: the share of values that dropout keeps; None: the network's own.
    Returns: four heads' logits float32 [batch_size, num_classes] as in training, with dropout or
      the batch's own statistics, and four [batch, num_classes] without, for as many pictures as
      are fed.
    """
    size = captcha_data.IMAGE_SIZE
    train_fn = nets_factory.get_network_fn(network, num_classes, WEIGHT_DECAY, is_training=True,
                                           initialization=RECIPES[recipe]['initialization'],
                                           method=method)
    image = captcha_data.network_input(varied, recipe)
    dropout = {} if keep_prob is None else {'dropout_keep_prob': keep_prob}
    *logits, _ = train_fn(tf.reshape(image, [batch_size, size, size, 1]), **dropout)
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        test_fn = nets_factory.get_network_fn(network, num_classes, is_training=False,
                                              method=method)
        *test_logits, _ = test_fn(captcha_data.network_input(x, recipe))  # [None, 224, 224, 1]
    return logits, test_logits


def build_loss(logits, labels, num_classes):
    """The joint loss of the four tasks.

    Args:
      logits: four tensors float32 [batch, num_classes].
      labels: four tensors of classes [batch].
    Returns: float32 scalar, the mean of the four heads' mean softmax cross-entropies.
    """
    losses = []
    for head, label in zip(logits, labels):
        one_hot = tf.one_hot(tf.cast(label, tf.int32), num_classes)  # [batch, num_classes]
        losses.append(tf.reduce_mean(
            tf.nn.softmax_cross_entropy_with_logits_v2(labels=one_hot, logits=head)))
    loss0, loss1, loss2, loss3 = losses
    return (loss0 + loss1 + loss2 + loss3) / 4.0


def build_vector_loss(logits, labels, num_classes):
    """Method 1's loss: the four characters as one vector, trained like MNIST.

    Args: as for `build_loss`; the logits are the quarters of one head.
    Returns: float32 scalar, the mean softmax cross-entropy of the vector of 4 * num_classes with
      the label vector, whose four ones count a quarter each, so that they are a distribution.
      It is ln(4 * num_classes) for a network that guesses and ln 4 = 1.386 for a perfect one.
    """
    vector = tf.concat([tf.one_hot(tf.cast(label, tf.int32), num_classes) for label in labels],
                       axis=1)  # [batch, 4 * num_classes], four ones in each row
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(
        labels=vector / len(labels), logits=tf.concat(logits, axis=1)))


def build_accuracies(logits, labels):
    """Four float32 scalars: the share of the batch that each head reads rightly."""
    return [tf.reduce_mean(tf.cast(
        tf.equal(tf.argmax(head, 1, output_type=tf.int32), tf.cast(label, tf.int32)), tf.float32))
            for head, label in zip(logits, labels)]


def build_train_op(total_loss, learning_rate, cosine_steps=None):
    """Adam at a rate that is a variable, as in the post, or falls along a cosine.

    Args: cosine_steps: let the rate reach 0 after so many iterations; None: the variable.
    Returns: the rate, a training step, and an operation that divides the variable.
    """
    global_step, divide_lr = None, tf.no_op()
    if cosine_steps:
        global_step = tf.train.get_or_create_global_step()
        lr = tf.train.cosine_decay(learning_rate, global_step, cosine_steps)
    else:
        lr = tf.Variable(learning_rate, dtype=tf.float32, trainable=False)
        divide_lr = tf.assign(lr, lr / DIVIDE_BY)
    # Batch norm's moving averages; the post's network has none.
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        optimizer = tf.train.AdamOptimizer(learning_rate=lr).minimize(total_loss, global_step)
    return lr, optimizer, divide_lr


def divisions(recipe, steps, divide_at=None):
    """The iterations that divide the rate.

    Args: divide_at: those beside iteration 0; None: as the recipe says.
    """
    if divide_at is None:
        every = RECIPES[recipe]['divide_every']
        divide_at = range(every, steps, every) if every else [steps * 2 // 3]
    return {0, *divide_at}


def session_config(bfloat16):
    """Settings of the training session.

    Args: bfloat16: let TensorFlow multiply matrices and convolve in bfloat16 (8 bits of precision,
      float32's range) where the processor has instructions for it; variables stay float32.
    """
    config = tf.ConfigProto()
    if bfloat16:
        rewrites = config.graph_options.rewrite_options
        rewrites.auto_mixed_precision_onednn_bfloat16 = rewrites.ON
    return config


def build_summaries(images, total_loss, accuracies, lr):
    """TensorBoard's curves of a training batch and a strip of its pictures as it sees them."""
    pictures = tf.image.resize((images[..., tf.newaxis] + 1) / 2, [IMAGE_HEIGHT, IMAGE_WIDTH])
    curves = [tf.summary.scalar('loss', total_loss), tf.summary.scalar('learning_rate', lr)]
    curves += [tf.summary.scalar(f'accuracy/char{k}', accuracy)
               for k, accuracy in enumerate(accuracies)]
    return tf.summary.merge(curves), tf.summary.image('input', pictures, max_outputs=5)


def held_out_accuracy(sess, x, predictions, filename):
    """Read every record of a file once, without dropout.

    Args: predictions: int32 [batch, 4], the heads' argmax for x.
    Returns: the share of characters, the share of whole captchas, and of how many captchas.
    """
    count = characters = whole = 0
    for images, labels in captcha_data.read_batches(filename, EVAL_BATCH_SIZE):
        hits = sess.run(predictions, {x: captcha_data.scale(images)}) == labels  # bool [n, 4]
        count += len(hits)
        characters += hits.mean(axis=1).sum()
        whole += hits.all(axis=1).sum()
    return characters / count, whole / count, count


def save(saver, sess, model_dir, iteration, again):
    """Save <model_dir>/crack_captcha.model-<iteration>; what was saved before stays if it fails.

    Args: again: the command that goes on then, in words.
    """
    prefix = os.path.join(model_dir, captcha_data.MODEL_NAME)
    files = f'{glob.escape(prefix)}-{iteration}.*'
    before = glob.glob(files)  # of a run that began anew
    try:
        return saver.save(sess, prefix, global_step=iteration)
    except (tf.errors.OpError, OSError, ValueError) as error:  # disk full, folder gone
        for leftover in set(glob.glob(files)) - set(before):
            with contextlib.suppress(OSError):
                os.remove(leftover)
        last = captcha_data.newest_checkpoint(model_dir) or 'none'
        raise cli.UserError(
            f'{prefix}-{iteration}: cannot be written: {cli.reason(error)}; last good checkpoint: '
            f'{last}; make room there, then go on with {again}') from error


def check_data(train_file, test_file, batch_size):
    """Read both record files once, so that no fault in them shows up an hour later.

    Returns: the training records, the held-out records, the name of the character set.
    Raises: UserError.
    """
    count, charset = captcha_data.survey(train_file)
    test_count, test_charset = captcha_data.survey(test_file)
    if count < batch_size:
        raise cli.UserError(f'{train_file}: expected at least one batch of {batch_size} records, '
                            f'found {count}; use --batch-size {count}, or make a larger file '
                            'with to_tfrecord.py')
    if len(captcha_data.CHARSETS[test_charset]) > len(captcha_data.CHARSETS[charset]):
        raise cli.UserError(f'{test_file}: expected {charset} as in {train_file}, found '
                            f'{test_charset}; make both at once, with python to_tfrecord.py')
    return count, test_count, charset


def check_divide_at(divide_at, steps, network, cosine):
    """Raise a UserError if the rate will never be divided where the user wants it to be."""
    if divide_at and cosine:
        raise cli.UserError(f'--divide-at: expected a network whose rate is divided, found '
                            f'{network}, whose rate falls along a cosine; leave it out')
    if divide_at and max(divide_at) >= steps:
        raise cli.UserError(f'--divide-at: expected iterations before the end, {steps}, found '
                            f'{max(divide_at)}; give it another value or --steps a larger one')


def check_resumable(checkpoint, about):
    """Raise a UserError unless `checkpoint` was trained with the facts `about`."""
    facts = captcha_data.checkpoint_facts(checkpoint)
    for key, wanted in about.items():
        found = getattr(facts, key)
        if found != wanted:
            raise cli.UserError(
                f'{checkpoint}: expected a checkpoint of {key} {wanted}, found one of {key} '
                f'{found}; begin anew with the same command and --restart, or keep it and '
                'use another --model-dir')
    return facts.iteration


def training_defaults(network, recipe):
    """Steps, batch size, first rate and whether it falls along a cosine, as a namespace."""
    facts = dict(steps=STEPS, batch_size=BATCH_SIZE,
                 learning_rate=RECIPES[recipe]['learning_rate'], cosine=False)
    if recipe == 'default' and network in COSINE:
        facts.update(COSINE[network], cosine=True)
    return types.SimpleNamespace(**facts)


def train(train_file, test_file, model_dir, steps=None, log_dir=None, batch_size=None,
          network=None, recipe='default', learning_rate=None, seed=0, restart=False, method=None,
          distorted=None, keep_prob=None, bfloat16=False, divide_at=None):
    """Train until `steps` iterations are done, from the newest checkpoint if there is one.

    Args:
      train_file, test_file: TFRecord files.
      model_dir: folder for checkpoints.
      steps: iterations in all, those before the checkpoint included.
      log_dir: folder for TensorBoard; None: `log` in model_dir.
      network, method, batch_size, learning_rate, and steps too: None: the constants above.
      recipe: a key of RECIPES.
      seed: of initial values, dropout, distortion and shuffling.
      restart: begin at iteration 0 whatever is there.
      distorted: whether training sees distorted pictures; None: as the recipe says.
      keep_prob: the share of values that dropout keeps; None: the network's own.
      bfloat16: see `session_config`.
      divide_at: iterations that divide the rate, beside the first; None: as the recipe says.
    Returns: exit status: 0, or 128 + the number of the signal that stopped it.
    """
    network = network or NETWORK
    method = method or METHOD
    defaults = training_defaults(network, recipe)
    steps = steps or defaults.steps
    batch_size = batch_size or defaults.batch_size
    learning_rate = learning_rate or defaults.learning_rate
    check_divide_at(divide_at, steps, network, defaults.cosine)
    divided_at = divisions(recipe, steps, divide_at)
    distorted = RECIPES[recipe]['distort'] if distorted is None else distorted
    if keep_prob and network not in WITH_DROPOUT:
        raise cli.UserError(f'--keep-prob: expected a network with dropout, found {network}, which '
                            f'has none; leave it out or use --network {" or ".join(WITH_DROPOUT)}')
    log_dir = log_dir or os.path.join(model_dir, 'log')
    cli.writable_folder(model_dir)
    cli.writable_folder(log_dir)

    count, test_count, charset = check_data(train_file, test_file, batch_size)
    num_classes = max(CHAR_SET_LEN, len(captcha_data.CHARSETS[charset]))
    about = {'network': network, 'charset': charset, 'recipe': recipe, 'method': method}
    chance = num_classes * (captcha_data.TEXT_LENGTH if method == 'vector' else 1)  # ln of it

    there = captcha_data.newest_checkpoint(model_dir)
    checkpoint = None if restart else there
    start = check_resumable(checkpoint, about) + 1 if checkpoint else 0
    if start >= steps:
        print(f'{checkpoint} is trained already; train it further with --steps '
              f'{start + defaults.steps - 1}, or begin anew with --restart')
        return 0

    with tf.Graph().as_default():
        tf.set_random_seed(seed + start)  # gone on from a checkpoint, it draws what is new
        batch = build_inputs(train_file, batch_size, seed + start)
        x, y = build_placeholders()
        varied = distort(x, batch_size) if distorted else x
        logits, test_logits = build_networks(x, varied, batch_size, network, num_classes, recipe,
                                             method, keep_prob)
        loss_of = build_vector_loss if method == 'vector' else build_loss
        total_loss = loss_of(logits, y, num_classes)
        accuracies = build_accuracies(logits, y)
        predictions = tf.stack([tf.argmax(head, 1) for head in test_logits], axis=1)  # [batch, 4]
        lr, optimizer, divide_lr = build_train_op(total_loss, learning_rate,
                                                  steps if defaults.cosine else None)
        curves, strip = build_summaries(varied, total_loss, accuracies, lr)
        restorable = tf.train.Saver()  # what the original code's checkpoints hold as well
        for key, value in about.items():  # ours also tell their reader what they are
            tf.get_variable(f'about/{key}', initializer=tf.constant(value), trainable=False)
        saver = tf.train.Saver(max_to_keep=KEEP, save_relative_paths=True)

        with contextlib.ExitStack() as ends:  # closed in reverse order, whatever happens
            sess = ends.enter_context(tf.Session(config=session_config(bfloat16)))
            sess.run(tf.global_variables_initializer())
            if bfloat16:
                check_bfloat16(sess, x, predictions)
            if there:  # even if not gone on from: as new ones come, the saver removes the old
                saver.recover_last_checkpoints(captcha_data.kept_checkpoints(model_dir) or [there])
            if checkpoint:
                restore(restorable, sess, checkpoint)
                print(f'going on from {checkpoint} at the learning rate {sess.run(lr):.3g}',
                      flush=True)
            print(f'{count} training pictures, {test_count} held-out pictures, charset {charset}; '
                  f'loss at chance: ln {chance} = {math.log(chance):.3f}', flush=True)

            writer = ends.enter_context(tf.summary.FileWriter(log_dir, sess.graph))
            writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), start)
            coord = tf.train.Coordinator()
            threads = tf.train.start_queue_runners(sess=sess, coord=coord)
            ends.callback(stop_queues, coord, threads)
            bar = ends.enter_context(cli.progress(steps, 'training', 'it', initial=start))
            stop = ends.enter_context(cli.stop_signals())

            recent = collections.deque(maxlen=2 * PRINT_EVERY)  # losses
            warned = False
            again = 'the same command'
            for i in range(start, steps):
                b_image, *b_labels = next_batch(sess, batch, train_file, again)
                feed = {x: b_image, **dict(zip(y, b_labels))}
                _, loss = sess.run([optimizer, total_loss], feed)
                check_finite(loss, i, model_dir, learning_rate)
                recent.append(loss)
                bar.update()

                if i in divided_at:
                    sess.run(divide_lr)
                if i % PRINT_EVERY == 0:
                    acc, shown_loss, rate, summary = sess.run(
                        [accuracies, total_loss, lr, curves], feed)
                    cli.say('Iter:%d Loss:%.3f Accuracy: %.2f,%.2f,%.2f,%.2f Learning_rate:%.4f'
                            % (i, shown_loss, *acc, rate))
                    writer.add_summary(summary, i)
                if i >= PLATEAU and not warned and len(recent) == recent.maxlen:
                    warned = True
                    if sum(recent) / len(recent) > 0.97 * math.log(chance):
                        warn_of_plateau(i, chance, recipe, count)

                done = i + 1 == steps
                if done or stop.signal or (i and i % SAVE_EVERY == 0):
                    # once more, because what is saved comes after the step that `loss` led to
                    check_finite(sess.run(total_loss, feed), i, model_dir, learning_rate)
                    checkpoint = save(saver, sess, model_dir, i, again)
                    again = 'the same command' + ', without --restart' * restart
                    if done or not stop.signal:
                        report_held_out(sess, x, predictions, test_file, i, writer)
                        writer.add_summary(sess.run(strip, feed), i)
                    writer.flush()
                if stop.signal and not done:
                    cli.say(f'stopped after iteration {i}, saved {checkpoint}; go on with {again}')
                    return 128 + stop.signal
    read = captcha_data.command('captcha_test.py', model_dir)
    read += '' if test_file == TEST_FILE else f' --test {shlex.quote(test_file)}'
    cli.say(f'saved {checkpoint}; read captchas with: {read}')
    return 0


def check_bfloat16(sess, x, predictions):
    """Raise a UserError if the session cannot compute in 16 bits on this processor."""
    size = captcha_data.IMAGE_SIZE
    try:
        sess.run(predictions, {x: np.zeros([1, size, size])})
    except tf.errors.OpError as error:
        raise cli.UserError('--bfloat16: expected a processor with AVX512-BF16 or AMX, found one '
                            'on which TensorFlow cannot multiply in 16 bits; leave it out'
                            ) from error


def restore(saver, sess, checkpoint):
    """Restore all that a training goes on from."""
    try:
        saver.restore(sess, checkpoint)
    except (tf.errors.OpError, ValueError) as error:
        raise cli.UserError(
            f'{checkpoint}: expected weights, learning rate and the moments of Adam, found damaged '
            'files or a part of these; begin anew with the same command and --restart'
        ) from error


def next_batch(sess, batch, train_file, again):
    """Fetch a batch from the queue: images and four labels in NumPy."""
    try:
        return sess.run(batch)
    except tf.errors.OutOfRangeError as error:  # the reader's thread failed and closed the queue
        raise cli.UserError(f'{train_file}: was whole when the training began, cannot be read now; '
                            f'make it again, then go on with {again}') from error


def stop_queues(coord, threads):
    """Stop the threads that fill the queues and wait for them."""
    coord.request_stop()
    with contextlib.suppress(tf.errors.OpError):  # `next_batch` has told what went wrong
        coord.join(threads, ignore_live_threads=True)


def check_finite(loss, i, model_dir, learning_rate):
    """Raise a UserError if the loss is infinite or no number: no later step can mend that."""
    if not math.isfinite(loss):
        last = captcha_data.newest_checkpoint(model_dir) or 'none yet'
        raise cli.UserError(
            f'iteration {i}: the loss is {loss}; last good checkpoint: {last}; try a smaller rate: '
            f'the same command with --restart --learning-rate {learning_rate / 3:.2g}')


def report_held_out(sess, x, predictions, filename, i, writer):
    """Measure on the held-out pictures, print it and write it for TensorBoard."""
    characters, whole, count = held_out_accuracy(sess, x, predictions, filename)
    cli.say(f'Held-out after iteration {i}: characters {characters:.4f}, '
            f'whole captchas {whole:.4f} of {count}')
    writer.add_summary(tf.Summary(value=[
        tf.Summary.Value(tag='held_out/characters', simple_value=characters),
        tf.Summary.Value(tag='held_out/whole_captchas', simple_value=whole)]), i)


def warn_of_plateau(i, chance, recipe, count):
    """Say on stderr that the network still guesses, and what to try."""
    advice = ('without --recipe post' if recipe == 'post'
              else 'with another --seed, or a third of the --learning-rate')
    print(f'\nwarning: after {i} iterations the loss is still at chance, ln {chance} = '
          f'{math.log(chance):.3f}; try the same command with --restart, {advice}; '
          f'more than these {count} pictures help too', file=sys.stderr)


def main():
    parser = cli.parser(__doc__)
    parser.add_argument('--network', choices=sorted(nets_factory.NETWORKS), default=NETWORK,
                        help='alexnet_v2: the post\'s; small_cnn: trains in minutes '
                             '(default: %(default)s)')
    parser.add_argument('--method', choices=nets_factory.METHODS, default=METHOD,
                        help='heads: four heads of 10 or 36 classes, Method 2 of the post; vector: '
                             'one head of 40 or 144, Method 1 (default: %(default)s)')
    parser.add_argument('--steps', type=cli.positive_int,
                        help='iterations in all (default: 6001; small_cnn 3001, but 6001 with '
                             '--recipe post)')
    parser.add_argument('--batch-size', type=cli.positive_int,
                        help='pictures an iteration (default: 25; small_cnn 64, but 25 with '
                             '--recipe post)')
    parser.add_argument('--learning-rate', type=cli.positive_float,
                        help='rate of iteration 0; alexnet_v2 divides it by 3 after iteration 0 '
                             'and after two thirds of the run, small_cnn lets it fall to 0 along a '
                             'cosine; with --recipe post both divide it after 0, 2000, 4000, ...; '
                             'a checkpoint of alexnet_v2 brings its own rate '
                             '(default: 0.0003, with --recipe post 0.003, small_cnn 0.003)')
    parser.add_argument('--divide-at', nargs='+', type=cli.positive_int, metavar='ITERATION',
                        help='divide the rate after these and after 0, instead of as '
                             '--learning-rate says')
    parser.add_argument('--recipe', choices=RECIPES, default='default',
                        help='post: initial values, learning rate, input and pictures exactly as '
                             'in the post (default: %(default)s)')
    parser.add_argument('--distort', action=argparse.BooleanOptionalAction,
                        help='move, stretch and slant each training picture a little, each time '
                             'anew (default: yes, with --recipe post no)')
    parser.add_argument('--keep-prob', type=cli.share, metavar='SHARE',
                        help='share of the values of fc6 and fc7 that AlexNet\'s dropout keeps in '
                             'training; 1: no dropout (default: 0.5)')
    parser.add_argument('--bfloat16', action='store_true',
                        help='multiply in 16 bits, for processors with AVX512-BF16 or AMX (lscpu '
                             'lists them): AlexNet trains 1.6 times as fast; on others it is '
                             'refused, or slower')
    parser.add_argument('--train', default=TFRECORD_FILE, metavar='FILE',
                        help='training records (default: %(default)s)')
    parser.add_argument('--test', default=TEST_FILE, metavar='FILE',
                        help='held-out records (default: %(default)s)')
    parser.add_argument('--model-dir', default=MODEL_DIR, metavar='FOLDER',
                        help='folder for checkpoints (default: %(default)s)')
    parser.add_argument('--log-dir', metavar='FOLDER',
                        help='folder for TensorBoard (default: log in the model folder)')
    parser.add_argument('--seed', type=cli.seed_number, default=0,
                        help='of initial values, dropout, distortion and shuffling '
                             '(default: %(default)s)')
    parser.add_argument('--restart', action='store_true',
                        help='begin at iteration 0, whatever was trained before')
    args = parser.parse_args()
    return train(args.train, args.test, args.model_dir, args.steps, args.log_dir, args.batch_size,
                 args.network, args.recipe, args.learning_rate, args.seed, args.restart,
                 args.method, args.distort, args.keep_prob, args.bfloat16, args.divide_at)


if __name__ == '__main__':
    cli.run(main)
