//! The ways into the cluster that the tests share. `KUBECONFIG` and the network are the testbed's.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::objects;
use crate::tools::kafka_tool;

/// The namespace of the installation.
pub(crate) const HOME: &str = "admittance";
/// How long anything may take that a test waits for: two cores run Kubernetes, Kafka and the tests.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// Runs kubectl; its standard output, or a panic with its standard error.
pub(crate) fn kubectl(arguments: &[&str]) -> String {
    let done = try_kubectl(arguments);
    assert!(done.status.success(), "kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Runs kubectl, whatever comes of it.
pub(crate) fn try_kubectl(arguments: &[&str]) -> Output {
    program().args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// It ends before there is garbage that is worth the search.
fn program() -> Command {
    let mut kubectl = Command::new("kubectl");
    kubectl.env("GOGC", "off");
    kubectl
}

/// Runs kubectl with manifests on its standard input.
pub(crate) fn with_input(arguments: &[&str], manifests: &str) -> Output {
    let mut kubectl = program();
    let piped = kubectl.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(manifests.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

pub(crate) fn apply(manifests: &str) {
    let done = with_input(&["apply", "--filename=-"], manifests);
    assert!(done.status.success(), "kubectl apply: {}", String::from_utf8_lossy(&done.stderr));
}

pub(crate) fn get(arguments: &[&str]) -> Value {
    try_get(arguments).unwrap_or_else(|said| panic!("kubectl get {}: {said}", arguments.join(" ")))
}

/// The same of what may not be there yet; what kubectl says where it is not.
pub(crate) fn try_get(arguments: &[&str]) -> Result<Value, String> {
    if let Some(answer) = objects::get(arguments) {
        return answer;
    }
    let done = try_kubectl(&[&["get", "--output=json"], arguments].concat());
    if done.status.success() {
        return Ok(serde_json::from_slice(&done.stdout).unwrap());
    }
    Err(String::from_utf8_lossy(&done.stderr).into_owned())
}

/// Asks until the answer is there; a panic that names what was waited for, and the last state, if it does not come.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        let asked = Instant::now();
        match ask() {
            Ok(answer) => return answer,
            Err(state) => assert!(began.elapsed() < LIMIT, "{what}: not within {} s; last: {state}", LIMIT.as_secs()),
        }
        // What is dear to ask, as Kafka's own tools are, is asked less often: else the questions take the machine from what they wait for.
        std::thread::sleep(asked.elapsed().max(Duration::from_millis(200)));
    }
}

/// Whether a condition `Ready` of an object is true; else what it says.
pub(crate) fn ready(object: &Value) -> Result<(), String> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    match ready {
        Some(ready) if ready["status"] == "True" => Ok(()),
        Some(ready) => Err(format!("{}: {}", ready["reason"], ready["message"])),
        None => Err("no condition Ready".to_owned()),
    }
}

pub(crate) fn wait_ready(kind: &str, namespace: &str, name: &str) -> Value {
    wait_for(&format!("{kind} {namespace}/{name} is ready"), || {
        let object = try_get(&[kind, name, "--namespace", namespace])?;
        ready(&object).map(|()| object)
    })
}

/// A namespace of the test's own, opted in and restricted; gone with the guard.
pub(crate) struct Namespace(pub(crate) String);

impl Namespace {
    pub(crate) fn opted_in(name: &str) -> Self {
        Self::make(name, "{kafka.admittance.dev/injection: enabled, pod-security.kubernetes.io/enforce: restricted}")
    }

    pub(crate) fn plain(name: &str) -> Self {
        Self::make(name, "{}")
    }

    fn make(name: &str, labels: &str) -> Self {
        apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {labels}}}}}"));
        // The account comes a moment after its namespace, and no Pod before it.
        wait_for("the default service account", || try_get(&["serviceaccount", "default", "--namespace", name]));
        Self(name.to_owned())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = try_kubectl(&["delete", "namespace", &self.0, "--wait=false"]);
    }
}

/// A Pod that does nothing, restricted, with annotations as given (`consumes: a`, one a line of YAML flow).
pub(crate) fn idle_pod(namespace: &str, name: &str, annotations: &str) -> String {
    pod(namespace, name, annotations, "localhost/pause:1", "[]")
}

pub(crate) fn pod(namespace: &str, name: &str, annotations: &str, image: &str, command: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, annotations: {{{annotations}}}}}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {{runAsNonRoot: true, runAsUser: 1000, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
    - name: main
      image: {image}
      imagePullPolicy: Never
      command: {command}
      env: [{{name: KAFKA_HEAP_OPTS, value: -Xmx96m}}, {{name: LOG_DIR, value: /tmp}}]
      securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}, readOnlyRootFilesystem: true}}
      volumeMounts: [{{name: tmp, mountPath: /tmp}}]
  volumes: [{{name: tmp, emptyDir: {{}}}}]
"
    )
}

/// Runs a command in a container; whether it succeeded, and all that it wrote.
pub(crate) fn exec(namespace: &str, pod: &str, command: &[&str]) -> (bool, String) {
    let done = try_kubectl(&[&["exec", "--quiet", "--namespace", namespace, pod, "--"], command].concat());
    (
        done.status.success(),
        [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat(),
    )
}

/// Scales a workload, and waits until it is so.
pub(crate) fn scale(namespace: &str, workload: &str, replicas: u32) {
    kubectl(&["scale", workload, "--namespace", namespace, &format!("--replicas={replicas}")]);
    wait_for(&format!("{workload} has {replicas} ready replicas and no other"), || {
        let object = get(&[workload, "--namespace", namespace]);
        let count = |field: &str| object["status"][field].as_u64().unwrap_or(0);
        let all = (count("replicas"), count("readyReplicas"));
        // A Pod that terminates is no replica any more, and still answers.
        let selector = object["spec"]["selector"]["matchLabels"].as_object().unwrap();
        let selector =
            selector.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap())).collect::<Vec<_>>();
        let pods = get(&["pods", "--namespace", namespace, "--selector", &selector.join(",")]);
        let pods = pods["items"].as_array().unwrap().len();
        if all == (u64::from(replicas), u64::from(replicas)) && pods == replicas as usize {
            return Ok(());
        }
        Err(format!("{all:?}, {pods} Pods"))
    });
}

/// A topic's name that no other test has used on this cluster, each being a process of its own: a topic belongs to one namespace.
pub(crate) fn unique(name: &str) -> String {
    static RUN: LazyLock<u128> = LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis());
    format!("{name}-{:x}", *RUN)
}

/// The rules of a user, as Kafka's own tool lists them.
pub(crate) fn rules_of(user: &str) -> String {
    // The tool names the principal even where it has no rule: what does not says nothing of it.
    wait_for("kafka-acls.sh answers", || {
        let said = kafka_tool("kafka-acls.sh", &["--list", "--principal", &format!("User:{user}")]);
        if said.contains("ACLs for principal") { Ok(said) } else { Err(said) }
    })
}

/// The rules in what `kafka-acls.sh` lists, each as `TOPIC orders LITERAL READ`; of one that does not allow, or not from everywhere, the rest of
/// the line follows.
fn rules_in(listed: &str) -> BTreeSet<String> {
    let field = |line: &str, name: &str| {
        let value = line.split_once(&format!("{name}=")).map(|(_, rest)| rest);
        value.and_then(|rest| rest.split([',', ')']).next()).unwrap_or_else(|| panic!("no {name} in {line}")).to_owned()
    };
    let (mut resource, mut rules) = (String::new(), BTreeSet::new());
    for line in listed.lines() {
        if line.contains("ResourcePattern(") {
            resource = ["resourceType", "name", "patternType"].map(|name| field(line, name)).join(" ");
        } else if line.contains("permissionType=") {
            let plain = (field(line, "permissionType"), field(line, "host")) == ("ALLOW".into(), "*".into());
            let rest = if plain { "" } else { line.trim() };
            rules.insert(format!("{resource} {} {rest}", field(line, "operation")).trim_end().to_owned());
        }
    }
    rules
}

/// Whether a user has these rules, each as `TOPIC orders LITERAL READ`, and no other; else those that it has.
pub(crate) fn has_exactly<R: AsRef<str>>(user: &str, rules: &[R]) -> Result<(), String> {
    let listed = rules_of(user);
    let wanted: BTreeSet<String> = rules.iter().map(|rule| rule.as_ref().to_owned()).collect();
    if rules_in(&listed) == wanted { Ok(()) } else { Err(format!("not {wanted:?}: {listed}")) }
}

/// The passwords of a user, as Kafka's own tool lists them: `SCRAM-SHA-512=iterations=…`.
pub(crate) fn slots_of(user: &str) -> String {
    kafka_tool("kafka-configs.sh", &["--describe", "--entity-type", "users", "--entity-name", user])
}

/// The Kafka user of an access, once that is ready.
pub(crate) fn user_of(namespace: &str, access: &str) -> String {
    wait_ready("accessclaim", namespace, access)["status"]["username"].as_str().unwrap().to_owned()
}

/// Waits until nothing is left of an access, in Kafka or in its namespace.
pub(crate) fn nothing_is_left(namespace: &str, access: &str, user: &str) {
    wait_for("rules, user, Secret and claim are gone", || left_of(namespace, access, user));
}

/// What is left of an access, as the error.
pub(crate) fn left_of(namespace: &str, access: &str, user: &str) -> Result<(), String> {
    let (rules, slots) = (rules_of(user), slots_of(user));
    let objects = get(&["accessclaims,secrets", "--namespace", namespace]);
    let named = |item: &Value| item["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(access));
    let objects = objects["items"].as_array().unwrap().iter().any(named);
    let left = rules.contains("ALLOW") || slots.contains("iterations=") || objects;
    if left { Err(format!("{rules}{slots}objects: {objects}")) } else { Ok(()) }
}

/// What the brokers have logged since they started.
pub(crate) fn kafka_logs() -> String {
    ["kafka-0", "kafka-1", "kafka-2"]
        .map(|broker| kubectl(&["logs", broker, "--namespace=kafka", "--tail=-1"]))
        .concat()
}

/// The logins of clients that the brokers have refused since they started, a line each. The operator tries each new password on each broker,
/// and one that is busy may show a user before it takes its login.
pub(crate) fn failed_logins() -> BTreeSet<String> {
    let operators = get(&["pods", "--namespace=admittance", "--selector=app.kubernetes.io/component=operator"]);
    let addresses = operators["items"].as_array().unwrap().iter().filter_map(|pod| pod["status"]["podIP"].as_str());
    let operators: Vec<_> = addresses.map(|address| format!("with /{address} ")).collect();
    let is_clients = |line: &&str| !operators.iter().any(|operator| line.contains(operator));
    let logs = kafka_logs();
    logs.lines().filter(|line| line.contains("Failed authentication")).filter(is_clients).map(str::to_owned).collect()
}

/// Fails with the logins that the brokers have refused since then.
pub(crate) fn no_login_failed_since(before: &BTreeSet<String>) {
    let now = failed_logins();
    let new: Vec<_> = now.difference(before).collect();
    assert!(new.is_empty(), "brokers refused a login: {new:#?}");
}

/// Fields of the specification of BrokerCluster `default` for as long as this lives; what was there before is again with the guard.
pub(crate) struct Spec {
    before: Value,
}

impl Spec {
    /// Sets them, as a merge patch does, and waits until the operator has seen it.
    pub(crate) fn set(fields: &Value) -> Self {
        let spec = Self::unseen(fields);
        wait_for("the operator has seen the specification", || {
            let cluster = get(&["brokercluster", "default", "--namespace", HOME]);
            let conditions = cluster["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.into_iter().find(|said| said["type"] == "Ready").unwrap_or_default();
            let seen = ready["observedGeneration"] == cluster["metadata"]["generation"];
            if seen { Ok(()) } else { Err(ready.to_string()) }
        });
        spec
    }

    /// The same where no operator runs.
    pub(crate) fn unseen(fields: &Value) -> Self {
        let before = overwritten(&get(&["brokercluster", "default", "--namespace", HOME])["spec"], fields);
        let done = Self::patch(fields);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Self { before }
    }

    fn patch(fields: &Value) -> Output {
        let patch = json!({"spec": fields}).to_string();
        try_kubectl(&["patch", "brokercluster", "default", "--namespace", HOME, "--type=merge", "--patch", &patch])
    }
}

impl Drop for Spec {
    fn drop(&mut self) {
        let done = Self::patch(&self.before);
        // The first panic says more.
        if !std::thread::panicking() {
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }
}

/// The merge patch that takes another one back: what that overwrites, and null for what it adds.
fn overwritten(before: &Value, patch: &Value) -> Value {
    let (Value::Object(before), Value::Object(patch)) = (before, patch) else { return before.clone() };
    let field = |(name, patch): (&String, &Value)| {
        let before = before.get(name).map_or(Value::Null, |before| overwritten(before, patch));
        (name.clone(), before)
    };
    Value::Object(patch.iter().map(field).collect::<Map<_, _>>())
}

/// The credential Secret of an access.
pub(crate) fn secret_of(namespace: &str, access: &str) -> Value {
    get(&["secret", &format!("{access}-kafka-credentials"), "--namespace", namespace])
}

/// Waits until the credential Secret of an access has another password than it had; the Secret.
pub(crate) fn wait_new_password(namespace: &str, access: &str, before: &Value) -> Value {
    wait_for(&format!("access {namespace}/{access} has a new password"), || {
        let secret = secret_of(namespace, access);
        let new = secret["data"]["password"] != before["data"]["password"];
        if new { Ok(secret) } else { Err("the same password".to_owned()) }
    })
}

/// Waits until the condition `Ready` of an object has a reason.
pub(crate) fn wait_reason(kind: &str, namespace: &str, name: &str, reason: &str) {
    wait_for(&format!("{kind} {namespace}/{name} says {reason}"), || {
        let object = try_get(&[kind, name, "--namespace", namespace])?;
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        let said = conditions.iter().any(|said| said["type"] == "Ready" && said["reason"] == reason);
        if said { Ok(()) } else { Err(object["status"].to_string()) }
    });
}

/// Waits until a Pod has an Event of a reason; its message.
pub(crate) fn event_of(namespace: &str, pod: &str, reason: &str) -> String {
    wait_event(namespace, &format!("involvedObject.name={pod}"), reason, "")
}

/// Waits until an object of a kind has an Event of a reason that says so; its message. Others of its name may have been told the same.
pub(crate) fn event_about(kind: &str, namespace: &str, name: &str, reason: &str, says: &str) -> String {
    wait_event(namespace, &format!("involvedObject.kind={kind},involvedObject.name={name}"), reason, says)
}

fn wait_event(namespace: &str, about: &str, reason: &str, says: &str) -> String {
    wait_for(&format!("an Event {reason} in {namespace} about {about} says \"{says}\""), || {
        let events = get(&["events", "--namespace", namespace, &format!("--field-selector={about}")]);
        let messages = events["items"].as_array().unwrap().iter().filter(|event| event["reason"] == reason);
        let mut messages = messages.filter_map(|event| event["message"].as_str());
        let found = messages.find(|message| message.contains(says)).map(str::to_owned);
        found.ok_or_else(|| events["items"].to_string())
    })
}
