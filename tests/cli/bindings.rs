//! `swell bindings draft` and `prove`, as far as they go without a foreign server.

use crate::support::env::TestEnv;

#[test]
fn a_server_that_speaks_the_protocol_needs_no_draft() {
    let env = TestEnv::new();
    env.swell(&["bindings", "draft", "docker"]).refused(1, "draft::native").says("swell types docker");
    env.swell(&["bindings", "draft", "dokcer"]).refused(1, "server::unknown").says("docker");
}

#[test]
fn a_proof_needs_a_binding_a_server_and_a_yes() {
    let env = TestEnv::new();
    env.swell(&["bindings", "prove", "dokcer"]).refused(1, "binding::unknown").says("Did you mean `docker`?");
    env.swell(&["bindings", "prove", "docker"]).refused(1, "prove::no-server");
    env.swell(&["bindings", "prove", "docker", "--server", "aws"]).refused(1, "prove::not-fitting");
    env.swell(&["--read-only", "bindings", "prove", "docker"]).refused(1, "approval::read-only");
}
