//! How the world lies on disk: one file per object, a log of changes, and a lock.
//!
//! Every write is a rename, so a reader sees the old file or the new one. A change is appended to `changes.log` *before* the object's
//! file is put in place: whoever dies in between leaves others to read a file again that has not changed, and nobody with a stale copy.
//! Nothing is flushed to the device; this is a simulation, and losing power loses at most its newest changes.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::WorldError;
use super::state::{Object, State};

/// How long a process waits for another one that has the lock.
const PATIENCE: Duration = Duration::from_secs(15);

/// `world.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Meta {
    /// Version of this layout.
    pub format: u32,
    /// Seed of all ids.
    pub seed: String,
}

/// The newest layout that this program reads and writes.
pub(super) const FORMAT: u32 = 1;

/// A folder that holds a world.
#[derive(Debug)]
pub(super) struct Disk {
    pub dir: PathBuf,
    /// A lock of the system is the process's, not the thread's, so threads take turns at the mutex first.
    lock: Mutex<File>,
}

/// One line of the log.
pub(super) enum Change {
    /// An object was written.
    Put(String),
    /// An object was taken away.
    Removed(String),
    /// Everything is new, or the line cannot be read.
    All,
}

/// The lock, until it is dropped.
pub(super) struct Guard<'a>(MutexGuard<'a, File>);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let _ = self.0.unlock(); // closing the file gives it back as well
    }
}

impl Disk {
    pub fn open(dir: &Path) -> Result<Self, WorldError> {
        Self::open_with(dir, "lock")
    }

    /// The folder with the lock under which a world is opened and, the first time, made: that takes several changes, each of which
    /// takes the lock for changes.
    pub fn opening(dir: &Path) -> Result<Self, WorldError> {
        Self::open_with(dir, "opening.lock")
    }

    fn open_with(dir: &Path, lock: &str) -> Result<Self, WorldError> {
        fs::create_dir_all(dir.join("objects")).map_err(|e| WorldError::io(dir, &e))?;
        let path = dir.join(lock);
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).read(true).open(&path).map_err(|e| WorldError::io(&path, &e))?;
        Ok(Self { dir: dir.to_owned(), lock: Mutex::new(lock) })
    }

    /// Waits for the lock, but not for ever.
    pub fn lock(&self) -> Result<Guard<'_>, WorldError> {
        let file = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Guard(file)),
                Err(fs::TryLockError::WouldBlock) if since.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(2)),
                Err(fs::TryLockError::WouldBlock) => return Err(WorldError::Locked { file: self.dir.join("lock") }),
                Err(fs::TryLockError::Error(e)) => return Err(WorldError::io(&self.dir.join("lock"), &e)),
            }
        }
    }

    fn log(&self) -> PathBuf {
        self.dir.join("changes.log")
    }

    /// How long the log is: what a poll looks at.
    pub fn log_len(&self) -> u64 {
        fs::metadata(self.log()).map_or(0, |m| m.len())
    }

    /// The changes after an offset, and the offset behind the last whole line.
    pub fn changes(&self, from: u64) -> Result<(Vec<Change>, u64), WorldError> {
        let path = self.log();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            Err(e) => return Err(WorldError::io(&path, &e)),
        };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from)).and_then(|_| file.read_to_end(&mut bytes)).map_err(|e| WorldError::io(&path, &e))?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let text = String::from_utf8_lossy(&bytes[..whole]);
        let changes = text
            .lines()
            .map(|line| match line.split_once(' ') {
                Some(("+", key)) if key.split('/').count() == 3 => Change::Put(key.to_owned()),
                Some(("-", key)) if key.split('/').count() == 3 => Change::Removed(key.to_owned()),
                _ => Change::All,
            })
            .collect();
        Ok((changes, from + whole as u64))
    }

    /// Appends a line to the log, and gives its new length and how many lines were added. The caller has the lock.
    pub fn append(&self, line: &str) -> Result<(u64, u64), WorldError> {
        let path = self.log();
        let fail = |e: std::io::Error| WorldError::io(&path, &e);
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(&path).map_err(fail)?;
        let len = file.metadata().map_err(fail)?.len();
        let mut last = [b'\n'];
        if len > 0 {
            file.seek(SeekFrom::Start(len - 1)).and_then(|_| file.read_exact(&mut last)).map_err(fail)?;
        }
        // A process that was killed while it wrote may have left half a line, which becomes a line of its own.
        let (text, lines) = if last == [b'\n'] { (format!("{line}\n"), 1) } else { (format!("\n{line}\n"), 2) };
        file.write_all(text.as_bytes()).map_err(fail)?;
        Ok((len + text.len() as u64, lines))
    }

    /// Where an object's file is. `:` is not allowed in file names everywhere.
    pub fn path(&self, key: &str) -> PathBuf {
        self.dir.join("objects").join(format!("{}.json", key.replace(':', ".")))
    }

    /// Reads one object. `None` if there is no file.
    pub fn load(&self, key: &str) -> Result<Option<Object>, WorldError> {
        let path = self.path(key);
        let object: Option<Object> = read_json(&path)?;
        match object {
            Some(o) if o.key() != key => Err(WorldError::Corrupt { file: path, reason: format!("it holds `{}`", o.key()) }),
            other => Ok(other),
        }
    }

    /// Writes one object's file.
    pub fn save(&self, object: &Object) -> Result<(), WorldError> {
        write_json(&self.path(&object.key()), object)
    }

    /// Takes one object's file away.
    pub fn delete(&self, key: &str) -> Result<(), WorldError> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(WorldError::io(&path, &e)),
            _ => Ok(()),
        }
    }

    /// Reads everything. A file that cannot be read is noted in `broken` and harms only its own server.
    pub fn load_all(&self, seed: &str) -> Result<(State, u64), WorldError> {
        let mut state = State::empty(seed);
        let (changes, offset) = self.changes(0)?;
        state.generation = changes.len() as u64;
        for change in changes {
            if matches!(change, Change::All) {
                state.forget_names();
            }
            if let Change::Put(key) = change {
                let mut parts = key.splitn(3, '/');
                if let (Some(server), Some(kind), Some(stem)) = (parts.next(), parts.next(), parts.next()) {
                    let (name, serial) = stem.split_once('~').map_or((stem, 0), |(n, s)| (n, s.parse().unwrap_or(0)));
                    state.count(server, kind, name, serial);
                }
            }
        }
        for file in files_below(&self.dir.join("objects"), 2)? {
            match read_json::<Object>(&file) {
                Ok(Some(object)) if self.path(&object.key()) == file => state.insert(object),
                Ok(Some(_)) => self.mark(&mut state, &file, "it holds another object than its name says"),
                Ok(None) => {}
                Err(WorldError::Corrupt { reason, .. }) => self.mark(&mut state, &file, &reason),
                Err(other) => return Err(other),
            }
        }
        Ok((state, offset))
    }

    fn mark(&self, state: &mut State, file: &Path, reason: &str) {
        let inner = file.strip_prefix(self.dir.join("objects")).unwrap_or(file);
        let key = inner.with_extension("").to_string_lossy().replace('.', ":");
        state.broken.insert(key, format!("{}: {reason}", file.display()));
    }

    /// Takes all objects away.
    pub fn clear(&self) -> Result<(), WorldError> {
        let objects = self.dir.join("objects");
        match fs::remove_dir_all(&objects) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(WorldError::io(&objects, &e)),
            _ => {}
        }
        fs::create_dir_all(&objects).map_err(|e| WorldError::io(&objects, &e))
    }

    /// Copies the world into another folder. Object files are never changed in place, so they are linked where that is possible.
    pub fn copy_to(&self, to: &Path) -> Result<(), WorldError> {
        fs::create_dir_all(to).map_err(|e| WorldError::io(to, &e))?;
        for file in files_below(&self.dir.join("objects"), 2)? {
            let inner = file.strip_prefix(&self.dir).unwrap_or(&file);
            let target = to.join(inner);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).map_err(|e| WorldError::io(parent, &e))?;
            }
            if fs::hard_link(&file, &target).is_err() {
                fs::copy(&file, &target).map_err(|e| WorldError::io(&target, &e))?;
            }
        }
        for name in ["changes.log", "world.json"] {
            fs::copy(self.dir.join(name), to.join(name)).map_err(|e| WorldError::io(&to.join(name), &e))?;
        }
        Ok(())
    }
}

/// All `.json` files some folders down, in order.
fn files_below(dir: &Path, depth: usize) -> Result<Vec<PathBuf>, WorldError> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(e) => return Err(WorldError::io(dir, &e)),
    };
    for entry in entries {
        let path = entry.map_err(|e| WorldError::io(dir, &e))?.path();
        if depth > 0 && path.is_dir() {
            found.extend(files_below(&path, depth - 1)?);
        } else if depth == 0 && path.extension().is_some_and(|e| e == "json") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a JSON file. `None` if there is none.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, WorldError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(WorldError::io(path, &e)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|e| WorldError::Corrupt { file: path.to_owned(), reason: e.to_string() })
}

/// Writes a JSON file whole or not at all.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), WorldError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(|e| WorldError::io(dir, &e))?;
    let bytes = serde_json::to_vec_pretty(value).map_err(|e| WorldError::Corrupt { file: path.to_owned(), reason: e.to_string() })?;
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(|e| WorldError::io(dir, &e))?;
    file.write_all(&bytes).map_err(|e| WorldError::io(path, &e))?;
    file.persist(path).map_err(|e| WorldError::io(path, &e.error))?;
    Ok(())
}
