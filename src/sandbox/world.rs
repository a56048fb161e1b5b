//! The simulated world: a folder that several processes share.
//!
//! [`World`] is a handle; clones of it share one cache. Every question first looks whether the log on disk has grown, and reads just the
//! objects that changed. Every change happens under the folder's lock.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::estate;
use super::fault::{Fault, FaultFile};
use crate::domain::{Clock, Timestamp};

mod disk;

pub(crate) mod poke;

pub(crate) mod state;

pub(crate) use disk::read_json;
use disk::{Change, Disk, Meta};
use state::{Object, State};

/// What is wrong with a world.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WorldError {
    /// A file cannot be read or written.
    #[error("{}: {reason}", file.display())]
    Io {
        /// Which.
        file: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A file holds something else than it should.
    #[error("the file {} of the simulated world is damaged: {reason}. Remove it, or begin anew with `swell sandbox reset`", file.display())]
    Corrupt {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another process has the lock and does not give it back.
    #[error("another process has held {} for too long", file.display())]
    Locked {
        /// The lock.
        file: PathBuf,
    },
    /// The world was written by a newer program.
    #[error("{} is of format {found}; this program knows format {known}", file.display())]
    Newer {
        /// Which.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// There is no such object, so nothing can be done behind its back.
    #[error("the simulated world has no {server}:{kind}:{name}")]
    NoSuchObject {
        /// Server.
        server: String,
        /// Type.
        kind: String,
        /// Name.
        name: String,
    },
}

impl WorldError {
    pub(crate) fn io(file: &Path, error: &std::io::Error) -> Self {
        Self::Io { file: file.to_owned(), reason: error.to_string() }
    }
}

/// The seed of a world unless another is asked for, so that examples show the same ids everywhere.
pub const DEFAULT_SEED: &str = "swell";

/// When the simulated clock begins: 2026-11-23T08:00:00Z. It goes on by a second with each change.
const EPOCH: i64 = 1_795_420_800;

/// A handle to a simulated world.
#[derive(Clone)]
pub struct World {
    inner: Arc<Inner>,
    clock: Option<Arc<dyn Clock>>,
}

struct Inner {
    disk: Disk,
    seed: String,
    cache: Mutex<Cache>,
}

struct Cache {
    state: State,
    offset: u64,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("dir", &self.inner.disk.dir).finish_non_exhaustive()
    }
}

impl World {
    /// Opens the world in a folder, and makes it with its small estate if there is none.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, WorldError> {
        Self::open_seeded(dir, DEFAULT_SEED)
    }

    /// As [`World::open`]; a world that is made now gets this seed.
    pub fn open_seeded(dir: impl AsRef<Path>, seed: &str) -> Result<Self, WorldError> {
        // Of two that come at the same moment one makes the world and the other finds it.
        let opening = Disk::opening(dir.as_ref())?;
        let _turn = opening.lock()?;
        let disk = Disk::open(dir.as_ref())?;
        let path = disk.dir.join("world.json");
        let guard = disk.lock()?;
        let (meta, fresh) = match disk::read_json::<Meta>(&path)? {
            Some(meta) if meta.format > disk::FORMAT => {
                return Err(WorldError::Newer { file: path, found: meta.format, known: disk::FORMAT });
            }
            Some(meta) => (meta, false),
            None => (Meta { format: disk::FORMAT, seed: seed.to_owned() }, true),
        };
        let (state, offset) = disk.load_all(&meta.seed)?;
        drop(guard);
        let inner = Inner { disk, seed: meta.seed.clone(), cache: Mutex::new(Cache { state, offset }) };
        let world = Self { inner: Arc::new(inner), clock: None };
        if fresh {
            world.write(estate::settle)?;
            // Last, so that a world which was interrupted while it was made is made again.
            disk::write_json(&path, &meta)?;
        }
        Ok(world)
    }

    /// Takes the time of events from a clock instead of the world's own.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.inner.disk.dir
    }

    /// The seed of all its ids.
    pub fn seed(&self) -> &str {
        &self.inner.seed
    }

    /// How many changes there were. Grows with every change that any process makes.
    pub fn generation(&self) -> Result<u64, WorldError> {
        self.read(|state| state.generation)
    }

    /// Copies the world, without its faults, into another folder, where it goes its own way.
    pub fn clone_to(&self, dir: impl AsRef<Path>) -> Result<Self, WorldError> {
        let guard = self.inner.disk.lock()?;
        self.inner.disk.copy_to(dir.as_ref())?;
        drop(guard);
        let mut copy = Self::open(dir)?;
        copy.clock.clone_from(&self.clock);
        Ok(copy)
    }

    /// Begins anew with the small estate, without faults. Other processes notice.
    pub fn reset(&self) -> Result<(), WorldError> {
        self.clear_faults()?;
        self.write(|tx| {
            tx.log("!")?;
            tx.disk.clear()?;
            let (generation, seed) = (tx.cache.state.generation, tx.cache.state.seed.clone());
            tx.cache.state = State::empty(&seed);
            tx.cache.state.generation = generation;
            estate::settle(tx)
        })
    }

    /// Adds a fault; it gets the next number. Returns the number.
    pub fn add_fault(&self, fault: Fault) -> Result<u64, WorldError> {
        self.faults(|file| file.add(fault))
    }

    /// Removes all faults. Returns how many there were.
    pub fn clear_faults(&self) -> Result<usize, WorldError> {
        self.faults(|file| std::mem::take(&mut file.faults).len())
    }

    /// The faults, with how often each was met and used.
    pub fn list_faults(&self) -> Result<Vec<Fault>, WorldError> {
        let _guard = self.inner.disk.lock()?;
        Ok(FaultFile::load(&self.faults_path())?.faults)
    }

    fn faults_path(&self) -> PathBuf {
        self.inner.disk.dir.join("faults.json")
    }

    /// Changes the faults under the lock. Writes only what did change.
    pub(crate) fn faults<T>(&self, f: impl FnOnce(&mut FaultFile) -> T) -> Result<T, WorldError> {
        let _guard = self.inner.disk.lock()?;
        let mut file = FaultFile::load(&self.faults_path())?;
        let before = file.clone();
        let result = f(&mut file);
        if file != before {
            disk::write_json(&self.faults_path(), &file)?;
        }
        Ok(result)
    }

    /// Whether there may be faults: a cheap look, so that a world without them pays nothing.
    pub(crate) fn may_have_faults(&self) -> bool {
        self.faults_path().exists()
    }

    /// Answers a question.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&State) -> T) -> Result<T, WorldError> {
        let mut cache = self.cache();
        if self.inner.disk.log_len() != cache.offset {
            let _guard = self.inner.disk.lock()?;
            self.refresh(&mut cache)?;
        }
        Ok(f(&cache.state))
    }

    /// Changes the world under the lock.
    pub(crate) fn write<T, E: From<WorldError>>(&self, f: impl FnOnce(&mut Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut cache = self.cache();
        let _guard = self.inner.disk.lock()?;
        self.refresh(&mut cache)?;
        f(&mut Tx { cache: &mut cache, disk: &self.inner.disk, clock: self.clock.as_deref() })
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // A panic in a reader cannot leave the cache half changed in a way that the next refresh would not show.
        self.inner.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refresh(&self, cache: &mut Cache) -> Result<(), WorldError> {
        let disk = &self.inner.disk;
        if disk.log_len() == cache.offset {
            return Ok(());
        }
        let (changes, offset) = disk.changes(cache.offset)?;
        if disk.log_len() < cache.offset || changes.iter().any(|c| matches!(c, Change::All)) {
            (cache.state, cache.offset) = disk.load_all(&self.inner.seed)?;
            return Ok(());
        }
        for change in changes {
            cache.state.generation += 1;
            match change {
                Change::Put(key) => match disk.load(&key) {
                    Ok(Some(object)) => cache.state.insert(object),
                    Ok(None) => drop(cache.state.remove(&key)),
                    Err(WorldError::Corrupt { file, reason }) => {
                        cache.state.remove(&key);
                        cache.state.broken.insert(key, format!("{}: {reason}", file.display()));
                    }
                    Err(other) => return Err(other),
                },
                Change::Removed(key) => drop(cache.state.remove(&key)),
                Change::All => {}
            }
        }
        cache.offset = offset;
        Ok(())
    }
}

/// A change in progress: the lock is held.
pub(crate) struct Tx<'a> {
    cache: &'a mut Cache,
    disk: &'a Disk,
    clock: Option<&'a dyn Clock>,
}

impl Tx<'_> {
    /// The world as it is now.
    pub fn state(&self) -> &State {
        &self.cache.state
    }

    /// Where an object's file is.
    pub fn file(&self, server: &str, kind: &str, name: &str) -> PathBuf {
        self.disk.path(&state::key_of(server, kind, name, 0))
    }

    /// What time it is there.
    pub fn now(&self) -> String {
        let simulated = || Timestamp::from_second(EPOCH + i64::try_from(self.cache.state.generation).unwrap_or(0)).unwrap_or_default();
        self.clock.map_or_else(simulated, Clock::now).to_string()
    }

    /// Writes an object.
    pub fn put(&mut self, mut object: Object) -> Result<(), WorldError> {
        self.log(&format!("+ {}", object.key()))?;
        object.revision = self.cache.state.generation;
        self.disk.save(&object)?;
        self.cache.state.insert(object);
        Ok(())
    }

    /// Takes an object away.
    pub fn remove(&mut self, key: &str) -> Result<(), WorldError> {
        self.log(&format!("- {key}"))?;
        self.disk.delete(key)?;
        self.cache.state.remove(key);
        Ok(())
    }

    fn log(&mut self, line: &str) -> Result<(), WorldError> {
        let (offset, lines) = self.disk.append(line)?;
        self.cache.offset = offset;
        self.cache.state.generation += lines;
        Ok(())
    }
}

/// Lower-case hexadecimal digits that depend on the seed and the parts, and on nothing else.
pub(crate) fn digest(seed: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in std::iter::once(&seed).chain(parts) {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
