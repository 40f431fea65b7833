//! Kafka's own tools, as its administrator: in a Pod where they stay warm, for tests ask hundreds of times, and each start of Java takes a
//! second of CPU, on a machine whose CPU is what the tests wait for.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::bed::{LIMIT, apply, try_get, wait_for};

/// In the image of the brokers, whose recipe has what listens here.
const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: kafka-tools, namespace: kafka}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000}
  containers:
    - name: tools
      image: localhost/kafka:4.3.1
      imagePullPolicy: Never
      command: [kafka-run-class.sh, Tools, \"9099\"]
      env: [{name: KAFKA_HEAP_OPTS, value: -Xmx128m}]
      resources: {requests: {cpu: 100m}}
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, readOnlyRootFilesystem: true}
      volumeMounts:
        - {name: admin, mountPath: /etc/kafka/admin}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - {name: admin, secret: {secretName: kafka-admin, defaultMode: 0440}}
    - {name: tmp, emptyDir: {}}
";
const PORT: u16 = 9099;

/// What one of Kafka's tools says. Its complaints are an answer; that it could not be run says nothing of Kafka, and it is tried again.
pub(crate) fn kafka_tool(tool: &str, arguments: &[&str]) -> String {
    let admin = ["--bootstrap-server", "kafka.kafka:9092", "--command-config", "/etc/kafka/admin/client.properties"];
    let words = [&[tool], &admin[..], arguments].concat();
    wait_for(&format!("{tool} runs"), || ask(place()?, &words).map_err(|error| error.to_string()))
}

/// Where they are; they are brought there by who looks first.
fn place() -> Result<SocketAddr, String> {
    let pod = try_get(&["pod", "kafka-tools", "--namespace", "kafka"]).inspect_err(|said| {
        if said.contains("NotFound") {
            apply(POD);
        }
    })?;
    let address = pod["status"]["podIP"].as_str().ok_or("kafka-tools has no address yet")?;
    Ok(SocketAddr::new(address.parse().map_err(|_| address.to_owned())?, PORT))
}

/// As `Tools.java` of the image has it.
fn ask(place: SocketAddr, words: &[&str]) -> io::Result<String> {
    let mut question = u32::try_from(words.len()).map_err(io::Error::other)?.to_be_bytes().to_vec();
    for word in words {
        question.extend(u16::try_from(word.len()).map_err(io::Error::other)?.to_be_bytes());
        question.extend(word.bytes());
    }
    let mut stream = TcpStream::connect_timeout(&place, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(&question)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut said = vec![0; u32::from_be_bytes(length).try_into().map_err(io::Error::other)?];
    stream.read_exact(&mut said)?;
    String::from_utf8(said).map_err(io::Error::other)
}
