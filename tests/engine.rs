//! The engine against the sandbox, in one process: every test ends with the same two checks (the journal verifies, planning again
//! keeps everything), unless it says why not.

mod any_fault_leaves_a_valid_snapshot;
mod approval_is_bound;
mod create_update_replace_delete;
mod failed_step_skips_only_dependents;
mod holds_and_waves;
mod references;
mod secrets_stay_secret;
mod support;
mod unknown_is_settled;
