//! A certificate from a mounted Secret, which the kubelet changes by swapping a symbolic link.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use admittance::runtime::readiness::Readiness;
use admittance::trust::folder::{Folder, FolderError};
use admittance::trust::metrics::Expiry;
use admittance::trust::resolver::Resolver;

/// One generation of a mounted Secret.
fn generation(root: &Path, name: &str) {
    let made = rcgen::generate_simple_self_signed(["hook".to_owned()]).unwrap();
    let folder = root.join(name);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
}

/// As the kubelet does it: a new link beside the old one, renamed over it.
fn swap(root: &Path, to: &str) {
    symlink(to, root.join("..data_tmp")).unwrap();
    std::fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
}

#[tokio::test]
async fn every_swap_of_the_link_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    for file in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(file), root.path().join(file)).unwrap();
    }
    let mut readiness = Readiness::default();
    let gate = readiness.gate("certificate");
    let mut folder = Folder::new(root.path().to_owned(), Arc::new(Resolver::default()), gate, Expiry::default());
    assert!(matches!(folder.turn().await, Err(FolderError::Unreadable(..))));
    assert_eq!(readiness.missing(), ["certificate"]);
    for name in ["one", "two", "three"] {
        generation(root.path(), name);
        swap(root.path(), name);
        assert!(folder.turn().await.unwrap(), "{name}");
        assert!(!folder.turn().await.unwrap(), "{name} is served already");
    }
    assert!(readiness.missing().is_empty());
}

#[tokio::test]
async fn halves_of_two_generations_are_not_served() {
    let root = tempfile::tempdir().unwrap();
    generation(root.path(), "one");
    generation(root.path(), "two");
    std::fs::copy(root.path().join("one/tls.key"), root.path().join("two/tls.key")).unwrap();
    let gate = Readiness::default().gate("certificate");
    let mut folder =
        Folder::new(root.path().join("two"), Arc::new(Resolver::default()), gate.clone(), Expiry::default());
    assert!(matches!(folder.turn().await, Err(FolderError::Mismatch)));
    assert!(!gate.is_open());
}

/// The file is served and not published, so what else it holds is in nobody's way.
#[tokio::test]
async fn a_file_that_holds_the_key_too_is_served() {
    let root = tempfile::tempdir().unwrap();
    generation(root.path(), "one");
    let file = |name| root.path().join("one").join(name);
    let both = ["tls.crt", "tls.key"].map(|name| std::fs::read_to_string(file(name)).unwrap()).concat();
    std::fs::write(file("tls.crt"), both).unwrap();
    let gate = Readiness::default().gate("certificate");
    let mut folder =
        Folder::new(root.path().join("one"), Arc::new(Resolver::default()), gate.clone(), Expiry::default());
    assert!(folder.turn().await.unwrap() && gate.is_open());
}
