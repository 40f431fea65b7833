//! Programs written in Go, from modules of the Go proxy, checked against the checksum database by the Go command itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::cache::{Cache, Recipe};
use crate::progress::{Progress, Step};

/// Where the source comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// A module of our own that requires pinned versions, for programs that cannot be installed by version. It builds to one
    /// file, which acts by the name it is called by.
    Module {
        /// Name and content of its files.
        files: &'static [(&'static str, &'static str)],
    },
    /// Packages that can be installed by version.
    Install {
        /// Import paths, all of the program's version.
        packages: &'static [&'static str],
    },
}

/// One program, or a family that shares a version.
#[derive(Debug)]
pub(crate) struct GoProgram {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) source: Source,
    /// For the linker.
    pub(crate) flags: &'static str,
    /// About how many packages are compiled: the length of the progress bar.
    pub(crate) packages: u64,
    /// About how long it takes on two cores.
    pub(crate) cost: &'static str,
    /// The commands it brings.
    pub(crate) commands: &'static [&'static str],
}

impl GoProgram {
    /// The name of the file behind a command: a module of ours builds to one file for all its commands.
    pub(crate) fn file(&self, command: &'static str) -> &'static str {
        match self.source {
            Source::Module { .. } => self.name,
            Source::Install { .. } => command,
        }
    }

    /// The folder with the program's files, built now if the cache lacks it.
    pub(crate) fn ensure(&self, cache: &Cache, progress: &Progress) -> Result<PathBuf> {
        let label = format!("{} {}: compiled once, about {}", self.name, self.version, self.cost);
        let folder = cache.make(
            progress,
            &self.recipe(),
            |progress| progress.counted(label, self.packages),
            |folder, step| self.build(folder, step, &cache.log(self.name)),
        )?;
        Ok(folder)
    }

    pub(crate) fn recipe(&self) -> Recipe {
        let mut inputs = vec![self.flags.to_owned()];
        match self.source {
            Source::Module { files } => inputs.extend(files.iter().map(|(name, text)| format!("{name}\n{text}"))),
            Source::Install { packages } => inputs.extend(packages.iter().map(ToString::to_string)),
        }
        Recipe { name: self.name.into(), version: self.version.into(), inputs }
    }

    fn build(&self, folder: &Path, step: &Step, log: &Path) -> Result<()> {
        let mut go = Command::new("go");
        // No C: the files then run whatever the machine's libc is. No flags of the person's own: the recipe decides.
        go.env("CGO_ENABLED", "0").env("GOFLAGS", "").env("GOWORK", "off").env("GO111MODULE", "on");
        match self.source {
            Source::Module { files } => {
                let source = folder.join("source");
                fs::create_dir(&source)?;
                for (name, text) in files {
                    fs::write(source.join(name), text)?;
                }
                // The committed go.mod pins what is required directly; what that requires in turn follows from it alone.
                go.current_dir(&source).args([
                    "build",
                    "-v",
                    "-mod=mod",
                    "-trimpath",
                    "-buildvcs=false",
                    "-ldflags",
                    self.flags,
                ]);
                go.arg("-o").arg(folder.join(self.name)).arg(".");
                step.run(&mut go, log)?;
                fs::remove_dir_all(&source)?;
            }
            Source::Install { packages } => {
                go.env("GOBIN", folder).current_dir(folder).args([
                    "install",
                    "-v",
                    "-trimpath",
                    "-ldflags",
                    self.flags,
                ]);
                go.args(packages.iter().map(|package| format!("{package}@v{}", self.version)));
                step.run(&mut go, log)?;
            }
        }
        for command in self.commands {
            let file = folder.join(self.file(command));
            ensure!(file.is_file(), "the build of {} left no {}", self.name, file.display());
        }
        Ok(())
    }
}
