# Everything from nothing but Python 3.10 to 3.13: packages go into .venv, nothing else is touched.
#   make run     make captchas, convert them, train on them, read the ones held out
#   make test    the tests
# Another interpreter: make run PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test clean

run: .venv/.ready captcha/train.tfrecords
	$(BIN)/python captcha_train.py
	$(BIN)/python captcha_test.py

test: .venv/.ready
	$(BIN)/python -m pytest -q

captcha/train.tfrecords: | captcha/.images
	$(BIN)/python to_tfrecord.py

captcha/.images: | .venv/.ready
	$(BIN)/python gen_captcha.py
	@touch $@

.venv/.ready: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v <= (3, 13) else "expected Python 3.10 to 3.13, found %d.%d; name another with: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Removes what was installed; captchas and trained models stay.
clean:
	rm -rf .venv
