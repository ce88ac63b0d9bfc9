"""A training step of AlexNet in PyTorch, channels-last, the same layers as Linear.

Command:  python benchmarks/train_step_torch.py torch --batch 25 --steps 4
          python benchmarks/train_step_torch.py torch-compiled    with torch.compile
Reads:    nothing
Writes:   one line of JSON on stdout: seconds of each step and peak memory
Takes:    seconds per step

Needs benchmarks/requirements.txt. train_step.py runs both as rows of its table.
"""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

try:
    import torch
    from torch import nn
except ImportError:
    torch = None

import step_timing
from step_timing import HEADS, LEARNING_RATE, NUM_CLASSES
from support.common import console


def torch_eager(batch, steps, compiled=False):
    """PyTorch, channels-last, the same layers as Linear."""
    if torch is None:
        raise console.UserError('expected PyTorch, found none; install it with: '
                                'pip install -r benchmarks/requirements.txt')
    torch.manual_seed(0)

    def conv(*args, **kwargs):
        return [nn.Conv2d(*args, **kwargs), nn.ReLU()]
    body = nn.Sequential(
        *conv(1, 64, 11, 4), nn.MaxPool2d(3, 2), *conv(64, 192, 5, padding=2), nn.MaxPool2d(3, 2),
        *conv(192, 384, 3, padding=1), *conv(384, 384, 3, padding=1),
        *conv(384, 256, 3, padding=1), nn.MaxPool2d(3, 2), nn.Flatten(),
        nn.Linear(6400, 4096), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(4096, HEADS * NUM_CLASSES)).to(memory_format=torch.channels_last)
    assert sum(p.numel() for p in body.parameters()) == step_timing.PARAMETERS
    images, labels = map(torch.from_numpy, step_timing.data(batch))
    images = images[:, None].contiguous(memory_format=torch.channels_last)  # [batch, 1, 224, 224]
    optimizer = torch.optim.Adam(body.parameters(), LEARNING_RATE)
    forward = torch.compile(body) if compiled else body

    def step():
        optimizer.zero_grad()
        logits = forward(images).reshape(batch, HEADS, NUM_CLASSES)
        loss = nn.functional.cross_entropy(logits.reshape(-1, NUM_CLASSES), labels.T.reshape(-1))
        loss.backward()
        optimizer.step()
        return loss.item()
    return step_timing.timed(step, steps)


def torch_compiled(batch, steps):
    """The same with torch.compile."""
    return torch_eager(batch, steps, compiled=True)


ROWS = {'torch': torch_eager, 'torch-compiled': torch_compiled}


def main():
    step_timing.run_row(ROWS, __doc__)


if __name__ == '__main__':
    console.run(main)
