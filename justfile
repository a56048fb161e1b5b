# What a contributor runs by hand. `.ci/run` is what the gate runs.

# List the recipes.
default:
    @just --list

# Put every file into the one form.
fmt:
    cargo fmt

# What a compiler can find: form, lints, broken links in the documentation.
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# All tests, or those whose name has FILTER in it.
test FILTER="":
    cargo test {{FILTER}}

# Take the new form of every snapshot; read the difference before a commit.
record FILTER="":
    INSTA_UPDATE=always cargo test {{FILTER}}
    git diff --stat -- '*.snap'

# The offline evals against the committed baseline.
eval:
    cargo run -- eval run --baseline evals/baseline.json

# The tests that the patterns bring along.
patterns:
    cargo run -- patterns test

# Licences, advisories, and what may be depended upon.
deny:
    cargo deny check

# Time what should be fast.
bench:
    cargo bench

# Everything that the gate runs.
ci:
    .ci/run
