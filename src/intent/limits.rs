//! How much one Pod may ask for. The limits keep a single annotation from costing a neighbour anything.

/// Topics that one Pod may name, consumed and produced together.
pub const MAX_TOPICS: usize = 100;
/// Consumer groups that one Pod may name beyond those of its namespace.
pub const MAX_GROUPS: usize = 20;
/// Containers of a Pod that is given an access, init containers among them: each is given something, and costs its author a few bytes.
pub const MAX_CONTAINERS: usize = 250;
/// Characters of one annotation's value: a hundred of the longest topic names with their separators, and some air.
pub const MAX_VALUE: usize = 32_768;
/// Faults of one Pod that are named: enough to correct several at once, few enough to be read.
pub const MAX_PROBLEMS: usize = 5;
/// Characters of a bad value that a message repeats.
pub const SHOWN: usize = 60;
