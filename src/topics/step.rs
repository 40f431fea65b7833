//! What can be done about a topic. Pure.

use crate::api::resources::TopicIntent;
use crate::kafka::admin::settings::Changes;
use crate::kafka::admin::topics::NewTopic;

/// One step. Each begins when the one before has succeeded, but for settings, which a growth that is refused does not hold up. Safe to do
/// twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write down what is about to be done: after a crash, this tells our doing from another's.
    Record {
        /// The topic that is about to be made.
        creating: Option<TopicIntent>,
        /// The settings that are about to be ours, or are.
        managed: Vec<String>,
    },
    /// Make the topic.
    Create(NewTopic),
    /// Bring it to this many partitions: more than it has.
    Grow(i32),
    /// Change single settings, and leave all others as they are.
    Alter(Changes),
}
