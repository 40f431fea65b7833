//! The broker's image, laid out as the official one: `/opt/kafka/{bin,libs,config}` and Java on the PATH, so that what the
//! project starts here is what its users start with `apache/kafka`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::oci::{Image, Layer};
use super::rootfs::Rootfs;
use super::{ARCHITECTURE, Archive, archive};
use crate::bed::{output, write_file};
use crate::cache::{Cache, Recipe};
use crate::kafka::{self, PROPERTIES, START};
use crate::progress::{Progress, Step};

/// The version of Kafka; the Maven project beside the sources names the same.
pub const VERSION: &str = "4.3.1";

/// The image's name.
pub const REFERENCE: &str = "localhost/kafka:4.3.1";

/// The user that everything in it runs as, by number: that of the official image.
pub const USER: u32 = 1000;

const PROJECT: &str = include_str!("../../recipes/kafka/pom.xml");
/// What keeps the tools warm, for whoever asks many times: `kafka-run-class.sh Tools PORT`.
const WARM: &str = include_str!("../../recipes/kafka/Tools.java");
const RECORD: &str = include_str!("../../recipes/kafka/record.sh");
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

const JAVA: Rootfs = Rootfs {
    name: "java",
    packages: &["openjdk-17-jre-headless", "bash", "dash", "coreutils", "grep", "sed", "hostname", "libc-bin"],
};

/// Scripts that start one class each, and the kind of program that it is.
const TOOLS: [(&str, &str, &str); 13] = [
    ("kafka-acls.sh", "tools", "org.apache.kafka.tools.AclCommand"),
    ("kafka-broker-api-versions.sh", "tools", "org.apache.kafka.tools.BrokerApiVersionsCommand"),
    ("kafka-configs.sh", "tools", "kafka.admin.ConfigCommand"),
    ("kafka-console-consumer.sh", "tools", "org.apache.kafka.tools.consumer.ConsoleConsumer"),
    ("kafka-console-producer.sh", "tools", "org.apache.kafka.tools.ConsoleProducer"),
    ("kafka-consumer-groups.sh", "tools", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"),
    ("kafka-features.sh", "tools", "org.apache.kafka.tools.FeatureCommand"),
    ("kafka-metadata-quorum.sh", "tools", "org.apache.kafka.tools.MetadataQuorumCommand"),
    ("kafka-producer-perf-test.sh", "tools", "org.apache.kafka.tools.ProducerPerformance"),
    ("kafka-reassign-partitions.sh", "tools", "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"),
    ("kafka-server-start.sh", "server", "kafka.Kafka"),
    ("kafka-storage.sh", "storage", "kafka.tools.StorageTool"),
    ("kafka-topics.sh", "tools", "org.apache.kafka.tools.TopicCommand"),
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
    let mut inputs = vec![JAVA.recipe().key(), PROJECT.to_owned(), COPY.to_owned(), WARM.to_owned(), record_script()];
    inputs.extend([PROPERTIES.to_owned(), START.to_owned()]);
    inputs.extend(FILES.iter().map(|(path, _, text)| format!("{path}\n{text}")));
    inputs.extend(TOOLS.iter().map(|(script, kind, class)| format!("{script} {kind} {class}")));
    let recipe = Recipe { name: "image-kafka".into(), version: VERSION.into(), inputs };
    let path = format!(
        "PATH=/usr/lib/jvm/java-17-openjdk-{ARCHITECTURE}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/kafka/bin"
    );
    let image = Image {
        reference: REFERENCE,
        entrypoint: &[],
        environment: &[&path, "LANG=C.UTF-8"],
        user: "1000:1000",
        folder: "/",
    };
    let java = JAVA.ensure(cache, progress)?;
    let label = "image kafka: artifacts from Maven, and a first start, about a minute";
    archive(cache, progress, recipe, label, &image, |folder, step| {
        let libs = fetch(cache, folder, step)?;
        warm_tools(folder, &libs)?;
        let kafka = program_layer(folder, &libs)?;
        fs::remove_dir_all(libs)?;
        step.say("first start");
        let classes = classes_layer(folder, &[&java, &kafka], step, &cache.log("kafka-record"))?;
        Ok(vec![java, kafka, classes])
    })
}

/// What records the classes, with Java where this machine's package has it.
fn record_script() -> String {
    RECORD.replace("@ARCHITECTURE@", ARCHITECTURE)
}

/// What lies in `/opt/kafka`, and the few files that a system needs.
fn program_layer(folder: &Path, libs: &Path) -> Result<PathBuf> {
    let file = folder.join("kafka.tar");
    let mut layer = Layer::create(&file)?;
    for (path, mode) in [("opt/kafka", 0o755), ("home/appuser", 0o755), ("tmp", 0o1777), ("mnt/shared/config", 0o755)] {
        layer.folder(path, mode)?;
    }
    for (path, mode, text) in FILES {
        layer.text(path, mode, text)?;
    }
    for (script, kind, class) in TOOLS {
        let text = format!("#!/bin/sh\nKAFKA_KIND={kind} exec \"${{0%/*}}/kafka-run-class.sh\" {class} \"$@\"\n");
        layer.text(&format!("opt/kafka/bin/{script}"), 0o755, &text)?;
    }
    let mut jars: Vec<_> = fs::read_dir(libs)?.flatten().map(|entry| entry.path()).collect();
    jars.sort();
    for jar in jars {
        let name = jar.file_name().unwrap_or_default().to_string_lossy();
        layer.copy(&format!("opt/kafka/libs/{name}"), 0o644, &jar)?;
    }
    layer.finish()?;
    Ok(file)
}

/// Archives of preloaded classes: what the official image has as well. Recorded by a broker that starts once, in namespaces
/// of its own, with the configuration that the brokers of a cluster have.
fn classes_layer(folder: &Path, layers: &[&Path], step: &Step, log: &Path) -> Result<PathBuf> {
    let root = folder.join("root");
    fs::create_dir(&root)?;
    for layer in layers {
        output(Command::new("tar").arg("--extract").arg("--file").arg(layer).arg("--directory").arg(&root))?;
    }
    for (path, text) in kafka::recording_files(&folder.join("recording"))? {
        write_file(&root.join(path), &text, false)?;
    }
    write_file(&root.join("etc/hosts"), "127.0.0.1 localhost kafka-0 kafka-0.kafka.kafka.svc.cluster.local\n", false)?;
    write_file(&root.join("record.sh"), &record_script(), false)?;
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation=private",
        "--net",
        "--uts",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-euc",
    ]);
    command.arg(
        "ip link set lo up; hostname kafka-0; mount --rbind /dev \"$1/dev\"; mount -t proc proc \"$1/proc\"
         exec chroot \"$1\" /bin/sh /record.sh",
    );
    step.run(command.arg("sh").arg(&root), log)?;
    let file = folder.join("classes.tar");
    let mut layer = Layer::create(&file)?;
    layer.folder("opt/kafka/classes", 0o755)?;
    for kind in ["server", "storage", "tools"] {
        let path = format!("opt/kafka/classes/{kind}.jsa");
        layer.copy(&path, 0o644, &root.join(&path))?;
    }
    layer.finish()?;
    fs::remove_dir_all(folder.join("recording"))?;
    fs::remove_dir_all(root)?;
    Ok(file)
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

/// Compiles what keeps the tools warm, and puts it beside them.
fn warm_tools(folder: &Path, libs: &Path) -> Result<()> {
    let made = folder.join("warm");
    fs::create_dir(&made)?;
    let source = made.join("Tools.java");
    fs::write(&source, WARM)?;
    let classes = made.join("classes");
    let mut compile = Command::new("javac");
    compile.args(["--release", "17", "-Xlint:all,-serial", "-Werror", "--class-path"]).arg(libs.join("*"));
    output(compile.arg("-d").arg(&classes).arg(&source))?;
    let mut pack = Command::new("jar");
    // With a date of their own two builds would differ.
    pack.args(["--create", "--date=2026-01-01T00:00:00+00:00", "--file"]).arg(libs.join("warm-tools.jar"));
    output(pack.arg("-C").arg(&classes).arg("."))?;
    Ok(fs::remove_dir_all(made)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maven_project_names_the_version_of_the_image() {
        assert!(PROJECT.contains(&format!("<kafka.version>{VERSION}</kafka.version>")));
        assert!(REFERENCE.ends_with(VERSION));
    }

    #[test]
    fn java_is_looked_for_where_the_package_of_this_machine_has_it() {
        assert_eq!(RECORD.matches("-openjdk-@ARCHITECTURE@/bin:").count(), 1);
        assert!(record_script().contains(&format!("PATH=/usr/lib/jvm/java-17-openjdk-{ARCHITECTURE}/bin:")));
    }
}
