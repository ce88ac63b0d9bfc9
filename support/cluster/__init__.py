"""Several machines that train one network, on TensorFlow's own distributed runtime.

Every machine runs the same command with the environment variable TF_CONFIG in TensorFlow's form:

    {"cluster": {"chief": ["a:2222"], "worker": ["b:2222"], "ps": ["c:2222"]},
     "task": {"type": "chief", "index": 0}}

Chief and workers train (between-graph replication): each has the whole graph and its own share of
the records. The variables live on the parameter servers (ps). One step is the mean gradient of all
of them (`SyncReplicasOptimizer`), so N at batch B train as one process at batch N * B. The chief
also saves, measures and prints. docs/cluster.md shows it and says what it costs.

    configuration.py  TF_CONFIG: which processes there are, and which of them this one is
    member.py         this process: alone or one of several, with the same methods
    placement.py      where variables and operations go, and the step that all do together
    board.py          what the processes tell one another
    waiting.py        waiting for the others, and a step that waits
    session.py        the session and its iterations
    launch.py         such a cluster on one machine
"""
