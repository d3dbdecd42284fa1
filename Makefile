# What can be done with this checkout. `make` alone lists it.
# Everything heavy runs as nice as possible: a laptop stays usable while the tests run.

.DEFAULT_GOAL := help
# Where rustup puts cargo when `make deps` has just installed it.
export PATH := $(HOME)/.cargo/bin:$(PATH)
.PHONY: help deps build test fmt lint unit gates it demo conformance connects bench bench-database sysbench fuzz clean-lab

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install what is missing (Debian 12 or 13): a compiler, Rust, MariaDB, PHP, the drivers that are tested
	@scripts/install-deps.sh

build: ## build the release binary: target/release/pointsman
	cargo build --release -p pointsman-proxy --bin pointsman

test: ## install what is missing, then format, lints, unit tests, gates and integration tests (what CI runs)
	@scripts/install-deps.sh
	@scripts/test.sh fmt lint unit gates it

fmt: ## check the format only
	@scripts/test.sh fmt

lint: ## clippy only, warnings are errors
	@scripts/test.sh lint

unit: ## unit tests only
	@scripts/test.sh unit

gates: ## what a query costs, counted: instructions, system calls, allocations, memory (benches/budgets.toml)
	@scripts/test.sh gates

it: ## integration tests only; T=name runs those whose name contains it
	@scripts/test.sh it $(T)

demo: ## real servers, Pointsman and a PHP site; prints where each statement went (DEMO_ONCE=1: then exits)
	@scripts/install-deps.sh demo
	@echo "building Pointsman (some minutes at the first time)"
	@cargo build -p pointsman-proxy --bin pointsman
	@cargo build -p pointsman-tests --bin demo
	@cargo run --quiet -p pointsman-tests --bin demo

conformance: ## MariaDB's own test files, directly and through Pointsman (half an hour); MODE=ps, cursor or switch; T=names of files
	@scripts/install-deps.sh
	@cargo build --quiet -p pointsman-proxy --bin pointsman
	@python3 scripts/conformance.py --mode $(or $(MODE),text) $(T)

connects: ## 2,000 connects a second for 30 s (POINTSMAN_CONNECT_SECONDS), to a release binary: nothing wrong, nothing left behind
	@scripts/install-deps.sh
	cargo build --release -p pointsman-proxy --bin pointsman
	POINTSMAN_BIN=$(CURDIR)/target/release/pointsman POINTSMAN_CONNECT_SECONDS=$${POINTSMAN_CONNECT_SECONDS:-30} \
		cargo test -p pointsman-tests --test it -- --show-output two_thousand_connects_a_second

bench: ## CPU per query against HAProxy as a TCP relay, in alternating pairs (Debian package haproxy; a quarter of an hour)
	@command -v haproxy >/dev/null || { echo "make bench needs haproxy: apt-get install haproxy" >&2; exit 1; }
	cargo build --release -p pointsman-proxy --bin pointsman
	cargo build --release -p pointsman-benches --bins
	target/release/compare --chart target/bench.svg

bench-database: ## before real servers: connect + query + close against a direct one, OLTP transactions against HAProxy (haproxy, sysbench; ten minutes)
	@command -v haproxy >/dev/null && command -v sysbench >/dev/null || { echo "make bench-database needs haproxy and sysbench: apt-get install haproxy sysbench" >&2; exit 1; }
	cargo build --release -p pointsman-proxy --bin pointsman
	cargo build --release -p pointsman-benches --bin database
	POINTSMAN_BIN=$(CURDIR)/target/release/pointsman target/release/database

sysbench: ## sysbench's OLTP workloads through Pointsman, 60 s each (Debian package sysbench; ten minutes)
	@command -v sysbench >/dev/null || { echo "make sysbench needs sysbench: apt-get install sysbench" >&2; exit 1; }
	cargo build --release -p pointsman-proxy --bin pointsman
	POINTSMAN_BIN=$(CURDIR)/target/release/pointsman cargo run -p pointsman-benches --bin sysbench -- --direct

fuzz: ## fuzz every decoder and the planner, FUZZ_SECONDS (30) for each target; T=names of targets (needs rustup, installs cargo-fuzz)
	@scripts/fuzz.sh $(T)

clean-lab: ## remove cached servers and templates (.cache)
	@scripts/clean-lab.sh
