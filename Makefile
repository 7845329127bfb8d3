# Each target is one command of ./pitstop: `make up ENV=local ARGS=--yes` is `./pitstop up --env local --yes`.
PYTHON ?= python3
PITSTOP = $(PYTHON) ./pitstop
ENV = local
OUT = out/$(ENV)
FAST = not cluster and not node and not tools and not rehearsal

.DEFAULT_GOAL := help
.PHONY: help up down stop status preview review diff-env pin policy env measure test test-fast check lock bench bench-azure timeline

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

up: ## bring everything up: tools, cluster, images, preview and update, measured split
	@$(PITSTOP) up --env $(ENV) $(ARGS)

down: ## remove everything `make up` made; nothing is left
	@$(PITSTOP) down --env $(ENV) $(ARGS)

stop: ## stop the local node, keep its state
	@$(PITSTOP) stop --env $(ENV) $(ARGS)

status: ## what runs, in which version
	@$(PITSTOP) status --env $(ENV) $(ARGS)

preview: ## what an update would change; without any cluster: the manifests
	@$(PITSTOP) preview --env $(ENV) $(ARGS)

diff-env: ## how two environments differ: make diff-env A=dev B=prod
	@$(PITSTOP) diff-env $(A) $(B)

pin: ENV = prod
pin: ## note the digest of every image in the stack file: make pin ENV=prod
	@$(PITSTOP) pin --env $(ENV)

policy: ## the policy pack over what the program registers; no cluster, no credentials
	@$(PITSTOP) policy --env $(ENV) $(ARGS)

review: ## what the comment of a pull request would say, and whether the change may pass
	@$(PITSTOP) review plan --stack $(ENV) --output $(OUT)
	@$(PITSTOP) policy --env $(ENV) --json > $(OUT)/policy.json || test $$? -eq 2
	@$(PITSTOP) review comment --stack $(ENV) --folder $(OUT) $(ARGS)
	@$(PITSTOP) review guard --stack $(ENV) --folder $(OUT) $(ARGS)

env: ## shell lines for a plain `pulumi`: eval "$$(make -s env)"
	@$(PITSTOP) env --env $(ENV) $(ARGS)

measure: ## measure the traffic split again
	@$(PITSTOP) measure --env $(ENV) $(ARGS)

check: ## lint, format, types
	@$(PITSTOP) run ruff check .
	@$(PITSTOP) run ruff format --check .
	@$(PITSTOP) run mypy

test-fast: ## the everyday tests; no cluster, no Go build
	@$(PITSTOP) run pytest -n auto -m "$(FAST)" $(ARGS)

test: ## every test; brings the environment up where needed
	@$(PITSTOP) run pytest -n auto -m "$(FAST)" $(ARGS)
	@$(PITSTOP) run pytest -m "not ($(FAST))" $(ARGS)

bench: ## times of each stage and the ratio to the engine's floor
	@$(PITSTOP) run python -m bench $(ARGS)

bench-azure: ## the program's share of a first preview of dev and prod, in rehearsal
	@$(PITSTOP) run python -m bench.azure $(ARGS)

timeline: ## what the last update waited for, as timeline.png
	@$(PITSTOP) run python -m bench.timeline --env $(ENV) $(ARGS)

lock: ## remake requirements*.txt from pyproject.toml
	@$(PITSTOP) run python -m ops.lock
