"""Run a script of this folder on another interpreter, one that has TensorFlow 1.14."""
import os
import subprocess

from support.common import console

HERE = os.path.dirname(os.path.abspath(__file__))


def on_tf1(python, script, *arguments):
    """Run one of the scripts of this folder on TensorFlow 1.14 and return its last line.

    Raises: UserError if `python` cannot.
    """
    command = [python, '-W', 'ignore', os.path.join(HERE, script), *map(str, arguments)]
    # TensorFlow 2 puts TF2_BEHAVIOR=1 into our environment, which 1.14 would obey.
    env = {name: value for name, value in os.environ.items() if name != 'TF2_BEHAVIOR'}
    try:
        ended = subprocess.run(command, capture_output=True, text=True, env=env)
        problem = ended.stderr.strip().splitlines()[-1:] if ended.returncode else None
    except OSError as error:
        problem = error.strerror
    if problem is not None:
        raise console.UserError(f'{python}: expected Python 3.6 with tensorflow==1.14.0, '
                                f'found: {problem}; name another interpreter')
    return ended.stdout.splitlines()[-1]
