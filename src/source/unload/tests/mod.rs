//! Statements word for word, and files that are not as they should be.

mod files;
mod forms;
mod statements;

use super::Staging;
use crate::{
    config::{Location, StorageOptions},
    object_storage::{Address, place},
    secret::Secret,
};
use object_store::{ObjectStore, memory::InMemory};
use std::sync::Arc;

/// The folder of run 17 of the sync `users` in a store at this address.
fn staging(address: &str, options: &[(&str, &str)]) -> Staging {
    staging_in(Arc::new(InMemory::new()), address, options)
}

fn staging_in(objects: Arc<dyn ObjectStore>, address: &str, options: &[(&str, &str)]) -> Staging {
    let location = match address.contains("://") {
        true => Location::Url(address.to_owned()),
        false => Location::Local(address.into()),
    };
    let (base, root) = place(&location).unwrap();
    let folder = root.clone().join("users").join("runs").join("00000017").join("unloaded");
    let options: StorageOptions =
        options.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
    Staging::new(objects, folder, Some(Arc::new(Address { base, root, options })))
}
