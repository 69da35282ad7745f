//! What is said to `fleet simulate`, checked: from its options, or else from the environment, or else from the file for shells
//! that a service writes when it starts. Pure.

use super::Plan;
use super::mqtt::BrokerOptions;
use crate::boot::config::ConfigError;
use crate::boot::mqtt_config::BrokerUrl;
use crate::devices::{DeviceId, SiteId};
use crate::tenants::TenantId;
use jiff::SignedDuration;
use plimsoll::secret::Secret;
use reqwest::Url;
use std::time::Duration;

const MOST_DEVICES: usize = 100_000;
const MOST_RATE: f64 = 1_000_000.0;
const MOST_KEPT: usize = 1_000_000;
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Devices that send readings to a fleet service over HTTP and MQTT, at the rate that is asked for, whatever the service answers.
///
/// Each device keeps a reading until it is acknowledged, and sends it again until then. The status is 0 if each reading that was made
/// was acknowledged, or given up unsent by a device that had no more room; 1 if any was not, and 2 if an option makes no sense.
/// Ctrl-C ends it in order: no more readings are made, those that wait are sent, and the summary is told. A second one does not wait.
#[derive(clap::Args, Clone, Debug)]
pub struct SimulateArguments {
    /// Where the service is: http://host:port. Without it, FLEET_URL of the environment or of .env.fleet.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Where the broker is: mqtt://user:password@host:port. Without it, MQTT_URL; without that, none speaks MQTT.
    #[arg(long, value_name = "URL")]
    pub mqtt: Option<String>,
    /// Whose devices they are. Without it, TENANT_ID.
    #[arg(long)]
    pub tenant: Option<String>,
    /// The tenant's provisioning key. Better in DEVICE_KEY, since every user of a machine sees the options of a program.
    #[arg(long)]
    pub key: Option<String>,
    /// How many devices.
    #[arg(long, default_value_t = 100)]
    pub devices: usize,
    /// Readings a second, of all devices together.
    #[arg(long, default_value_t = 50.0)]
    pub rate: f64,
    /// How long readings are made, such as 90s or 10m. Without it, until Ctrl-C.
    #[arg(long = "for", value_name = "TIME")]
    pub time: Option<String>,
    /// The share of the devices that speak MQTT, from 0 to 1. Without it half of them, if there is a broker.
    #[arg(long, value_name = "SHARE")]
    pub share_mqtt: Option<f64>,
    /// Sites of the tenant that the devices are spread over, separated by commas. Without them, no reading names one.
    #[arg(long, value_delimiter = ',')]
    pub sites: Vec<String>,
    /// What the devices are called, before their numbers.
    #[arg(long, default_value = "simulated")]
    pub prefix: String,
    /// How many readings a device keeps that were not acknowledged.
    #[arg(long, default_value_t = 1000)]
    pub keep: usize,
    /// How long what was made may still be acknowledged at the end.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub drain: String,
}

/// What is to be done.
pub struct Simulation {
    /// The devices, and where they send.
    pub plan: Plan,
    /// Readings a second.
    pub rate: f64,
    /// How long; until it is told to stop without one.
    pub time: Option<Duration>,
    /// How long what was made may still be acknowledged at the end.
    pub drain: Duration,
}

impl SimulateArguments {
    /// The same, checked. `known` gives the value of a variable.
    ///
    /// # Errors
    /// What makes no sense or is missing, and what to do.
    pub fn checked(self, known: impl Fn(&str) -> Option<String>) -> Result<Simulation, String> {
        self.numbers()?;
        let time = self.time.as_deref().map(|said| time("--for", said)).transpose()?;
        let drain = time_or_none("--drain", &self.drain)?;
        let service =
            self.url.clone().or_else(|| known("FLEET_URL")).map(|said| service(&said)).transpose()?;
        let broker = self.mqtt.clone().or_else(|| known("MQTT_URL")).map(|said| broker(&said)).transpose()?;
        let share_mqtt = self.share(service.is_some(), broker.is_some())?;
        let tenant = self.tenant.clone().or_else(|| known("TENANT_ID"));
        let tenant = tenant.ok_or("whose devices? name the tenant with --tenant or TENANT_ID")?;
        TenantId::parse(&tenant).ok_or("--tenant: a tenant's id has up to 64 letters, digits, _ and -")?;
        let key = self.key.clone().or_else(|| known("DEVICE_KEY")).filter(|key| !key.is_empty());
        let key: Secret = key
            .ok_or("what do devices show? set DEVICE_KEY (or --key) to the tenant's provisioning key; a service in \
                    development writes it to .env.fleet")?
            .into();
        if !key.expose().chars().all(|c| c.is_ascii_graphic()) {
            return Err("--key: a key has only letters, digits and signs of ASCII".to_owned());
        }
        if self.sites.iter().any(|site| SiteId::parse(site).is_none()) {
            return Err(
                "--sites: a site's id has 1 to 128 characters; separate them by single commas".to_owned()
            );
        }
        let digits = self.devices.to_string().len();
        let names: Vec<_> =
            (1..=self.devices).map(|number| format!("{}-{number:0digits$}", self.prefix)).collect();
        if names.iter().any(|name| DeviceId::parse(name).is_none()) {
            return Err("--prefix: a device's id begins with a letter or digit, and has up to 128 letters, digits and . _ : -"
                .to_owned());
        }
        let Self { sites, keep, rate, .. } = self;
        let plan = Plan { tenant, key, names, sites, keep, service, broker, share_mqtt };
        Ok(Simulation { plan, rate, time, drain })
    }

    fn numbers(&self) -> Result<(), String> {
        if !(1..=MOST_DEVICES).contains(&self.devices) {
            return Err(format!("--devices {}: a number from 1 to {MOST_DEVICES}", self.devices));
        }
        if !(self.rate > 0.0 && self.rate <= MOST_RATE) {
            return Err(format!(
                "--rate {}: readings a second, more than 0 and at most {MOST_RATE}",
                self.rate
            ));
        }
        if !(1..=MOST_KEPT).contains(&self.keep) {
            return Err(format!("--keep {}: a number from 1 to {MOST_KEPT}", self.keep));
        }
        Ok(())
    }

    fn share(&self, has_service: bool, has_broker: bool) -> Result<f64, String> {
        if let Some(share) = self.share_mqtt.filter(|share| !(0.0..=1.0).contains(share)) {
            return Err(format!("--share-mqtt {share}: a number from 0 (none) to 1 (all)"));
        }
        match (has_service, has_broker, self.share_mqtt) {
            (false, false, _) => Err("where to? name the service with --url http://127.0.0.1:8080 (or FLEET_URL), or a broker \
                                      with --mqtt, or start it in this folder beforehand: it writes .env.fleet"
                .to_owned()),
            (true, false, Some(share)) if share > 0.0 => {
                Err(format!("--share-mqtt {share}: there is no broker; name it with --mqtt or MQTT_URL"))
            }
            (false, true, Some(share)) if share < 1.0 => {
                Err(format!("--share-mqtt {share}: the others have no service; name it with --url or FLEET_URL"))
            }
            (true, true, None) => Ok(0.5),
            (_, has_broker, share) => Ok(share.unwrap_or(if has_broker { 1.0 } else { 0.0 })),
        }
    }
}

fn service(said: &str) -> Result<Url, String> {
    let wrong = |why: &str| format!("--url (or FLEET_URL): {why}; it is such as http://127.0.0.1:8080");
    let url = Url::parse(said).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("it begins with neither http:// nor https://"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("behind the host there is more than a port"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it holds a login, which the service does not ask for"));
    }
    Ok(url)
}

fn broker(said: &str) -> Result<BrokerOptions, String> {
    let url = BrokerUrl::parse(said).map_err(|error| match error {
        ConfigError::Broker(why) => {
            format!("--mqtt (or MQTT_URL): {why}; it is such as mqtt://user:password@127.0.0.1:1883")
        }
        error => error.to_string(),
    })?;
    BrokerOptions::new(url).map_err(|why| format!("--mqtt (or MQTT_URL): {why}"))
}

fn time_or_none(option: &str, said: &str) -> Result<Duration, String> {
    let wrong = || format!("{option} {said}: a time such as 90s, 10m or 1h, of at most a year");
    let time: SignedDuration = said.trim().parse().map_err(|_| wrong())?;
    Duration::try_from(time).ok().filter(|time| *time <= LONGEST).ok_or_else(wrong)
}

fn time(option: &str, said: &str) -> Result<Duration, String> {
    let time = time_or_none(option, said)?;
    if time.is_zero() {
        Err(format!("{option} {said}: a time that is more than nothing, such as 90s"))
    } else {
        Ok(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        simulate: SimulateArguments,
    }

    const KNOWN: [(&str, &str); 4] = [
        ("FLEET_URL", "http://127.0.0.1:8080"),
        ("MQTT_URL", "mqtt://u:hiddenword@127.0.0.1:1883"),
        ("TENANT_ID", "test"),
        ("DEVICE_KEY", "hiddenkey"),
    ];

    fn read(options: &str, without: &[&str]) -> Result<Simulation, String> {
        let line = Line::try_parse_from(["x"].into_iter().chain(options.split_whitespace())).unwrap();
        let known = KNOWN.iter().filter(|(name, _)| !without.contains(name));
        line.simulate.checked(|asked| {
            known.clone().find(|(name, _)| *name == asked).map(|(_, said)| (*said).to_owned())
        })
    }

    #[test]
    fn without_options_it_is_what_the_file_says() {
        let simulation = read("", &[]).unwrap();
        assert_eq!((simulation.plan.devices(), simulation.rate, simulation.time), ((50, 50), 50.0, None));
        assert_eq!(simulation.plan.names[99], "simulated-100");
        assert_eq!(simulation.plan.names[0], "simulated-001");
        assert_eq!(simulation.plan.tenant, "test");
        assert_eq!(read("", &["MQTT_URL"]).unwrap().plan.devices(), (100, 0));
        assert_eq!(read("", &["FLEET_URL"]).unwrap().plan.devices(), (0, 100));
        let said =
            read("--share-mqtt 0 --for 90s --rate 0.5 --devices 3 --sites a,b --tenant other", &[]).unwrap();
        assert_eq!((said.plan.devices(), said.time), ((3, 0), Some(Duration::from_secs(90))));
        assert_eq!(
            (said.plan.sites, said.plan.tenant),
            (vec!["a".to_owned(), "b".to_owned()], "other".to_owned())
        );
    }

    #[test]
    fn nonsense_is_named_and_no_secret_is() {
        for (options, without, word) in [
            ("--devices 0", &[][..], "--devices 0"),
            ("--devices 100001", &[], "--devices"),
            ("--rate 0", &[], "--rate 0"),
            ("--rate=-1", &[], "--rate -1"),
            ("--rate NaN", &[], "--rate NaN"),
            ("--rate inf", &[], "--rate inf"),
            ("--keep 0", &[], "--keep 0"),
            ("--for 0s", &[], "--for 0s"),
            ("--for soon", &[], "--for soon"),
            ("--for=-3s", &[], "--for -3s"),
            ("--drain ever", &[], "--drain ever"),
            ("--share-mqtt 1.5", &[], "--share-mqtt 1.5"),
            ("--share-mqtt NaN", &[], "--share-mqtt NaN"),
            ("--share-mqtt 0.5", &["MQTT_URL"], "--mqtt"),
            ("--share-mqtt 0.5", &["FLEET_URL"], "--url"),
            ("", &["FLEET_URL", "MQTT_URL"], "--url"),
            ("", &["TENANT_ID"], "--tenant"),
            ("", &["DEVICE_KEY"], "DEVICE_KEY"),
            ("--key ä", &[], "--key"),
            ("--tenant a/b", &[], "--tenant"),
            ("--sites a,,b", &[], "--sites"),
            ("--prefix -x", &[], "--prefix"),
            ("--url ftp://host", &[], "--url"),
            ("--url http://u:hiddenword@host", &[], "--url"),
            ("--url http://host/path", &[], "--url"),
            ("--url host:8080", &[], "--url"),
            ("--mqtt http://u:hiddenword@host", &[], "--mqtt"),
        ] {
            if options == "--prefix -x" {
                assert!(read("--prefix=-x", without).is_err());
                continue;
            }
            let Err(error) = read(options, without) else { panic!("{options} was taken") };
            assert!(error.contains(word), "{options}: {error}");
            assert!(!error.contains("hidden"), "{error}");
        }
    }
}
