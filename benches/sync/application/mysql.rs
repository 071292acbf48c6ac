//! The application's requests to MySQL and MariaDB: prepared statements, each a transaction of its own.

use super::{AGAIN, COLUMN, WAIT_MAX, process::Request, schedule::Ask};
use anyhow::{Context, Result};
use mysql_async::{Conn, Error, Opts, OptsBuilder, Params, prelude::Queryable};
use tokio::{
    runtime::{Handle, Runtime},
    time::{sleep, timeout},
};

/// The server ended the transaction since it and another one waited for each other.
const DEADLOCK: u16 = 1213;

pub(super) fn asks(runtime: &Runtime, request: &Request) -> Result<(Vec<Ask>, Vec<Ask>)> {
    let connections = 0..request.load.connections;
    let all =
        |write| connections.clone().map(|_| ask(runtime.handle(), request, write)).collect::<Result<_>>();
    Ok((all(false)?, all(true)?))
}

async fn connect(request: &Request) -> Result<Conn> {
    // By TCP, as an application does, although the server is on the same machine.
    let options = OptsBuilder::from_opts(Opts::from_url(&request.url)?).prefer_socket(false);
    Ok(timeout(WAIT_MAX, Conn::new(options)).await??)
}

fn ask(handle: &Handle, request: &Request, write: bool) -> Result<Ask> {
    let table = &request.table.name;
    let sql = match write {
        true => format!("UPDATE `{table}` SET {COLUMN} = ? WHERE id = ?"),
        false => format!("SELECT * FROM `{table}` WHERE id = ?"),
    };
    let (mut conn, statement) = handle.block_on(async {
        let mut conn = connect(request).await?;
        let statement = conn.prep(sql).await?;
        anyhow::Ok((conn, statement))
    })?;
    let (handle, mut random) = (handle.clone(), fastrand::Rng::new());
    Ok(Box::new(move |id| {
        let parameters: Params = match write {
            true => (random.i64(0..1_000_000_000), id).into(),
            false => (id,).into(),
        };
        let asked = async {
            loop {
                match conn.exec_drop(&statement, parameters.clone()).await {
                    // As an application does. What all tries took together counts.
                    Err(Error::Server(error)) if error.code == DEADLOCK => sleep(AGAIN).await,
                    answer => return answer,
                }
            }
        };
        handle.block_on(async { Ok(timeout(WAIT_MAX, asked).await.context("no answer for two minutes")??) })
    }))
}
