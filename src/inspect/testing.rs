//! A program over a temporary folder and the in-process sandbox, for tests of the read-only branch.
