//! A connection URL that `psql` takes, for the service's role.

use crate::boot::demo::TENANT;
use crate::boot::role;
use plimsoll::secret::Secret;
use plimsoll::settings::{Address, Plan, TlsMode, TlsRoots};

/// How to log in as the service's role; none where the server is only reached by a socket.
///
/// Where nothing stands between, the first tenant's name goes with it, so that a plain `select count(*)` counts that
/// tenant's rows. A pooler would refuse it, and lends its sessions to others. The port is that of the plan unless it is said: a
/// proxy of the service's own is gone with the service.
pub(crate) fn of_role(
    plan: &Plan,
    port: Option<u16>,
    password: Option<&Secret>,
    with_tenant: bool,
) -> Option<String> {
    let host = plan.hosts().iter().find(|host| matches!(host.address(), Address::Tcp(_)))?;
    let Address::Tcp(name) = host.address() else { return None };
    let name = if name.contains(':') { format!("[{name}]") } else { name.clone() };
    let password = password.map(|password| format!(":{}", escaped(password.expose()))).unwrap_or_default();
    let mut said = Vec::new();
    if plan.tls() != TlsMode::Prefer {
        said.push(format!("sslmode={}", plan.tls()));
    }
    if let TlsRoots::File(file) = plan.tls_roots() {
        said.push(format!("sslrootcert={}", escaped(&file.display().to_string())));
    }
    if with_tenant {
        said.push(format!("options={}", escaped(&format!("-c app.tenant_id={TENANT}"))));
    }
    let more = if said.is_empty() { String::new() } else { format!("?{}", said.join("&")) };
    let (role, database) = (role::NAME, escaped(plan.dbname()));
    Some(format!("postgresql://{role}{password}@{name}:{}/{database}{more}", port.unwrap_or(host.port())))
}

/// Percent-encoded, but for letters, digits and a few marks.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll::Settings;

    #[test]
    fn it_is_read_back_as_it_was_meant() {
        let plan =
            Settings::from_url("postgresql://owner:o@127.0.0.1:5433/fl%20eet").unwrap().check().unwrap();
        let password = Secret::from("p@ss/w:rd 'ä%");
        let url = of_role(&plan, None, Some(&password), true).unwrap();
        assert!(url.ends_with("?options=-c%20app.tenant_id%3Dtest"), "{url}");
        let back = Settings::from_url(url).unwrap().check().unwrap();
        assert_eq!((back.user(), back.dbname(), back.hosts()[0].port()), ("fleet_app", "fl eet", 5433));
        assert_eq!(back.options(), "-c app.tenant_id=test");
        let Some(plimsoll::secret::Password::Fixed(read)) = back.password() else { panic!("no password") };
        assert_eq!(read.expose(), password.expose());
        assert!(of_role(&plan, None, None, false).unwrap().ends_with("@127.0.0.1:5433/fl%20eet"));
        assert!(of_role(&plan, Some(5999), None, false).unwrap().ends_with("@127.0.0.1:5999/fl%20eet"));
    }
}
