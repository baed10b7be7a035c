# The commands of FastTask, the same for people and for CI. `make help` lists them.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# What stands in the lock files is installed; each is touched when that is done.
INSTALLED := $(VENV)/.installed
TESTS_INSTALLED := $(VENV)/.tests-installed
INSTALL := -m pip install --quiet --disable-pip-version-check --no-input --require-hashes
PIP := $(RUN) $(INSTALL)
# What FastTask is compared with has an environment of its own.
PEERS := .venv-bench
PEERS_INSTALLED := $(PEERS)/.installed

.DEFAULT_GOAL := help
.PHONY: help up up-single up-master up-worker down status logs dead-letters user token tokens \
	token-revoke passwords-hash test check bench bench-growth chaos clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(INSTALLED) ## start a node of NODE_TYPE (default single_node), wait until it works, show it
	@$(RUN) -m deploy up

up-single: export NODE_TYPE = single_node
up-single: up ## the same: queue server, API and worker on this machine

up-master: export NODE_TYPE = distributed_master
up-master: up ## the same: queue server and API of a cluster; tells what its workers need

up-worker: export NODE_TYPE = distributed_worker
up-worker: up ## the same: a worker that connects to a master

down: $(INSTALLED) ## stop the node of this FILES_DIR; running jobs are handed back
	@$(RUN) -m deploy down

status: $(INSTALLED) ## show the node's processes and addresses
	@$(RUN) -m deploy status

logs: $(INSTALLED) ## follow the node's logs
	@$(RUN) -m deploy logs

# What is typed is handed on in the environment as it is: make would take a $ in it for a variable of
# its own, and `make user NAME='joe$x'` change the user joe.
define handed_on_as_typed
override $1 := $$(value $1)
export $1
endef
TYPED := $(foreach name,NAME TASKS USER DAYS TOKEN REPLAY,$(if $(filter command,$(origin $(name))),$(name)))
$(foreach name,$(TYPED),$(eval $(call handed_on_as_typed,$(name))))

dead-letters: $(INSTALLED) ## show the jobs that could not be run; REPLAY=ID runs one again
	@$(RUN) -m deploy dead-letters $(if $(REPLAY),--replay "$$REPLAY")

user: $(INSTALLED) ## make or change a user: NAME=... [TASKS=get_*,...] [ADMIN=1]; asks for the password; REMOVE=1 removes him
	@$(if $(filter NAME,$(TYPED)),,echo "name the user: make user NAME=..."; exit 1;) \
		$(RUN) -m deploy user $(if $(TASKS),--tasks "$$TASKS") $(if $(filter 1 yes true True,$(ADMIN)),--admin) \
		$(if $(filter 1 yes true True,$(REMOVE)),--remove) -- "$$NAME"

token: $(INSTALLED) ## make an API token and show it, once: USER=... [DAYS=...]
	@$(if $(filter USER,$(TYPED)),,echo "name the user: make token USER=..."; exit 1;) \
		$(RUN) -m deploy token $(if $(DAYS),--days "$$DAYS") -- "$$USER"

tokens: $(INSTALLED) ## list the API tokens, without what is secret: [USER=...]
	@$(RUN) -m deploy tokens $(if $(filter USER,$(TYPED)),-- "$$USER")

token-revoke: $(INSTALLED) ## take an API token back: TOKEN=... as `make tokens` lists it
	@$(if $(filter TOKEN,$(TYPED)),,echo "name the token: make token-revoke TOKEN=...; they are listed by: make tokens"; exit 1;) \
		$(RUN) -m deploy token-revoke -- "$$TOKEN"

passwords-hash: $(INSTALLED) ## put hashes in place of the plain passwords of the users file
	@$(RUN) -m deploy passwords-hash

# A third of the time is waiting, so three files of tests run side by side on two cores. They are begun
# in the order of the folders: what takes longest comes first, and hundreds of short ones fill up the
# end.
test: $(TESTS_INSTALLED) ## run all tests, with real queue servers and processes
	@$(RUN) -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check: $(TESTS_INSTALLED) ## check format, lint, types and architecture
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy
	@$(RUN) -m pytest tests/architecture

bench: $(TESTS_INSTALLED) $(PEERS_INSTALLED) ## compare with other task queues, write tests/bench/RESULTS.md; ONLY="backlog huey" for some
	@$(RUN) -m tests.bench $(ONLY)

bench-growth: $(TESTS_INSTALLED) $(PEERS_INSTALLED) ## measure cost as work grows and at rest, write tests/bench/GROWTH.md
	@$(RUN) -m tests.bench.growth $(ONLY)

chaos: $(TESTS_INSTALLED) ## inject faults for CHAOS_MINUTES (20) and write tests/chaos/RESULTS.md
	@$(RUN) -m tests.chaos

clean: ## remove the environment and all caches; FILES_DIR stays
	@[ ! -e $(INSTALLED) ] || { said=$$($(RUN) -m deploy status 2>&1); case $$? in 3) ;; \
		0) echo "A node runs from here; stop it first: make down"; exit 1;; \
		*) echo "$$said"; echo "So it is not known whether a node runs from here. If none does:" \
			"rm $(INSTALLED) && make clean"; exit 1;; esac; }
	@rm -rf $(VENV) $(PEERS) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find app config deploy tasks tests workers -name __pycache__ -type d -prune \
		-exec rm -rf {} + 2>/dev/null || true

$(RUN):
	@command -v $(PYTHON) >/dev/null || { \
		echo "There is no $(PYTHON); install Python 3.11 or newer, or name it: make PYTHON=..."; \
		exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "FastTask needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
			"name another one: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments; on Debian: apt install python3-venv"; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements.lock | $(RUN)
	@echo "installing FastTask into $(VENV), once; this takes about a minute"
	@[ -s $(VENV)/bin/activate ] || $(PYTHON) -m venv --clear $(VENV)  # else its making broke off
	@$(PIP) -r requirements.lock
	@$(RUN) -m compileall -q app config deploy workers || true  # where that cannot be kept
	@touch $@

$(TESTS_INSTALLED): tests/requirements.lock $(INSTALLED) | $(RUN)
	@echo "installing what the tests need into $(VENV), once"
	@$(PIP) -r tests/requirements.lock
	@touch $@

$(PEERS_INSTALLED): tests/bench/requirements.lock | $(RUN)
	@echo "installing what FastTask is compared with into $(PEERS), once"
	@$(RUN) -m venv $(PEERS)
	@$(PEERS)/bin/python $(INSTALL) -r tests/bench/requirements.lock
	@touch $@
