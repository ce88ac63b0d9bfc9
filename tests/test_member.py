"""One process, alone or a member of a cluster."""
import json
import threading

import pytest

from helpers import config, member_of, tf
from support.captcha import recipes, training
from support.cluster import board, configuration, member
from support.common.console import UserError


def test_a_member():
    task = configuration.parse(config('worker', 1))
    assert (task.name, task.number, task.chief) == ('worker 1', 2, False)
    assert task.trainers == [('chief', 0), ('worker', 0), ('worker', 1)]
    assert list(member.Member(task).config.device_filters) == ['/job:ps', '/job:worker/task:1']


def test_without_tf_config_a_process_is_alone(monkeypatch):
    monkeypatch.delenv('TF_CONFIG', raising=False)
    alone = member.join()
    assert isinstance(alone, member.Alone) and alone.chief and not alone.serves
    assert list(alone.iterations(None, 3, 6)) == [3, 4, 5]


def test_a_member_has_the_methods_of_a_single_process():
    def methods(kind):
        return {name for name in vars(kind) if not name.startswith('_')}
    one = member.Member(configuration.parse(config()))
    assert methods(member.Alone) <= methods(member.Member) | set(vars(one))


def test_shares_are_disjoint_and_complete():
    paths = [f'train-{number:05d}-of-00008' for number in range(8)]
    shares = [member_of(*task).share(paths)
              for task in [('chief', 0), ('worker', 0), ('worker', 1)]]
    assert [len(share) for share in shares] == [3, 3, 2]
    assert sorted(path for share in shares for path in share) == paths
    with pytest.raises(UserError, match='expected at least 3 record files.*--shards 12'):
        member_of('worker', 0).share(paths[:2])
    assert member.Alone().share(paths) == paths


def test_a_worker_needs_no_held_out_records(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(member.Member, 'agree', lambda *_: True)  # of a running cluster
    run = training.Run(str(shards), str(tmp_path / 'none'), str(tmp_path / 'model'),
                       member=member_of('worker', 0, worker=['b:1']))
    start = training.prepare(recipes.make('small_cnn', batch_size=8), run)
    assert len(start.train_files) == 1 and start.held_out == 0


def test_all_end_where_nothing_is_left_to_train(members):
    found = {}
    threads = [threading.Thread(target=lambda: found.update(ps=members['ps'].serve()), daemon=True),
               threading.Thread(target=lambda: found.update(
                   worker=members['worker'].agree({'steps': 9})), daemon=True)]
    for thread in threads:
        thread.start()
    members['chief'].dismiss()
    for thread in threads:
        thread.join(60)
    assert found == {'ps': 0, 'worker': False}


def test_a_worker_agrees_with_what_the_chief_has_published(members):
    chief, worker = members['chief'], members['worker']
    with tf.Graph().as_default(), tf.Session(chief.target, config=chief.config) as sess:
        shared = board.board()
        shared.ended.load(False, sess)
        shared.agreement.load(json.dumps({'learning_rate': 0.003, 'seed': 0}), sess)
    assert worker.agree({'learning_rate': 0.003, 'seed': 0})
    with pytest.raises(UserError, match='^expected learning_rate 0.003 as the chief has it, found '
                                        '0.1; start all processes with the same command'):
        worker.agree({'learning_rate': 0.1, 'seed': 0})
