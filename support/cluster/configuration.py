"""TF_CONFIG: the processes of a cluster, and which of them this is.

Nothing here imports TensorFlow, so that the launcher starts at once.
"""
import contextlib
import dataclasses
import json
import socket

from support.common.console import UserError

VARIABLE = 'TF_CONFIG'
JOBS = 'chief', 'worker', 'ps'
PARTING = 60  # seconds that a parameter server waits for the workers after the chief's end


@dataclasses.dataclass(frozen=True)
class Task:
    """One process of a cluster."""
    addresses: dict  # {job: ['host:port', ...]}
    job: str  # one of JOBS
    index: int  # in its job

    @property
    def name(self):
        return name_of(self.job, self.index)

    @property
    def address(self):
        return self.addresses[self.job][self.index]

    @property
    def chief(self):
        return self.job == 'chief'

    @property
    def trainers(self):
        """(job, index) of all trainers, the chief first."""
        return [(job, index) for job in ('chief', 'worker')
                for index in range(len(self.addresses.get(job, [])))]

    @property
    def number(self):
        """0 for the chief, from 1 for the workers."""
        return self.trainers.index((self.job, self.index))

    def absent(self, *jobs):
        """Names and addresses of the processes of these jobs that do not answer."""
        return [f'{name_of(job, index)} at {address}' for job in jobs
                for index, address in enumerate(self.addresses.get(job, []))
                if (job, index) != (self.job, self.index) and not reachable(address)]


def name_of(job, index):
    """'chief', 'worker 0', 'ps 0'."""
    return job if job == 'chief' else f'{job} {index}'


def parse(text):
    """TF_CONFIG's text as a Task."""
    def wrong(expected, found):
        return UserError(f'{VARIABLE}: expected {expected}, found {found}; docs/cluster.md shows '
                         'one for each machine')
    try:
        config = json.loads(text)
        cluster, task = dict(config['cluster']), config['task']
        job, index = task['type'], task['index']
        hash(job)
    except ValueError as error:
        raise wrong('JSON', f'{text[:60]!r} ({error})') from error
    except (KeyError, TypeError) as error:
        raise wrong('"cluster", and "task" with "type" and "index"', text[:200]) from error
    unknown = [name for name in cluster if name not in JOBS]
    if unknown:
        raise wrong(f'the jobs {", ".join(JOBS)}', f'also {", ".join(map(str, unknown))}')
    for name, addresses in cluster.items():
        for address in addresses if isinstance(addresses, list) and addresses else [None]:
            host, _, port = str(address).rpartition(':')
            if not (host and port.isdecimal() and 0 < int(port) < 65536):
                raise wrong(f'a list of host:port for {name}', addresses)
    if len(cluster.get('chief', [])) != 1 or not cluster.get('ps'):
        raise wrong('one chief and at least one ps', ', '.join(
            f'{len(cluster.get(name, []))} {name}' for name in JOBS))
    everywhere = [address for addresses in cluster.values() for address in addresses]
    twice = next((address for address in everywhere if everywhere.count(address) > 1), None)
    if twice:
        raise wrong('an address for each process', f'{twice} more than once')
    if job not in cluster or not isinstance(index, int) or not 0 <= index < len(cluster[job]):
        raise wrong('a task of the cluster', f'type {job!r}, index {index!r}')
    return Task(cluster, job, index)


def is_loopback(address):
    """Whether 'host:port' is reachable from this machine only."""
    host = address.rpartition(':')[0].strip('[]')
    return host in ('localhost', '::1') or host.startswith('127.')


def check_port(address):
    """Raise a one-line UserError, instead of TensorFlow's page, if an address is not available."""
    host, _, port = address.rpartition(':')
    try:
        family, _, _, _, place = socket.getaddrinfo(host.strip('[]'), int(port),
                                                    type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise UserError(f'{VARIABLE}: expected an address of this machine with a free port, found '
                        f'{address}: {reason}; is "task" this process, and is '
                        'the port unused?') from error


def reachable(address):
    """Whether a process listens at an address."""
    host, _, port = address.rpartition(':')
    with contextlib.suppress(OSError), socket.create_connection((host.strip('[]'), int(port)), 1):
        return True
    return False
