"""Where variables and operations of a cluster go, and the common step."""
import tensorflow.compat.v1 as tf

FIRST_PS = '/job:ps/task:0'
STEP_KEY = 'global_step'  # a variable of the cluster, not of the checkpoint
OPTIMIZERS = 'cluster/optimizers'  # a collection with one element
SCOPE = 'sync_replicas/'  # prefix of Adam's two powers in a cluster's graph


def placement(task):
    """Put variables on the parameter servers, by size, the rest on this process.

    Each variable goes to the server with the fewest bytes so far.
    """
    loads = [0] * len(task.addresses['ps'])  # bytes

    def least_loaded(op):
        server = loads.index(min(loads))
        attributes = op.node_def.attr
        shape = tf.TensorShape(attributes['shape'].shape)
        loads[server] += shape.num_elements() * tf.as_dtype(attributes['dtype'].type).size
        return server
    return tf.device(tf.train.replica_device_setter(
        cluster=tf.train.ClusterSpec(task.addresses), ps_strategy=least_loaded,
        worker_device=f'/job:{task.job}/task:{task.index}'))


class MeanOfAll(tf.train.SyncReplicasOptimizer):
    """TensorFlow's optimizer with a token queue that outlives the chief's session.

    TensorFlow closes that queue on the parameter server for good when a session ends. A chief whose
    connection broke could never train with these variables again.
    """

    def get_chief_queue_runner(self):
        usual = super().get_chief_queue_runner()
        return tf.train.QueueRunner(usual.queue, usual.enqueue_ops, tf.no_op(), tf.no_op())


def mean_of(task, optimizer):
    """The optimizer whose step is the mean gradient of all trainers."""
    count = len(task.trainers)
    made = MeanOfAll(optimizer, replicas_to_aggregate=count, total_num_replicas=count)
    tf.add_to_collection(OPTIMIZERS, made)
    return made


def step_variable():
    """The variable that counts the common steps."""
    with tf.device(FIRST_PS):
        return tf.train.get_or_create_global_step()


def keys(variables):
    """{checkpoint key: variable} of a graph, the same for a cluster and a single process."""
    return {v.op.name.removeprefix(SCOPE): v for v in variables if v.op.name != STEP_KEY}
