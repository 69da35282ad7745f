//! The time limits in a file of nginx.

use super::limit::{At, Keeper, Layer, Limit};
use std::time::Duration;

/// What is read, and what nginx does without it. Source: nginx's documentation of `ngx_http_proxy_module`.
const READ: [(&str, &str); 5] = [
    ("proxy_read_timeout", "proxy_read_timeout"),
    ("fastcgi_read_timeout", "proxy_read_timeout"),
    ("uwsgi_read_timeout", "proxy_read_timeout"),
    ("grpc_read_timeout", "proxy_read_timeout"),
    ("proxy_connect_timeout", "proxy_connect_timeout"),
];

const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// What a file of nginx says of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// The limits, in the order of the file.
    pub limits: Vec<Limit>,
    /// What it includes, which was not read: give these files too.
    pub includes: Vec<String>,
}

/// Why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    /// A time in a form that nginx does not know.
    #[error(
        "{file}, line {line}: {directive} {text:?} is no time: nginx writes 30s, 500ms, 1m or a number of seconds"
    )]
    NoTime {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The directive.
        directive: String,
        /// What stands there.
        text: String,
    },
    /// It says nothing of what is read here, and includes nothing.
    #[error(
        "{file} is no file of nginx that proxies: it has no proxy_pass, no proxy_read_timeout (or those of fastcgi, uwsgi, grpc) and no include"
    )]
    Nothing {
        /// The file.
        file: String,
    },
    /// A quote that is not closed.
    #[error("{file}: a quote that begins in line {line} is not closed")]
    OpenQuote {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
    },
}

/// Reads a file; `file` is what it is called in the findings. Where it proxies and says nothing of how long, nginx's own 60 s
/// counts.
///
/// # Errors
/// A quote is not closed, a time is in no form that nginx knows, or nothing in the file is about proxying.
pub fn read(text: &str, file: &str) -> Result<Read, NotRead> {
    let mut read = Read::default();
    let mut proxies = false;
    for directive in directives(text, file)? {
        let mut words = directive.words.iter().map(String::as_str);
        let (name, value) = (words.next().unwrap_or_default(), words.next());
        match name {
            "include" => read.includes.extend(value.map(str::to_owned)),
            "proxy_pass" | "fastcgi_pass" | "uwsgi_pass" | "grpc_pass" => proxies = true,
            _ => {}
        }
        let Some((_, meant)) = READ.iter().find(|(known, _)| *known == name) else { continue };
        let text = value.unwrap_or_default();
        let after = time(text).ok_or_else(|| NotRead::NoTime {
            file: file.to_owned(),
            line: directive.line,
            directive: name.to_owned(),
            text: text.to_owned(),
        })?;
        read.limits.push(limit(meant, after, format!("{file}, line {}", directive.line)));
    }
    if proxies && !read.limits.iter().any(|limit| limit.name == "proxy_read_timeout") {
        read.limits.push(limit("proxy_read_timeout", READ_TIMEOUT, format!("default, {file} says nothing")));
    }
    if read == Read::default() {
        return Err(NotRead::Nothing { file: file.to_owned() });
    }
    Ok(read)
}

fn limit(name: &'static str, after: Duration, place: String) -> Limit {
    let layer = if name == "proxy_connect_timeout" { Layer::Connect } else { Layer::Proxy };
    Limit { layer, name, keeper: Keeper::Nginx, after: Some(after), place, at: At::default() }
}

struct Directive {
    words: Vec<String>,
    line: usize,
}

/// Words up to `;`, `{` or `}`; quotes keep a word together, `#` begins a comment where a word could begin.
fn directives(text: &str, file: &str) -> Result<Vec<Directive>, NotRead> {
    let mut all = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let (mut line, mut began) = (1, 1);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\n' | ' ' | '\t' | '\r' | ';' | '{' | '}' => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                if matches!(character, ';' | '{' | '}') && !words.is_empty() {
                    all.push(Directive { words: std::mem::take(&mut words), line: began });
                }
                line += usize::from(character == '\n');
            }
            '#' if word.is_empty() => {
                let _ = characters.by_ref().find(|&next| next == '\n');
                line += 1;
            }
            '\'' | '"' if word.is_empty() => {
                let opened = line;
                let open = NotRead::OpenQuote { file: file.to_owned(), line: opened };
                loop {
                    match characters.next().ok_or_else(|| open.clone())? {
                        end if end == character => break,
                        '\\' => word.extend(characters.next()),
                        inside => {
                            line += usize::from(inside == '\n');
                            word.push(inside);
                        }
                    }
                }
                if words.is_empty() {
                    began = opened;
                }
                words.push(std::mem::take(&mut word));
            }
            other => {
                if word.is_empty() && words.is_empty() {
                    began = line;
                }
                word.push(other);
            }
        }
    }
    Ok(all)
}

/// nginx's times: `30s`, `500ms`, `1m30s`, `1h 5m` in quotes, a number of seconds. Source: "Configuration file measurement units".
fn time(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut sum = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) =
            rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()))?;
        let number: u64 = number.parse().ok()?;
        let (unit, after) =
            after.split_at_checked(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()))?;
        let factor = match unit {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        sum = sum.checked_add(number.checked_mul(factor)?)?;
        rest = after.trim_start();
    }
    Some(Duration::from_millis(sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn limits_are_read_with_their_lines() {
        let text = "# proxy_read_timeout 1s;\nhttp {\n  include conf.d/*.conf;\n  server {\n    location / {\n      proxy_pass \
                    http://a;\n      proxy_read_timeout 1m30s; proxy_connect_timeout \"500ms\";\n      add_header X \"a # {;} \
                    'b'\";\n    }\n  }\n}\n";
        let read = read(text, "site.conf").unwrap();
        let found: Vec<_> = read
            .limits
            .iter()
            .map(|limit| (limit.name, limit.after.unwrap().as_millis(), limit.place.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("proxy_read_timeout", 90_000, "site.conf, line 7"),
                ("proxy_connect_timeout", 500, "site.conf, line 7")
            ]
        );
        assert_eq!(read.includes, ["conf.d/*.conf"]);
    }

    #[test]
    fn nginx_waits_for_a_minute_where_nothing_is_said() {
        let read_default = read("location / { proxy_pass http://a; }", "a").unwrap();
        assert_eq!(read_default.limits[0].after, Some(Duration::from_secs(60)));
        assert_eq!(read("include sites/*;", "a").unwrap().includes, ["sites/*"]);
        for other in [
            "worker_processes 1;",
            "",
            "[pgbouncer]\nquery_timeout = 5\n",
            "127.0.0.1 localhost\n",
            "{\"a\": 1}",
        ] {
            let error = read(other, "a.conf").unwrap_err().to_string();
            assert!(error.starts_with("a.conf is no file of nginx that proxies"), "{other:?}: {error}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_with_its_place() {
        let error = read("\nproxy_read_timeout soon;", "a.conf").unwrap_err().to_string();
        assert!(error.starts_with("a.conf, line 2: proxy_read_timeout \"soon\" is no time"), "{error}");
        assert!(read("a 'b", "c").unwrap_err().to_string().contains("line 1 is not closed"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = read(&text, "any");
        }
    }
}
