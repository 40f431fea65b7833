//! Built once: folders keyed by what they were built from.
//!
//! An entry appears whole or not at all: it is built in a folder beside its place and renamed into it, so an interrupted
//! build is simply built again. Two processes that want the same entry do not build it twice.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use ring::digest::{Context as Hasher, SHA256};

use crate::progress::{Progress, Step};

/// Letters of a digest that go into a name. 48 bits: enough to tell a few recipes apart.
const SHORT: usize = 12;

/// The folder of everything that was built.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// What an entry is made from. Whatever changes the result belongs in here.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// What it is; part of the folder's name.
    pub name: String,
    /// Its version; part of the folder's name.
    pub version: String,
    /// Everything else that decides the outcome: sources, flags, keys of the entries it builds upon.
    pub inputs: Vec<String>,
}

impl Recipe {
    /// The name of the entry: name, version, and a digest of all of the recipe.
    pub fn key(&self) -> String {
        let mut parts = vec![self.name.as_str(), self.version.as_str()];
        parts.extend(self.inputs.iter().map(String::as_str));
        format!("{}-{}-{}", self.name, self.version, short_digest(&parts))
    }
}

/// Twelve hexadecimal digits that change with any of the parts, or with where one ends and the next begins.
pub fn short_digest(parts: &[&str]) -> String {
    let mut hasher = Hasher::new(&SHA256);
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let mut text = hex(hasher.finish().as_ref());
    text.truncate(SHORT);
    text
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Cache {
    /// `$BED_CACHE`, else `$XDG_CACHE_HOME/admittance-bed`, else `~/.cache/admittance-bed`.
    ///
    /// # Errors
    /// When none of the three variables is set, or the folder cannot be made.
    pub fn open() -> Result<Self> {
        let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = named("BED_CACHE")
            .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("admittance-bed")))
            .or_else(|| named("HOME").map(|folder| folder.join(".cache/admittance-bed")))
            .ok_or_else(|| anyhow!("no place for the cache: set BED_CACHE to a folder that may hold about 3 GB"))?;
        let root = std::path::absolute(root)?;
        fs::create_dir_all(root.join("locks")).with_context(|| format!("cannot make the cache {}", root.display()))?;
        Ok(Self { root })
    }

    /// Where the output of a build goes.
    pub fn log(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{name}.log"))
    }

    /// The file that processes lock which must not do the same at once.
    pub fn lock_file(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(name)
    }

    /// The entry of a recipe, if it was built.
    pub fn find(&self, recipe: &Recipe) -> Option<PathBuf> {
        Some(self.root.join(recipe.key())).filter(|folder| folder.is_dir())
    }

    /// The folder of the recipe; `build` fills it if it is not there yet. `label` says what is built and why it takes long.
    ///
    /// # Errors
    /// Whatever `build` fails with; nothing of a failed build stays.
    pub fn make(
        &self,
        progress: &Progress,
        recipe: &Recipe,
        label: impl FnOnce(&Progress) -> Step,
        build: impl FnOnce(&Path, &Step) -> Result<()>,
    ) -> Result<PathBuf> {
        let key = recipe.key();
        let place = self.root.join(&key);
        if place.is_dir() {
            return Ok(place);
        }
        let step = label(progress);
        let lock = File::create(self.lock_file(&key))?;
        step.say("waiting for another build of the same");
        lock.lock()?;
        step.say("");
        if place.is_dir() {
            step.skip();
            return Ok(place);
        }
        // Under the lock, so whatever lies there is the rest of an interrupted build.
        let building = self.root.join(format!(".building-{key}"));
        let _ = fs::remove_dir_all(&building);
        fs::create_dir_all(&building)?;
        if let Err(error) = build(&building, &step) {
            let _ = fs::remove_dir_all(&building);
            return Err(error.context(format!("cannot build {key}")));
        }
        fs::rename(&building, &place)?;
        step.done();
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(inputs: &[&str]) -> Recipe {
        Recipe {
            name: "tool".into(),
            version: "1.2.3".into(),
            inputs: inputs.iter().map(ToString::to_string).collect(),
        }
    }

    fn spinner(progress: &Progress) -> Step {
        progress.step("tool")
    }

    #[test]
    fn a_key_changes_with_every_input_and_with_their_borders() {
        let keys =
            [recipe(&[]), recipe(&["ab", "c"]), recipe(&["a", "bc"]), recipe(&["abc"])].map(|recipe| recipe.key());
        for (index, key) in keys.iter().enumerate() {
            assert!(key.starts_with("tool-1.2.3-"), "{key}");
            assert!(!keys.iter().skip(index + 1).any(|other| other == key), "{keys:?}");
        }
        assert_eq!(recipe(&["a"]).key(), recipe(&["a"]).key());
    }

    #[test]
    fn a_failed_build_leaves_nothing_and_can_be_repeated() {
        let root = env::temp_dir().join(format!("bed-cache-{}", std::process::id()));
        fs::create_dir_all(root.join("locks")).unwrap();
        let cache = Cache { root: root.clone() };
        let progress = Progress::default();
        let failed = cache.make(&progress, &recipe(&[]), spinner, |folder, _| {
            fs::write(folder.join("half"), "half")?;
            Err(anyhow!("interrupted"))
        });
        assert!(failed.is_err());
        assert_eq!(cache.find(&recipe(&[])), None);

        let place = cache
            .make(&progress, &recipe(&[]), spinner, |folder, _| {
                assert!(!folder.join("half").exists());
                Ok(fs::write(folder.join("whole"), "whole")?)
            })
            .unwrap();
        assert!(place.join("whole").exists());
        let again = cache.make(&progress, &recipe(&[]), spinner, |_, _| Err(anyhow!("built twice"))).unwrap();
        assert_eq!(again, place);
        fs::remove_dir_all(root).unwrap();
    }
}
