//! Which partitions can be believed to be kept where brokers say. Pure.
//!
//! What is under way is told by the controller, as it has committed it; where a topic is kept, by a broker, as far as that has followed:
//! before Kafka 4.1 that may be half a second behind where nothing else happens. So what somebody moved may have left the list, and the
//! topic still shows those that went, and the newcomers as lagging. Who took that for too many replicas would undo the move.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::kafka::admin::reassignments::Reassignment;
use crate::kafka::admin::topics::Topic;

/// A broker that answers has followed by then.
pub const LAG: Duration = Duration::from_secs(1);

/// The partitions that are kept as they were [`LAG`] ago, of which nothing was under way then: `running` was on the list at that time.
#[must_use]
pub fn steady(then: &Topic, running: &[Reassignment], now: &Topic) -> BTreeSet<i32> {
    let as_then = now.partitions.iter().filter(|partition| {
        let was = then.partitions.iter().find(|was| was.index == partition.index);
        was.is_some_and(|was| was.replicas == partition.replicas && was.in_sync == partition.in_sync)
    });
    let moved = |index| running.iter().any(|move_| move_.topic == now.name && move_.index == index);
    as_then.map(|partition| partition.index).filter(|index| then.id == now.id && !moved(*index)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::admin::BrokerId;
    use crate::kafka::admin::topics::{Partition, TopicId};

    fn ids(ids: &[i32]) -> Vec<BrokerId> {
        ids.iter().copied().map(BrokerId).collect()
    }

    fn topic(id: u8, partitions: &[(&[i32], &[i32])]) -> Topic {
        let partition = |(index, (replicas, in_sync)): (i32, &(&[i32], &[i32]))| Partition {
            index,
            leader: None,
            replicas: ids(replicas),
            in_sync: ids(in_sync),
        };
        let partitions = (0..).zip(partitions).map(partition).collect();
        Topic { name: "orders".into(), id: TopicId([id; 16]), internal: false, partitions }
    }

    #[test]
    fn a_partition_is_steady_that_nobody_moved_and_that_looks_as_before() {
        let two: &[i32] = &[1, 2];
        let as_it_is = topic(1, &[(two, two), (two, two)]);
        let running = |topic: &str, index| {
            let topic = topic.to_owned();
            vec![Reassignment { topic, index, replicas: ids(&[1, 2, 3]), adding: ids(&[3]), removing: ids(&[1]) }]
        };
        for (then, running, expected, case) in [
            (as_it_is.clone(), vec![], &[0, 1][..], "nothing happened"),
            (as_it_is.clone(), running("orders", 1), &[0], "one was moved"),
            (as_it_is.clone(), running("payments", 1), &[0, 1], "another topic was"),
            (topic(1, &[(&[1, 2, 3], two), (two, two)]), vec![], &[1], "it was kept elsewhere"),
            (topic(1, &[(two, two), (two, &[1])]), vec![], &[0], "another was in sync"),
            (topic(1, &[(two, two)]), vec![], &[0], "it was not there"),
            (topic(2, &[(two, two), (two, two)]), vec![], &[], "another topic had the name"),
        ] {
            assert_eq!(steady(&then, &running, &as_it_is), expected.iter().copied().collect(), "{case}");
        }
    }
}
