//! Connection strings as libpq takes them, split into parameters.
//!
//! Both forms: `postgres://user:password@host:port/db?key=value` and `host=… dbname=…`. The driver has a parser too, but
//! it refuses the parameters about certificates. What is wrong is said by name and position only, since any part of the
//! text may be a password.

/// The parameters in the order they stand in.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    match text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
        Some(rest) => url(rest),
        None if text.contains("://") => {
            Err("a connection URL begins with postgres:// or postgresql://".to_owned())
        }
        None => keywords(text),
    }
}

fn url(rest: &str) -> Result<Vec<(String, String)>, String> {
    let mut parameters = Vec::new();
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (authority, dbname) =
        rest.split_once('/').map_or((rest, None), |(authority, db)| (authority, Some(db)));
    let (credentials, hosts) =
        authority.rsplit_once('@').map_or((None, authority), |(who, hosts)| (Some(who), hosts));
    if let Some(credentials) = credentials {
        let (user, password) =
            credentials.split_once(':').map_or((credentials, None), |(user, pw)| (user, Some(pw)));
        if !user.is_empty() {
            parameters.push(("user".to_owned(), decode(user, "the user")?));
        }
        if let Some(password) = password {
            parameters.push(("password".to_owned(), decode(password, "the password")?));
        }
    }
    if !hosts.is_empty() {
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for host in hosts.split(',') {
            let (name, port) = host_and_port(host)?;
            names.push(decode(name, "the host")?);
            ports.push(port);
        }
        parameters.push(("host".to_owned(), names.join(",")));
        if ports.iter().any(|p| !p.is_empty()) {
            parameters.push(("port".to_owned(), ports.join(",")));
        }
    }
    if let Some(dbname) = dbname.filter(|db| !db.is_empty()) {
        parameters.push(("dbname".to_owned(), decode(dbname, "the database")?));
    }
    for pair in query.unwrap_or_default().split('&').filter(|p| !p.is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .ok_or("a parameter after the question mark of the URL has no \"=\"".to_owned())?;
        let key = decode(key, "the name of a parameter")?;
        let value = decode(value, &format!("the parameter {key:?}"))?;
        match (key.as_str(), value.as_str()) {
            ("ssl", "true") => parameters.push(("sslmode".to_owned(), "require".to_owned())),
            _ => parameters.push((key, value)),
        }
    }
    Ok(parameters)
}

fn host_and_port(text: &str) -> Result<(&str, &str), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("an IPv6 address in the URL lacks its \"]\"")?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None if rest.is_empty() => Ok((host, "")),
            None => Err("after the \"]\" of an IPv6 address only a port may follow".to_owned()),
        };
    }
    match text.split_once(':') {
        // Most likely the rest of a password with an unescaped "/", "?" or "@": do not repeat it.
        Some((_, port)) if !port.is_empty() && port.parse::<u16>().is_err() => Err(
            "the port in the URL is not a number (special characters in the user or password must be percent-encoded, for example %2F for \"/\")"
                .to_owned(),
        ),
        Some((host, port)) => Ok((host, port)),
        None => Ok((text, "")),
    }
}

fn decode(text: &str, what: &str) -> Result<String, String> {
    let wrong = || format!("{what} in the URL has a \"%\" that two hexadecimal digits do not follow");
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16)).ok_or_else(wrong);
        let (high, low) = (digit()?, digit()?);
        out.push(u8::try_from(high * 16 + low).map_err(|_| wrong())?);
    }
    if out.contains(&0) {
        return Err(format!("{what} in the URL contains a NUL"));
    }
    String::from_utf8(out).map_err(|_| format!("{what} in the URL is not UTF-8 when decoded"))
}

fn keywords(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut parameters = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or("a keyword of the connection string has no \"=\"")?;
        let key = key.trim_end();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err("a keyword of the connection string has no \"=\", or a value with spaces is not in single quotes".to_owned());
        }
        let (value, after) = keyword_value(after.trim_start(), key)?;
        parameters.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(parameters)
}

fn keyword_value<'a>(text: &'a str, key: &str) -> Result<(String, &'a str), String> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            c if !quoted && c.is_whitespace() => return Ok((value, &text[at..])),
            c => value.push(c),
        }
    }
    if quoted {
        return Err(format!("the value of {key:?} lacks its closing single quote"));
    }
    Ok((value, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).expect("a connection string")
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn a_url_is_split_and_decoded() {
        assert_eq!(
            pairs("postgres://me:p%40ss%2Fw%3Ard@a:1,[::1]:2,c/my%20db?sslmode=verify-ca&host=%2Frun"),
            [
                pair("user", "me"),
                pair("password", "p@ss/w:rd"),
                pair("host", "a,::1,c"),
                pair("port", "1,2,"),
                pair("dbname", "my db"),
                pair("sslmode", "verify-ca"),
                pair("host", "/run"),
            ]
        );
        assert_eq!(pairs("postgresql:///app?ssl=true"), [pair("dbname", "app"), pair("sslmode", "require")]);
    }

    #[test]
    fn keywords_are_split_and_unquoted() {
        assert_eq!(
            pairs(r"host=/run/pg  user = me ").first(),
            Some(&pair("host", "/run/pg")),
            "a value ends at white space"
        );
        assert_eq!(
            pairs(r"user='a b' password='it\'s \\' dbname=x\ y connect_timeout="),
            [
                pair("user", "a b"),
                pair("password", r"it's \"),
                pair("dbname", "x y"),
                pair("connect_timeout", "")
            ]
        );
    }

    #[test]
    fn what_is_wrong_never_repeats_a_secret() {
        for text in [
            "postgres://me:s3cret/x@host/db",
            "postgres://me:s3cret%zz@host/db",
            "postgres://me:s3cret%ff@host/db",
            "user=me password='s3cret",
            "s3cret",
            "mysql://me:s3cret@host",
        ] {
            let error = parse(text).expect_err(text);
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
