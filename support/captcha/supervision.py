"""What stands around the post's training loop: saving, measuring, warning, stopping in it.

The progress bar, TensorBoard, a checkpoint, the held-out captchas, a warning when the network only
guesses, a stop on Ctrl-C: each is done after the iteration at which it is due.
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
EVAL_BATCH_SIZE = 100  # pictures in a held-out batch: only memory depends on it
RECENT = 40  # losses whose mean tells whether the network still guesses
GUESSING = 0.97  # of the loss at chance: above it the network still guesses


class Saver:
    """A tf.train.Saver that says what went wrong, and outlives a fault of the cluster."""

    def __init__(self, variables, run):
        """Args: variables: {key: variable}."""
        self.saver = tf.train.Saver(variables, max_to_keep=KEEP, save_relative_paths=True)
        self.run = run
        self.new = None  # the checkpoint that was saved last, until it is taken
        self.again = 'the same command'  # that resumes

    def recover(self):
        """Take the checkpoints that are there for its own, so that it removes them in time."""
        if not self.saver.last_checkpoints:
            self.saver.recover_last_checkpoints(
                checkpoints.kept(self.run.model_dir, models.MODEL_NAME))

    def save(self, sess, save_path, global_step):
        """Save `<save_path>-<global_step>`. Raises: UserError, say on a full disk."""
        try:
            self.new = checkpoints.save(self.saver, self.run.member.raw(sess), save_path,
                                        global_step, self.again)
        except BROKEN:  # a parameter server is gone: the next step begins all anew
            return
        self.run.member.note_saved()
        self.again = 'the same command' + ', without --restart' * self.run.restart

    def take_new(self):
        """The checkpoint that has been saved since the last call, or None."""
        taken, self.new = self.new, None
        return taken


@dataclasses.dataclass(frozen=True)
class Tools:
    """What a supervised graph has beside the post's."""
    input_summary: tf.Tensor  # the pictures as the network sees them, for TensorBoard
    initializer: tf.Operation
    restorable: tf.train.Saver  # of what the original code's checkpoints hold as well
    saver: Saver  # of everything


class Worker:
    """What stands around the loop of a cluster's process that neither saves nor prints."""

    def __init__(self, sess, graph, tools, recipe, run, start, stop):
        """Args:
          graph, run, start: as in training.py. tools: Tools. recipe: recipes.Recipe.
          stop: as console.stop_signals yields it.
        """
        self.sess, self.graph, self.recipe = sess, graph, recipe
        self.saver, self.input_summary = tools.saver, tools.input_summary
        self.run, self.start, self.stop = run, start, stop
        self.status = None  # the exit status, once the training is to end

    def __enter__(self):
        self.run.member.say(f'{self.start.pictures} training pictures of its own in '
                            f'{len(self.start.train_files)} files')
        return self

    def __exit__(self, *_):
        pass

    def iterations(self):
        """Yield the number of each iteration; after the loop's body do what is due."""
        for i in self.run.member.iterations(self.sess, self.start.iteration, self.recipe.steps,
                                            self.stop):
            yield i
            self.after_the_body()
            if self.status is not None:
                return

    def after_the_body(self):
        pass

    def set_rate(self, rate):
        """Set the rate of the next iteration: the chief does."""

    def show(self, i, line, values):
        """Print a line of iteration `i`, and note {tag: number} for TensorBoard: the chief does."""

    def save_is_due(self, i, loss, feed):
        """Whether to save after iteration `i`; never."""
        self.run.member.rest()
        if self.stop.signal:
            self.status = 128 + self.stop.signal
        return False


class Supervisor(Worker):
    """What stands around the loop of a single process, or of a cluster's chief."""

    def __enter__(self):
        start = self.start
        console.say(f'{start.pictures} training pictures, {start.held_out} held-out pictures, '
                    f'{start.facts}; loss at chance: {start.chance_name}')
        if start.newest:  # even if it is not resumed: as new ones come, the saver removes the old
            self.saver.recover()
        self.recent = collections.deque(maxlen=RECENT)  # losses
        self.warned = False
        self.last = None  # the last iteration that is done: of the cluster, if there is one
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
        """Whether to save after an iteration: every so many, at the end, and when a stop came.

        Args: i: its number. loss: of its batch, before the step. feed: what it was fed.
        Raises: UserError if the loss is NaN, before NaN weights are saved.
        """
        run, stop = self.run, self.stop
        self.last = run.member.last_done(self.sess, i)
        if self.last < i and not stop.signal:  # a fault took the cluster back
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
        # once more, because what is saved comes after the step that `loss` led to
        check_finite(self.sess.run(self.graph.total_loss, feed), self.last, self.recipe, run)
        self.feed = feed
        return True

    @property
    def done(self):
        """Whether the last iteration of all is done."""
        return self.last + 1 == self.recipe.steps

    def note(self, loss):
        """Show that an iteration is done."""
        check_finite(loss, self.last, self.recipe, self.run)
        self.recent.append(loss)
        self.writer.add_summary(summary({'loss': loss}), self.last)
        self.bar.update()

    def warn_once(self):
        """Warn of a loss that has stayed at chance for long."""
        if self.warned or self.last < self.run.plateau or len(self.recent) < RECENT:
            return
        self.warned = True
        if sum(self.recent) / RECENT > GUESSING * self.start.chance:
            warn_of_plateau(self.last, self.recipe, self.start)

    def after_the_body(self):
        """If it has saved: measure, and end if that was the last time."""
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
    """Raise a UserError if the loss is infinite or NaN: no later step can repair that."""
    if not math.isfinite(loss):
        last = models.newest(run.model_dir) or 'none yet'
        raise UserError(
            f'iteration {i}: the loss is {loss}; last good checkpoint: {last}; try a smaller rate: '
            f'the same command with --restart --learning-rate {recipe.learning_rate / 3:.2g}')


def held_out_accuracy(sess, graph, filename, facts):
    """Read every record of a file once, without dropout.

    Like captcha_test.py: a whole captcha is one whose text is right, wherever in it the network
    finds no character, and where there is none and none is found, none is counted.
    Returns: the share of characters, the share of whole captchas, and of how many captchas.
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
    """Measure on the held-out pictures, print it and write it for TensorBoard."""
    characters, whole, count = held_out_accuracy(sess, graph, filename, facts)
    console.say(f'Held-out after iteration {i}: characters {characters:.4f}, '
                f'whole captchas {whole:.4f} of {count}')
    writer.add_summary(summary({'held_out/characters': characters,
                                'held_out/whole_captchas': whole}), i)


def warn_of_plateau(i, recipe, start):
    """Say on stderr that the network still guesses, and what to try."""
    advice = ('without --recipe post' if recipe.initialization == 'post'
              else 'with another --seed, or a third of the --learning-rate')
    print(f'\nwarning: after {i} iterations the loss is still at chance, '
          f'{start.chance_name}; try the same command with --restart, {advice}; '
          f'more than these {start.pictures} pictures help too', file=sys.stderr)
