# The commands of the project. All of them install what they need first, from the committed lock.

UV_VERSION := 0.13.9
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --frozen --no-sync
# A tool's own command, with the variables of the retailer in use.
HERE := $(RUN) python -m resources.home

.PHONY: demo test spark chart ui mlflow check audit format benchmarks docs install clean
.DEFAULT_GOAL := help

help:  ## This list.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: install  ## One night on real data: ingest eleven months, train, judge, promote, score.
	@$(RUN) nightcart demo

# What is compiled is kept, whatever the machine does otherwise: a hundred processes of the tests would compile it anew.
test: install  ## The whole test suite.
	@PYTHONDONTWRITEBYTECODE= $(RUN) pytest

spark: install  ## PySpark beside the rest (half a gigabyte; needs Java 17), and a night on it that equals DuckDB's.
	@$(UV) sync --locked --quiet --extra spark
	@PYTHONDONTWRITEBYTECODE= $(RUN) pytest -n 0 tests/orchestration/test_spark_night.py

chart: install  ## Dagster's Helm chart with deploy/values.yaml, beside deploy/base: CHART=dagster-1.13.27.tgz (or its folder).
	@test -n "$(CHART)" || { echo "Name the chart: \`make chart CHART=dagster-1.13.27.tgz\`, as \`helm pull dagster/dagster\` has fetched it."; exit 2; }
	@$(UV) sync --locked --quiet --group chart
	@CHART="$(CHART)" $(RUN) pytest -n 0 tests/deploy/rendered_chart.py

ui: install  ## Web server and daemon on port 3000, with the schedule running; opened by the link that it prints.
	@$(RUN) nightcart ui

mlflow: install  ## MLflow's own UI on http://localhost:5000, on the same database.
	@$(HERE) mlflow server --host 127.0.0.1 --port 5000 --workers 1 --x-frame-options DENY \
		--allowed-hosts localhost:5000,127.0.0.1:5000 --cors-allowed-origins http://localhost:5000,http://127.0.0.1:5000

check: install  ## Lint, format, types, import contracts, dependencies, definitions.
	@$(RUN) ruff check
	@$(RUN) ruff format --check
	@$(RUN) pyright
	@$(RUN) lint-imports
	@$(RUN) deptry .
	@$(RUN) dg check defs

# Of no other target, since it needs the network: 1 is a weakness, anything else above 0 is that nobody could be asked.
audit: | $(UV)  ## Known weaknesses of what is locked, asked of osv.dev.
	@$(UV) audit --frozen --preview-features audit || { code=$$?; \
		test $$code -eq 1 || echo "Not audited: the service could not be asked. Run it again where https://api.osv.dev is reached."; exit $$code; }

format: install  ## Put the code into its format.
	@$(RUN) ruff check --fix
	@$(RUN) ruff format

benchmarks: install  ## The three ratios: import cost, what a look costs, and the night through Dagster against a bare script.
	@$(RUN) python benchmarks/import_cost.py
	@$(RUN) python benchmarks/looking.py
	@$(RUN) python benchmarks/night_overhead.py

docs: install  ## The documentation site, into site/; a broken link is an error.
	@NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --strict --quiet

install: .venv/.installed

.venv/.installed: uv.lock pyproject.toml | $(UV)
	@$(UV) sync --locked --quiet
	@$(HERE)
	@touch $@

# uv, where the machine has none: into .tools/, by the Python that is there.
.tools/bin/uv:
	@echo "Installing uv $(UV_VERSION) into .tools/"
	@python3 -m venv .tools 2>/dev/null && .tools/bin/python -m pip install --quiet uv==$(UV_VERSION) \
		|| { rm -rf .tools && python3 -m pip install --quiet --target .tools uv==$(UV_VERSION); }

clean:  ## Remove the environment; the state in .nightcart stays.
	rm -rf .venv .tools
