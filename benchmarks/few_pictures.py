"""How many labelled pictures you need: from scratch, and with fine-tuning.

Command:  python benchmarks/few_pictures.py foreign/wheezy foreign/claptcha \\
              --init-from models/digits
Reads:    in each folder train.tfrecords and test.tfrecords; the pretrained network
Writes:   a table on stdout, what each training prints on stderr; checkpoints in a temporary folder
Takes:    two cores: about four minutes per training from scratch, three per fine-tuning

The folders hold captchas of other generators, from benchmarks/draw_foreign.py, or your own. From
scratch uses the small network's recipe `own`, fine-tuning its recipe `fine_tune`. Column 0 is the
pretrained network's accuracy without further training, on captchas of its own characters and
lengths. A cell is empty if there are fewer pictures than its column needs.
"""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import captcha_accuracy
import captcha_test
from support.captcha import dataset, models, recipes, records, training
from support.common import console

COUNTS = [100, 300, 1000, 3000]  # pictures


def untrained(init_from, test_file):
    """Whole-captcha accuracy of a pretrained network; None if it cannot read such texts."""
    reader = captcha_test.open_reader(init_from)
    if not reader.facts.covers(records.survey(test_file)[1]):
        return None
    right = [(reader.classify(images)[0] == labels).all(axis=1)
             for images, labels in records.read_batches(test_file, captcha_test.BATCH_SIZE)]
    return sum(part.sum() for part in right) / sum(len(part) for part in right)


def row(data, counts, recipe):
    """Whole-captcha accuracies after training on `counts` pictures; None: there are fewer."""
    shares = []
    for count in counts:
        if count > data.pictures:
            shares.append(None)
            continue
        with captcha_accuracy.first_records(data, count) as part:
            shares.append(part.train(recipe, part.run).whole)
    return shares


def main():
    parser = console.parser(__doc__)
    parser.add_argument('folders', nargs='+', metavar='FOLDER')
    parser.add_argument('--init-from', required=True, metavar='PLACE')
    parser.add_argument('--counts', nargs='+', type=console.positive_int, default=COUNTS,
                        help='training pictures (default: %(default)s)')
    parser.add_argument('--steps', type=console.positive_int,
                        help="iterations (default: the recipes' own)")
    args = parser.parse_args()
    as_trained = recipes.begun_with(models.about(models.find(args.init_from)).fields)
    print('| whole-captcha accuracy | training pictures: 0 | '
          + ' | '.join(f'{count:,}' for count in args.counts) + ' |')
    print('|---|---:|' + '---:|' * len(args.counts), flush=True)
    for folder in args.folders:
        train, test = (os.path.join(folder, os.path.basename(name))
                       for name in (dataset.TRAIN_FILE, dataset.TEST_FILE))
        for how, name, init_from, changes in [
                ('from scratch', 'own', None, {}),
                ('fine-tuned', 'fine_tune', args.init_from, as_trained)]:
            run = training.RunConfig(train, test, init_from=init_from)
            at_first = untrained(init_from, test) if init_from else None
            shares = row(captcha_accuracy.Data(run, *records.survey(train)), args.counts,
                         recipes.make(name=name, steps=args.steps,
                                      **{'network': 'small_cnn', **changes}))
            cells = ['' if share is None else captcha_accuracy.percents([share])
                     for share in [at_first, *shares]]
            print(f'| {os.path.basename(os.path.normpath(folder))}, {how} | '
                  f'{" | ".join(cells)} |', flush=True)


if __name__ == '__main__':
    console.run(main)
