//! `swell watch` and `swell wait` as a person and a script use them.

use crate::support::{
    env::{SWELL, TestEnv, YES},
    watching::{Watching, signal},
};

const SHOP: &str = r#"{"name": "shop", "resources": [
    {"server": "docker", "type": "container:run", "name": "db", "properties": {"image": "redis:7"}},
    {"server": "docker", "type": "container:run", "name": "web", "properties": {"image": "redis:7", "memory": "64m"}}]}"#;

/// Docker as a program of its own, which starts only while the file `up` is there and writes its process id to `pid`.
fn with_program() -> TestEnv {
    let env = TestEnv::new();
    let script =
        env.write("docker.sh", format!("test -e up || exit 7\necho $$ > pid.new\nmv pid.new pid\nexec {SWELL:?} sandbox serve docker\n"));
    env.write("up", "");
    let place = env.work();
    env.configure(&format!("[servers.docker]\ncommand = \"sh\"\nargs = [{:?}]\ncwd = {:?}\n", script, place));
    env.write("shop.json", SHOP);
    env.swell_all(&[&["apply", "-f", "shop.json"], &YES]).ok();
    env
}

#[test]
fn a_server_that_is_away_is_said_once_and_once_when_it_is_back() {
    let env = with_program();
    let mut watching = Watching::start(&env, &["--interval", "200ms"]);
    watching.looked();
    env.swell(&["sandbox", "poke", "docker:container:run:web", "set", "memory=32m"]).ok();
    watching.until(Watching::is("drift", false));

    std::fs::remove_file(env.work().join("up")).unwrap();
    signal(env.read("pid").trim().parse().unwrap(), "KILL");
    let away = watching.until(Watching::is("server", false));
    assert!(away.last().unwrap()["text"].as_str().unwrap().contains("does not answer"), "{away:#?}");
    // What changes meanwhile is told when it is back.
    env.swell(&["sandbox", "poke", "docker:container:run:db", "kill"]).ok();
    env.write("up", "");
    let back = watching.until(Watching::is("server", true));
    assert_eq!(back.iter().filter(|e| e["event"] == "watched").count(), 1, "{back:#?}");
    watching.until(Watching::is("health", false));

    let (rest, code) = watching.interrupt();
    let end = &rest.last().unwrap()["data"];
    assert_eq!((code, end["kinds"]["server"].as_u64()), (0, Some(2)), "{rest:#?}");
    assert_eq!(end["not_as_recorded"]["shop"].as_array().unwrap().len(), 2);
    let _ = env.sound();
}

#[test]
fn a_program_that_is_killed_and_starts_again_is_watched_on() {
    let env = with_program();
    let mut watching = Watching::start(&env, &["--interval", "200ms"]);
    watching.looked();
    env.swell(&["sandbox", "poke", "docker:container:run:web", "set", "memory=32m"]).ok();
    watching.until(Watching::is("drift", false));
    signal(env.read("pid").trim().parse().unwrap(), "KILL");
    env.swell(&["sandbox", "poke", "docker:container:run:web", "set", "memory=64m"]).ok();
    watching.until(Watching::is("drift", true));
    let (_, code) = watching.interrupt();
    assert_eq!(code, 0);
}

#[test]
fn one_look_is_for_scripts() {
    let env = TestEnv::new();
    env.write("shop.json", SHOP);
    env.swell(&["watch", "--once"]).ok().prints("nothing to watch");
    env.swell_all(&[&["apply", "-f", "shop.json"], &YES]).ok();
    env.swell(&["watch", "--once", "--exit-code"]).ok().prints("Watched 2 resources on 1 server");
    env.swell(&["sandbox", "poke", "docker:container:run:db", "kill"]).ok();
    let ran = env.swell(&["watch", "shop", "--once", "--exit-code"]).code(4);
    assert!(ran.stdout.contains("health") && ran.stdout.contains("swell plan shop"), "{}", *ran);
    env.swell(&["show", "shop"]).ok().prints("not as recorded, as seen").prints("(watch)");
    env.swell(&["watch", "shop", "--interval", "soon"]).refused(2, "usage");
    env.swell(&["watch", "nowhere"]).refused(1, "deployment::not-found");
}

#[test]
fn waiting_for_one_or_for_all() {
    let env = TestEnv::new();
    env.write("shop.json", SHOP);
    env.swell_all(&[&["apply", "-f", "shop.json"], &YES]).ok();
    env.swell(&["wait", "shop", "--for", "healthy", "--timeout", "20s"]).ok().prints("2 resources are healthy");
    env.swell(&["wait", "docker:container:run:db"]).ok().prints("is ready");
    env.swell(&["sandbox", "poke", "docker:container:run:db", "kill"]).ok();
    env.swell(&["wait", "docker:container:run:db", "--for", "healthy", "--timeout", "300ms"]).refused(1, "wait::timeout").says("137");
    env.swell(&["wait", "docker:container:run:db", "--for", "gone", "--timeout", "300ms"]).refused(1, "wait::timeout").says("still there");

    // It ends when what it waits for comes.
    let waiting = env.start(&["wait", "docker:container:run:db", "--for", "gone", "--timeout", "60s"]);
    env.swell(&["sandbox", "poke", "docker:container:run:db", "delete"]).ok();
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
