//! The conversation, on a real terminal and without one.

mod approving;

mod asking;

mod piping;

mod stopping;
