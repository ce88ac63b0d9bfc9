"""What surrounds the post's training loop: saving, evaluating, warning, stopping.

Progress bar, TensorBoard, checkpoints, held-out captchas, a warning if the network only guesses,
Ctrl-C: each is handled after the iteration at which it is due.
"""
import collections
import contextlib
import dataclasses
import math
import shlex
import sys

import numpy as np
import tensorflow.compat.v1 as tf

from support.captcha import dataset, models, records
from support.cluster.session import BROKEN
from support.common import checkpoints, console
from support.common.console import UserError

KEEP = 2  # checkpoints
EVAL_BATCH_SIZE = 100  # pictures in a held-out batch; affects only memory
RECENT = 40  # losses whose mean shows whether the network still guesses
GUESSING = 0.97  # share of the loss at chance above which the network still guesses


class Saver:
    """A tf.train.Saver with clear errors that survives a fault of the cluster."""

    def __init__(self, variables, run):
        """Args: variables: {key: variable}."""
        self.saver = tf.train.Saver(variables, max_to_keep=KEEP, save_relative_paths=True)
        self.run = run
        self.new = None  # the last saved checkpoint, until it is taken
        self.again = 'the same command'  # how to resume

    def recover(self):
        """Adopt existing checkpoints, so that they are removed in due course."""
        if not self.saver.last_checkpoints:
            self.saver.recover_last_checkpoints(
                checkpoints.kept(self.run.model_dir, models.MODEL_NAME))

    def save(self, sess, save_path, global_step):
        """Save `<save_path>-<global_step>`. Raises: UserError, for example on a full disk."""
        try:
            self.new = checkpoints.save(self.saver, self.run.member.raw(sess), save_path,
                                        global_step, self.again)
        except BROKEN:  # a parameter server is gone: the next step starts over
            return
        self.run.member.note_saved()
        self.again = 'the same command' + ', without --restart' * self.run.restart

    def take_new(self):
        """The checkpoint that has been saved since the last call, or None."""
        taken, self.new = self.new, None
        return taken


@dataclasses.dataclass(frozen=True)
class Tools:
    """What a supervised graph has in addition to the post's."""
    input_summary: tf.Tensor  # the pictures as the network sees them, for TensorBoard
    initializer: tf.Operation
    restorable: tf.train.Saver  # of what the original code's checkpoints contain
    saver: Saver  # of everything


class Worker:
    """What surrounds the loop of a process that neither saves nor prints."""

    def __init__(self, sess, graph, tools, recipe, run, start, stop):
        """Args:
          graph, run, start: as in training.py. tools: Tools. recipe: recipes.Recipe.
          stop: from console.stop_signals.
        """
        self.sess, self.graph, self.recipe = sess, graph, recipe
        self.saver, self.input_summary = tools.saver, tools.input_summary
        self.run, self.start, self.stop = run, start, stop
        self.status = None  # the exit status, once the training must end

    def __enter__(self):
        self.run.member.say(f'{self.start.pictures} training pictures of its own in '
                            f'{len(self.start.train_files)} files')
        return self

    def __exit__(self, *_):
        pass

    def iterations(self):
        """Yield the number of each iteration; do what is due after the loop's body."""
        for i in self.run.member.iterations(self.sess, self.start.iteration, self.recipe.steps,
                                            self.stop):
            yield i
            self.after_the_body()
            if self.status is not None:
                return

    def after_the_body(self):
        pass

    def set_rate(self, rate):
        """Set the learning rate of the next iteration, as the chief."""

    def show(self, i, line, values):
        """Print a line and write {tag: number} of iteration `i` for TensorBoard, as the chief."""

    def save_is_due(self, i, loss, feed):
        """Whether to save after iteration `i`: never."""
        self.run.member.rest()
        if self.stop.signal:
            self.status = 128 + self.stop.signal
        return False


class Supervisor(Worker):
    """What surrounds the loop of a single process, or of a cluster's chief."""

    def __enter__(self):
        start = self.start
        console.say(f'{start.pictures} training pictures, {start.held_out} held-out pictures, '
                    f'{start.facts}; loss at chance: {start.chance_name}')
        if start.newest:  # even if not resumed: as new ones come, the saver removes it
            self.saver.recover()
        self.recent = collections.deque(maxlen=RECENT)  # losses
        self.warned = False
        self.last = None  # the last completed iteration, of the cluster if there is one
        with contextlib.ExitStack() as stack:
            self.writer = stack.enter_context(
                tf.summary.FileWriter(self.run.logs, self.sess.graph))
            self.bar = stack.enter_context(console.progress(
                self.recipe.steps, 'training', 'it', initial=start.iteration))
            self.writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START),
                                        start.iteration)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *exception):
        return self.stack.__exit__(*exception)

    def set_rate(self, rate):
        self.graph.lr.load(rate, self.sess)

    def show(self, i, line, values):
        console.say(line)
        self.writer.add_summary(summary(values), i)

    def save_is_due(self, i, loss, feed):
        """Whether to save after an iteration: regularly, at the end, and at a stop.

        Args: i: its number. loss: of its batch, before the step. feed: its feed_dict.
        Raises: UserError if the loss is not finite, so that NaN weights are never saved.
        """
        run, stop = self.run, self.stop
        self.last = run.member.last_done(self.sess, i)
        if self.last < i and not stop.signal:  # a fault set the cluster back
            return False
        if self.last < 0:
            self.status = 128 + stop.signal
            return False
        self.note(loss)
        if run.until and run.until(self.last, self.recent):
            self.status = 0
            return False
        self.warn_once()
        regular = self.last and self.last % run.save_every == 0
        if not (self.done or stop.signal or regular):
            return False
        # once more, because `loss` is from before the step
        check_finite(self.sess.run(self.graph.total_loss, feed), self.last, self.recipe, run)
        self.feed = feed
        return True

    @property
    def done(self):
        """Whether all iterations are done."""
        return self.last + 1 == self.recipe.steps

    def note(self, loss):
        """Record a completed iteration."""
        check_finite(loss, self.last, self.recipe, self.run)
        self.recent.append(loss)
        self.writer.add_summary(summary({'loss': loss}), self.last)
        self.bar.update()

    def warn_once(self):
        """Warn once if the loss has stayed at chance level for long."""
        if self.warned or self.last < self.run.plateau or len(self.recent) < RECENT:
            return
        self.warned = True
        if sum(self.recent) / RECENT > GUESSING * self.start.chance:
            warn_of_plateau(self.last, self.recipe, self.start)

    def after_the_body(self):
        """After a save: evaluate, and end if it was the last one."""
        checkpoint = self.saver.take_new()
        if checkpoint is None:
            return
        last = self.last
        if self.done or not self.stop.signal:
            report_held_out(self.sess, self.graph, self.run.test_file, self.start.facts, last,
                            self.writer)
            self.writer.add_summary(self.sess.run(self.input_summary, self.feed), last)
        self.writer.flush()
        stopped = self.stop.signal  # it may have come meanwhile
        if self.done:
            read = models.command('captcha_test.py', self.run.model_dir)
            if self.run.test_file != dataset.TEST_FILE:
                read += f' --test {shlex.quote(self.run.test_file)}'
            console.say(f'saved {checkpoint}; read captchas with: {read}')
            self.status = 0
        elif stopped:
            console.say(f'stopped after iteration {last}, saved {checkpoint}; resume with '
                        f'{self.saver.again}')
            self.status = 128 + stopped


def summary(values):
    """{tag: number} for TensorBoard."""
    return tf.Summary(value=[tf.Summary.Value(tag=tag, simple_value=value)
                             for tag, value in values.items()])


def check_finite(loss, i, recipe, run):
    """Raise a UserError if the loss is infinite or NaN, which no later step can repair."""
    if not math.isfinite(loss):
        last = models.newest(run.model_dir) or 'none yet'
        raise UserError(
            f'iteration {i}: the loss is {loss}; last good checkpoint: {last}; try the '
            'same command with a smaller learning rate: --restart --learning-rate '
            f'{recipe.learning_rate / 3:.2g}')


def held_out_accuracy(sess, graph, filename, facts):
    """Read every record of a file once, without dropout.

    As in captcha_test.py, a captcha counts as whole if its text is right, wherever the network
    finds 'no character'. Places without a character that are read as such are not counted.
    Returns: the share of characters, the share of whole captchas, the number of captchas.
    """
    count = characters = right = whole = 0
    for images, labels in records.read_batches(filename, EVAL_BATCH_SIZE):
        predictions = sess.run(graph.predictions, {graph.x: records.scale(images)})
        there = np.minimum(predictions, labels) < len(facts.alphabet)  # bool [n, heads]
        count += len(labels)
        characters += there.sum()
        right += (there & (predictions == labels)).sum()
        whole += sum(facts.text_of(found) == facts.text_of(label)
                     for found, label in zip(predictions, labels))
    return right / characters, whole / count, count


def report_held_out(sess, graph, filename, facts, i, writer):
    """Evaluate on the held-out pictures, print the result and write it for TensorBoard."""
    characters, whole, count = held_out_accuracy(sess, graph, filename, facts)
    console.say(f'Held-out after iteration {i}: characters {characters:.4f}, '
                f'whole captchas {whole:.4f} of {count}')
    writer.add_summary(summary({'held_out/characters': characters,
                                'held_out/whole_captchas': whole}), i)


def warn_of_plateau(i, recipe, start):
    """Print on stderr that the network still guesses, and what to try."""
    advice = ('without --recipe post' if recipe.initialization == 'post'
              else 'with another --seed, or a third of the --learning-rate')
    print(f'\nwarning: after {i} iterations the loss is still at chance, '
          f'{start.chance_name}; try the same command with --restart, {advice}; '
          f'more than these {start.pictures} pictures help too', file=sys.stderr)
