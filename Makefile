# The commands of this repository. Each first lets scripts/setup install what is missing; it says nothing when
# nothing is.
#
#   make run        start the fleet service on a database of its own (or on DATABASE_URL) and with a broker of its own
#                   (or at FLEET_MQTT_URL); what a shell needs to use it is written to .env.fleet
#   make demo       sixty seconds beside a plain pool: freeze, kill and cut a private server and look on
#   make test       every test; FAIL_FAST=1 stops at the first failure
#   make test-all   the same on the installed PostgreSQL, and on those of 15, 17 and 18 that it is not
#   make soak       the long parts: a minute of what must not happen, memory over ten million calls of mixed size, sixty
#                   thousand transactions under cancels, 200 restarts under a listener, a minute of overload on the fleet,
#                   make contract, then many seeds (SEEDS=200 SEED=1: how many, from where), then the ledger's faults with a
#                   tenth as many
#   make chaos      a slow statement under every time limit in turn, from the lock to the proxy in front
#   make contract   whatever the fleet's description allows, and what it does not, asked of the fleet by schemathesis: no 500, and
#                   no answer that is not described; EXAMPLES=25 of each kind for each operation, SEED=1
#   make p0         the four tests of the database baseline, with what each one measured
#   make tick       every command of docs/checklists, against a service that it starts; ONLY=p0 takes one page
#   make check      format, lints, feature sets, documentation, licences, the manifests of Kubernetes
#   make ledger     what callers were told beside what is stored, under every fault, through Plimsoll, deadpool and sqlx:
#                   writes docs/ledger.md (SEEDS=20 SEED=1 ARGS=.., one way or one fault alone)
#   make bench      Plimsoll beside its peers
#   make bench-ab   the library of a commit beside the one that lies here: BASE=<commit> PAIRS=15
#   make docs       write what is generated: docs/settings.md, docs/errors.md, docs/metrics.md, docs/monitoring, the drawing
#                   and the tables of time limits, the tables of docs/api.md, and the variables in docs/guides/fleet.md
#   make dist       what operators install, in target/dist: the command `plimsoll`, its .deb, and the folder of its container image
#   make clean      remove what was built, the downloaded PostgreSQL versions included

SHELL := /bin/bash
CARGO ?= cargo

# The rest of a run still tells something after a failure, so it goes on unless told otherwise.
ifeq ($(FAIL_FAST),1)
NEXTEST_FLAGS := --fail-fast
ON_FAILURE := exit 1
else
NEXTEST_FLAGS := --no-fail-fast
ON_FAILURE := failed=1
endif

# A PgBouncer, promtool, nginx, browser, broker or client of Python that cannot be had here (scripts/setup said so) leaves its tests
# out by their name, and the run says so again at its end; in CI the set-up has failed by then. Asked by the shell, since make would ask before the
# set-up.
CHOOSE_TESTS := poolers=$$(scripts/setup poolers); promtool=$$(scripts/setup promtool); \
	nginx=$$(scripts/setup nginx); browser=$$(scripts/setup browser); broker=$$(scripts/setup broker); clients=$$(scripts/setup clients); tests='all()'; \
	catalogs=$$(ls /usr/share/locale/*/LC_MESSAGES/postgres-*.mo >/dev/null 2>&1 || echo missing); \
	if [ -n "$$catalogs" ]; then tests+=" and not test(/by_catalogs/)"; fi; \
	for version in $$poolers; do tests+=" and not test(/on_pgbouncer_$${version/./_}/)"; done; \
	if [ -n "$$promtool" ]; then tests+=" and not test(/by_promtool/)"; fi; \
	if [ -n "$$nginx" ]; then tests+=" and not test(/by_nginx/)"; fi; \
	if [ -n "$$browser" ]; then tests+=" and not binary(browser)"; fi; \
	if [ -n "$$broker" ]; then tests+=" and not test(/by_mosquitto/)"; fi; \
	if [ -n "$$clients" ]; then tests+=" and not test(/by_python/)"; fi
TELL_WHAT_DID_NOT_RUN := for version in $$poolers; do \
	echo "NOT RUN: the tests on PgBouncer $$version, which cannot be had here; nextest counts them as skipped"; done; \
	if [ -n "$$promtool" ]; then \
	echo "NOT RUN: the tests of alert rules by promtool, which cannot be had here; nextest counts them as skipped"; fi; \
	if [ -n "$$nginx" ]; then \
	echo "NOT RUN: the tests through nginx, which cannot be had here; nextest counts them as skipped"; fi; \
	if [ -n "$$browser" ]; then \
	echo "NOT RUN: the tests of the dashboard in a browser, which cannot be had here; nextest counts them as skipped"; fi; \
	if [ -n "$$broker" ]; then \
	echo "NOT RUN: the tests of MQTT through Mosquitto, which cannot be had here; nextest counts them as skipped"; fi; \
	if [ -n "$$catalogs" ]; then \
	echo "NOT RUN: the tests of the server's translations, which are not installed here; nextest counts them as skipped"; fi; \
	if [ -n "$$clients" ]; then \
	echo "NOT RUN: the tests of Python's clients, which cannot be had here; nextest counts them as skipped"; fi

# What all tests of the last run have printed holds none of the passwords that were planted.
NO_SECRET_WAS_PRINTED := scripts/planted target/nextest/default/junit.xml

# Loom replaces the primitives under the pool, so these tests are another build in a folder of their own.
LOOM_TESTS := $(wildcard crates/plimsoll/tests/loom*.rs)

.DEFAULT_GOAL := test
.PHONY: run demo test test-all soak ledger chaos contract p0 tick check bench bench-ab docs dist clean

# Without -p, both programs are built with the features that all crates together ask of their libraries. With -p each would
# ask for its own, and one would build anew what the other has built. `run` builds the second program along, which takes the
# core that would be idle while the first one is compiled; `demo` then starts at once.
run:
	@scripts/setup run
	$(CARGO) build --bin fleet --bin plimsoll
	@$(CARGO) run --quiet --bin fleet

# It brings its own server whatever DATABASE_URL says. ARGS="--for 90s" and the like are the command's own.
demo:
	@env -u DATABASE_URL scripts/setup run
	$(CARGO) run --bin plimsoll -- demo $(ARGS)

test:
	@scripts/setup test
	@failed=0; $(CHOOSE_TESTS); \
	( set -x; $(CARGO) nextest run --workspace --exclude bench $(NEXTEST_FLAGS) -E "$$tests" ) || $(ON_FAILURE); \
	$(NO_SECRET_WAS_PRINTED) || $(ON_FAILURE); \
	( set -x; $(CARGO) test --doc --workspace --exclude bench ) || $(ON_FAILURE); \
	if [ -n "$(LOOM_TESTS)" ]; then \
		( set -x; RUSTFLAGS="--cfg plimsoll_loom" \
			$(CARGO) test -p plimsoll --test 'loom*' --release --target-dir target/loom ) || $(ON_FAILURE); \
	fi; \
	$(TELL_WHAT_DID_NOT_RUN); \
	exit $$failed

# The first run takes whatever is installed (or PLIMSOLL_PG_BIN).
test-all:
	@scripts/setup test-all
	@failed=0; $(CHOOSE_TESTS); \
	echo "== the installed PostgreSQL"; \
	$(MAKE) --no-print-directory test || $(ON_FAILURE); \
	for version in $$(scripts/setup versions); do \
		echo "== PostgreSQL $$version"; \
		( set -x; PLIMSOLL_PG_BIN="$(CURDIR)/target/postgres/$$version/bin" \
			$(CARGO) nextest run --workspace --exclude bench $(NEXTEST_FLAGS) -E "$$tests" ) || $(ON_FAILURE); \
		$(NO_SECRET_WAS_PRINTED) || $(ON_FAILURE); \
	done; \
	$(TELL_WHAT_DID_NOT_RUN); \
	exit $$failed

# A seed that fails is printed with what it played; SEED=that SEEDS=1 plays it again.
SEEDS ?= 200
SEED ?= 1
soak:
	@scripts/setup test
	PLIMSOLL_SECONDS=60 $(CARGO) nextest run -p plimsoll --no-fail-fast \
		--test promises a_frozen_server_is_seen_within_a_second a_storm_of_cancels_leaves_no_statement_behind \
		random_cancels_and_kills_are_no_outage
	PLIMSOLL_RECORDS=10000000 PLIMSOLL_STATEMENTS=500000 $(CARGO) test -p plimsoll --test promises -- --nocapture \
		the_monitor_takes_the_same_memory_for_any_load
	PLIMSOLL_CALLS=10000000 $(CARGO) test -p plimsoll --test promises -- --nocapture \
		memory_stays_flat_over_calls_of_mixed_size
	PLIMSOLL_SOAK=1 $(CARGO) test -p plimsoll --test promises no_statement_outruns_its_begin -- --nocapture
	PLIMSOLL_RESTARTS=200 $(CARGO) nextest run -p plimsoll --no-fail-fast --test promises \
		a_listener_misses_nothing_without_a_gap
	PLIMSOLL_SECONDS=60 $(CARGO) nextest run -p fleet --no-fail-fast --success-output final --test promises \
		under_overload_it_works_at_its_capacity
	PLIMSOLL_READINGS=5000000 $(CARGO) nextest run -p fleet --test promises hot_paths_are_answered_by_indexes
	$(MAKE) --no-print-directory contract
	PLIMSOLL_SEEDS=$(SEEDS) PLIMSOLL_SEED=$(SEED) $(CARGO) test -p plimsoll --test promises -- --nocapture \
		--test-threads=1 a_shutdown_at_any_moment_loses_nothing nothing_acknowledged_is_lost_or_doubled
	$(CARGO) run --release -p ledger -- --ours --seed $(SEED) --seeds $$(( ($(SEEDS) + 9) / 10 ))

# Every fault, five or SEEDS= times, each through all lanes at once. With ARGS the page is printed and not written.
ledger: SEEDS = 5
ledger:
	@scripts/setup test
	$(CARGO) run --release -p ledger --features peers -- --seed $(SEED) --seeds $(SEEDS) \
		$(if $(ARGS),$(ARGS),--write docs/ledger.md)

# What it runs is part of `make test` too.
chaos:
	@scripts/setup test
	@failed=0; $(CHOOSE_TESTS); \
	( set -x; $(CARGO) nextest run -p plimsoll-http --no-fail-fast -E "($$tests) and test(/^limits::/)" ) || failed=1; \
	$(TELL_WHAT_DID_NOT_RUN); \
	exit $$failed

# The program comes from PyPI. Where it cannot be had, that is said; in CI the set-up has failed by then.
EXAMPLES ?= 25
contract:
	@scripts/setup contract
	@if [ -n "$${PLIMSOLL_SCHEMATHESIS:-}" ] || [ -x target/schemathesis/bin/schemathesis ]; then ( set -x; \
		PLIMSOLL_EXAMPLES=$(EXAMPLES) PLIMSOLL_SEED=$(SEED) $(CARGO) nextest run -p fleet --test promises --no-capture \
			--run-ignored only no_request_is_answered_otherwise_than_described ) || exit 1; \
	else echo "NOT RUN: the service beside its description, for want of schemathesis"; fi

p0:
	@scripts/setup run
	$(CARGO) test -p plimsoll --test p0 -- --nocapture

# It brings its own database whatever the environment says.
tick:
	@env -u DATABASE_URL scripts/setup test
	$(CARGO) build --quiet --bins
	env -u TEST_DATABASE_URL $(CARGO) run --quiet --bin tick $(if $(ONLY),-- $(ONLY))

check:
	@scripts/setup check
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy -p ledger --features peers --all-targets -- -D warnings
	$(CARGO) check -p plimsoll --no-default-features
	$(CARGO) check -p plimsoll --no-default-features --features tls
	$(CARGO) check -p plimsoll --no-default-features --features metrics
	$(CARGO) check -p plimsoll --no-default-features --features otlp
	$(CARGO) check -p content -p exploit-intel -p sales-agent --no-default-features
	$(CARGO) check -p plimsoll --no-default-features --features openapi
	$(CARGO) check -p plimsoll-http
	$(CARGO) check -p plimsoll-http --features otlp
	$(CARGO) check -p plimsoll-http --features task-dumps
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps
	$(CARGO) deny check bans licenses sources
	@if [ -x target/kubernetes-validate/bin/kubernetes-validate ]; then ( set -x; \
		target/kubernetes-validate/bin/kubernetes-validate --strict --quiet deploy/kubernetes/*.yaml ) || exit 1; \
	else echo "NOT RUN: the check of deploy/kubernetes, whose program cannot be had here"; fi

# PgBouncer takes part, which only the tests' set-up brings. ARGS="query --json" runs less, and prints otherwise.
bench:
	@scripts/setup test
	$(CARGO) run --release -p bench -- $(ARGS)

# What a call costs, old and new in turn on one server. It fails when one has become dearer by more than the spread, or
# when too little of the bare driver's or of the best peer's throughput is left.
PAIRS ?= 15
bench-ab:
	@scripts/setup test
	@CARGO="$(CARGO)" scripts/bench-ab "$(BASE)" "$(PAIRS)"

docs:
	@scripts/setup check
	PLIMSOLL_BLESS=1 $(CARGO) test --quiet -p plimsoll --test promises -- \
		settings_reference_is_the_table error_reference_is_the_table metrics_reference_is_the_table
	PLIMSOLL_BLESS=1 $(CARGO) test --quiet -p plimsoll-http --lib -- reference::the_
	PLIMSOLL_BLESS=1 $(CARGO) test --quiet -p plimsoll-http --test promises -- the_table_of_strikes_is_what_is_played
	PLIMSOLL_BLESS=1 $(CARGO) test --quiet -p plimsoll-inspect --test promises -- the_page_in_the_repository
	PLIMSOLL_BLESS=1 $(CARGO) test --quiet -p fleet --test promises -- with_every_variable_in_the_guide

dist:
	@scripts/setup check
	CARGO="$(CARGO)" scripts/dist

clean:
	$(CARGO) clean
	rm -rf target
