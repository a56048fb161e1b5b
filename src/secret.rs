//! Secrets: where their values come from, and the one place that takes them out of what is written.
//!
//! A secret is a name everywhere but inside a call to a server. [`SecretStore`] turns names into values; whatever it hands out it also
//! tells the [`Redactor`], through which everything passes that is shown, logged, stored or sent to a model.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use secrecy::{ExposeSecret, SecretString};

use crate::diagnostic::{Diagnostic, Explain};

pub mod redact;

pub use redact::Redactor;

/// Why a secret has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// No source knows the name.
    #[error("there is no secret `{name}`")]
    Missing {
        /// The name in `${secret:NAME}`.
        name: String,
        /// The environment variable that would have set it.
        variable: String,
    },
    /// The name cannot be used.
    #[error("`{name}` cannot be the name of a secret: {reason}")]
    Name {
        /// What was given, made safe to show.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Others can read the file.
    #[error("`{}` can be read by others (mode {mode:o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file cannot be read, understood or written.
    #[error("`{}` cannot be used: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why, without a word of its content.
        reason: String,
    },
}

impl Explain for SecretError {
    fn explain(&self) -> Diagnostic {
        let d = match self {
            SecretError::Missing { name, variable } => Diagnostic::error("secret::missing", "A secret has no value")
                .detail(format!("`${{secret:{name}}}` is used, and neither the environment nor the file of secrets has it."))
                .next("Set it for this process, then run the command again:", format!("export {variable}=…")),
            SecretError::Name { .. } => Diagnostic::error("secret::name", "This cannot be the name of a secret").detail(format!("{self}.")),
            SecretError::Exposed { path, .. } => Diagnostic::error("secret::exposed", "The file of secrets can be read by others")
                .detail(format!("{self}. Swell does not use it until only you can read it."))
                .next("Take the rights away from others:", format!("chmod 600 '{}'", path.display())),
            SecretError::File { .. } => Diagnostic::error("secret::file", "The file of secrets cannot be used").detail(format!("{self}.")),
        };
        d.state("Nothing was changed.")
    }
}

/// What a generated value is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generate {
    /// Letters and digits that cannot be mistaken for each other, with at least one small letter, capital and digit. Safe in URLs,
    /// shells and connection strings.
    Password {
        /// Characters; at least 8 are made.
        length: usize,
    },
    /// Hexadecimal digits.
    Hex {
        /// Bytes; at least 8 are made.
        bytes: usize,
    },
}

/// Fills a buffer with random bytes.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Finds the values of secrets: environment first, then a file that only the owner can read. Generated values are kept in that file.
#[derive(Clone)]
pub struct SecretStore {
    environment: Arc<BTreeMap<String, String>>,
    path: PathBuf,
    redactor: Redactor,
    random: Random,
    writing: Arc<Mutex<()>>,
}

impl SecretStore {
    /// Makes a store over an environment and a file (`secrets.json` in the data folder). Nothing is read yet.
    pub fn new(environment: BTreeMap<String, String>, path: PathBuf, redactor: Redactor) -> Self {
        Self { environment: Arc::new(environment), path, redactor, random: Arc::new(os_random), writing: Arc::default() }
    }

    /// Takes another source of randomness, for tests.
    pub fn with_random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// The redactor that knows every value handed out so far.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Finds the value of `${secret:NAME}` and makes it known to the redactor.
    pub fn resolve(&self, name: &str) -> Result<SecretString, SecretError> {
        self.look_up(name)?.ok_or_else(|| SecretError::Missing { name: name.to_owned(), variable: variable(name) })
    }

    /// Whether there is a value, without handing it out.
    pub fn has(&self, name: &str) -> Result<bool, SecretError> {
        Ok(self.look_up(name)?.is_some())
    }

    /// Gives the value of a secret, making and keeping one if there is none. Asked again, it gives the same value, so that a plan
    /// that is resumed does not change a password.
    pub fn generate(&self, name: &str, kind: Generate) -> Result<SecretString, SecretError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let _across_processes = self.lock_file()?;
        if let Some(found) = self.look_up(name)? {
            return Ok(found);
        }
        let value = self.make(kind);
        let mut all = self.load()?;
        all.insert(name.to_owned(), value.clone());
        self.save(&all)?;
        Ok(self.hand_out(name, value))
    }

    /// Keeps a value under a name, in place of one that was there.
    pub fn set(&self, name: &str, value: &str) -> Result<(), SecretError> {
        check_name(name)?;
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let _across_processes = self.lock_file()?;
        let mut all = self.load()?;
        all.insert(name.to_owned(), value.to_owned());
        self.save(&all)?;
        let _known = self.hand_out(name, value.to_owned());
        Ok(())
    }

    /// The names that are kept in the file.
    pub fn names(&self) -> Result<Vec<String>, SecretError> {
        Ok(self.load()?.into_keys().collect())
    }

    fn look_up(&self, name: &str) -> Result<Option<SecretString>, SecretError> {
        check_name(name)?;
        let found = match self.environment.get(&variable(name)) {
            Some(value) if !value.is_empty() => Some(value.clone()),
            _ => self.load()?.remove(name),
        };
        Ok(found.map(|value| self.hand_out(name, value)))
    }

    fn hand_out(&self, name: &str, value: String) -> SecretString {
        let secret = SecretString::from(value);
        self.redactor.learn(name, &secret);
        secret
    }

    fn make(&self, kind: Generate) -> String {
        match kind {
            Generate::Hex { bytes } => {
                let mut buffer = vec![0; bytes.max(8)];
                (self.random)(&mut buffer);
                buffer.iter().map(|b| format!("{b:02x}")).collect()
            }
            Generate::Password { length } => loop {
                let text: String = (0..length.max(8)).map(|_| self.pick()).collect();
                let has = |f: fn(&u8) -> bool| text.as_bytes().iter().any(f);
                if has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit) {
                    return text;
                }
            },
        }
    }

    /// One character, each as likely as any other: bytes that would favour the first ones are thrown away.
    fn pick(&self) -> char {
        const ALPHABET: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        let limit = 256 - 256 % ALPHABET.len();
        loop {
            let mut byte = [0];
            (self.random)(&mut byte);
            if usize::from(byte[0]) < limit {
                return char::from(ALPHABET[usize::from(byte[0]) % ALPHABET.len()]);
            }
        }
    }

    fn fail(&self, reason: impl std::fmt::Display) -> SecretError {
        SecretError::File { path: self.path.clone(), reason: reason.to_string() }
    }

    fn load(&self) -> Result<BTreeMap<String, String>, SecretError> {
        let file = match fs::File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(e) => return Err(self.fail(e)),
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = file.metadata().map_err(|e| self.fail(e))?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(SecretError::Exposed { path: self.path.clone(), mode });
            }
        }
        // The words of serde_json would quote a value; its position tells enough.
        serde_json::from_reader(io::BufReader::new(file))
            .map_err(|e| self.fail(format!("line {}, column {} is not what Swell writes (a JSON object of strings)", e.line(), e.column())))
    }

    fn save(&self, all: &BTreeMap<String, String>) -> Result<(), SecretError> {
        let bytes = serde_json::to_vec_pretty(all).map_err(|e| self.fail(e))?;
        let write = || -> io::Result<()> {
            // A temporary file is 0600 from its first moment, and a crash leaves the old one whole.
            let mut file = tempfile::NamedTempFile::new_in(self.folder())?;
            file.write_all(&bytes)?;
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|e| e.error)?;
            Ok(())
        };
        write().map_err(|e| self.fail(e))
    }

    fn folder(&self) -> &Path {
        self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
    }

    /// Held while a value is made, so that two processes do not make two.
    fn lock_file(&self) -> Result<fs::File, SecretError> {
        let open = || -> io::Result<fs::File> {
            fs::create_dir_all(self.folder())?;
            let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(self.path.with_extension("lock"))?;
            file.lock()?;
            Ok(file)
        };
        open().map_err(|e| self.fail(e))
    }
}

impl std::fmt::Debug for SecretStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretStore").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The environment variable that sets a secret: `db-password` is `SWELL_SECRET_DB_PASSWORD`.
pub fn variable(name: &str) -> String {
    let upper: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    format!("SWELL_SECRET_{upper}")
}

fn check_name(name: &str) -> Result<(), SecretError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > 128 {
        "it is longer than 128 bytes"
    } else if name.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '{' | '}' | '‹' | '›')) {
        "it has a space, a brace or a control character"
    } else {
        return Ok(());
    };
    Err(SecretError::Name { name: crate::domain::text::clean_line(name, 60), reason })
}

/// Randomness of the operating system, through the random bytes of UUIDs: the two that carry version and variant are left out.
fn os_random(buffer: &mut [u8]) {
    for chunk in buffer.chunks_mut(14) {
        let bytes = uuid::Uuid::new_v4().into_bytes();
        let mut random = bytes.iter().enumerate().filter(|(at, _)| !matches!(at, 6 | 8)).map(|(_, b)| *b);
        chunk.fill_with(|| random.next().unwrap_or_default());
    }
}

/// Reveals a secret for a call to a server. Named so that a search finds every place that does it.
pub fn expose(secret: &SecretString) -> &str {
    secret.expose_secret()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(dir: &Path, environment: &[(&str, &str)]) -> SecretStore {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        SecretStore::new(environment, dir.join("data").join("secrets.json"), Redactor::default())
    }

    #[test]
    fn environment_wins_and_missing_names_the_variable() {
        let dir = tempfile::tempdir().unwrap();
        let s = store(dir.path(), &[("SWELL_SECRET_DB_ROOT_PW", "from-env")]);
        assert_eq!(expose(&s.resolve("db-root.pw").unwrap()), "from-env");
        let e = s.resolve("stripe").unwrap_err();
        assert_eq!(e, SecretError::Missing { name: "stripe".into(), variable: "SWELL_SECRET_STRIPE".into() });
        assert_eq!(e.explain().next.unwrap().command.unwrap(), "export SWELL_SECRET_STRIPE=…");
        assert!(matches!(s.resolve("a b"), Err(SecretError::Name { .. })));
    }

    #[test]
    fn generates_once_keeps_and_redacts() {
        let dir = tempfile::tempdir().unwrap();
        let s = store(dir.path(), &[]);
        let first = s.generate("db", Generate::Password { length: 24 }).unwrap();
        assert_eq!(expose(&first).len(), 24);
        assert_eq!(expose(&s.generate("db", Generate::Password { length: 30 }).unwrap()), expose(&first));
        assert_eq!(expose(&store(dir.path(), &[]).resolve("db").unwrap()), expose(&first), "another process sees it");
        assert_ne!(expose(&s.generate("other", Generate::Password { length: 24 }).unwrap()), expose(&first));
        assert_eq!(expose(&s.generate("key", Generate::Hex { bytes: 32 }).unwrap()).len(), 64);
        assert_eq!(s.redactor().text(&format!("pw={}", expose(&first))), "pw=‹secret db›");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_private_and_an_exposed_one_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let s = store(dir.path(), &[]);
        s.generate("db", Generate::Hex { bytes: 8 }).unwrap();
        assert_eq!(fs::metadata(&s.path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&s.path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(s.resolve("db"), Err(SecretError::Exposed { mode: 0o644, .. })));
        fs::set_permissions(&s.path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&s.path, "{\"db\": hunter2}").unwrap();
        let e = s.resolve("db").unwrap_err();
        assert!(!e.to_string().contains("hunter2"), "{e}");
        assert!(s.generate("db", Generate::Hex { bytes: 8 }).is_err(), "a corrupt file is not overwritten");
    }

    #[test]
    fn a_password_has_every_class_even_from_poor_randomness() {
        let dir = tempfile::tempdir().unwrap();
        let count = std::sync::atomic::AtomicU8::new(0);
        let s = store(dir.path(), &[]).with_random(Arc::new(move |b| {
            b.fill_with(|| count.fetch_add(7, std::sync::atomic::Ordering::Relaxed));
        }));
        let made = s.generate("p", Generate::Password { length: 8 }).unwrap();
        let text = expose(&made);
        assert!(text.chars().any(|c| c.is_ascii_digit()) && text.chars().any(|c| c.is_ascii_uppercase()), "{text}");
    }
}
