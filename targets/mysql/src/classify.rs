//! From what the server or the driver said to what the caller can do about it.

use hydrant_contract::{ErrorKind, TargetError};
use mysql_async::{DriverError, Error, IoError, LocalInfileError, ServerError};
use std::time::Duration;

/// Why a statement has no answer that could be used.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The driver or the server said why.
    Said(Error),
    /// Nobody said anything for so long; the connection was given up.
    Silent(Duration),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Said(error)
    }
}

impl Failure {
    /// What the server said, if it was the server.
    pub(crate) fn server(&self) -> Option<&ServerError> {
        match self {
            Self::Said(Error::Server(error)) => Some(error),
            Self::Said(_) | Self::Silent(_) => None,
        }
    }

    /// Whether the connection can be used on.
    pub(crate) fn leaves_connection(&self) -> bool {
        self.server().is_some()
    }

    /// The contract's error, met while doing something.
    pub(crate) fn into_error(self, doing: impl Into<String>) -> TargetError {
        match self {
            Self::Silent(limit) => {
                let message = format!("no answer within {} s", limit.as_secs());
                TargetError::new(ErrorKind::Unreachable, doing, message)
            }
            Self::Said(error) => {
                let (kind, message) = verdict(&error);
                // A server's own words may hold values, so that the source is kept only where they are the driver's.
                match error {
                    Error::Server(_) => TargetError::new(kind, doing, message),
                    other => TargetError::new(kind, doing, message).with_source(other),
                }
            }
        }
    }
}

fn verdict(error: &Error) -> (ErrorKind, String) {
    match error {
        Error::Server(server) => (of_server(server), message(server)),
        Error::Io(IoError::Tls(tls)) => (ErrorKind::Denied, tls_message(&tls.to_string())),
        Error::Io(IoError::Io(io)) => {
            let tls = io.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
            match tls {
                // A retry does not make a certificate good: the settings are wrong, or someone is in between.
                Some(tls) => (ErrorKind::Denied, tls_message(&tls.to_string())),
                None => (ErrorKind::Unreachable, io.to_string()),
            }
        }
        Error::Driver(driver) => of_driver(driver),
        Error::Url(_) | Error::Other(_) => (ErrorKind::Broken, error.to_string()),
    }
}

fn tls_message(why: &str) -> String {
    format!(
        "TLS failed ({why}); check ssl-ca, and for VERIFY_IDENTITY that the host stands in the certificate"
    )
}

fn of_driver(error: &DriverError) -> (ErrorKind, String) {
    match error {
        DriverError::ConnectionClosed => {
            (ErrorKind::Unreachable, "the connection was closed by the server".to_owned())
        }
        DriverError::NoClientSslFlagFromServer => (
            ErrorKind::Denied,
            "the server has no TLS; choose a weaker ssl-mode if the network is trusted".to_owned(),
        ),
        DriverError::PacketTooLarge => {
            (ErrorKind::LimitExceeded, "a packet is larger than the gigabyte that MySQL takes".to_owned())
        }
        DriverError::UnknownAuthPlugin { name } => (
            ErrorKind::Denied,
            format!(
                "the account uses the authentication plugin {name:?}, which is not supported; caching_sha2_password, \
                 mysql_native_password and client certificates are"
            ),
        ),
        DriverError::NoKeyFound => (
            ErrorKind::Missing,
            "no private key in PEM form (PKCS#8, PKCS#1 or SEC1) is in the file of ssl-key".to_owned(),
        ),
        DriverError::MysqlOldPasswordDisabled | DriverError::CleartextPluginDisabled => {
            (ErrorKind::Denied, format!("{error}; let the account use caching_sha2_password"))
        }
        // The stream is hydrant's own, and ends early only if hydrant's own encoder does.
        DriverError::LocalInfile(LocalInfileError::ReadError(e)) => (ErrorKind::Broken, e.to_string()),
        // A packet may hold values.
        DriverError::UnexpectedPacket { .. } | DriverError::PacketOutOfOrder => {
            (ErrorKind::Unreachable, "the server's answer does not follow the protocol".to_owned())
        }
        DriverError::FromRow { .. } | DriverError::FromValue { .. } => {
            (ErrorKind::Broken, "the server's answer is not of the type that was asked for".to_owned())
        }
        other => (ErrorKind::Broken, other.to_string()),
    }
}

fn of_server(error: &ServerError) -> ErrorKind {
    of_code(error.code, &error.state)
}

/// What the caller can do about an error number (MySQL "Server Error Message Reference", MariaDB "Error Codes"), or, of
/// numbers that are not listed, about its SQLSTATE.
pub(crate) fn of_code(code: u16, state: &str) -> ErrorKind {
    match code {
        // Deadlock; and Galera's certification conflict.
        1213 | 1020 | 3058 => ErrorKind::Conflict,
        // A lock was not had in time; too many connections; out of memory, disk or file handles; a table that is being
        // changed; a statement that the server or an administrator ended.
        1205 | 3572 | 1040 | 1203 | 1226 | 1037 | 1038 | 1041 | 1021 | 1114 | 1135 | 1206 | 1317 | 3024
        | 1028 | 1969 | 1412 | 1637 | 1639 | 3168 => ErrorKind::Busy,
        // The server goes down or comes up, or is read-only since another one took over.
        1053 | 1077 | 1079 | 1080 | 1152 | 1158 | 1159 | 1160 | 1161 | 1184 | 1290 | 1792 | 1836 | 1927
        | 2006 | 2013 | 3032 | 3100 | 3101 | 4031 | 1047 => ErrorKind::Unreachable,
        // No such account, password, right; TLS or a password change is asked for; local_infile is off.
        1044 | 1045 | 1129 | 1130 | 1131 | 1132 | 1141 | 1142 | 1143 | 1147 | 1227 | 1370 | 1410 | 1698
        | 1820 | 1862 | 3118 | 3159 | 3530 | 3948 | 1148 | 2068 | 4151 | 4166 | 3955 => ErrorKind::Denied,
        // No such database, table, column, index, function.
        1049 | 1051 | 1054 | 1072 | 1091 | 1109 | 1146 | 1176 | 1305 => ErrorKind::Missing,
        // The packet, the row, the key, the number of columns or of placeholders is too large.
        1118 | 1117 | 1071 | 1074 | 1153 | 1301 | 1390 | 1602 | 139 => ErrorKind::LimitExceeded,
        _ if refuses(code, state) => ErrorKind::ValueRefused,
        _ if state.starts_with("08") => ErrorKind::Unreachable,
        _ if state.starts_with("28") => ErrorKind::Denied,
        _ if state == "40001" => ErrorKind::Conflict,
        _ if state == "70100" => ErrorKind::Busy,
        _ => ErrorKind::Broken,
    }
}

/// Whether a number stands for a value that a type, constraint or trigger refuses.
fn refuses(code: u16, state: &str) -> bool {
    matches!(
        code,
        // Duplicates.
        1022 | 1062 | 1169 | 1586 | 1859
        // NULL, no default, wrong, too long, out of range, cut.
        | 1048 | 1263 | 1264 | 1265 | 1292 | 1364 | 1366 | 1406 | 1411 | 1441 | 1525 | 1690 | 3854 | 3988
        // Foreign keys.
        | 1216 | 1217 | 1451 | 1452 | 1761 | 1762
        // CHECK (MySQL, MariaDB), check option of a view, partitions, generated columns, virtual columns.
        | 3819 | 4025 | 1369 | 1526 | 1748 | 3105 | 1906
        // JSON: invalid, too deep, key too long, character set; JSON_TABLE cannot convert.
        | 3140..=3158 | 3666..=3669 | 4038..=4049 | 4174..=4182
        // SIGNAL in a trigger; errors inside it.
        | 1644 | 1242 | 1172 | 1365 | 1456 | 1424
        // Ranges of auto-increment; spatial data.
        | 1467 | 3037 | 3055 | 3616 | 3617
    ) || ["22", "23", "44", "45", "21", "02", "01"].contains(&state.get(..2).unwrap_or_default())
}

/// Whether it is one row's fault, so that the others of its batch can be written without it.
pub(crate) fn refuses_a_row(error: &ServerError) -> bool {
    matches!(of_server(error), ErrorKind::ValueRefused | ErrorKind::LimitExceeded)
}

/// Whether a row may be accepted once others are written: unique indexes and foreign keys.
pub(crate) fn depends_on_others(code: u16) -> bool {
    is_duplicate(code) || matches!(code, 1216 | 1217 | 1451 | 1452 | 1761 | 1762)
}

/// Whether another row has a value in a unique index.
pub(crate) fn is_duplicate(code: u16) -> bool {
    matches!(code, 1022 | 1062 | 1169 | 1586 | 1859)
}

/// The server's words without values.
pub(crate) fn message(error: &ServerError) -> String {
    let said = error.message.as_str();
    let code = error.code;
    let said = match code {
        1062 | 1586 | 1859 => match index_of(said) {
            Some(index) => format!("duplicate entry for the unique index {index:?}"),
            None => "duplicate entry for a unique index".to_owned(),
        },
        // The application's own words.
        1644 => said.to_owned(),
        _ if state_class(error) == "45" => said.to_owned(),
        1264 | 1265 | 1406 | 1048 | 1364 | 3819 | 4025 | 1451 | 1452 | 1044 | 1045 | 1049 | 1054 | 1142
        | 1143 | 1146 | 1176 | 1227 | 1290 => said.to_owned(),
        1526 => "no partition of the table takes the value".to_owned(),
        _ if of_server(error) == ErrorKind::ValueRefused => without_values(said),
        _ => said.to_owned(),
    };
    let mend = match code {
        1205 => "; another session holds a lock on rows or on the table",
        1290 | 1792 | 1836 => "; the server is read-only: a failover may be going on",
        1317 | 3024 | 1969 => "; hydrant limits its statements to spare the database",
        1153 => "; raise max_allowed_packet, or shrink the value in the query",
        1045 => "; check user and password, and for an account that needs TLS the ssl-mode",
        1665 => "; hydrant reads what is committed, which needs binlog_format=ROW or MIXED",
        _ => "",
    };
    format!("{said}{mend} [{code}]")
}

fn state_class(error: &ServerError) -> &str {
    error.state.get(..2).unwrap_or_default()
}

/// The index in `Duplicate entry '…' for key 'users.email'`, without its table.
pub(crate) fn index_of(said: &str) -> Option<&str> {
    let end = said.rfind('\'')?;
    let start = said[..end].rfind('\'')? + 1;
    let key = &said[start..end];
    Some(key.rsplit_once('.').map_or(key, |(_, index)| index))
}

/// The column in `… for column 'x' at row 1` or `Column 'x' …`, where MariaDB writes `` `db`.`t`.`x` ``.
pub(crate) fn column_of(said: &str) -> Option<String> {
    let quoted = |from: usize, quote: char| {
        let rest = &said[from..];
        rest.find(quote).map(|end| &rest[..end])
    };
    for before in ["for column '", "Column '", "Field '", "column '"] {
        if let Some(at) = said.rfind(before) {
            return quoted(at + before.len(), '\'').map(str::to_owned);
        }
    }
    let at = said.find("for column `")? + "for column ".len();
    let path = said[at..].split(" at row").next()?;
    let name = path.trim_end().strip_suffix('`')?;
    Some(name.rsplit_once("`.`").map_or(name, |(_, name)| name).trim_start_matches('`').replace("``", "`"))
}

/// Cuts out what stands in single quotes, but for the name of the column at the end.
fn without_values(said: &str) -> String {
    let (value, column) = match said.rfind(" for column ") {
        Some(at) => said.split_at(at),
        None => (said, ""),
    };
    match (value.find('\''), value.rfind('\'')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}…{}{column}", &value[..=first], &value[last..])
        }
        _ => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: u16, state: &str, message: &str) -> ServerError {
        ServerError { code, state: state.to_owned(), message: message.to_owned() }
    }

    #[test]
    fn numbers_tell_what_the_caller_can_do() {
        let table: [(ErrorKind, &[u16]); 7] = [
            (ErrorKind::Conflict, &[1213]),
            (ErrorKind::Busy, &[1205, 1040, 1203, 1114, 1021, 3024, 1969, 1317]),
            (ErrorKind::Unreachable, &[1053, 1290, 1836, 1792, 2006, 2013]),
            (ErrorKind::Denied, &[1044, 1045, 1142, 1143, 1227, 3948, 1148, 4166]),
            (ErrorKind::Missing, &[1049, 1146, 1054]),
            (ErrorKind::LimitExceeded, &[1153, 1118]),
            (ErrorKind::ValueRefused, &[1062, 1048, 1264, 1406, 1451, 1452, 3819, 4025, 1644, 3140]),
        ];
        for (kind, codes) in table {
            for code in codes {
                assert_eq!(of_code(*code, "HY000"), kind, "{code}");
            }
        }
        assert_eq!(of_code(9999, "45123"), ErrorKind::ValueRefused);
        assert_eq!(of_code(1064, "42000"), ErrorKind::Broken);
    }

    #[test]
    fn values_are_cut_out_and_names_are_kept() {
        let table = [
            (
                said(1062, "23000", "Duplicate entry 'se'cret' for key 'users.email'"),
                "duplicate entry for the unique index \"email\" [1062]",
            ),
            (
                said(1366, "HY000", "Incorrect integer value: 'se'cret' for column 'x' at row 1"),
                "Incorrect integer value: '…' for column 'x' at row 1 [1366]",
            ),
            (
                said(1292, "22007", "Truncated incorrect DOUBLE value: 'secret'"),
                "Truncated incorrect DOUBLE value: '…' [1292]",
            ),
            (
                said(1526, "HY000", "Table has no partition for value 77"),
                "no partition of the table takes the value [1526]",
            ),
        ];
        for (error, expected) in table {
            assert_eq!(message(&error), expected);
        }
    }

    #[test]
    fn columns_are_found_as_either_server_names_them() {
        assert_eq!(column_of("Out of range value for column 'x' at row 1").as_deref(), Some("x"));
        assert_eq!(column_of("Column 'a.b' cannot be null").as_deref(), Some("a.b"));
        assert_eq!(
            column_of("Incorrect integer value: 'q' for column `db`.`t`.`x``y` at row 1").as_deref(),
            Some("x`y")
        );
        assert_eq!(column_of("Duplicate entry"), None);
    }
}
