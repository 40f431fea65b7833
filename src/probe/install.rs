//! Copies the program into a volume that the Pod's containers share.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The running program, whatever it was started as.
const OURSELVES: &str = "/proc/self/exe";
const NAME: &str = "admittance-probe";
/// Anybody may run it, nobody may change it.
const MODE: u32 = 0o555;

/// The copy could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be written: {source}; is the shared volume mounted there, and writable?", path = path.display())]
pub struct InstallError {
    path: PathBuf,
    source: io::Error,
}

/// Puts a copy into a directory, whole or not at all, and gives its path. Doing it again does no harm.
///
/// # Errors
/// [`InstallError`]
pub fn install(directory: &Path) -> Result<PathBuf, InstallError> {
    copy(Path::new(OURSELVES), directory)
}

fn copy(program: &Path, directory: &Path) -> Result<PathBuf, InstallError> {
    let path = directory.join(NAME);
    let temporary = directory.join(format!(".{NAME}.{}", std::process::id()));
    let copied = write(program, &temporary).and_then(|()| fs::rename(&temporary, &path));
    match copied {
        Ok(()) => Ok(path),
        Err(source) => {
            // The first error is the one to tell.
            let _ = fs::remove_file(&temporary);
            Err(InstallError { path, source })
        }
    }
}

fn write(program: &Path, to: &Path) -> io::Result<()> {
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut source = fs::File::open(program)?;
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(MODE).open(to)?;
    io::copy(&mut source, &mut copy)?;
    // The umask may have taken some of it away.
    copy.set_permissions(fs::Permissions::from_mode(MODE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_whole_and_can_be_made_again() {
        let directory =
            std::env::temp_dir().join(format!("probe-install-{:02x?}", crate::crypto::random::<8>().unwrap()));
        fs::create_dir(&directory).unwrap();
        let source = directory.join("source");
        fs::write(&source, b"program").unwrap();
        for _ in 0..2 {
            let path = copy(&source, &directory).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"program");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        }
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "nothing is left behind");
        fs::remove_dir_all(&directory).unwrap();
        let error = copy(&source, &directory).unwrap_err().to_string();
        assert!(error.contains("admittance-probe cannot be written"), "{error}");
    }
}
