"""Train a network with four heads to read captchas: multi-task learning, joint training.

Command:  python captcha_train.py                        the post's AlexNet, made to learn
          python captcha_train.py --network small_cnn --model-dir captcha/small_cnn    in minutes
          python captcha_train.py --recipe post --model-dir captcha/post    as in the post
          python captcha_train.py --method vector --model-dir captcha/vector    its Method 1
          tensorboard --logdir captcha/log               curves, graph and input pictures
Reads:    captcha/train.tfrecords, and captcha/test.tfrecords for held-out accuracy
Writes:   every 1,000 iterations and at the end a checkpoint captcha/crack_captcha.model-<i>
          (the two newest are kept), and TensorBoard summaries in captcha/log
Takes:    AlexNet 35 to 75 minutes, small_cnn 5 to 10, on two cores without a GPU

Ctrl-C or SIGTERM saves first; the same command, without --restart, resumes from there.

At first AlexNet guesses: its loss stays at ln(classes), 2.303 for digits, for 150 to 300
iterations, and then falls quickly. The accuracies in the lines are those of a distorted training
batch; held-out pictures are not distorted, so their accuracy may be higher.

This file follows the post, in its order. What surrounds the loop is in support/captcha/training.py;
the hyperparameters, as one value, are in support/captcha/recipes.py.
"""
from support.common import console

with console.quiet_start(__name__):
    import tensorflow.compat.v1 as tf

from nets import nets_factory
from nets.methods import METHODS, probabilities
from support.captcha import dataset, options, preprocessing, recipes, training
from support.common import files

# --- the post's constants
CHAR_SET_LEN = 10  # classes per head; 36 with letters
IMAGE_HEIGHT = 60  # as drawn; a record holds 224x224
IMAGE_WIDTH = 160
TFRECORD_FILE = dataset.TRAIN_FILE
BATCH_SIZE = 25  # these four are those of --recipe post; the default's are in recipes.py
ITERATIONS = 6001
LEARNING_RATE = 0.003  # of iteration 0 ...
DIVIDE_EVERY = 2000  # ... and then lr / 3, after iterations 0, 2000, 4000 and 6000
CAPACITY = 5000  # most pictures that the shuffling queue holds ...
MIN_AFTER_DEQUEUE = 1000  # ... and fewest, so that batches are well mixed
PRINT_EVERY = 20  # iterations


# --- the post's placeholders
def build_placeholders(heads=dataset.TEXT_LENGTH):
    """x float32 [None, 224, 224] and y0 ... y3 float32 [None]."""
    x = tf.placeholder(tf.float32, [None, dataset.IMAGE_SIZE, dataset.IMAGE_SIZE])  # -1 ... 1
    return x, [tf.placeholder(tf.float32, [None]) for _ in range(heads)]  # classes


# --- the post's reader: a queue of records, then a queue of shuffled pictures
def read_and_decode(filename, heads=dataset.TEXT_LENGTH):
    """The next record of a TFRecord file, from a queue that starts over at the end of the file.

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
    is a RandomShuffleQueue that a separate thread fills.

    Returns: images float32 [batch_size, 224, 224], -1 ... 1, and four labels int32 [batch_size].
    """
    return tf.train.shuffle_batch(list(read_and_decode(filename, heads)), batch_size=batch_size,
                                  capacity=CAPACITY, min_after_dequeue=MIN_AFTER_DEQUEUE,
                                  num_threads=1, seed=seed)


# --- the post's network: AlexNet v2 with four heads, one for each character
def build_network(x, recipe, facts, is_training):
    """The network, for training or for inference.

    Args: x: float32 [batch, 224, 224], -1 ... 1; the batch may be None if not `is_training`.
    Returns: the heads' logits, float32 [batch, num_classes] each: four in the post.
    """
    network_fn = nets_factory.get_network_fn(
        recipe.network, num_classes=METHODS[recipe.method].num_classes(facts),
        weight_decay=0.0005, is_training=is_training, initialization=recipe.initialization,
        method=recipe.method, num_heads=facts.heads)
    images = preprocessing.network_input(x, recipe.standardize, recipe.dark_ink)
    if is_training:  # ours: no picture is seen twice
        images = preprocessing.distort(images, recipe.distortion, network_fn.training_size)
        tf.summary.image('input', images, max_outputs=5)
    dropout = {'dropout_keep_prob': recipe.keep_prob} if is_training and recipe.keep_prob else {}
    *logits, _ = network_fn(images, **dropout)
    return logits


# --- the post's losses: one for each task, and their mean, the joint loss
def build_loss(logits, labels, num_classes=CHAR_SET_LEN):
    """The joint loss of the four tasks: the mean of their softmax cross-entropies.

    Args: logits: float32 [batch, num_classes] for each head. labels: classes [batch] for each.
    Returns: float32 scalar.
    """
    losses = []
    for head, label in zip(logits, labels):
        one_hot = tf.one_hot(tf.cast(label, tf.int32), num_classes)  # [batch, num_classes]
        losses.append(tf.reduce_mean(
            tf.nn.softmax_cross_entropy_with_logits_v2(labels=one_hot, logits=head)))
    return tf.add_n(losses) / len(losses)  # (loss0 + loss1 + loss2 + loss3) / 4


# --- the post's optimiser
def build_train_op(total_loss, learning_rate=LEARNING_RATE):
    """Adam, with the learning rate in a variable as in the post.

    Returns: the variable, a training step.
    """
    lr = tf.Variable(learning_rate, dtype=tf.float32, trainable=False, name='learning_rate')
    optimizer = tf.train.AdamOptimizer(learning_rate=lr).minimize(total_loss)
    # batch norm's moving averages; the post's network has none
    return lr, tf.group(optimizer, *tf.get_collection(tf.GraphKeys.UPDATE_OPS))


# --- the post's accuracies: one for each head
def build_accuracies(predictions, labels):
    """Each head's accuracy, float32 scalars.

    Args: predictions: int32 [batch, heads], each head's argmax. labels: classes [batch] for each.
    """
    return [tf.reduce_mean(tf.cast(tf.equal(predictions[:, k], tf.cast(label, tf.int32)),
                                   tf.float32)) for k, label in enumerate(labels)]


# --- the post's graph
def build_graph(recipe, start):
    """Placeholders, batches, network, losses, Adam, accuracies. Returns: training.Graph."""
    facts, method = start.facts, METHODS[recipe.method]
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(start.seed)
        x, y = build_placeholders(facts.heads)
        batch = build_inputs(start.train_files, recipe.batch_size, facts.heads, start.seed)
        image = tf.reshape(x, [recipe.batch_size, dataset.IMAGE_SIZE, dataset.IMAGE_SIZE])
        logits = build_network(image, recipe, facts, is_training=True)
        # ours: the same network and variables without dropout, to measure accuracy
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            test_logits = build_network(x, recipe, facts, is_training=False)
        predictions, _ = method.decode(probabilities(test_logits), facts)  # int32 [batch, heads]
        total_loss = (method.loss or build_loss)(logits, y, method.num_classes(facts))
        lr, optimizer = build_train_op(total_loss, recipes.rate_at(recipe, 0))
        accuracies = build_accuracies(method.decode(probabilities(logits), facts)[0], y)
    return training.Graph(
        graph=graph, x=x, y=y, batch=batch, lr=lr, optimizer=optimizer, total_loss=total_loss,
        accuracies=accuracies, predictions=predictions)


# --- the post's session
def train(recipe, run):
    """Train until the recipe's iterations are done, from the newest checkpoint if there is one.

    Args: recipe: recipes.Recipe, how it learns. run: training.RunConfig, files and how it begins.
    Returns: exit status: 0, or 128 + the number of the signal that stopped it.
    Raises: console.UserError.
    """
    start = training.prepare(recipe, run)  # ours: checks every file before the long run
    if start is None:
        return 0
    graph = build_graph(recipe, start)
    # tf.Session(), then the initializer or a checkpoint; ours: what surrounds the loop
    with training.supervised(graph, recipe, run, start) as (sess, supervisor):
        coord = tf.train.Coordinator((tf.errors.OpError,))
        threads = tf.train.start_queue_runners(sess=sess, coord=coord)
        for i in supervisor.iterations():  # range(6001)
            # a batch from the queue, then a step with it fed
            b_image, *b_labels = sess.run(graph.batch)
            feed = {graph.x: b_image, **dict(zip(graph.y, b_labels))}
            _, loss = sess.run([graph.optimizer, graph.total_loss], feed)  # before the step
            # the post: lr / 3 if i % 2000 == 0; our default: a cosine
            graph.lr.load(recipes.rate_at(recipe, i + 1), sess)

            if i % PRINT_EVERY == 0:  # the same batch once more, now after the step
                acc, shown_loss, rate = sess.run(
                    [graph.accuracies, graph.total_loss, graph.lr], feed)
                line = 'Iter:%d Loss:%.3f Accuracy: %s Learning_rate:%.4f' % (
                    i, shown_loss, ','.join('%.2f' % one for one in acc), rate)
                supervisor.show(i, line, {'learning_rate': rate, **{
                    f'accuracy/char{k}': one for k, one in enumerate(acc)}})

            if supervisor.save_is_due(i, loss, feed):  # every 1,000, at the end, at Ctrl-C
                supervisor.save(sess, run.prefix, global_step=i)
        coord.request_stop()  # the post stops the queues inside the loop
        coord.join(threads)
    return supervisor.status


def main():
    recipe, run = options.parse(__doc__)
    with files.alone(run.model_dir):  # ours: no second training beside it
        return train(recipe, run)


if __name__ == '__main__':
    console.run(main)
