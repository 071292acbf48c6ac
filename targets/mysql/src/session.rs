//! What a session is set to before anything else is said, and what the server says of itself.

use crate::{config::Config, timeouts::Timeouts};
use mysql_async::{Error, Row, prelude::Queryable};

/// The two products that share the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    MySql,
    MariaDb,
}

/// What the server said of itself when the session began.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) product: Product,
    /// As in `9.7.4`.
    pub(crate) version: String,
    /// `max_allowed_packet`: the largest statement, and the largest value.
    pub(crate) packet_bytes_max: usize,
    pub(crate) local_infile: bool,
    /// Names of tables are compared without regard to case (`lower_case_table_names`).
    pub(crate) folds_tables: bool,
    /// The account that the server found for the user, as in `'hydrant'@'%'`.
    pub(crate) account: String,
    pub(crate) innodb_page_bytes: u64,
}

impl Server {
    /// The collation under which texts are equal if their bytes are, spaces at the end included.
    pub(crate) fn exact_collation(&self) -> &'static str {
        match self.product {
            Product::MySql => "utf8mb4_0900_bin",
            Product::MariaDb => "utf8mb4_nopad_bin",
        }
    }

    /// Locks the rows of the table `t` in a join with what is no table.
    pub(crate) fn for_update(&self) -> &'static str {
        match self.product {
            Product::MySql => "FOR UPDATE OF t",
            Product::MariaDb => "FOR UPDATE",
        }
    }

    /// As in `MySQL 9.7.4`.
    pub(crate) fn shown(&self) -> String {
        let product = match self.product {
            Product::MySql => "MySQL",
            Product::MariaDb => "MariaDB",
        };
        format!("{product} {}", self.version)
    }
}

/// Whatever is left to the server's configuration here could change a value silently or make a wait endless:
///
/// - strict mode, and zero for zero in a column that counts by itself (`NO_AUTO_VALUE_ON_ZERO`); backslashes escape;
/// - wall clocks are UTC, so that TIMESTAMP gives back what it was given;
/// - texts are utf8mb4 both ways;
/// - READ COMMITTED, which locks the rows that are written and no gaps between them;
/// - constraints are checked; a limit on joins does not apply, every join goes by an index;
/// - messages are in English, since hydrant reads names of columns and indexes out of them;
/// - the server lets go of the locks of a client that fell silent after a minute.
fn settings(product: Product, timeouts: Timeouts) -> String {
    let lock = timeouts.lock.as_secs().max(1);
    let statement = timeouts.statement;
    let of_product = match product {
        Product::MySql => format!("max_execution_time = {}", statement.as_millis()),
        Product::MariaDb => format!(
            "max_statement_time = {}, check_constraint_checks = 1, idle_transaction_timeout = {IDLE_SECONDS_MAX}",
            statement.as_secs()
        ),
    };
    format!(
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,\
         NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', autocommit = 1, \
         innodb_lock_wait_timeout = {lock}, lock_wait_timeout = {lock}, wait_timeout = {IDLE_SECONDS_MAX}, \
         foreign_key_checks = 1, unique_checks = 1, sql_big_selects = 1, sql_safe_updates = 0, sql_auto_is_null = 0, \
         sql_select_limit = DEFAULT, sql_notes = 1, lc_messages = 'en_US', completion_type = 0, \
         {of_product}; \
         SET NAMES utf8mb4 COLLATE utf8mb4_bin; \
         SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE"
    )
}

/// How long the server waits for a client between two statements before it rolls back and closes.
const IDLE_SECONDS_MAX: u64 = 60;

/// Sets a session up that was just opened.
pub(crate) async fn begin(conn: &mut mysql_async::Conn, config: &Config) -> Result<Server, Error> {
    let asked = "SELECT @@version, @@max_allowed_packet, @@local_infile, @@lower_case_table_names, CURRENT_USER(), \
                 @@innodb_page_size";
    let row: Row = conn.query_first(asked).await?.ok_or(mysql_async::DriverError::ConnectionClosed)?;
    let text = |at: usize| row.get::<String, _>(at).unwrap_or_default();
    let number = |at: usize| text(at).parse::<u64>().unwrap_or_default();
    let version = text(0);
    let product = match version.contains("MariaDB") {
        true => Product::MariaDb,
        false => Product::MySql,
    };
    let digits = version.trim_start_matches("5.5.5-");
    let digits = &digits[..digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len())];
    let (user, host) =
        text(4).rsplit_once('@').map(|(u, h)| (u.to_owned(), h.to_owned())).unwrap_or_default();
    let server = Server {
        product,
        version: digits.to_owned(),
        packet_bytes_max: usize::try_from(number(1)).unwrap_or(usize::MAX),
        local_infile: matches!(text(2).as_str(), "1" | "ON"),
        folds_tables: number(3) != 0,
        account: format!("{}@{}", crate::name::literal(&user), crate::name::literal(&host)),
        innodb_page_bytes: number(5),
    };
    conn.query_drop(settings(product, config.timeouts)).await?;
    Ok(server)
}
