# The commands of this project; `make help` lists them. Needs only Python 3.11+ and make.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
WORKERS ?= 2
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STATE := $(if $(PAYCORE_STATE_DIR),$(PAYCORE_STATE_DIR),.state)
EMBEDDED := $(BIN)/python -m paycore.embedded --with-parent
LOCK := env -u PIP_FIND_LINKS -u UV_FIND_LINKS $(BIN)/uv pip compile --quiet --upgrade --no-config --generate-hashes \
	--universal --python-version 3.11 --no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock"

.PHONY: help run demo logs test test-faults simulation counterparts check format messages lock bench

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z%A-Z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.run-installed ## start paycore here (PORT=8000) with its own PostgreSQL and Redis, until Ctrl-C
	@$(EMBEDDED) run

demo: $(VENV)/.run-installed ## play the story against the server that `make run` started, through the public API
	@$(EMBEDDED) exec --attach -- $(BIN)/python manage.py demo $(ARGS)

logs: ## follow the logs of `make run`
	@tail -n 20 -F "$(STATE)"/logs/*.log

test: $(VENV)/.dev-installed ## run the whole suite (ARGS='-k order' to choose, WORKERS=4 for more processes)
	@$(EMBEDDED) --state "$(STATE)/test" exec --throwaway -- \
		$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m "not faults" -rs $(ARGS)

test-faults: $(VENV)/.dev-installed ## run the deep grid of crashes and misbehaving gateways
	@$(EMBEDDED) --state "$(STATE)/test" exec --throwaway -- \
		$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m faults -rs $(ARGS)

simulation: $(VENV)/.dev-installed ## live 400 days of memberships twice, on two cores (SIMULATION_MEMBERS=10000, hours; SIMULATION_DAYS=400)
	@SIMULATION_MEMBERS=$${SIMULATION_MEMBERS:-10000} $(EMBEDDED) --state "$(STATE)/test" exec --throwaway -- \
		$(BIN)/python -m pytest -q -s -n 2 tests/faults/test_memberships.py $(ARGS)

counterparts: ## install other people's implementations of the providers' protocols, which some tests need (Node.js, npm)
	@cd tests/counterparts && npm ci --no-progress --loglevel=error

check: $(VENV)/.dev-installed ## lint, format, types, layers, migrations, deployment settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir .state/import-linter
	@$(EMBEDDED) --state "$(STATE)/check" exec -- $(BIN)/python manage.py makemigrations --check --dry-run
	@PAYCORE_ENV=production PAYCORE_BASE_URL=https://pay.example PAYCORE_ALLOWED_HOSTS=pay.example PAYCORE_MAIL_URL=smtp://mail.example \
		$(EMBEDDED) --state "$(STATE)/check" exec -- $(BIN)/python manage.py check --deploy --fail-level WARNING

format: $(VENV)/.dev-installed ## put code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

messages: $(VENV)/.dev-installed ## collect what must be translated, and compile the catalogue (needs Debian's gettext)
	$(BIN)/python manage.py makemessages -l zh_Hans --no-wrap --add-location file \
		-i .venv -i .state -i tests -i docs -i benchmarks
	msgfmt --check-format -o paycore/locale/zh_Hans/LC_MESSAGES/django.mo paycore/locale/zh_Hans/LC_MESSAGES/django.po

lock: $(VENV)/.dev-installed ## renew requirements.txt and requirements-dev.txt from pyproject.toml, and what benchmarks compare with
	$(LOCK) pyproject.toml --group dev --output-file requirements-dev.txt
	$(LOCK) pyproject.toml --constraints requirements-dev.txt --output-file requirements.txt
	$(LOCK) benchmarks/djstripe/requirements.in --output-file benchmarks/djstripe/requirements.txt
	$(LOCK) benchmarks/silver/requirements.in --output-file benchmarks/silver/requirements.txt

bench: $(VENV)/.dev-installed ## run every benchmark (make bench-NAME: one)
	@for file in benchmarks/[a-z]*.py; do $(MAKE) "bench-$$(basename "$$file" .py)" || exit 1; done

bench-%: $(VENV)/.dev-installed
	@$(EMBEDDED) --state "$(STATE)/bench" exec -- $(BIN)/python -m benchmarks.$* $(ARGS)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "paycore needs Python 3.11 or newer; name one: make PYTHON=python3.12 …"; exit 1; }
	@echo "Making the virtual environment $(VENV)"
	@$(PYTHON) -m venv --without-pip $(VENV)

# The dev lock holds the run lock with the same versions, so either order of installing is quick and safe.
$(VENV)/.run-installed: requirements.txt | $(BIN)/python
	@$(call install,requirements.txt)

$(VENV)/.dev-installed: requirements-dev.txt | $(BIN)/python
	@$(call install,requirements-dev.txt)
	@touch $(VENV)/.run-installed

define install
echo "Installing $(1): about half a minute the first time, nothing once it is done"; \
options="install --quiet --require-hashes --no-compile --disable-pip-version-check --requirement $(1)"; \
if $(PYTHON) -m pip --version >/dev/null 2>&1; then $(PYTHON) -m pip --python $(BIN)/python $$options; \
else $(BIN)/python -m ensurepip --default-pip >/dev/null && $(BIN)/python -m pip $$options; fi && touch $@
endef
