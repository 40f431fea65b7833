//! Certificates: a CA for Kubernetes, a CA for Kafka, and a leaf for each that needs one. They are as disposable as their
//! cluster, so they never expire in its time.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::bed::write_file;

/// A certificate to make, in files NAME.crt and NAME.key.
#[derive(Debug)]
pub struct Leaf {
    /// The files' name.
    pub name: &'static str,
    /// To Kubernetes, the user; to Kafka, the source of the principal.
    pub common_name: String,
    /// To Kubernetes, the user's group.
    pub organization: &'static str,
    /// DNS names and IP addresses.
    pub addresses: Vec<String>,
}

/// Makes a CA and its leaves in a folder, all or nothing; does nothing if the folder is there.
///
/// # Errors
/// When a file cannot be written, or an address is not one.
pub fn ensure(folder: &Path, authority: &str, leaves: &[Leaf]) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let building = folder.with_extension("new");
    let _ = fs::remove_dir_all(&building);
    let issuer = CertifiedIssuer::self_signed(authority_params(authority)?, KeyPair::generate()?)?;
    write_file(&building.join("ca.crt"), &issuer.pem(), false)?;
    write_file(&building.join("ca.key"), &issuer.key().serialize_pem(), true)?;
    for leaf in leaves {
        let key = KeyPair::generate()?;
        let params = leaf_params(leaf).with_context(|| format!("certificate {}", leaf.name))?;
        let certificate = params.signed_by(&key, &issuer)?;
        write_file(&building.join(leaf.name).with_extension("crt"), &certificate.pem(), false)?;
        write_file(&building.join(leaf.name).with_extension("key"), &key.serialize_pem(), true)?;
    }
    Ok(fs::rename(building, folder)?)
}

fn authority_params(name: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

fn leaf_params(leaf: &Leaf) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(leaf.addresses.clone())?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params.distinguished_name.push(DnType::OrganizationName, leaf.organization);
    params.distinguished_name.push(DnType::CommonName, leaf.common_name.as_str());
    Ok(params)
}
