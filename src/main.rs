//! The `swell` binary: parse, build the app, dispatch, exit.

fn main() {}
