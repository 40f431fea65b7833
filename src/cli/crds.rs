//! `admittance crds`: the custom resource definitions.

use anyhow::Context;

use super::exit::Exit;
use super::print;
use crate::api::resources::definitions;

/// The definitions as one YAML stream: what the chart ships in `crds/`.
///
/// # Errors
/// Never for definitions that the API server would take.
pub fn yaml() -> anyhow::Result<String> {
    let mut text = String::new();
    for definition in definitions() {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(&definition).context("cannot write a definition as YAML")?);
    }
    Ok(text)
}

/// Prints the definitions.
///
/// # Errors
/// Standard output cannot be written to.
pub fn run() -> anyhow::Result<Exit> {
    print::text(&yaml()?)?;
    Ok(Exit::Fine)
}
