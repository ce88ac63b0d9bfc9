"""TF_CONFIG: how it is read, and what is refused."""
import re
import socket

import pytest

from helpers import config
from support.cluster import configuration
from support.common.console import UserError


@pytest.mark.parametrize('text, found', [
    ('no', "JSON, found 'no'"), ('[]', '"cluster", and "task"'),
    ('{"cluster": {}}', 'with "type" and "index"'),
    (config(evaluator=['f:1']), 'found also evaluator'),
    (config(ps=[]), 'list of host:port for ps, found'), (config(ps=['d']), "found ['d']"),
    (config(chief=['a:1', 'f:1']), 'one chief and at least one ps, found 2 chief'),
    (config(worker=['a:1']), 'found a:1 more than once'),
    (config('worker', 2), "a task of the cluster, found type 'worker', index 2"),
    (config('master'), "found type 'master'")])
def test_a_wrong_tf_config(text, found):
    with pytest.raises(UserError, match=f'TF_CONFIG: expected .*{re.escape(found)}'):
        configuration.parse(text)


def test_a_port_in_use_and_an_address_of_another_machine(one_line_error, monkeypatch):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        address = f'127.0.0.1:{taken.getsockname()[1]}'
        for wrong, reason in (address, 'Address already in use'), (
                '192.0.2.1:2222', 'Cannot assign requested address'):
            monkeypatch.setenv('TF_CONFIG', config('ps', 0, ps=[wrong]))
            line = one_line_error('captcha_train.py')
            assert f'found {wrong}: {reason}' in line


@pytest.mark.parametrize('address, alone', [
    ('127.0.0.1:2222', True), ('localhost:1', True), ('[::1]:2222', True), ('10.0.0.1:2222', False),
    ('a.example:2222', False)])
def test_addresses_of_this_machine_only(address, alone):
    assert configuration.is_loopback(address) is alone
