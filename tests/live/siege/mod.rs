//! What takes many minutes: every crash point of a life, two leaders at once, a broker away, a broker more, the loss of what the API server
//! knew, and two hundred topics at once.

mod broker;
mod control_plane;
mod deletion;
mod disaster;
mod emptied;
mod later;
mod leaders;
mod moves;
mod restored;
mod shares;
mod topic_life;
