"""Connectionist temporal classification (CTC): reads text without character positions.

For each column of the picture the network outputs a distribution over the classes and a blank, the
last class. Decoding takes the likeliest class of each column, merges equal neighbours and drops the
blanks; the loss sums over all alignments of the columns with the text.
Graves et al. 2006, https://www.cs.toronto.edu/~graves/icml_2006.pdf
"""
import tensorflow.compat.v1 as tf

BEAM = 20  # candidate texts that `search` keeps


def ctc_build(network, images, num_classes, num_heads, **kwargs):
    """As methods.build_heads, but with logits per column, not per character."""
    del num_heads  # CTC reads any number
    logits, end_points = network(images, num_classes, **kwargs)
    return *tf.unstack(logits, axis=1), end_points


def ctc_loss(logits, labels, num_classes):
    """The mean over the batch of -ln p(text).

    Args:
      logits: a float32 tensor [batch, num_classes + 1] per column, the blank last.
      labels: a tensor of classes [batch] per character; num_classes means no character.
    Returns: float32 scalar.
    """
    logits = tf.stack(logits, axis=1)  # [batch, columns, num_classes + 1]
    labels = tf.stack([tf.cast(label, tf.int32) for label in labels], axis=1)
    there = tf.where(labels < num_classes)  # int64 [total characters, 2]
    texts = tf.SparseTensor(there, tf.gather_nd(labels, there), tf.shape(labels, out_type=tf.int64))
    columns = tf.fill(tf.shape(logits)[:1], tf.shape(logits)[1])
    return tf.reduce_mean(tf.nn.ctc_loss(texts, tf.cast(logits, tf.float32), columns,
                                         time_major=False, ignore_longer_outputs_than_inputs=True))


def ctc_decode(softmax, facts, prior=None):
    """The likeliest class of each column, equal neighbours merged and blanks dropped.

    Without a prior it uses only operations that every runtime has, so that it can be exported.

    Args:
      softmax: float32 [batch, columns, num_classes + 1], the blank last; or the mean of several.
      facts: the network's dataset.Facts.
      prior: priors.Prior; texts of unusual length are then decoded by `search`. None: no prior.
    Returns:
      classes: int32 [batch, longest]; num_classes where there is no character.
      confidence: float32 [batch, longest], per character: the product of the softmax values from
        its first column up to the next character; columns before the first character count
        towards that one. The product of them all is the probability of the path.
    """
    num_classes = len(facts.alphabet)
    if prior is not None:
        softmax *= tf.concat([prior.characters, [1.0]], axis=0)
        softmax /= tf.maximum(tf.reduce_sum(softmax, axis=2, keepdims=True), 1e-30)
    path = tf.argmax(softmax, axis=2, output_type=tf.int32)  # [batch, columns]
    before = tf.pad(path[:, :-1], [[0, 0], [1, 0]], constant_values=num_classes)
    begins = tf.cast(tf.logical_and(tf.not_equal(path, num_classes), tf.not_equal(path, before)),
                     tf.int32)  # 1 where a character begins
    place = tf.cumsum(begins, axis=1) - 1  # int32 [batch, columns], -1 before the first
    here = tf.one_hot(tf.maximum(place, 0), facts.longest)  # float32 [batch, columns, longest]
    first = here * tf.cast(begins, tf.float32)[..., None]
    found = tf.reduce_sum(first * tf.cast(path, tf.float32)[..., None], axis=1)
    empty = 1 - tf.reduce_sum(first, axis=1)  # float32 [batch, longest], 1: no character
    classes = tf.cast(found + empty * num_classes, tf.int32)
    sure = tf.log(tf.reduce_max(softmax, axis=2))  # [batch, columns]
    confidence = tf.exp(tf.reduce_sum(here * sure[..., None], axis=1))
    if prior is None:
        return classes, confidence
    length = tf.minimum(place[:, -1] + 1, facts.longest)  # int32 [batch]
    unusual = tf.where(tf.gather(prior.lengths, length) < 1)  # int64 [some of the batch, 1]

    def searched():
        better = search(tf.gather_nd(softmax, unusual), facts, prior)
        return [tf.tensor_scatter_nd_update(*of) for of in zip((classes, confidence),
                                                               (unusual, unusual), better)]
    return tf.cond(tf.size(unusual) > 0, searched, lambda: [classes, confidence])


def search(softmax, facts, prior):
    """`ctc_decode` by beam search: maximizes the text's probability times its length's prior.

    Returns: as `ctc_decode`, but the confidence of each of n characters is the n-th root of the
      text's probability. If the beam has no text of a possible length: no text, confidence 0.
    """
    columns = tf.fill(tf.shape(softmax)[:1], tf.shape(softmax)[1])
    paths, log_probability = tf.nn.ctc_beam_search_decoder(
        tf.transpose(tf.log(softmax + 1e-30), [1, 0, 2]), columns, BEAM, BEAM,
        merge_repeated=False)
    blank, rows = len(facts.alphabet), tf.shape(softmax, out_type=tf.int64)[0]
    texts = tf.stack([tf.sparse_to_dense(path.indices, [rows, softmax.shape[1]], path.values, blank)
                      for path in paths], axis=1)  # int64 [batch, BEAM, columns], likeliest first
    lengths = tf.reduce_sum(tf.cast(texts < blank, tf.int32), axis=2)
    by_length = tf.pad(prior.lengths, [[0, softmax.shape[1] - facts.longest]])  # longer: 0
    likely = log_probability + tf.log(tf.gather(by_length, lengths))  # -inf where impossible
    first = tf.argmax(likely, axis=1)[:, None]  # int64 [batch, 1]
    length = tf.batch_gather(lengths, first)
    fits = tf.math.is_finite(tf.batch_gather(likely, first))
    classes = tf.batch_gather(texts, first)[:, 0, :facts.longest]  # int64 [batch, longest]
    classes += tf.cast(tf.logical_not(fits), tf.int64) * (blank - classes)
    mean = tf.batch_gather(log_probability, first) / tf.cast(length, tf.float32)  # [batch, 1]
    there = tf.cast(classes < blank, tf.float32)
    return (tf.cast(classes, tf.int32),
            tf.exp(tf.math.multiply_no_nan(mean, there)) * tf.cast(fits, tf.float32))
