//! The programs a cluster is made of, compiled from pinned versions of their published sources into the cache.

pub(crate) mod go;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};

use crate::cache::{Cache, Recipe};
use crate::progress::Progress;
use go::{GoProgram, Source};

/// The version of Kubernetes: of every component, and of kubectl.
pub const KUBERNETES: &str = "1.36.3";

/// The version of cargo-deny; no cluster needs it.
const CARGO_DENY: &str = "0.20.2";

/// Without the version the API server calls itself v0.0.0, and charts that ask for a minimum refuse it.
const KUBERNETES_FLAGS: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
     -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36";

/// In the order of their cost, so that what fails cheaply fails first.
const PROGRAMS: [GoProgram; 5] = [
    GoProgram {
        name: "etcd",
        version: "3.6.16",
        source: Source::Module {
            files: &[
                ("go.mod", include_str!("../../recipes/etcd/go.mod")),
                ("main.go", include_str!("../../recipes/etcd/main.go")),
            ],
        },
        flags: "-s -w",
        packages: 581,
        cost: "half a minute",
        commands: &["etcd"],
    },
    GoProgram {
        name: "containerd",
        version: "2.3.7",
        source: Source::Install {
            packages: &[
                "github.com/containerd/containerd/v2/cmd/containerd",
                "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
                "github.com/containerd/containerd/v2/cmd/ctr",
            ],
        },
        flags: "-s -w",
        packages: 1007,
        cost: "a minute",
        commands: &["containerd", "containerd-shim-runc-v2", "ctr"],
    },
    GoProgram {
        name: "coredns",
        version: "1.14.7",
        source: Source::Install { packages: &["github.com/coredns/coredns"] },
        flags: "-s -w",
        packages: 1376,
        cost: "2 minutes",
        commands: &["coredns"],
    },
    GoProgram {
        name: "helm",
        version: "4.3.1",
        source: Source::Install { packages: &["helm.sh/helm/v4/cmd/helm"] },
        flags: "-s -w -X helm.sh/helm/v4/internal/version.version=v4.3.1",
        packages: 1183,
        cost: "2 minutes",
        commands: &["helm"],
    },
    GoProgram {
        name: "kubernetes",
        version: KUBERNETES,
        source: Source::Module {
            files: &[
                ("go.mod", include_str!("../../recipes/kubernetes/go.mod")),
                ("main.go", include_str!("../../recipes/kubernetes/main.go")),
            ],
        },
        flags: KUBERNETES_FLAGS,
        packages: 2739,
        cost: "6 minutes",
        commands: &["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl"],
    },
];

/// Every program of a cluster, built.
#[derive(Debug)]
pub struct Tools {
    /// The command's name and the file it stands for.
    commands: Vec<(&'static str, PathBuf)>,
}

impl Tools {
    /// Builds what the cache lacks: about 12 minutes of two cores from nothing, no time at all after that.
    ///
    /// # Errors
    /// When a program cannot be compiled.
    pub fn ensure(cache: &Cache, progress: &Progress) -> Result<Self> {
        let mut commands = Vec::new();
        for program in &PROGRAMS {
            let folder = program.ensure(cache, progress)?;
            commands.extend(program.commands.iter().map(|&command| (command, folder.join(program.file(command)))));
        }
        Ok(Self { commands })
    }

    /// The file behind a command.
    ///
    /// # Errors
    /// When there is no such command.
    pub fn program(&self, command: &str) -> Result<&Path> {
        let found = self.commands.iter().find(|(name, _)| *name == command);
        found.map(|(_, file)| file.as_path()).with_context(|| format!("no program is called {command}"))
    }

    /// Links every command into one folder, fit for a PATH.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn link_into(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        for (command, file) in &self.commands {
            let link = folder.join(command);
            if fs::read_link(&link).is_ok_and(|target| target == *file) {
                continue;
            }
            let _ = fs::remove_file(&link);
            symlink(file, &link).with_context(|| format!("cannot link {}", link.display()))?;
        }
        Ok(())
    }
}

/// The program cargo-deny, compiled on first use: it takes minutes, and only a check of licences and sources needs it.
///
/// # Errors
/// When it cannot be compiled.
pub fn cargo_deny(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let recipe = Recipe { name: "cargo-deny".into(), version: CARGO_DENY.into(), inputs: Vec::new() };
    let folder = cache.make(
        progress,
        &recipe,
        |progress| progress.step(format!("cargo-deny {CARGO_DENY}: compiled once, some minutes")),
        |folder, step| {
            let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo
                .args(["install", "--locked", "--no-track", "--version", CARGO_DENY, "cargo-deny", "--root"])
                .arg(folder);
            // Flags and a target folder of the project's own builds are not for a tool.
            cargo.env_remove("RUSTFLAGS").env("CARGO_TARGET_DIR", folder.join("target"));
            step.run(&mut cargo, &cache.log("cargo-deny"))?;
            Ok(fs::remove_dir_all(folder.join("target"))?)
        },
    )?;
    Ok(folder.join("bin/cargo-deny"))
}
