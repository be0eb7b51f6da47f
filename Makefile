# The everyday commands. Each makes the environment first where it needs one.
.PHONY: setup play test drill bench lint clean system extras
BIN := .venv/bin
# What a program was compiled to is kept, whatever this machine's own setting: the tests start thousands of them.
export PYTHONDONTWRITEBYTECODE :=

setup:
	@scripts/setup.sh

# The main job: trains the hero of the realm in this folder.
play: setup
	@$(BIN)/realm --realm . play

test: setup system extras lint
	@$(BIN)/pytest -q -n 3 --dist worksteal

# The long forms of the tests.
drill: setup system extras
	@$(BIN)/pytest -q -m drill

bench: setup
	@for name in board snapshot start inspection gap evals oracle tavern vault weaver train learn sparring skills; do $(BIN)/python benchmarks/$$name.py || exit 1; done

lint: setup
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet --output-format concise
	@$(BIN)/mypy --no-error-summary
	@said=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$said"; exit 1; }

system:
	@scripts/system.sh

extras: system
	@scripts/extras.sh

# What builds, checks and tests leave; neither the environment nor anything of the realm.
clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
