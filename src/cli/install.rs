//! What an installation decides, as options: what the webhook is told by its own arguments.

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::admission::decide::{Gates, OnInvalid, Settings};
use crate::admission::delivery::Delivery;
use crate::api::names::ClusterRef;

/// The namespace that the documentation installs into.
pub const NAMESPACE: &str = "admittance";
/// Where the cluster of who names none is said once for all commands.
pub const DEFAULT_CLUSTER: &str = "ADMITTANCE_DEFAULT_CLUSTER";
/// The chart's image, with this program's own version: nobody publishes it, so an installation has another.
const IMAGE: &str = concat!("admittance:", env!("CARGO_PKG_VERSION"));

/// By which labels the chart's webhook is found, in a namespace of the documentation's name.
const WEBHOOK: &str = "app.kubernetes.io/name=admittance,app.kubernetes.io/component=webhook";
/// Where its Deployment has its image, which is the probe's too.
const IMAGE_OF: &str = "{.items[0].spec.template.spec.containers[0].image}";

/// What becomes of a Pod whose annotations cannot be understood.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Invalid {
    /// It is refused, with every fault named.
    Deny,
    /// It is created as it is, with the faults as warnings.
    Admit,
}

impl From<Invalid> for OnInvalid {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::Deny => Self::Deny,
            Invalid::Admit => Self::Admit,
        }
    }
}

/// How the probe comes into a Pod.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Way {
    /// An init container copies it.
    Copy,
    /// An image volume holds it: only where every node can mount one.
    Image,
}

impl From<Way> for Delivery {
    fn from(way: Way) -> Self {
        match way {
            Way::Copy => Self::Copy,
            Way::Image => Self::Image,
        }
    }
}

/// What the installation is told, by the same names as `admittance webhook` is.
#[derive(Debug, Args)]
#[command(next_help_heading = "What the installation decides")]
pub struct Install {
    /// The BrokerCluster of Pods that name none: namespace/name, or a name in the namespace admittance.
    #[arg(long, value_name = "CLUSTER", env = DEFAULT_CLUSTER, default_value = "admittance/default")]
    pub default_cluster: String,
    /// The image that the probe copies itself from: the webhook's own. Without it a name is written that no registry has.
    #[arg(long, value_name = "IMAGE", env = "ADMITTANCE_PROBE_IMAGE")]
    pub probe_image: Option<String>,
    /// How the probe comes into a Pod.
    #[arg(long, value_enum, default_value_t = Way::Copy)]
    pub probe_delivery: Way,
    /// Pods may wait at a scheduling gate. Without it that is not known, and told where a Pod asks for one.
    #[arg(long)]
    pub gates: bool,
    /// What becomes of a Pod whose annotations cannot be understood.
    #[arg(long, value_enum, default_value_t = Invalid::Deny)]
    pub on_invalid: Invalid,
}

impl Install {
    /// The settings of a webhook that was told the same.
    ///
    /// # Errors
    /// The cluster's name is none.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let default_cluster = ClusterRef::parse(&self.default_cluster, NAMESPACE)
            .with_context(|| format!("--default-cluster \"{}\"", self.default_cluster))?;
        Ok(Settings {
            default_cluster,
            on_invalid: self.on_invalid.into(),
            probe_image: self.named_image().unwrap_or(IMAGE).to_owned(),
            probe_delivery: self.probe_delivery.into(),
            gates: if self.gates { Gates::Offered } else { Gates::Unknown },
            version: env!("CARGO_PKG_VERSION"),
        })
    }

    /// An empty name is what is left of a variable that should have been set.
    fn named_image(&self) -> Option<&str> {
        self.probe_image.as_deref().filter(|image| !image.is_empty())
    }

    /// What to tell the author of Pods that pull an image whose name was guessed.
    #[must_use]
    pub fn guess(&self) -> Option<String> {
        self.named_image().is_none().then(|| {
            format!(
                "warning: the image of the probe is written as {IMAGE}, which no registry has: no Pod with it starts; say --probe-image\n\
                 try: export ADMITTANCE_PROBE_IMAGE=$(kubectl -n {NAMESPACE} get deployments -l {WEBHOOK} -o jsonpath='{IMAGE_OF}')"
            )
        })
    }
}
