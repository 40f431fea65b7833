//! What takes many minutes: every crash point of a life, two leaders at once, the loss of what the API server knew, and two hundred topics at once.

mod deletion;
mod disaster;
mod later;
mod leaders;
