//! What takes many minutes: every crash point of a life, two leaders at once, and the loss of what the API server knew.

mod disaster;
mod later;
mod leaders;
