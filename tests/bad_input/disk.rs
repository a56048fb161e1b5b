//! A disk that is full: the run stops with a diagnostic, and afterwards nothing is lost.

use crate::support::env::{BLOG, Ran, SWELL, TestEnv, YES};

/// Runs `swell` where no file may grow over so many kilobytes; writing then fails as on a full disk.
fn with_room(env: &TestEnv, kilobytes: u32, args: &[&str]) -> Ran {
    // The signal is ignored, so that the write itself fails.
    let script = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" \"$@\"");
    let all = [&["-c", script.as_str(), SWELL], args].concat();
    Ran::of(args, env.command("/bin/bash", &all).output().unwrap())
}

#[test]
#[cfg(unix)]
fn at_the_first_start() {
    if !std::path::Path::new("/bin/bash").is_file() {
        println!("skipped: there is no bash to set the limit");
        return;
    }
    let env = TestEnv::new();
    let ran = with_room(&env, 1, &["show"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("error["), "{ran}");
    env.swell(&["show", "--json"]).ok();
    assert_eq!(env.sound(), 0);
}

#[test]
#[cfg(unix)]
fn in_the_middle_of_a_run() {
    if !std::path::Path::new("/bin/bash").is_file() {
        println!("skipped: there is no bash to set the limit");
        return;
    }
    for kilobytes in [48, 96, 160, 300] {
        let env = TestEnv::new();
        env.swell(&["show", "--json"]).ok();
        let ran = with_room(&env, kilobytes, &[&["apply"], &BLOG[..], &YES].concat());
        assert!([0, 1, 3].contains(&ran.code), "{kilobytes} kB: {ran}");
        assert!(ran.code == 0 || ran.stderr.contains("error["), "{kilobytes} kB: {ran}");
        let _ = env.sound();
        // With room again, what was begun is settled and finished; what was never recorded is simply done.
        let resumed = env.swell(&["resume", "blog"]);
        if resumed.code != 0 || env.resources("blog").len() < 21 {
            let _ = env.swell_all(&[&["apply"], &BLOG[..], &YES]).ok();
        }
        env.settled("blog");
        assert_eq!(env.resources("blog").len(), 21, "{kilobytes} kB");
    }
}
