//! WordPress with high availability on a real Docker engine, from a sentence: it answers, survives the loss of a container that nobody told
//! Swell about, is diagnosed, repaired, scaled, and goes without a trace.

use std::collections::BTreeSet;

use super::{
    engine::{Engine, free_port, http, until},
    support::{home_with, lab_server, lab_variable},
};

const HOST: &str = "labblog.example.org";

/// Fills in the form of the first visit.
fn install(port: u16) {
    let page = until(120, || http(port, HOST, "GET", "/wp-admin/install.php", ""), |a| a.status == 200);
    assert!(page.body.contains("WordPress"), "{page:?}");
    let form = "weblog_title=Lab&user_name=ada&admin_password=correct-horse-9&admin_password2=correct-horse-9&pw_weak=on\
                &admin_email=ada%40example.org&blog_public=0&Submit=Install";
    let done = http(port, HOST, "POST", "/wp-admin/install.php?step=2", form);
    assert_eq!(done.status, 200, "{done:?}");
}

/// Which containers answer the front page; every answer must be a 200.
fn answering(port: u16) -> BTreeSet<String> {
    (0..12)
        .map(|_| {
            let page = http(port, HOST, "GET", "/", "");
            assert_eq!(page.status, 200, "{page:?}");
            page.header("x-backend").unwrap_or_default().to_owned()
        })
        .collect()
}

fn deploys_survives_and_goes(server: &str) {
    let Some(docker) = lab_server(server, &["SWELL_LAB_DOCKER", "SWELL_LAB_WORDPRESS"]) else { return };
    let engine = Engine::at(&lab_variable("SWELL_LAB_DOCKER").unwrap());
    assert_eq!(engine.names("labblog"), [""; 0], "another run left these behind, or is at work");
    let env = home_with(&[("docker", &docker)]);
    let port = free_port();

    let request = format!("deploy WordPress with HA on {HOST}, http port {port}");
    env.swell(&["-p", &request]).any_code().prints("can put a container on one network only");
    assert_eq!(engine.names("labblog"), [""; 0], "a request without approval changed something");
    env.swell(&["-p", &request, "--yes", "--max-destroy", "0"]).ok().says("labblog-web-2");
    env.settled("labblog");

    install(port);
    assert_eq!(answering(port).len(), 2, "both answer");

    engine.kill("labblog-web-2");
    assert_eq!(answering(port).len(), 1, "the other one answers alone, and nobody who asks is told of it");
    env.swell(&["drift", "labblog", "--exit-code"]).code(4).prints("labblog-web-2");
    env.swell(&["-p", "why is the labblog unhealthy?"]).any_code().prints("docker:container:run:labblog-web-2 has failed");
    env.swell(&["apply", "labblog", "--yes", "--max-destroy", "1"]).ok();
    env.settled("labblog");
    until(60, || answering(port).len(), |n| *n == 2);

    env.swell(&["-p", "scale the web tier to 3", "--yes", "--max-destroy", "1"]).ok();
    until(60, || answering(port).len(), |n| *n == 3);
    env.settled("labblog");

    env.swell(&["destroy", "labblog", "--yes", "--max-destroy", "99"]).ok();
    assert_eq!(engine.names("labblog"), [""; 0]);
    assert_eq!(env.resources("labblog"), [""; 0]);
}

#[test]
fn wordpress_survives_the_loss_of_a_container_and_leaves_no_trace() {
    deploys_survives_and_goes("docker-ckreiling");
}
