"""Run a training by several processes on this machine: parameter servers, a chief, workers.

Command:  python -m support.cluster.launch --network small_cnn --batch-size 32 \\
              --train captcha/shards --model-dir captcha/cluster
          with the options of captcha_train.py
Reads, writes: as support.cluster.train, which it starts for each process

A chief or worker that dies is started again. If a parameter server dies, and with it the weights,
all are, from the newest checkpoint. Ctrl-C and SIGTERM save first. However the launcher ends, the
processes end with it.
"""
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time

from support.cluster import AGAIN
from support.common import console, option_types, signals

GRACE = 60  # seconds that the chief has to save
RESTARTS = 10  # how often processes may die before all end


def local_cluster(workers=1, servers=1):
    """{job: ['127.0.0.1:port', ...]} with unused ports."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(servers + 1 + workers)]
        for probe in probes:
            probe.bind(('127.0.0.1', 0))
        addresses = [f'127.0.0.1:{probe.getsockname()[1]}' for probe in probes]
    return {'ps': addresses[:servers], 'chief': addresses[servers:servers + 1],
            'worker': addresses[servers + 1:]}


def tasks(cluster):
    """[(job, index), ...] in the order in which they are started."""
    return [(job, index) for job, addresses in cluster.items() for index in range(len(addresses))]


def cores_of(cluster, task):
    """The cores of a process: an equal share for each trainer, all for a parameter server."""
    every = sorted(os.sched_getaffinity(0))
    trainers = [trainer for trainer in tasks(cluster) if trainer[0] != 'ps']
    if task[0] == 'ps' or len(every) < len(trainers):
        return every
    return every[trainers.index(task)::len(trainers)]


def start(cluster, task, options):
    """Start a process of the cluster. Returns: subprocess.Popen."""
    config = {'cluster': cluster, 'task': {'type': task[0], 'index': task[1]}}

    def begin():
        if sys.platform == 'linux':
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: end with the launcher
            os.sched_setaffinity(0, cores_of(cluster, task))
    process = subprocess.Popen(
        [sys.executable, '-u', '-m', 'support.cluster.train', *options], preexec_fn=begin,
        env={**os.environ, 'TF_CONFIG': json.dumps(config)}, stdin=subprocess.DEVNULL,
        start_new_session=True)  # Ctrl-C is for the launcher, which tells the chief
    print(f'{task[0]} {task[1]}: process {process.pid}', file=sys.stderr, flush=True)
    return process


def end(processes):
    for process in processes.values():
        process.kill()
        process.wait()


def launch(cluster, options):
    """Run all processes until the chief ends; start again those that die.

    Args: options: of captcha_train.py. Returns: exit status.
    """
    processes, restarts = {}, RESTARTS
    with signals.stop_signals(None) as stop:
        try:
            processes.update({task: start(cluster, task, options) for task in tasks(cluster)})
            while not stop.signal:
                time.sleep(0.2)
                dead = {task: process.returncode for task, process in processes.items()
                        if process.poll() is not None and (task[0], process.returncode) != (
                            'worker', 0)}
                if 0 in dead.values():
                    return 0  # the chief has finished
                final = [status for status in dead.values() if status > 1 and status != AGAIN]
                restarts -= bool(dead)
                if final or restarts < 0:
                    return final[0] if final else 1
                for (job, index), status in dead.items():
                    print(f'{job} {index} ended with status {status}; starting it again',
                          file=sys.stderr, flush=True)
                if AGAIN in dead.values() or any(job == 'ps' for job, _ in dead):
                    end(processes)  # the weights are gone
                    dead = processes
                if dead:
                    options = [option for option in options if option != '--restart']
                processes.update({task: start(cluster, task, options) for task in dead})
            processes['chief', 0].send_signal(stop.signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                processes['chief', 0].wait(GRACE)
            return 128 + stop.signal
        finally:
            end(processes)


def main():
    parser = console.parser(__doc__)
    parser.add_argument('--workers', type=option_types.positive_int, default=1,
                        help='trainers besides the chief (default: %(default)s)')
    parser.add_argument('--ps', type=option_types.positive_int, default=1,
                        help='parameter servers (default: %(default)s)')
    args, options = parser.parse_known_args()
    if os.name == 'nt':
        raise console.UserError('expected Linux or macOS, found Windows; start the processes '
                                'yourself as in docs/cluster.md, with different ports')
    return launch(local_cluster(args.workers, args.ps), options)


if __name__ == '__main__':
    console.run(main)
