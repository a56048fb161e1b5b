//! A state that is damaged, foreign or from the future: refused with what is true now, never overwritten, never silently empty.

use crate::support::env::{BLOG, TestEnv, YES};

/// Nothing works on this state, and the file is as it was.
fn refused(env: &TestEnv, codes: &[&str]) {
    let before = std::fs::read(env.database()).unwrap();
    for args in [&["show", "--json"][..], &["plan", "blog"], &["history", "--verify"]] {
        let ran = env.swell(args);
        assert_ne!(ran.code, 0, "{ran}");
        let said = format!("{}{}", ran.stderr, ran.stdout);
        assert!(codes.iter().any(|c| said.contains(c)), "{ran}");
        assert!(said.contains("state.db"), "names the file: {ran}");
    }
    let _ = env.swell_all(&[&["apply"], &BLOG[..], &YES]).code(1);
    assert_eq!(std::fs::read(env.database()).unwrap(), before, "the file was touched");
}

#[test]
fn random_bytes() {
    let env = TestEnv::with_blog();
    let noise: Vec<u8> = (0..65_536u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(env.database(), noise).unwrap();
    refused(&env, &["store::not-a-state", "store::damaged"]);
}

#[test]
fn cut_off() {
    let env = TestEnv::with_blog();
    let whole = std::fs::read(env.database()).unwrap();
    std::fs::write(env.database(), &whole[..whole.len() / 2]).unwrap();
    refused(&env, &["store::damaged", "store::not-a-state"]);
    // The file is put back: nothing was lost by looking at the damaged one.
    std::fs::write(env.database(), &whole).unwrap();
    env.settled("blog");
}

#[test]
fn one_byte_in_the_journal() {
    let env = TestEnv::with_blog();
    let mut bytes = std::fs::read(env.database()).unwrap();
    let needle = b"blog-db-1";
    let hits: Vec<usize> = bytes.windows(needle.len()).enumerate().filter(|(_, w)| w == needle).map(|(n, _)| n).collect();
    for hit in &hits {
        bytes[hit + needle.len() - 1] = b'7';
    }
    assert!(!hits.is_empty());
    std::fs::write(env.database(), bytes).unwrap();
    let ran = env.swell(&["history", "--verify"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stdout.contains("broken at entry") || ran.stderr.contains("error["), "{ran}");
}

#[test]
fn another_programs_database() {
    let env = TestEnv::new();
    env.write("swell.toml", "data = \".\"\n");
    env.swell(&["show", "--json"]).ok();
    // A file that is a database but not ours: the same header with another mark.
    let path = env.work().join("state.db");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[68..72].copy_from_slice(&0x4d50_4247u32.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let ran = env.swell(&["show"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("store::not-a-state"), "{ran}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_state_that_is_a_folder() {
    let env = TestEnv::new();
    std::fs::create_dir_all(env.database()).unwrap();
    env.swell(&["show"]).refused(1, "store::not-a-file");
}

#[test]
#[cfg(unix)]
fn a_folder_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let env = TestEnv::new();
    let data = env.home().join("locked");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o500)).unwrap();
    if std::fs::write(data.join("probe"), "").is_ok() {
        println!("skipped: this user may write everywhere");
        return;
    }
    let env = env.var("SWELL_DATA", data.to_str().unwrap());
    let ran = env.swell(&["show"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("locked"), "{ran}");
}

/// The world is there and the state is gone: creating it all again beside itself must not happen.
#[test]
fn a_lost_state_beside_a_living_world() {
    let env = TestEnv::with_blog();
    for file in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(env.data().join(file));
    }
    let world = env.world();
    let ran = env.swell_all(&[&["apply"], &BLOG[..], &YES]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("plan::lost-state"), "{ran}");
    assert_eq!(env.world(), world);
    env.swell_all(&[&["apply", "--adopt"], &BLOG[..], &YES]).ok();
    assert_eq!(env.resources("blog").len(), 21);
}

#[test]
fn a_damaged_world_of_the_sandbox() {
    let env = TestEnv::with_blog();
    let mut damaged = 0;
    for entry in std::fs::read_dir(env.data()).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            for file in std::fs::read_dir(entry).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "json"))
            {
                std::fs::write(file, "{ not a world").unwrap();
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0);
    let ran = env.swell(&["plan", "blog"]);
    assert_ne!(ran.code, 0, "{ran}");
    assert!(ran.stderr.contains("error["), "{ran}");
    let _ = env.sound();
}
