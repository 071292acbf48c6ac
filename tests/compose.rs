//! The compose file that users start servers with: what it must be so that it works tomorrow as it did today, and so that
//! nobody else reaches a database with a password from a README.

// Everything here is a test, also what no `#[test]` stands on.
#![allow(clippy::unwrap_used)]

use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Compose {
    services: BTreeMap<String, Service>,
    volumes: BTreeMap<String, Option<()>>,
}

#[derive(Deserialize)]
struct Service {
    image: String,
    #[serde(default)]
    ports: Vec<String>,
    #[serde(default)]
    volumes: Vec<String>,
    healthcheck: Option<Healthcheck>,
}

#[derive(Deserialize)]
struct Healthcheck {
    test: Vec<String>,
    retries: u32,
}

fn compose() -> Compose {
    let text = std::fs::read_to_string("docker-compose.yml").unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("docker-compose.yml: {error}"))
}

/// A version with at least a major and a minor number: `17.6-bookworm` and `8.4.6` are, `latest`, `17` and `alpine` are
/// not.
fn is_pinned(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    let Some((_, tag)) = name.split_once(':') else { return false };
    let mut numbers = tag.split(['.', '-']);
    let is_number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok());
    is_number(numbers.next()) && is_number(numbers.next())
}

#[test]
fn it_has_a_server_of_every_kind() {
    let services: Vec<String> = compose().services.into_keys().collect();
    assert_eq!(services, ["mongo", "mysql", "postgres", "s3"]);
}

#[test]
fn every_image_is_pinned_to_a_version() {
    for (name, service) in compose().services {
        assert!(
            is_pinned(&service.image),
            "{name}: {} names no version (as in postgres:17.6)",
            service.image
        );
    }
}

#[test]
fn every_service_says_when_it_is_ready() {
    for (name, service) in compose().services {
        let check = service.healthcheck.unwrap_or_else(|| panic!("{name} has no healthcheck"));
        assert!(check.test.len() > 1, "{name}: its healthcheck runs nothing");
        assert!(check.retries > 0, "{name}: its healthcheck never gives up");
    }
}

#[test]
fn every_port_is_bound_to_this_machine() {
    for (name, service) in compose().services {
        assert!(!service.ports.is_empty(), "{name} cannot be reached");
        for port in service.ports {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port} can be reached from other machines");
        }
    }
}

#[test]
fn all_data_lies_in_named_volumes() {
    let compose = compose();
    for (name, service) in compose.services {
        assert!(!service.volumes.is_empty(), "{name} loses its data with its container");
        for volume in service.volumes {
            let source = volume.split(':').next().unwrap_or_default();
            assert!(compose.volumes.contains_key(source), "{name}: {volume} is no volume of this file");
        }
    }
}

#[derive(Deserialize)]
struct Overlay {
    services: BTreeMap<String, Change>,
}

/// What the tests change of a service, or a service that only they have.
#[derive(Deserialize)]
struct Change {
    image: Option<String>,
    #[serde(default)]
    ports: Vec<String>,
    healthcheck: Option<serde_json::Value>,
}

#[test]
fn what_the_tests_add_is_pinned_and_bound_to_this_machine_too() {
    let text = include_str!("../scripts/compose.tests.yml");
    let overlay: Overlay = serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("compose.tests.yml: {e}"));
    let known = compose().services;
    assert!(overlay.services.len() > known.len() - 2, "it changes most services");
    for (name, change) in overlay.services {
        match (&change.image, known.contains_key(&name)) {
            (Some(image), false) => {
                assert!(is_pinned(image), "{name}: {image} names no version");
                assert!(change.healthcheck.is_some(), "{name} has no healthcheck");
            }
            (image, is_known) => {
                assert!(is_known && image.is_none(), "{name}: its image belongs to one file")
            }
        }
        // The whole of 127.0.0.0/8 is this machine.
        for port in change.ports {
            assert!(port.starts_with("127.0.0."), "{name}: {port} can be reached from other machines");
        }
    }
}

/// The tests run on the version that users are given.
#[test]
fn the_tests_use_the_same_s3_store() {
    let script = include_str!("../scripts/lib/install.sh");
    let version = script.lines().find_map(|line| line.strip_prefix("SEAWEEDFS_VERSION=")).unwrap();
    assert_eq!(compose().services["s3"].image, format!("chrislusf/seaweedfs:{version}"));
}

#[test]
fn the_check_of_pins_knows_what_it_does() {
    for image in ["postgres:17.6-bookworm", "mysql:8.4.6", "registry.example:5000/x/seaweedfs:4.48"] {
        assert!(is_pinned(image), "{image}");
    }
    for image in
        ["postgres", "postgres:latest", "postgres:17", "postgres:alpine", "registry.example:5000/postgres"]
    {
        assert!(!is_pinned(image), "{image}");
    }
}
