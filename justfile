# One line each; `just` lists them.

_list:
    @just --list --unsorted

# everything that must hold: format, lints, all tests, dependencies
test *ARGS:
    ./test {{ ARGS }}

# format and lints only
lint:
    cargo fmt --all -- --check && cargo clippy --workspace --all-targets -- -D warnings

# servers for the tests, kept until `just stop`; then: eval "$(scripts/servers env)"
start:
    scripts/servers start && scripts/servers env

# stop them
stop:
    scripts/servers stop

# the quickstart; `just quickstart day2` for the next morning
quickstart DAY='day1':
    examples/quickstart/run {{ DAY }}

# licences, duplicates, advisories
deny:
    cargo deny check

# look at changed snapshots
review:
    cargo insta review

# whole runs beside what people would do without hydrant (`just bench --help`); scripts/peers installs other tools
bench *ARGS:
    cargo bench --bench sync -- {{ ARGS }}

# the documentation of the code, in a browser
doc:
    cargo doc --workspace --no-deps --open
