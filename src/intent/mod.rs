//! What a Pod asks for: from annotations and owner to an [`Intent`]. Pure, and the only reader of the contract: the
//! webhook, the operator and the command line call the same functions, so they cannot disagree. [`claim`] does the same for what a
//! TopicClaim asks for.

pub mod asked;
#[cfg(feature = "cluster")]
pub mod claim;
pub mod contract_2017;
pub mod identity;
pub mod limits;
#[cfg(feature = "cluster")]
pub mod manual;
pub mod naming;
pub mod probes;
pub mod problem;
pub mod request;
mod typo;

use std::collections::BTreeMap;

pub use asked::{Containers, EnvProfile, Intent, Wait};
pub use identity::Owner;
pub use probes::Probes;
pub use problem::Problem;

/// What the intent of a Pod is read from. Borrowed: the webhook has raw JSON, the operator a cached object.
#[derive(Debug, Clone, Default)]
pub struct PodMeta<'a> {
    /// The Pod's namespace: of the request while a review runs, when the Pod itself need not say it.
    pub namespace: &'a str,
    /// The Pod's name, absent while a review runs for a Pod with a generated one.
    pub name: Option<&'a str>,
    /// The prefix of a generated name.
    pub generate_name: Option<&'a str>,
    /// The Pod's labels.
    pub labels: BTreeMap<&'a str, &'a str>,
    /// The Pod's annotations.
    pub annotations: BTreeMap<&'a str, &'a str>,
    /// The owner that is the Pod's controller.
    pub owner: Option<Owner<'a>>,
}
