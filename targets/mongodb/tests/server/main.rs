//! What only MongoDB has: its ways in, its documents, its limits, its transactions. Against real servers, like the suite.

mod documents;
mod refusals;
mod scene;
mod ways_in;

#[path = "../second_way/mod.rs"]
mod second_way;
