//! Every command that only shows something: it works, and it changes nothing.

use crate::support::env::TestEnv;

#[test]
fn every_picture() {
    let env = TestEnv::with_blog();
    for (format, begins) in [("text", ""), ("mermaid", "---"), ("dot", "digraph"), ("svg", "<svg"), ("html", "<!doctype html>")] {
        let ran = env.swell(&["graph", "blog", "--format", format]).ok();
        assert!(ran.stdout.to_lowercase().starts_with(begins), "{format}: {}", ran.stdout.chars().take(40).collect::<String>());
        assert!(ran.stdout.contains("blog-web-1"), "{format}");
        assert!(!ran.stdout.contains("http://") || ran.stdout.contains("http://www.w3.org"), "{format} is self-contained");
    }
    for (file, begins) in [("a.svg", "<svg"), ("a.html", "<!doctype html>"), ("a.dot", "digraph"), ("a.mmd", "---")] {
        env.swell(&["graph", "blog", "-o", file]).ok();
        assert!(env.read(file).to_lowercase().starts_with(begins), "{file}");
    }
}

#[test]
#[cfg(unix)]
fn a_picture_can_be_read_by_others() {
    use std::os::unix::fs::PermissionsExt;
    let env = TestEnv::with_blog();
    env.swell(&["graph", "blog", "-o", "a.svg"]).ok();
    let mode = std::fs::metadata(env.work().join("a.svg")).unwrap().permissions().mode();
    assert_eq!(mode & 0o444, 0o444, "{mode:o}");
}

#[test]
fn everything_that_only_shows() {
    let env = TestEnv::with_blog();
    let world = env.world();
    let entries = env.sound();
    for (args, word) in [
        (&["show"][..], "blog"),
        (&["show", "blog"], "21 resources"),
        (&["show", "blog", "--snapshot", "1"], "snapshot 1"),
        (&["show", "docker:container:run:blog-db-1"], "mariadb"),
        (&["outputs"], "https://blog.example.org"),
        (&["history"], "apply"),
        (&["history", "--verify"], "sound"),
        (&["query", "SELECT address FROM resources ORDER BY address LIMIT 1"], "docker:container:run:blog-backup"),
        (&["servers", "list"], "opnsense"),
        (&["servers", "health"], "healthy"),
        (&["servers", "doctor", "docker"], "cross-MCP protocol"),
        (&["servers", "tools", "docker"], "create_resource"),
        (&["types"], "network:vlan"),
        (&["types", "docker"], "container:run"),
        (&["schema", "docker:volume"], "mountpoint"),
        (&["patterns", "list"], "wordpress-ha"),
        (&["patterns", "show", "wordpress-ha"], "replicas"),
        (&["patterns", "render", "wordpress-ha", "-p", "domain=x.example.org"], "x.example.org"),
        (&["patterns", "test", "wordpress-ha"], "0 failed"),
        (&["runbook", "list"], "disaster-recovery"),
        (&["runbook", "show", "disaster-recovery"], "sourceRegion"),
        (&["wait", "docker:container:run:blog-db-1", "--timeout", "5s"], "is ready"),
        (&["secrets", "list"], "blog/dbPassword"),
        (&["sandbox", "show"], "blog-db-1"),
        (&["sandbox", "fault", "list"], ""),
        (&["doctor"], "limits.per_server"),
        (&["completions", "bash"], "_swell"),
        (&["completions", "zsh"], "#compdef swell"),
        (&["completions", "fish"], "complete -c swell"),
        (&["--version"], "swell"),
        (&["--help"], "apply"),
    ] {
        let _ = env.swell(args).ok().prints(word);
    }
    assert_eq!(env.world(), world);
    assert_eq!(env.sound(), entries);
}

#[test]
fn a_query_only_reads() {
    let env = TestEnv::with_blog();
    for sql in [
        "DELETE FROM resources",
        "DROP TABLE entries",
        "UPDATE runs SET id = 1",
        "SELECT 1; DELETE FROM resources",
        "ATTACH 'x.db' AS x",
        "PRAGMA writable_schema = 1",
        "SELECT nonsense FROM",
    ] {
        let ran = env.swell(&["query", sql]);
        assert!(ran.code == 1 || ran.code == 2, "{ran}");
        assert!(ran.stderr.contains("error["), "{ran}");
    }
    env.settled("blog");
}

#[test]
fn a_secret_is_stored_and_never_shown() {
    let env = TestEnv::new();
    env.swell_with_input(&["secrets", "set", "smtp"], "canary-48151623\n").ok();
    env.write(
        "s.yaml",
        "name: s\nresources:\n  - server: docker\n    type: container:run\n    name: mail\n    properties: { image: \"nginx:1.28\", environment: { PASSWORD: \"${secret:smtp}\" } }\n",
    );
    for args in [
        &["plan", "-f", "s.yaml", "--details"][..],
        &["plan", "-f", "s.yaml", "--json", "--out", "p.json"],
        &["apply", "p.json", "--yes", "--json"],
        &["show", "s", "--json"],
        &["show", "docker:container:run:mail"],
        &["history", "--json"],
        &["query", "SELECT * FROM resources"],
        &["query", "SELECT * FROM entries"],
        &["secrets", "list"],
        &["doctor"],
        &["graph", "s", "--format", "html"],
    ] {
        let ran = env.swell(args).ok();
        assert!(!ran.stdout.contains("canary") && !ran.stderr.contains("canary"), "{args:?} shows the secret");
    }
    assert!(!env.read("p.json").contains("canary"));
    for file in ["state.db", "state.db-wal"] {
        let bytes = std::fs::read(env.data().join(file)).unwrap_or_default();
        assert!(!bytes.windows(6).any(|w| w == b"canary"), "{file} holds the secret");
    }
    env.settled("s");
}

#[test]
fn a_name_that_is_nearly_right_gets_a_suggestion() {
    let env = TestEnv::with_blog();
    for (args, near) in [
        (&["servers", "tools", "dokcer"][..], "docker"),
        (&["schema", "docker:volum"], "docker:volume"),
        (&["patterns", "show", "wordpress"], "wordpress-ha"),
        (&["show", "blok"], "blog"),
        (&["runbook", "show", "disaster-recover"], "disaster-recovery"),
    ] {
        let _ = env.swell(args).code(1).says(&format!("Did you mean `{near}`?"));
    }
}

#[test]
fn the_runbook_plans_from_the_command_line() {
    let env = TestEnv::new();
    let ran = env.swell(&[
        "runbook",
        "run",
        "disaster-recovery",
        "-p",
        "sourceRegion=us-east-1",
        "-p",
        "targetRegion=us-west-2",
        "--out",
        "p.json",
    ]);
    assert!(ran.code == 0 || ran.stderr.contains("error["), "{ran}");
    env.swell(&["runbook", "run", "disaster-recovery"]).code(2).says("sourceRegion");
}

#[test]
fn profiles_keep_apart() {
    let env = TestEnv::with_blog();
    env.swell(&["show", "--profile", "test", "--json"]).ok();
    env.swell(&["show", "blog", "--profile", "test"]).refused(1, "deployment::not-found");
    env.swell(&["show", "--profile", "../evil"]).refused(2, "config::bad-profile");
}
