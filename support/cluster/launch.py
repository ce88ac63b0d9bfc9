"""Run a training as a cluster on this machine: parameter servers, a chief and workers.

Command:  python -m support.cluster.launch captcha_train.py --network small_cnn \\
              --train captcha/shards --test captcha/shards/test.tfrecords --batch-size 32 \\
              --model-dir captcha/cluster
          python -m support.cluster.launch --hosts a b c -- captcha_train.py ...   prints the
              commands for each
Reads:    nothing; the script reads what it always reads
Writes:   nothing; the script's chief writes what it always writes
Takes:    as long as the script

Each process gets a free port of 127.0.0.1, and each trainer its share of the cores. Every printed
line starts with its process's name. Ctrl-C and SIGTERM go to the chief, which saves and ends all.
However the launcher ends, the processes end with it. More in docs/cluster.md.
"""
import argparse
import contextlib
import json
import math
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

from support.cluster import configuration
from support.cluster.configuration import name_of
from support.common import console

PORT = 2222  # on separate machines, where it is assumed free
PARTING = configuration.PARTING + 30  # seconds the others have to end after the chief
# A child's first code: on Linux it asks to end with its parent (prctl's PR_SET_PDEATHSIG) and
# checks that the parent still runs; then it becomes the script.
BEGIN = """import ctypes, os, signal, sys
if sys.platform == 'linux':
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.executable, [sys.executable, '-u', *sys.argv[2:]])"""


def free_ports(count):
    """Unused ports of 127.0.0.1."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(('127.0.0.1', 0))
        return [probe.getsockname()[1] for probe in probes]


def cluster_of(workers, servers, addresses):
    """{job: [address, ...]}: parameter servers first, then the chief, then workers."""
    return {'ps': addresses[:servers], 'chief': addresses[servers:servers + 1],
            'worker': addresses[servers + 1:servers + 1 + workers]}


def local_cluster(workers=1, servers=1):
    """The same on free ports of this machine."""
    return cluster_of(workers, servers, [
        f'127.0.0.1:{port}' for port in free_ports(servers + 1 + workers)])


def tasks(cluster):
    """[(job, index), ...] in the order in which they are started."""
    return [(job, index) for job, addresses in cluster.items() for index in range(len(addresses))]


def config_of(cluster, job, index):
    """TF_CONFIG of a process."""
    return json.dumps({'cluster': cluster, 'task': {'type': job, 'index': index}})


def lines_to_type(cluster, command):
    """The commands for separate machines: the same on each but for TF_CONFIG."""
    for job, index in tasks(cluster):
        yield (f'on {cluster[job][index].rpartition(":")[0]}:  '
               f'TF_CONFIG={shlex.quote(config_of(cluster, job, index))} '
               f'python {shlex.join(command)}')


def cores_of(cluster):
    """{(job, index): cores}: an equal share for each trainer, all for a parameter server."""
    everything = sorted(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else []
    trainers = [task for task in tasks(cluster) if task[0] != 'ps']
    return {(job, index): everything if job == 'ps' or len(everything) < len(trainers)
            else everything[trainers.index((job, index))::len(trainers)]
            for job, index in tasks(cluster)}


@contextlib.contextmanager
def on_cores(cores):
    """Run processes that are started inside on these cores; none: on all."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def show(name, stream, width):
    """Print each line of a process with its name, progress bars included, until it ends."""
    for line in iter(stream.readline, b''):
        for part in line.decode(errors='replace').replace('\r', '\n').splitlines():
            if part.strip():
                console.say(f'{name:{width}} | {part.removeprefix(name + ": ")}')


def launch(command, cluster):
    """Run `python <command>` as every process of a cluster on this machine.

    Returns: the exit status of the chief, or of the first process that failed.
    Raises: UserError on Windows.
    """
    if os.name == 'nt':
        raise console.UserError('expected Linux or macOS, which end all processes with the first, '
                                'found Windows; run the commands above in separate shells, with '
                                '127.0.0.1 and a different port for each')
    processes, threads = {}, []
    cores = cores_of(cluster)
    width = max(len(name_of(*task)) for task in tasks(cluster))
    try:
        for job, index in tasks(cluster):
            with on_cores(cores[job, index]):
                process = processes[job, index] = subprocess.Popen(
                    [sys.executable, '-c', BEGIN, str(os.getpid()), *command],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    env={**os.environ, 'TF_CONFIG': config_of(cluster, job, index)},
                    start_new_session=True)  # Ctrl-C is for the launcher, which tells the chief
            threads.append(threading.Thread(
                target=show, args=(name_of(job, index), process.stdout, width), daemon=True))
            threads[-1].start()
        return wait(processes)
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
        for thread in threads:
            thread.join(5)


def wait(processes):
    """Wait until all have ended; pass a signal or a failure on to the chief.

    Returns: the exit status of the first that failed; else the chief's.
    """
    chief = processes['chief', 0]
    first, deadline = 0, math.inf  # status of the first to fail; time to kill the others
    with console.stop_signals(None) as stop:
        told = False  # whether the chief has been sent the signal
        while any(process.poll() is None for process in processes.values()):
            time.sleep(0.1)
            if stop.signal and not told:
                chief.send_signal(stop.signal)
                told = True
            if deadline == math.inf:
                first, deadline = first_end(processes, told)
            if time.monotonic() > deadline:
                break
    codes = [first, chief.poll(), *(process.poll() for process in processes.values())]
    status = next((code for code in codes if code or code is None), 0)
    return 1 if status is None else 128 - status if status < 0 else status


def first_end(processes, told):
    """Check whether the chief has ended or another process has failed.

    Args: told: whether the chief has been sent a signal, so that no end is a failure.
    Returns: exit status of the first to fail; time at which to kill the others, inf: not yet.
    """
    chief, now = processes['chief', 0], time.monotonic()
    failed = next((task for task, process in processes.items() if process.poll()), None)
    if failed is None and chief.poll() is None:
        return 0, math.inf
    first = processes[failed].returncode if failed and not told else 0
    if failed and failed[0] != 'chief':  # the chief saves what is done so far
        console.say(f'{name_of(*failed)} ended with status {processes[failed].returncode}; '
                    'stopping the others')
        chief.send_signal(signal.SIGTERM)
        return first, now + PARTING
    return first, now + (PARTING if chief.poll() == 0 or told else 0)


def main():
    parser = console.parser(__doc__)
    parser.add_argument('--workers', type=console.positive_int, default=1,
                        help='trainers besides the chief (default: %(default)s)')
    parser.add_argument('--ps', type=console.positive_int, default=1,
                        help='parameter servers (default: %(default)s)')
    parser.add_argument('--hosts', nargs='+', metavar='HOST',
                        help='only print the commands for these machines: parameter servers '
                             'first, then the chief, then workers')
    parser.add_argument('command', nargs=argparse.REMAINDER, metavar='SCRIPT ...',
                        help='the script and its options')
    args = parser.parse_args()
    command = args.command[1:] if args.command[:1] == ['--'] else args.command
    if not command:
        raise console.UserError('expected a script and its options, found none; name one, such as '
                                'captcha_train.py --network small_cnn')
    count = args.ps + 1 + args.workers
    hosts = args.hosts or [f'MACHINE{number}' for number in range(1, count + 1)]
    if args.hosts and len(hosts) < args.ps + 2:
        raise console.UserError(f'--hosts: expected at least {args.ps + 2}, for {args.ps} ps, a '
                                f'chief and a worker, found {len(hosts)}; name more')
    elsewhere = cluster_of(len(hosts) - args.ps - 1, args.ps, [f'{h}:{PORT}' for h in hosts])
    print(f'on {len(hosts)} machines this would be (with their names, and the records on each):')
    for line in lines_to_type(elsewhere, command):
        print(line, flush=True)
    if args.hosts:
        return 0
    print()
    return launch(command, local_cluster(args.workers, args.ps))


if __name__ == '__main__':
    console.run(main)
