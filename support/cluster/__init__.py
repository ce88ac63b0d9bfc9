"""Several machines that train one network, on TensorFlow's own distributed runtime.

Every machine runs the same command with the environment variable TF_CONFIG in TensorFlow's form:

    {"cluster": {"chief": ["a:2222"], "worker": ["b:2222"], "ps": ["c:2222"]},
     "task": {"type": "chief", "index": 0}}

Chief and workers train (between-graph replication): each has the whole graph and its own share of
the records. The variables live on the parameter servers (ps). A step applies the mean
gradient of all trainers (`SyncReplicasOptimizer`), so N at batch B train as one process at batch
N * B. The chief also saves, evaluates and prints. More, with the costs, in docs/cluster.md.

    configuration.py  TF_CONFIG: the cluster's processes, and which of them this is
    member.py         this process: alone or one of several, with the same methods
    placement.py      where variables and operations go, and the common step
    board.py          what the processes tell each other
    waiting.py        waiting for the others, and a step that waits
    session.py        the session and its iterations
    launch.py         a cluster on one machine
"""
