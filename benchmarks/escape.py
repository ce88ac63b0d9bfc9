"""What makes AlexNet leave chance: the default recipe with one thing changed.

Command:  python benchmarks/escape.py
          python benchmarks/escape.py --rows default post --seeds 0 1 2
Reads:    captcha/train.tfrecords
Writes:   a table on stdout: for each row and seed the iteration of the escape, or the loss without
Takes:    two to five minutes for a row and a seed that escapes, ten for one that does not, on two
          cores; all rows with both seeds an hour and three quarters

A network that guesses has the loss ln 10 = 2.303. It has escaped at the first iteration at which
the mean loss of the last 40 is below 2.0; after 800 iterations a run is given up.
"""
import collections
import contextlib
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import captcha_data  # noqa: E402  (after the path to it)
import captcha_train  # noqa: E402
import cli  # noqa: E402
from nets import nets_factory  # noqa: E402

tf = captcha_train.tf

# --- when to stop
LIMIT = 800  # iterations
WINDOW = 40  # losses whose mean counts
ESCAPED = 2.0  # for digits: ln 10 is 2.303

# --- the recipes: whether pictures are distorted; input and convolutions' weights by their names in
# captcha_train.py; weights of fc6 to fc8, 'post' or 'he'; the rate from iteration 1 on; how many
# times that iteration 0 takes
DEFAULT = dict(distort=True, input='default', convolutions='he', fully_connected='post',
               biases=0.1, rate=0.0001, first=3)
POST = dict(DEFAULT, distort=False, input='post', convolutions='post', rate=0.001)
ROWS = {
    'default': {},
    'pictures not distorted': dict(distort=False),
    'first step not tripled': dict(first=1),
    'biases 0': dict(biases=0.0),
    'input of the post': dict(input='post'),
    'rate 0.0003': dict(rate=0.0003),
    'He in fc6 to fc8 too': dict(fully_connected='he'),
    'convolutions of the post': dict(convolutions='post'),
    'rate of the post, 0.001': dict(rate=0.001),
    'post': POST,
}


def escape(train_file, facts, seed, limit):
    """Train until the escape.

    Args: facts: a recipe, as DEFAULT.
    Returns: the iterations done, the mean loss of the last 40, whether it escaped.
    """
    num_classes = captcha_train.CHAR_SET_LEN
    batch_size = captcha_train.BATCH_SIZE
    with tf.Graph().as_default(), contextlib.ExitStack() as ends:
        tf.set_random_seed(seed)
        batch = captcha_train.build_inputs(train_file, batch_size, seed)
        x, y = captcha_train.build_placeholders()
        network_fn = nets_factory.get_network_fn(
            'alexnet_v2', num_classes, captcha_train.WEIGHT_DECAY, is_training=True,
            initialization=facts['convolutions'])
        size = captcha_data.IMAGE_SIZE
        varied = captcha_train.distort(x, batch_size) if facts['distort'] else x
        image = captcha_data.network_input(varied, facts['input'])
        *logits, _ = network_fn(tf.reshape(image, [batch_size, size, size, 1]))
        loss = captcha_train.build_loss(logits, y, num_classes)
        lr, optimizer, _ = captcha_train.build_train_op(loss, facts['first'] * facts['rate'])
        changed = [v.assign(tf.fill(v.shape, facts['biases'])) for v in tf.trainable_variables()
                   if v.op.name.endswith('biases') and 'fc8' not in v.op.name]  # fc8's are 0
        if facts['fully_connected'] == 'he':
            he = tf.variance_scaling_initializer(scale=2.0, mode='fan_in')
            changed += [v.assign(he(v.shape)) for v in tf.trainable_variables()
                        if '/fc' in v.op.name and v.op.name.endswith('weights')]

        sess = ends.enter_context(tf.Session())
        sess.run(tf.global_variables_initializer())
        sess.run(changed)
        coord = tf.train.Coordinator()
        ends.callback(captcha_train.stop_queues, coord,
                      tf.train.start_queue_runners(sess=sess, coord=coord))
        recent = collections.deque(maxlen=WINDOW)
        for i in range(limit):
            b_image, *b_labels = sess.run(batch)
            recent.append(sess.run([loss, optimizer],
                                   {x: b_image, **dict(zip(y, b_labels))})[0])
            if i == 0:
                lr.load(facts['rate'], sess)
            mean = sum(recent) / len(recent)
            if len(recent) == WINDOW and mean < ESCAPED:
                return i, mean, True
        return limit, mean, False


def main():
    parser = cli.parser(__doc__)
    parser.add_argument('--rows', nargs='+', choices=ROWS, default=list(ROWS), metavar='ROW',
                        help=f'some of: {"; ".join(ROWS)} (default: all)')
    parser.add_argument('--seeds', nargs='+', type=cli.seed_number, default=[0, 1])
    parser.add_argument('--limit', type=cli.positive_int, default=LIMIT,
                        help='iterations after which to give up (default: %(default)s)')
    parser.add_argument('--train', default=captcha_data.TRAIN_FILE, metavar='FILE',
                        help='training records (default: %(default)s)')
    args = parser.parse_args()
    count, charset = captcha_data.survey(args.train)
    if charset != 'digits':
        raise cli.UserError(f'{args.train}: expected digits, found {charset}; make some with: '
                            'python gen_captcha.py')
    print(f'{count} training pictures; a cell: the iteration of the escape, or the loss without\n')
    print('| recipe | ' + ' | '.join(f'seed {seed}' for seed in args.seeds) + ' |')
    print('|---|' + '---:|' * len(args.seeds), flush=True)
    for row in args.rows:
        print(f'| {row} |', end='', flush=True)
        for seed in args.seeds:
            i, loss, escaped = escape(args.train, {**DEFAULT, **ROWS[row]}, seed, args.limit)
            cell = str(i) if escaped else f'not by {i}: {loss:.3f}'
            print(f' {cell} |', end='', flush=True)
        print(flush=True)


if __name__ == '__main__':
    cli.run(main)
