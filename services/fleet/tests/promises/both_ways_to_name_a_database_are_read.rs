//! Where the database is can be said in one URL or in parts, and where nobody says it the service brings its own; what
//! cannot be used is refused with its name.

use fleet::{Config, Source};
use plimsoll::settings::Plan;

fn read(said: &[(&str, &str)]) -> Result<Config, String> {
    let variable =
        |name: &str| said.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Config::from_env_with(variable).map_err(|error| error.to_string())
}

fn plan(config: &Config) -> Plan {
    let Source::Given(settings) = &config.database else { panic!("a database was named") };
    (**settings).clone().check().unwrap()
}

#[test]
fn as_a_url() {
    let config = read(&[("DATABASE_URL", "postgresql://owner:secret@db1:5433/fleet")]).unwrap();
    let plan = plan(&config);
    assert_eq!(
        (plan.hosts()[0].to_string(), plan.dbname(), plan.user()),
        ("db1:5433".into(), "fleet", "owner")
    );
    assert!(
        !config.demo && !config.auto_provision,
        "nothing is opened up on somebody's database unless it is said"
    );
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn in_parts() {
    for prefix in ["PG", "POSTGRES"] {
        let names = ["HOST", "PORT", "DB", "USER", "PASS"].map(|part| format!("{prefix}_{part}"));
        let values = ["db1", "5433", "fleet", "owner", "secret"];
        let said: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(values).collect();
        let plan = plan(&read(&said).unwrap());
        assert_eq!(
            (plan.hosts()[0].to_string(), plan.dbname(), plan.user()),
            ("db1:5433".into(), "fleet", "owner")
        );
    }
}

#[test]
fn or_not_at_all() {
    let config = read(&[("DATABASE_URL", " ")]).unwrap();
    assert!(matches!(config.database, Source::DevPostgres) && config.demo && config.auto_provision);
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    let config =
        read(&[("AUTO_PROVISION", "0"), ("FLEET_DEMO", "off"), ("FLEET_LISTEN", "[::1]:9")]).unwrap();
    assert!(!config.demo && !config.auto_provision && config.listen.port() == 9);
}

#[test]
fn the_service_is_not_its_own_owner() {
    let url = "postgresql://fleet_app:secret@db1/fleet?options=-c%20app.tenant_id%3Dtest";
    let error = read(&[("DATABASE_URL", url)]).unwrap_err();
    assert!(error.contains("unset DATABASE_URL") && !error.contains("secret"), "{error}");
}

#[test]
fn what_cannot_be_used_is_named() {
    for (name, value) in [
        ("FLEET_LISTEN", "8080"),
        ("AUTO_PROVISION", "perhaps"),
        ("FLEET_DEMO", "2"),
        ("FLEET_KEEP_DAYS", "0"),
        ("FLEET_KEEP_DAYS", "90d"),
    ] {
        let error = read(&[(name, value)]).unwrap_err();
        assert!(error.contains(name) && error.contains(value) && error.contains("allowed"), "{error}");
    }
}
