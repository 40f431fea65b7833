//! `admittance inject`: what the webhook would add, written into manifests.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::exit::Exit;
use super::injection::{Verdict, ask};
use super::install::Install;
use super::manifest::pods::{Site, sites};
use super::manifest::{Document, documents, edit};
use super::print::{self, Format, tame};
use super::source::{self, Source};
use crate::admission::decide::{Outcome, Settings};

const AFTER_HELP: &str = "\
Examples:
  admittance inject -f deployment.yaml --probe-image registry.example.org/admittance:0.1.0 | kubectl apply -f -
  export ADMITTANCE_PROBE_IMAGE=registry.example.org/admittance:0.1.0
  helm template shop ./chart | admittance inject --namespace shop > manifests.yaml
  admittance inject -f manifests/ --output json

Pods and everything with a Pod template are injected, also inside of Lists: Deployment, StatefulSet,
DaemonSet, ReplicaSet, ReplicationController, Job, CronJob, Argo Rollout, DeploymentConfig, and any
kind with containers in spec.template. All other documents pass unchanged, and so do those that ask
for no Kafka. Whether the namespace is opted in is not looked at. What was injected may be injected
again, and may be applied where the webhook runs: both add nothing. The probe's image is the one
that the webhook runs of; where it is not named, a name is written that no registry has.

Exit codes:
  0  the manifests were printed
  1  a Pod is refused; nothing was printed
  2  wrong usage, or an input that cannot be read; nothing was printed";

/// The arguments of `admittance inject`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct InjectArgs {
    /// A manifest, or a folder of them; - is standard input, which is read where no file is named. May be repeated.
    #[arg(short, long = "filename", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The namespace of objects that name none.
    #[arg(short, long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// In which form the manifests are printed.
    #[arg(short, long, value_enum, default_value_t = Format::Yaml)]
    output: Format,
    #[command(flatten)]
    install: Install,
}

/// Injects, and prints.
///
/// # Errors
/// An input cannot be read, or standard output cannot be written to.
pub fn run(args: &InjectArgs) -> anyhow::Result<Exit> {
    let settings = args.install.settings()?;
    let mut result = Injected::default();
    for source in source::read(&args.files)? {
        result.take(&source, &args.namespace, &settings, args.output)?;
    }
    for note in &result.notes {
        print::note(&tame(note));
    }
    if result.refused > 0 {
        print::note("error: nothing was printed; see each fault in full with: admittance explain --offline -f FILE");
        return Ok(Exit::Problems);
    }
    if let Some(guess) = args.install.guess().filter(|_| result.pulls) {
        print::note(&guess);
    }
    print::text(&result.text)?;
    Ok(Exit::Fine)
}

/// Manifests, injected.
#[derive(Debug, Default)]
pub struct Injected {
    /// The manifests.
    pub text: String,
    /// What their author should know, one a line.
    pub notes: Vec<String>,
    /// How many Pods are refused.
    pub refused: usize,
    /// Whether any pulls an image for what is added.
    pub pulls: bool,
}

impl Injected {
    /// Injects one more source.
    ///
    /// # Errors
    /// A document cannot be read.
    pub fn take(
        &mut self,
        source: &Source,
        namespace: &str,
        settings: &Settings,
        format: Format,
    ) -> anyhow::Result<()> {
        let documents = documents(&source.text).with_context(|| source.name.clone())?;
        for (index, mut document) in documents.into_iter().enumerate() {
            self.inject(source, &mut document, namespace, settings)?;
            match (format, &document.node) {
                (Format::Json, Some(node)) => {
                    self.text.push_str(&node.to_json_pretty());
                    self.text.push('\n');
                }
                (Format::Json, None) => {}
                (Format::Yaml, _) => self.append(&document, index == 0),
            }
        }
        Ok(())
    }

    /// Appends a document as it was read; the first one of a further file gets the separator that its file did not need.
    fn append(&mut self, document: &Document, first: bool) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        if first && !self.text.is_empty() && document.head.is_empty() {
            self.text.push_str("---\n");
        }
        self.text.push_str(&document.head);
        self.text.push_str(&document.text);
    }

    fn inject(
        &mut self,
        source: &Source,
        document: &mut Document,
        namespace: &str,
        settings: &Settings,
    ) -> anyhow::Result<()> {
        let Some(node) = &document.node else { return Ok(()) };
        let mut injected = None;
        for site in sites(node) {
            let namespace = site.namespace.as_deref().unwrap_or(namespace);
            let about = about(source, document.line, &site, namespace);
            let verdict = ask(&site.pod, namespace, settings).with_context(|| about.clone())?;
            self.note(&about, &verdict);
            self.pulls |= verdict.pulls();
            if !verdict.additions.is_empty() {
                let node = injected.get_or_insert_with(|| node.clone());
                verdict.apply(node, &site.path).with_context(|| about)?;
            }
        }
        if let Some(node) = injected {
            document.text = edit::document(&document.text, &node);
            document.node = Some(node);
        }
        Ok(())
    }

    fn note(&mut self, about: &str, verdict: &Verdict) {
        self.notes.extend(verdict.warnings.iter().map(|warning| format!("warning: {about}: {warning}")));
        if let Outcome::Denied(_) = verdict.outcome {
            self.refused += 1;
            self.notes.push(format!("error: {about}: {}", verdict.message));
        }
    }
}

fn about(source: &Source, line: usize, site: &Site, namespace: &str) -> String {
    let name = if site.name.is_empty() { "(generated name)" } else { &site.name };
    format!("{}:{line}: {} {namespace}/{name}", source.name, site.kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::decide::OnInvalid;
    use crate::api::names::ClusterRef;
    use crate::cli::manifest::read;

    fn settings(on_invalid: OnInvalid) -> Settings {
        Settings {
            default_cluster: ClusterRef { namespace: "admittance".into(), name: "default".into() },
            on_invalid,
            probe_delivery: crate::admission::delivery::Delivery::Copy,
            gates: crate::admission::decide::Gates::Offered,
            probe_image: "probe:1".into(),
            version: "0.0.0-test",
        }
    }

    fn inject_with(texts: &[&str], on_invalid: OnInvalid, format: Format) -> Injected {
        let mut result = Injected::default();
        for text in texts {
            let source = Source { name: "x.yaml".into(), text: (*text).into() };
            result.take(&source, "shop", &settings(on_invalid), format).unwrap();
        }
        result
    }

    fn inject(text: &str) -> String {
        let result = inject_with(&[text], OnInvalid::Deny, Format::Yaml);
        assert_eq!(result.refused, 0, "{:?}", result.notes);
        result.text
    }

    const DEPLOYMENT: &str = "\
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0x2 # two
  template:
    metadata:
      annotations:
        kafka.admittance.dev/consumes: orders
        when: 2001-12-14
    spec:
      containers:
      - name: app
        env: [{name: A, value: \"yes\"}, {name: B, value: '1e3'}]
        future: {ratio: 1.10}
";

    #[test]
    fn a_template_gets_what_its_pods_would_get() {
        let text = inject(DEPLOYMENT);
        for kept in
            ["replicas: 0x2 # two", "when: 2001-12-14", "value: \"yes\"}, {name: B, value: '1e3'}]", "ratio: 1.10"]
        {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        let node = read::document(&text).unwrap().unwrap();
        let template = node.at(&["spec", "template"]).unwrap();
        let label = template.at(&["metadata", "labels", "kafka.admittance.dev/access"]).unwrap();
        assert_eq!(label.as_text(), Some("web"), "the Pods' label, by the Deployment's name");
        let labels = template.at(&["metadata", "labels"]).unwrap().to_json();
        assert!(!labels.contains("hash"), "what a controller adds is not written: {labels}");
        assert!(template.at(&["metadata", "ownerReferences"]).is_none() && template.get("kind").is_none());
        let volumes = template.at(&["spec", "volumes"]).unwrap().elements().unwrap();
        assert_eq!(volumes[0].at(&["secret", "secretName"]).unwrap().as_text(), Some("web-kafka-credentials"));
        assert_eq!(template.at(&["spec", "initContainers"]).unwrap().elements().unwrap().len(), 1);
    }

    #[test]
    fn a_second_time_adds_nothing() {
        let once = inject(DEPLOYMENT);
        assert_eq!(inject(&once), once);
    }

    #[test]
    fn what_asks_for_nothing_stays_the_text_that_it_was() {
        let text = "# licence\n---\nkind:   ConfigMap # odd\ndata: {a: 0x1f,   b: yes}\n---\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: app}]}\n---\n";
        assert_eq!(inject(text), text);
    }

    #[test]
    fn several_files_become_one_stream() {
        let result = inject_with(&["a: 1", "---\nb: 2\n", "c: 3\n"], OnInvalid::Deny, Format::Yaml);
        assert_eq!(result.text, "a: 1\n---\nb: 2\n---\nc: 3\n");
        let result = inject_with(&["a: 1", "# nothing\n---\nb: 0x1f\n"], OnInvalid::Deny, Format::Json);
        assert_eq!(result.text, "{\n  \"a\": 1\n}\n{\n  \"b\": 31\n}\n");
    }

    #[test]
    fn lists_are_injected_item_by_item() {
        let pod = |name: &str| {
            format!(
                "- kind: Pod\n  metadata: {{name: {name}, annotations: {{kafka.admittance.dev/produces: t}}}}\n  spec:\n    containers:\n    - name: app\n"
            )
        };
        let text = inject(&format!("kind: List\nitems:\n{}- kind: Secret\n{}", pod("a"), pod("b")));
        for name in ["a", "b"] {
            assert!(text.contains(&format!("secretName: {name}-kafka-credentials")), "{text}");
        }
    }

    #[test]
    fn what_is_refused_is_named_and_counted() {
        let text = DEPLOYMENT.replace("consumes: orders", "consumes: a/b");
        let result = inject_with(&[&text], OnInvalid::Deny, Format::Yaml);
        assert_eq!(result.refused, 1);
        assert!(
            result.notes[0].starts_with("error: x.yaml:1: Deployment shop/web: InvalidTopicName: "),
            "{:?}",
            result.notes
        );
        let result = inject_with(&[&text], OnInvalid::Admit, Format::Yaml);
        assert_eq!((result.refused, result.text.as_str()), (0, text.as_str()));
        assert!(result.notes[0].starts_with("warning: "), "{:?}", result.notes);
        let generated =
            DEPLOYMENT.replace("kind: Deployment\nmetadata: {name: web}", "kind: Job\nmetadata: {generateName: web-}");
        assert!(inject_with(&[&generated], OnInvalid::Deny, Format::Yaml).notes[0].contains("NoWorkload"));
    }

    #[test]
    fn the_pods_of_an_injected_template_pass_the_webhook_with_its_mark_alone() {
        let node = read::document(&inject(DEPLOYMENT)).unwrap().unwrap();
        let site = &sites(&node)[0];
        let verdict = ask(&site.pod, "shop", &settings(OnInvalid::Deny)).unwrap();
        assert_eq!(verdict.outcome, Outcome::AlreadyInjected, "{verdict:?}");
    }
}
