//! The broker's image, laid out as the official one: `/opt/kafka/{bin,libs,config}` and Java on the PATH, so that what the
//! project starts here is what its users start with `apache/kafka`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::oci::{Image, Layer};
use super::rootfs::Rootfs;
use super::{Archive, archive};
use crate::cache::{Cache, Recipe};
use crate::progress::{Progress, Step};

/// The version of Kafka; the Maven project beside the sources names the same.
pub const VERSION: &str = "4.3.1";

/// The image's name.
pub const REFERENCE: &str = "localhost/kafka:4.3.1";

/// The user that everything in it runs as, by number: that of the official image.
pub const USER: u32 = 1000;

const PROJECT: &str = include_str!("../../recipes/kafka/pom.xml");
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

const JAVA: Rootfs = Rootfs {
    name: "java",
    packages: &["openjdk-17-jre-headless", "bash", "dash", "coreutils", "grep", "sed", "hostname", "libc-bin"],
};

/// Scripts that start one class each.
const TOOLS: [(&str, &str); 13] = [
    ("kafka-acls.sh", "org.apache.kafka.tools.AclCommand"),
    ("kafka-broker-api-versions.sh", "org.apache.kafka.tools.BrokerApiVersionsCommand"),
    ("kafka-configs.sh", "org.apache.kafka.tools.ConfigCommand"),
    ("kafka-console-consumer.sh", "org.apache.kafka.tools.consumer.ConsoleConsumer"),
    ("kafka-console-producer.sh", "org.apache.kafka.tools.ConsoleProducer"),
    ("kafka-consumer-groups.sh", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"),
    ("kafka-features.sh", "org.apache.kafka.tools.FeatureCommand"),
    ("kafka-metadata-quorum.sh", "org.apache.kafka.tools.MetadataQuorumCommand"),
    ("kafka-producer-perf-test.sh", "org.apache.kafka.tools.ProducerPerformance"),
    ("kafka-reassign-partitions.sh", "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"),
    ("kafka-server-start.sh", "kafka.Kafka"),
    ("kafka-storage.sh", "kafka.tools.StorageTool"),
    ("kafka-topics.sh", "org.apache.kafka.tools.TopicCommand"),
];

/// Other files of the image.
const FILES: [(&str, u32, &str); 6] = [
    ("opt/kafka/bin/kafka-run-class.sh", 0o755, include_str!("../../recipes/kafka/kafka-run-class.sh")),
    ("opt/kafka/config/log4j2.yaml", 0o644, include_str!("../../recipes/kafka/log4j2.yaml")),
    ("opt/kafka/config/tools-log4j2.yaml", 0o644, include_str!("../../recipes/kafka/tools-log4j2.yaml")),
    ("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nappuser:x:1000:1000:appuser:/home/appuser:/bin/bash\n"),
    ("etc/group", 0o644, "root:x:0:\nappuser:x:1000:\n"),
    ("etc/nsswitch.conf", 0o644, "passwd: files\ngroup: files\nhosts: files dns\n"),
];

/// Builds the image, unless it is in the cache.
///
/// # Errors
/// When packages or artifacts cannot be fetched.
pub fn ensure(cache: &Cache, progress: &Progress) -> Result<Archive> {
    let mut inputs = vec![JAVA.recipe().key(), PROJECT.to_owned(), COPY.to_owned()];
    inputs.extend(FILES.iter().map(|(path, _, text)| format!("{path}\n{text}")));
    inputs.extend(TOOLS.iter().map(|(script, class)| format!("{script} {class}")));
    let recipe = Recipe { name: "image-kafka".into(), version: VERSION.into(), inputs };
    let image = Image {
        reference: REFERENCE,
        entrypoint: &[],
        environment: &[
            "PATH=/usr/lib/jvm/java-17-openjdk-amd64/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/kafka/bin",
            "LANG=C.UTF-8",
        ],
        user: "1000:1000",
        folder: "/",
    };
    let java = JAVA.ensure(cache, progress)?;
    archive(cache, progress, recipe, "image kafka: artifacts from Maven", &image, |folder, step| {
        let libs = fetch(cache, folder, step)?;
        let layer_file = folder.join("layer.tar");
        let mut layer = Layer::create(&layer_file)?;
        for (path, mode) in
            [("opt/kafka", 0o755), ("home/appuser", 0o755), ("tmp", 0o1777), ("mnt/shared/config", 0o755)]
        {
            layer.folder(path, mode)?;
        }
        for (path, mode, text) in FILES {
            layer.text(path, mode, text)?;
        }
        for (script, class) in TOOLS {
            layer.text(&format!("opt/kafka/bin/{script}"), 0o755, &start_script(class))?;
        }
        let mut jars: Vec<_> = fs::read_dir(&libs)?.flatten().map(|entry| entry.path()).collect();
        jars.sort();
        for jar in jars {
            let name = jar.file_name().unwrap_or_default().to_string_lossy();
            layer.copy(&format!("opt/kafka/libs/{name}"), 0o644, &jar)?;
        }
        layer.finish()?;
        fs::remove_dir_all(libs)?;
        Ok(vec![java, layer_file])
    })
}

/// The broker logs to its own format; everything else writes warnings alone, so that output stays readable.
fn start_script(class: &str) -> String {
    let log = if class == "kafka.Kafka" { "log4j2.yaml" } else { "tools-log4j2.yaml" };
    format!(
        "#!/bin/sh\nKAFKA_LOG4J_FILE=${{KAFKA_LOG4J_FILE:-{log}}} exec \"${{0%/*}}/kafka-run-class.sh\" {class} \"$@\"\n"
    )
}

fn fetch(cache: &Cache, folder: &Path, step: &Step) -> Result<PathBuf> {
    let libs = folder.join("libs");
    fs::write(folder.join("pom.xml"), PROJECT)?;
    let mut maven = Command::new("mvn");
    maven.current_dir(folder).args(["--batch-mode", "--quiet", COPY, "-DincludeScope=runtime"]);
    maven.arg(format!("-DoutputDirectory={}", libs.display()));
    step.run(&mut maven, &cache.log("kafka"))?;
    fs::remove_file(folder.join("pom.xml"))?;
    Ok(libs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maven_project_names_the_version_of_the_image() {
        assert!(PROJECT.contains(&format!("<kafka.version>{VERSION}</kafka.version>")));
        assert!(REFERENCE.ends_with(VERSION));
    }
}
