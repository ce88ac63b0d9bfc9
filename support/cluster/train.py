"""Train captcha_train.py's network with several processes: parameter servers, a chief, workers.

Command:  python -m support.cluster.train --network small_cnn --train captcha/shards ...
          with the options of captcha_train.py and the environment variable TF_CONFIG, which says
          which process this is (docs/cluster.md); on one machine `make cluster`
Reads:    each trainer its share of the files of --train; the chief also --test
Writes:   the chief, what captcha_train.py writes: captcha/crack_captcha.model-<i>, captcha/log

Chief and workers have the whole graph (between-graph replication), the variables are on the
parameter servers, and a step applies the mean gradient of all trainers.
"""
import contextlib
import json
import os
import socket
import sys
import threading

from support.common import console

with console.quiet_start(__name__):
    import tensorflow.compat.v1 as tf

import captcha_train
from nets.methods import METHODS, probabilities
from support.captcha import models, options, recipes, records, training, transfer
from support.cluster import AGAIN
from support.common import checkpoints, files, signals
from support.common.console import UserError

PATIENCE = 300  # seconds that a step may take, with the wait for the other trainers


# --- the processes
def leave(problem='the connection to a parameter server broke'):
    """End this process with one line at once: closing its session would wait for a lost server."""
    console.complain(f'{problem}; start all processes again, they resume from the last checkpoint')
    os._exit(AGAIN)


def cluster_of(text):
    """TF_CONFIG's text -> {job: ['host:port', ...]}, this job, its index. Raises: UserError."""
    try:
        config = json.loads(text)
        cluster, job, index = config['cluster'], config['task']['type'], config['task']['index']
        cluster[job][index].rindex(':')
        if len(cluster['chief']) == 1 and cluster['ps']:
            return cluster, job, index
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        pass
    raise UserError('TF_CONFIG: expected a "cluster" of one chief, workers and at least one ps, '
                    f'and a "task" of it, found {text[:100] or "nothing"}; docs/cluster.md shows '
                    'an example')


def serve(cluster, job, index):
    """Start this process's tf.train.Server and warn of who can reach it."""
    spec = tf.train.ClusterSpec(cluster)
    port = cluster[job][index].rpartition(':')[2]
    try:
        server = tf.train.Server(spec, job_name=job, task_index=index)
    except (tf.errors.OpError, ValueError) as error:
        raise UserError(f'TF_CONFIG: expected a free port of this machine for {job} {index}, found '
                        f'{cluster[job][index]}: {checkpoints.reason(error)}') from error
    print(f'warning: {job} {index} listens at port {port} of every network interface without '
          'authentication: whoever reaches it can run code here; see docs/cluster.md',
          file=sys.stderr, flush=True)
    return server


def wait_for(addresses):
    """Wait until a process listens at each address."""
    for address in addresses:
        host, _, port = address.rpartition(':')
        while True:
            try:
                socket.create_connection((host.strip('[]'), int(port)), 5).close()
                break
            except OSError as error:
                print(f'waiting for {address}: {error.strerror or error}', file=sys.stderr)
                signals.pause(2)


# --- the graph
def build_graph(recipe, facts, train_files, trainers, chief, seed):
    """captcha_train.py's graph with its variables on the parameter servers, in the default graph.

    Args: train_files, seed: of this trainer. Returns: training.Graph, SyncReplicasOptimizer.
    """
    tf.set_random_seed(seed)
    method = METHODS[recipe.method]
    step = tf.train.get_or_create_global_step()
    batch = captcha_train.build_inputs(train_files, recipe.batch_size, facts.heads, seed)
    x, _ = captcha_train.build_placeholders(facts.heads)
    logits = captcha_train.build_network(batch[0], recipe, facts, is_training=True)
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        test_logits = captcha_train.build_network(x, recipe, facts, is_training=False)
    loss = method.loss or captcha_train.build_loss
    total_loss = loss(logits, batch[1:], method.num_classes(facts))
    lr = tf.Variable(recipe.learning_rate, trainable=False, name='learning_rate')
    mean = tf.train.SyncReplicasOptimizer(tf.train.AdamOptimizer(lr), trainers, trainers)
    token = mean.minimize(total_loss, step)  # int64 scalar, the steps done
    # batch norm's moving averages are of the chief's pictures
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS) if chief else []):
        token = tf.identity(token)
    return training.Graph(
        graph=tf.get_default_graph(), x=x, y=batch[1:], batch=batch, lr=lr,
        optimizer=token, total_loss=total_loss,
        accuracies=captcha_train.build_accuracies(
            method.decode(probabilities(logits), facts)[0], batch[1:]),
        predictions=method.decode(probabilities(test_logits), facts)[0]), mean


class Scaffold(tf.train.Scaffold):
    """For one session: TensorFlow would begin another one, whose picture queues are closed."""
    begun = False

    def finalize(self):
        if self.begun:
            leave()
        self.begun = True
        return super().finalize()


# --- the training
def checkpoint_keys():
    """{key: variable}, as in a checkpoint of a single process; the step is in its name."""
    return {v.op.name.removeprefix('sync_replicas/'): v for v in tf.global_variables()
            if v is not tf.train.get_global_step()}


def chief_hooks(graph, recipe, run, start):
    """The Scaffold that gives all variables their values, and the hooks that save checkpoints."""
    models.note_about(recipe, start.facts, run)
    step, keys = tf.train.get_global_step(), checkpoint_keys()
    saver = tf.train.Saver(keys, max_to_keep=training.KEEP, save_relative_paths=True)
    saver.recover_last_checkpoints(checkpoints.kept(run.model_dir, models.MODEL_NAME))
    restorable = tf.train.Saver({key: v for key, v in keys.items()
                                 if key not in (checkpoints.ABOUT, graph.lr.op.name)})

    def begin(_, sess):
        if start.resumed:
            checkpoints.restore(restorable, sess, start.resumed, 'name another --model-dir')
            console.say(f'resuming from {start.resumed}')
        elif start.init_from:
            transfer.begin_with(sess, start.init_from, start.facts)
        step.load(max(0, start.iteration - 1), sess)  # last: the workers wait for its value

    def measure(session, step):
        if step >= max(1, start.iteration):  # not the checkpoint from before the first step
            training.report_held_out(session, graph, run.test_file, start.facts, step,
                                     tf.summary.FileWriterCache.get(run.model_dir))
    listener = tf.train.CheckpointSaverListener()
    listener.after_save = measure
    return Scaffold(init_op=tf.variables_initializer([*keys.values()]), init_fn=begin), [
        tf.train.NanTensorHook(graph.total_loss), tf.train.CheckpointSaverHook(
            run.model_dir, save_steps=run.save_every, saver=saver, save_graph_def=False,
            checkpoint_basename=models.MODEL_NAME, listeners=[listener])]


def train(recipe, run, cluster, job, index):
    """Train until the iterations are done or a signal stops it. Returns: exit status.

    Raises: UserError.
    """
    chief, trainers = job == 'chief', len(cluster['chief'] + cluster.get('worker', []))
    number = 0 if chief else 1 + index
    train_files = records.files(run.train_file)[number::trainers]
    if not train_files:
        raise UserError(f'{run.train_file}: expected at least a file for each of {trainers} '
                        'trainers, found fewer; make them with: python to_tfrecord.py --out '
                        f'<another folder> --shards {4 * trainers}')
    start = training.prepare(recipe, run) if chief else None
    if chief and not start:
        return 0
    facts = start.facts if chief else records.survey(train_files)[1]
    target = serve(cluster, job, index).target
    wait_for(cluster['ps'])
    config = training.session_config(run.bfloat16)
    # the session sees no other trainer, whose end would break it
    config.device_filters.extend(['/job:ps', f'/job:{job}/task:{index}'])
    # remapping would fuse operations into some that a cluster's session lacks in 16 bits
    config.graph_options.rewrite_options.remapping = 2  # off
    with tf.Graph().as_default(), tf.device(tf.train.replica_device_setter(
            cluster=cluster, worker_device=f'/job:{job}/task:{index}')):
        graph, mean = build_graph(recipe, facts, train_files, trainers, chief,
                                  start.seed if chief else run.seed + 1_000_003 * number)
        scaffold, hooks = chief_hooks(graph, recipe, run, start) if chief else (Scaffold(), [])
        hooks += [mean.make_session_run_hook(chief),
                  tf.train.StopAtStepHook(last_step=recipe.steps - 1)]
        if not chief:  # MonitoredTrainingSession would ask every 30 seconds only
            tf.train.SessionManager(
                ready_op=tf.report_uninitialized_variables(tf.global_variables()),
                recovery_wait_secs=1).wait_for_session(target, config, 2 * PATIENCE).close()
        with signals.stop_signals() as stop, tf.train.MonitoredTrainingSession(
                target, chief, scaffold=scaffold, hooks=hooks, config=config,
                stop_grace_period_secs=2) as sess:
            loop(sess, graph, recipe, start, stop)
    if chief:
        read = f'{models.command("captcha_test.py", run.model_dir)} --test {run.test_file}'
        console.say(f'saved {models.newest(run.model_dir)}; ' + (
            'stopped' if stop.signal else f'read captchas with: {read}'))
    return 128 + stop.signal if stop.signal else 0


def loop(sess, graph, recipe, start, stop):
    """Run a trainer's steps; the chief's, with a Start, set the rate and print."""
    patience = tf.RunOptions(timeout_in_ms=1000 * PATIENCE)
    fetched = [graph.optimizer, graph.total_loss, graph.accuracies]

    def step(step_context):
        try:
            if start:
                graph.lr.load(recipes.rate_at(recipe, i + 1), step_context.session)
            return step_context.run_with_hooks(fetched, options=patience)
        except tf.errors.DeadlineExceededError:
            leave(f'no step in {PATIENCE} seconds: another trainer is missing')
        except (tf.errors.AbortedError, tf.errors.UnavailableError):
            leave()
    i = max(0, start.iteration - 1) if start else 0
    while not sess.should_stop() and not stop.signal:
        before = i
        try:
            i, loss, acc = sess.run_step_fn(step)
        except tf.errors.OutOfRangeError as error:  # a queue is closed
            if i + 2 < recipe.steps:
                raise UserError(f'iteration {i}: expected more records, found none: the chief has '
                                'ended, or a file of --train cannot be read') from error
            break
        # after a start or a fault, tokens may be left from earlier steps
        if start and i > before and i % captcha_train.PRINT_EVERY == 0:
            console.say('Iter:%d Loss:%.3f Accuracy: %s Learning_rate:%.4f' % (
                i, loss, ','.join('%.2f' % one for one in acc), recipes.rate_at(recipe, i + 1)))


def main():
    threading.excepthook = lambda _: None  # MonitoredTrainingSession raises what its threads raise
    recipe, run = options.parse(__doc__)
    cluster, job, index = cluster_of(os.environ.get('TF_CONFIG', ''))
    if job == 'ps':
        serve(cluster, job, index)
        while True:
            signals.pause(3600)  # until it is stopped, as TensorFlow's servers do
    try:
        with files.alone(run.model_dir) if job == 'chief' else contextlib.nullcontext():
            return train(recipe, run, cluster, job, index)
    except tf.train.NanLossDuringTrainingError:
        raise UserError('the loss is no number; resume with a smaller --learning-rate') from None
    except tf.errors.OpError as error:
        leave(checkpoints.reason(error))


if __name__ == '__main__':
    console.run(main)
