//! Amazon Redshift.

use super::{Options, driver, one_of, unload};
use crate::{
    config::{AdbcSpec, DriverOptions, Warehouse, number::Whole, raw, reader::Reader},
    secret::Secret,
    source::Dialect,
};
use std::ops::Range;
use url::Url;

pub(in crate::config::check) fn redshift(
    raw: raw::Redshift,
    block: &Range<usize>,
    reader: &mut Reader<'_>,
) -> Option<AdbcSpec> {
    let ways = [
        ("password", raw.password.place()),
        ("cluster", raw.cluster.place()),
        ("workgroup", raw.workgroup.place()),
    ];
    let help =
        "log in with `user` and `password`, or with the machine's AWS identity by `cluster` or `workgroup`";
    if !one_of(&ways, help, reader) {
        return None;
    }
    let [password, cluster, workgroup] = ways.map(|(_, at)| at);
    if password.is_some() != raw.user.place().is_some() {
        let at = password.or(raw.user.place()).unwrap_or_default();
        reader.problem(&at, "`user` and `password` belong together", help.to_owned());
        return None;
    }
    if password.is_none() && cluster.is_none() && workgroup.is_none() {
        reader.problem(block, "the source does not say how to log in to Redshift", help.to_owned());
        return None;
    }
    let (host, user) = (raw.host.given(), raw.user.given());
    if host.is_none() && password.is_some() {
        let help = "add `host: …`".to_owned();
        reader.problem(block, "with `user` and `password` the host must be given", help);
        return None;
    }
    let port = raw.port.or(Whole(5439))?.0;
    let database = raw.database.given()?.value.text;
    let host = host.map(|at| at.value);
    let base = host
        .as_ref()
        .map_or_else(|| "redshift:///".to_owned(), |host| format!("redshift://{}:{port}/", host.text));
    let url = Url::parse(&base).ok().and_then(|mut url| {
        url.path_segments_mut().ok()?.clear().push(&database);
        if let (Some(user), Some(password)) = (&user, raw.password.given()) {
            url.set_username(&user.value.text).ok()?;
            url.set_password(Some(password.value.0.expose())).ok()?;
        }
        let mut query = url.query_pairs_mut();
        if let Some(cluster) = raw.cluster.given() {
            query.append_pair("cluster_type", "redshift-iam");
            query.append_pair("cluster_identifier", &cluster.value.text);
        }
        if let Some(workgroup) = raw.workgroup.given() {
            query.append_pair("cluster_type", "redshift-serverless");
            query.append_pair("workgroup_name", &workgroup.value.text);
        }
        if let Some(region) = raw.region.given() {
            query.append_pair("aws_region", &region.value.text);
        }
        drop(query);
        if url.query() == Some("") {
            url.set_query(None);
        }
        Some(url)
    });
    let Some(url) = url else {
        reader.problem(block, "no address can be made of `host`, `port` and `database`", None);
        return None;
    };
    let mut options = Options::default();
    options.hide("uri", Secret::new(url.as_str()));
    let place = host.map_or_else(|| database.clone(), |host| format!("{}:{port}/{database}", host.text));
    let unload = unload::redshift(raw.unload, reader)?;
    Some(AdbcSpec {
        warehouse: Warehouse::Redshift,
        driver: driver(raw.driver, &["redshift", "adbc_driver_redshift"], reader)?,
        entrypoint: None,
        dialect: Dialect::Redshift,
        database: options.with(raw.options),
        connection: DriverOptions::default(),
        statement: DriverOptions::default(),
        settings: DriverOptions::default(),
        place,
        account: user.map(|at| at.value.text),
        unload,
    })
}
