# Everything from nothing but Python 3.10 to 3.13: packages go into .venv, nothing else is touched.
#   make run      captchas, the quick way: draw, convert, train the small network, read new ones
#   make captcha  captchas, the post's way: the same with AlexNet
#   make cluster  the quick way once more, by three processes: how several machines train together
#   make mnist    digits: train, test, read the ten samples
#   make test     the fast tests; make test-all: all of them
#   make lint     ruff
# Another interpreter: make run PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -q -n auto --dist worksteal
SMALL := --model-dir captcha/small_cnn
CLUSTER := --model-dir captcha/cluster

.PHONY: run captcha cluster mnist test test-slow test-all lint clean

run: .venv/.ready captcha/train.tfrecords
	$(BIN)/python captcha_train.py --network small_cnn $(SMALL)
	$(BIN)/python captcha_test.py $(SMALL)

captcha: .venv/.ready captcha/train.tfrecords
	$(BIN)/python captcha_train.py
	$(BIN)/python captcha_test.py

# Each of the two that train takes half of a batch of 64.
cluster: .venv/.ready captcha/shards/test.tfrecords
	$(BIN)/python -m support.cluster.launch --network small_cnn --batch-size 32 \
	  --train captcha/shards $(CLUSTER)
	$(BIN)/python captcha_test.py --test captcha/shards/test.tfrecords $(CLUSTER)

mnist: .venv/.ready
	$(BIN)/python mnist_backward.py
	$(BIN)/python mnist_test.py --once
	$(BIN)/python mnist_app.py samples/*.jpg

# One process for each core.
test: .venv/.ready
	$(PYTEST) -m "not slow"

test-slow: .venv/.ready
	$(PYTEST) -m slow

test-all: .venv/.ready
	$(PYTEST)

lint: .venv/.ready
	$(BIN)/ruff check

captcha/train.tfrecords: | captcha/images
	$(BIN)/python to_tfrecord.py

captcha/shards/test.tfrecords: | captcha/images
	$(BIN)/python to_tfrecord.py --out captcha/shards --shards 8

# Drawn beside the folder and renamed when complete: interrupted, it begins again.
captcha/images: | .venv/.ready
	rm -rf captcha/drawing
	$(BIN)/python gen_captcha.py --out captcha/drawing
	mv captcha/drawing captcha/images

.venv/.ready: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v <= (3, 13) else "expected Python 3.10 to 3.13, found %d.%d; name another with: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Removes what was installed; captchas and trained models stay.
clean:
	rm -rf .venv
