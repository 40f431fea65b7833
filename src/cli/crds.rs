//! `admittance crds`: the custom resource definitions.

use std::io::Write;

use anyhow::Context;

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
/// Standard output is closed.
pub fn print() -> anyhow::Result<()> {
    std::io::stdout().lock().write_all(yaml()?.as_bytes()).context("cannot write to standard output")
}
