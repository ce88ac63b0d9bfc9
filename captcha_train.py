"""Train a network with four heads to read captchas: multi-task learning, joint training.

Command:  python captcha_train.py                        the post's AlexNet, made to learn
          python captcha_train.py --network small_cnn    minutes instead of an hour
          python captcha_train.py --recipe post          the post's own numbers: long at chance
          python captcha_train.py --method vector        the post's Method 1: one head, not four
          python captcha_train.py --no-distort           training sees the pictures as they are
          tensorboard --logdir captcha/log               curves, graph and input pictures
          Each of these five needs a folder of its own, say --model-dir captcha/small_cnn
Reads:    captcha/train.tfrecords to learn from, captcha/test.tfrecords to be measured on
Writes:   every 1,000 iterations and at the end a checkpoint captcha/crack_captcha.model-<i>
          (the two newest are kept), and TensorBoard summaries in captcha/log
Takes:    AlexNet 35 to 75 minutes, small_cnn 5 to 10, on two cores without a GPU

Ctrl-C or SIGTERM saves first; the same command, without --restart, resumes from there.

How the start looks: a network that guesses has the loss ln(classes), 2.303 for digits and 3.584
for digits and letters. AlexNet's loss stays there for the first 150 to 300 iterations, while
nothing seems to happen, and then falls quickly; small_cnn's falls at once. If it is still there
after 1,500 iterations, the script says so, once, and what to try. In the second half of the run
AlexNet's rate is so small that the post's four decimals show it as 0.0001 and 0.0000. The
accuracies in these lines are of a training batch, distorted; the held-out pictures are read as they
are, so they may well be read better.

Here stands what the post shows, in its order. What surrounds the loop (checks, checkpoints,
held-out accuracy, stopping and resuming) is in support/captcha/training.py, the numbers are in
support/captcha/recipes.py.
"""
import contextlib
import dataclasses

from support.common import console

with console.quiet_start(__name__):
    import tensorflow.compat.v1 as tf

from nets import nets_factory
from nets.methods import METHODS, probabilities
from support import cluster
from support.captcha import dataset, models, options, preprocessing, recipes, training
from support.common import files

# --- the post's constants; what a run uses is its recipe, in support/captcha/recipes.py: --batch-size ...
CHAR_SET_LEN = len(dataset.CHARSETS['digits'])  # 10 classes of each head; 36 with letters
IMAGE_HEIGHT = dataset.IMAGE_HEIGHT  # 60, of a captcha as it was drawn; its record has 224x224
IMAGE_WIDTH = dataset.IMAGE_WIDTH  # 160
BATCH_SIZE = recipes.RECIPES['alexnet_v2', 'post'].batch_size  # 25
TFRECORD_FILE = dataset.TRAIN_FILE
CAPACITY = 5000  # pictures that the shuffling queue holds at most ...
MIN_AFTER_DEQUEUE = 1000  # ... and at least, so that a batch is drawn from many
PRINT_EVERY = 20  # iterations


# --- the post's placeholders
def build_placeholders(heads=dataset.TEXT_LENGTH):
    """x float32 [None, 224, 224] and y0 ... y3 float32 [None]."""
    x = tf.placeholder(tf.float32, [None, dataset.IMAGE_SIZE, dataset.IMAGE_SIZE])  # -1 ... 1
    return x, [tf.placeholder(tf.float32, [None]) for _ in range(heads)]  # classes


# --- the post's reader: a queue of records, then a queue of shuffled pictures
def read_and_decode(filename, heads=dataset.TEXT_LENGTH):
    """The next record of a TFRecord file, by a queue that begins again at the file's end.

    Args:
      filename: path of the TFRecord file, or a list of paths.
      heads: characters of a captcha.
    Returns:
      image: float32 [224, 224], -1 ... 1.
      label0, label1, label2, label3: int32 scalars, classes of the characters.
    """
    filename_queue = tf.train.string_input_producer(
        [filename] if isinstance(filename, str) else filename)
    reader = tf.TFRecordReader()
    _, serialized_example = reader.read(filename_queue)
    label_keys = [dataset.label_key(k) for k in range(heads)]  # label0 ... label3
    features = tf.parse_single_example(serialized_example, features={
        dataset.IMAGE_KEY: tf.FixedLenFeature([], tf.string),
        **{key: tf.FixedLenFeature([], tf.int64) for key in label_keys}})
    image = tf.decode_raw(features[dataset.IMAGE_KEY], tf.uint8)  # uint8 [50176], 0 ... 255
    image = tf.reshape(image, [dataset.IMAGE_SIZE, dataset.IMAGE_SIZE])  # uint8 [224, 224]
    image = tf.cast(image, tf.float32) / 255.0  # float32, 0 ... 1
    image = tf.subtract(image, 0.5)
    image = tf.multiply(image, 2.0)  # -1 ... 1
    return image, *[tf.cast(features[key], tf.int32) for key in label_keys]


# --- the post's batch
def build_inputs(filename=TFRECORD_FILE, batch_size=BATCH_SIZE, heads=dataset.TEXT_LENGTH,
                 seed=None):
    """A shuffled batch from the records.

    One `shuffle_batch` call draws picture and labels together, so they stay together. Behind it
    stands a RandomShuffleQueue, filled by a thread of its own.
    Returns: images float32 [batch_size, 224, 224], -1 ... 1, and four labels int32 [batch_size].
    """
    return tf.train.shuffle_batch(list(read_and_decode(filename, heads)), batch_size=batch_size,
                                  capacity=CAPACITY, min_after_dequeue=MIN_AFTER_DEQUEUE,
                                  num_threads=1, seed=seed)


# --- the post's network: AlexNet v2 with four heads, one for each character
def build_network(x, recipe, facts, is_training):
    """The network as it is trained, or as it is used.

    Args: x: float32 [batch, 224, 224], -1 ... 1; the batch may be None if not `is_training`.
    Returns: the heads' logits, float32 [batch, num_classes] each: four in the post; and the
      pictures as the network sees them, float32 [batch, height, width, 1].
    """
    network_fn = nets_factory.get_network_fn(
        recipe.network, num_classes=METHODS[recipe.method].num_classes(facts),
        is_training=is_training, weight_decay=recipe.weight_decay if is_training else 0.0,
        initialization=recipe.initialization, method=recipe.method, num_heads=facts.heads)
    images = preprocessing.network_input(x, recipe.standardize, recipe.dark_ink)
    if is_training:  # ours: no picture is seen twice
        images = preprocessing.distort(images, recipe.distortion, network_fn.training_size)
    dropout = {'dropout_keep_prob': recipe.keep_prob} if is_training and recipe.keep_prob else {}
    *logits, _ = network_fn(images, **dropout)
    return logits, images


# --- the post's losses: one for each task, and their mean, the joint loss
def build_loss(logits, labels, num_classes=CHAR_SET_LEN):
    """The joint loss of the four tasks.

    Args:
      logits: a tensor float32 [batch, num_classes] for each head.
      labels: a tensor of classes [batch] for each head.
    Returns: float32 scalar, the mean of the heads' mean softmax cross-entropies.
    """
    losses = []
    for head, label in zip(logits, labels):
        one_hot = tf.one_hot(tf.cast(label, tf.int32), num_classes)  # [batch, num_classes]
        losses.append(tf.reduce_mean(
            tf.nn.softmax_cross_entropy_with_logits_v2(labels=one_hot, logits=head)))
    return tf.add_n(losses) / len(losses)  # (loss0 + loss1 + loss2 + loss3) / 4


# --- the post's optimiser
def build_train_op(total_loss, learning_rate, member=None):
    """Adam at a rate that is a variable, as in the post.

    Args: member: cluster.Member, if several processes train.
    Returns: the variable, a training step.
    """
    lr = tf.Variable(learning_rate, dtype=tf.float32, trainable=False)
    adam = cluster.synchronous(member, tf.train.AdamOptimizer(learning_rate=lr))
    optimizer = adam.minimize(total_loss, cluster.step_variable(member))
    # Batch norm's moving averages, of the chief's pictures; the post's network has none.
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS) if cluster.is_chief(member) else []
    return lr, tf.group(optimizer, *updates)


# --- the post's accuracies: one for each head
def build_accuracies(predictions, labels):
    """The share of the batch that each head reads rightly.

    Args: predictions: int32 [batch, heads], each head's argmax. labels: classes [batch] for each.
    Returns: a float32 scalar for each head.
    """
    return [tf.reduce_mean(tf.cast(tf.equal(predictions[:, k], tf.cast(label, tf.int32)),
                                   tf.float32)) for k, label in enumerate(labels)]


# --- the post's session
def train(recipe, run):
    """Train until the recipe's iterations are done, from the newest checkpoint if there is one.

    Args: recipe: recipes.Recipe, how it learns. run: training.Run, files and how it begins.
    Returns: exit status: 0, or 128 + the number of the signal that stopped it.
    Raises: console.UserError.
    """
    start = training.prepare(recipe, run)
    if start is None:
        return 0
    facts, method, seed = start.facts, METHODS[recipe.method], training.seed(run, start)
    chief = cluster.is_chief(run.member)  # a cluster's workers set no rate and print nothing
    with tf.Graph().as_default(), cluster.placement(run.member):
        tf.set_random_seed(seed)
        # placeholders, and batches to feed them with
        x, y = build_placeholders(facts.heads)
        batch = build_inputs(start.train_files, recipe.batch_size, facts.heads, seed)

        # network
        image = tf.reshape(x, [recipe.batch_size, dataset.IMAGE_SIZE, dataset.IMAGE_SIZE])
        logits, seen = build_network(image, recipe, facts, is_training=True)
        # ours: the same network with the same variables, without dropout, to be measured
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            test_logits, _ = build_network(x, recipe, facts, is_training=False)
        predictions, _ = method.decode(probabilities(test_logits), facts)  # int32 [batch, heads]

        # losses, Adam, accuracies
        total_loss = (method.loss or build_loss)(logits, y, method.num_classes(facts))
        lr, optimizer = build_train_op(total_loss, recipe.learning_rate, run.member)
        accuracies = build_accuracies(method.decode(probabilities(logits), facts)[0], y)
        # ours: for TensorBoard, and so that a checkpoint says what it is
        input_summary = tf.summary.image(
            'input', tf.image.resize(seen, [IMAGE_HEIGHT, IMAGE_WIDTH]), max_outputs=5)
        models.note_about(recipe, facts, dataset.sum_of(start.train_files[0]))
        tensors = training.tensors(x, total_loss, predictions, lr, input_summary, run.member)

        with cluster.session(  # with tf.Session() as sess: sess.run(initializer)
                run.member, training.session_config(run.bfloat16, run.member),
                lambda sess: training.begin(sess, tensors, recipe, run, start),
                start.agreement) as sess:
            coord = tf.train.Coordinator()
            threads = tf.train.start_queue_runners(sess=sess, coord=coord)
            try:
                with training.supervised(sess, tensors, recipe, run, start) as (
                        iterations, after_iteration, writer):
                    for i in iterations:
                        # a batch from the queue, then a step with it fed
                        b_image, *b_labels = sess.run(batch)
                        feed = {x: b_image, **dict(zip(y, b_labels))}
                        _, loss = sess.run([optimizer, total_loss], feed)  # loss: before the step
                        # the post's division by 3, after iteration 0 (0.003 -> 0.001), 2000, ...
                        if chief:
                            lr.load(recipes.rate_at(recipe, i + 1), sess)

                        # the post's line: the same batch once more, now after the step
                        if i % PRINT_EVERY == 0 and chief:
                            acc, shown_loss, rate = sess.run([accuracies, total_loss, lr], feed)
                            console.say('Iter:%d Loss:%.3f Accuracy: %s Learning_rate:%.4f' % (
                                i, shown_loss, ','.join('%.2f' % one for one in acc), rate))
                            writer.add_summary(training.summary({'learning_rate': rate, **{
                                f'accuracy/char{k}': one for k, one in enumerate(acc)}}), i)

                        # the post's saver.save; held-out accuracy, warnings, Ctrl-C
                        status = after_iteration(i, loss, feed)
                        if status is not None:
                            return status
            finally:  # the post stops the queues inside the loop
                coord.request_stop()
                with contextlib.suppress(tf.errors.OpError):  # `supervised` says what went wrong
                    coord.join(threads, ignore_live_threads=True)


def main():
    recipe, run = options.parse(__doc__)
    member = cluster.join()  # None unless TF_CONFIG says that this is one of several processes
    if member and member.job == 'ps':
        return cluster.serve(member)
    # A cluster's workers write nothing there.
    with files.alone(run.model_dir) if cluster.is_chief(member) else contextlib.nullcontext():
        return train(recipe, dataclasses.replace(run, member=member))


if __name__ == '__main__':
    console.run(main)
