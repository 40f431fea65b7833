//! What a call of the probe costs, beside the JVM's check.

use std::fs;
use std::process::Command;

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Client;
use kube::api::PostParams;

use crate::arrivals::Arrivals;
use crate::cluster::in_broker;
use crate::sample::Sample;
use crate::space::Space;
use crate::table::Table;
use crate::workload::{asks, unseen};

const CALLS: usize = 50;
const JVM_CALLS: usize = 5;
const BUDGET: &str = "≤ 10 ms CPU, ≤ 4 MiB, ≤ 3.5 MB";

/// What calls cost: ms, ms, MiB.
struct Costs {
    cpu: f64,
    wall: f64,
    peak: f64,
}

impl Costs {
    /// From the line that both scripts print: ms, ms, KiB.
    fn read(line: &str) -> Self {
        let numbers: Vec<f64> = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let [cpu, wall, peak] = numbers[..] else { panic!("not three numbers: {line}") };
        Self { cpu, wall, peak: peak / 1024.0 }
    }

    fn row(&self, table: &mut Table, what: &str, calls: usize, size: &str, budget: &str) {
        let [cpu, wall, peak] = [self.cpu, self.wall, self.peak].map(|number| format!("{number:.1}"));
        table.row(&[what, &cpu, &wall, &peak, &calls.to_string(), size, budget]);
    }
}

/// The probe as a process of its own with the files of a Secret; Kafka's tool in a broker's Pod.
pub(crate) async fn run(client: &Client) {
    let space = Space::opted_in(client, "probe").await;
    let topic = format!("{}.topic", space.name);
    let mut claims = Arrivals::of(&space.api()).await;
    space.api::<Pod>().create(&PostParams::default(), &unseen("app", &asks(&topic, &topic))).await.unwrap();
    space.all_ready(&mut claims, &["app".to_owned()]).await;
    let secret = space.api::<Secret>().get("app-kafka-credentials").await.unwrap();
    let folder = std::env::temp_dir().join(&space.name);
    fs::create_dir_all(&folder).unwrap();
    for (key, bytes) in secret.data.unwrap() {
        fs::write(folder.join(key), bytes.0).unwrap();
    }
    let program = std::env::var("BED_PROBE").expect("BED_PROBE names the probe");
    let mut calls = Command::new("python3");
    calls.args(["-c", CALLED, &CALLS.to_string(), &program, "ready", "--config"]).arg(&folder);
    let done = calls.output().unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(done.status.success(), "the probe failed: {}", String::from_utf8_lossy(&done.stderr));

    let head = ["", "CPU ms, p50", "wall ms, p50", "peak MiB, most", "calls", "MB on disk", "budget"];
    let mut table = Table::new("The probe, a call: TLS, SCRAM, metadata, rights; beside the JVM's check", &head);
    let size = format!("{:.2}", fs::metadata(&program).unwrap().len() as f64 / 1e6);
    Costs::read(&String::from_utf8_lossy(&done.stdout)).row(&mut table, "admittance-probe ready", CALLS, &size, BUDGET);
    jvm().row(&mut table, "kafka-broker-api-versions.sh", JVM_CALLS, "", "");
    table.print();
    space.retire().await;
}

/// What the JVM's check costs.
fn jvm() -> Costs {
    let calls: Vec<_> = (0..JVM_CALLS).map(|_| Costs::read(&in_broker(&["sh", "-c", JVM]))).collect();
    let at = |share, of: fn(&Costs) -> f64| Sample::of(calls.iter().map(of).collect()).at(share);
    Costs { cpu: at(0.5, |call| call.cpu), wall: at(0.5, |call| call.wall), peak: at(1.0, |call| call.peak) }
}

/// Runs a program so often, and prints the medians of its CPU and wall time in ms, and the most memory that it had in KiB. What
/// wait4 calls the peak begins with the memory of whoever starts a program; so in calls of their own, which are not timed, the
/// kernel is asked for the peak of the program's own memory until it ends.
const CALLED: &str = "
import os, statistics, sys, time
calls, program = int(sys.argv[1]), sys.argv[2:]
silent = [(os.POSIX_SPAWN_OPEN, 1, '/dev/null', os.O_WRONLY, 0)]
cpu, wall, peak = [], [], 0
for _ in range(calls):
    began = time.monotonic()
    _, status, used = os.wait4(os.posix_spawn(program[0], program, {}, file_actions=silent), 0)
    wall.append(time.monotonic() - began)
    assert status == 0, status
    cpu.append(used.ru_utime + used.ru_stime)
for _ in range(calls):
    child, lines = os.posix_spawn(program[0], program, {}, file_actions=silent), [True]
    while lines:
        with open(f'/proc/{child}/status') as status:
            lines = [line for line in status if line.startswith('VmHWM:')]
        peak = max([peak] + [int(line.split()[1]) for line in lines])
    assert os.waitpid(child, 0)[1] == 0
print(statistics.median(cpu) * 1000, statistics.median(wall) * 1000, peak)
";

/// The same for one call inside of a broker's Pod, where only a shell is: the kernel's own counters of the JVM while it runs.
const JVM: &str = "
began=$(date +%s%N)
kafka-broker-api-versions.sh --bootstrap-server kafka.kafka:9092 --command-config /etc/kafka/admin/client.properties >/tmp/said 2>&1 & pid=$!
ticks=0; peak=0
while [ -d /proc/$pid ] && read -r line 2>/dev/null </proc/$pid/stat; do
    set -- ${line##*) }
    ticks=$((${12} + ${13}))
    [ \"$1\" = Z ] && break
    while read -r key value _; do
        [ \"$key\" = VmHWM: ] && [ \"$value\" -gt $peak ] && peak=$value
    done 2>/dev/null </proc/$pid/status
    sleep 0.02
done
wait $pid || { cat /tmp/said >&2; exit 1; }
echo $((ticks * 10)) $((($(date +%s%N) - began) / 1000000)) $peak
";
