//! What one call leaves for the next of the same container.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use super::latch;

/// More than a note about some ten thousand partitions.
const LARGEST: u64 = 4 << 20;

/// A file of this start of this container, where the latch lies too, and for the same reasons.
#[derive(Debug)]
pub struct Notes(PathBuf);

impl Notes {
    /// The notes of this start of this container; `None` where nothing tells it from others.
    #[must_use]
    pub fn of_this_container() -> Option<Self> {
        Some(Self(Path::new(latch::DIRECTORY).join(format!("admittance-alive-{}", latch::this_start()?))))
    }

    /// Notes in a file of one's own.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// What was written last; nothing where that cannot be read. A link in its place does not count.
    #[must_use]
    pub fn read(&self) -> String {
        let mut text = String::new();
        if fs::symlink_metadata(&self.0).is_ok_and(|found| found.is_file()) {
            let read = File::open(&self.0).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
            if read.is_err() {
                text.clear();
            }
        }
        text
    }

    /// Writes all of it or nothing. Where that cannot be done, the next call remembers nothing, which is no error.
    pub fn write(&self, text: &str) {
        let mut name = self.0.clone().into_os_string();
        name.push(format!(".{}", std::process::id()));
        let temporary = PathBuf::from(name);
        let _ = fs::remove_file(&temporary);
        // O_CREAT | O_EXCL: neither an existing file is opened nor a link followed.
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        if written.and_then(|()| fs::rename(&temporary, &self.0)).is_err() {
            let _ = fs::remove_file(&temporary);
            self.forget();
        }
    }

    /// Leaves nothing.
    pub fn forget(&self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_note_is_read_and_a_link_is_not() {
        let directory =
            std::env::temp_dir().join(format!("probe-notes-{:02x?}", crate::crypto::random::<8>().unwrap()));
        fs::create_dir(&directory).unwrap();
        let notes = Notes::at(directory.join("notes"));
        assert_eq!(notes.read(), "");
        notes.write("one");
        notes.write("two");
        assert_eq!(notes.read(), "two");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing else is left behind");
        notes.forget();
        notes.forget();
        let target = directory.join("target");
        fs::write(&target, "another's").unwrap();
        std::os::unix::fs::symlink(&target, &notes.0).unwrap();
        assert_eq!(notes.read(), "");
        notes.write("ours");
        assert_eq!((notes.read().as_str(), fs::read_to_string(&target).unwrap().as_str()), ("ours", "another's"));
        fs::remove_dir_all(&directory).unwrap();
        notes.write("a directory that is gone is no error");
        assert_eq!(notes.read(), "");
    }
}
