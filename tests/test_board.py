"""What the processes of a cluster tell each other; here their servers run in this process."""
import dataclasses

from helpers import tf
from support.cluster import board, member

TOKENS = 'sync_token_q'  # TensorFlow's name for the queue that a step waits on


def waiting_tokens():
    with tf.device('/job:ps/task:0'):
        return tf.FIFOQueue(-1, tf.int64, shapes=[()], shared_name=TOKENS).size()


def test_the_chiefs_end_is_known_to_all_and_lets_them_go(members):
    chief, worker = members['chief'], members['worker']
    assert board.ask(worker, waiting_tokens) == 0
    board.end(chief)
    assert board.ask(worker, lambda: board.board().ended.read_value())
    assert board.ask(worker, waiting_tokens) == 2  # one for each process that trains


def test_a_step_has_a_value_once_the_chief_gave_one(members):
    chief, worker = members['chief'], members['worker']
    assert not board.ask(worker, board.step_has_value)
    with tf.Graph().as_default(), tf.Session(chief.target, config=chief.config) as sess:
        chief.step_variable().load(7, sess)
    assert board.ask(worker, board.step_has_value)


def test_a_parameter_server_ends_when_all_who_train_are_done(members, capsys):
    for job in 'chief', 'worker':
        board.report(members[job])
    assert board.serve(members['ps']) == 0
    assert capsys.readouterr().out == 'ps 0: the training has ended\n'


def test_of_a_parameter_server_that_is_gone_nothing_is_known(members):
    task = members['chief'].task
    gone = member.Member(dataclasses.replace(task, addresses={**task.addresses,
                                                              'ps': ['127.0.0.1:1']}))
    assert board.ask(gone, board.step_has_value) is None
