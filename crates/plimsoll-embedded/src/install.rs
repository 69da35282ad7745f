//! The line that a person types to install what is missing, in the words of the system that they sit at.

/// What is to be installed.
#[derive(Clone, Copy)]
pub(crate) enum Package {
    Server,
    PgBouncer,
    Mosquitto,
}

/// The command for this machine, read from `/etc/os-release` (or the operating system's own name).
pub(crate) fn line(package: Package, version: Option<u32>) -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    line_for(std::env::consts::OS, &release, package, version)
}

fn line_for(os: &str, os_release: &str, package: Package, version: Option<u32>) -> String {
    let family = family(os, os_release);
    let dash = version.map(|v| format!("-{v}")).unwrap_or_default();
    let joined = version.map(|v| v.to_string()).unwrap_or_default();
    match (family, package) {
        (Family::Debian, Package::Server) => format!("apt-get install -y postgresql{dash}"),
        (Family::Debian, Package::PgBouncer) => "apt-get install -y pgbouncer".into(),
        (Family::Debian, Package::Mosquitto) => "apt-get install -y mosquitto".into(),
        (Family::Fedora, Package::Server) => format!("dnf install -y postgresql{joined}-server"),
        (Family::Fedora, Package::PgBouncer) => "dnf install -y pgbouncer".into(),
        (Family::Fedora, Package::Mosquitto) => "dnf install -y mosquitto".into(),
        (Family::Arch, Package::Server) => "pacman -S --noconfirm postgresql".into(),
        (Family::Arch, Package::PgBouncer) => "pacman -S --noconfirm pgbouncer".into(),
        (Family::Arch, Package::Mosquitto) => "pacman -S --noconfirm mosquitto".into(),
        (Family::Alpine, Package::Server) => format!("apk add postgresql{joined} postgresql{joined}-contrib"),
        (Family::Alpine, Package::PgBouncer) => "apk add pgbouncer".into(),
        (Family::Alpine, Package::Mosquitto) => "apk add mosquitto".into(),
        (Family::Suse, Package::Server) => format!("zypper install -y postgresql{joined}-server"),
        (Family::Suse, Package::PgBouncer) => "zypper install -y pgbouncer".into(),
        (Family::Suse, Package::Mosquitto) => "zypper install -y mosquitto".into(),
        (Family::Mac, Package::Server) => format!("brew install postgresql@{}", version.unwrap_or(17)),
        (Family::Mac, Package::PgBouncer) => "brew install pgbouncer".into(),
        (Family::Mac, Package::Mosquitto) => "brew install mosquitto".into(),
        (Family::Other, Package::Server) => {
            "your package manager (the package is often called postgresql-server)".into()
        }
        (Family::Other, Package::PgBouncer) => {
            "your package manager (the package is called pgbouncer)".into()
        }
        (Family::Other, Package::Mosquitto) => {
            "your package manager (the package is called mosquitto)".into()
        }
    }
}

#[derive(Clone, Copy)]
enum Family {
    Debian,
    Fedora,
    Arch,
    Alpine,
    Suse,
    Mac,
    Other,
}

/// `ID` names the system itself, `ID_LIKE` those that it is made from; either will do.
fn family(os: &str, os_release: &str) -> Family {
    if os == "macos" {
        return Family::Mac;
    }
    let ids = os_release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
        .flat_map(|value| value.trim_matches('"').split_whitespace());
    for id in ids {
        match id {
            "debian" | "ubuntu" => return Family::Debian,
            "fedora" | "rhel" | "centos" | "rocky" | "almalinux" | "amzn" => return Family::Fedora,
            "arch" => return Family::Arch,
            "alpine" => return Family::Alpine,
            "suse" | "opensuse" => return Family::Suse,
            _ => {}
        }
    }
    Family::Other
}

#[cfg(test)]
mod tests {
    use super::{Package, line_for};

    #[test]
    fn each_system_gets_its_own_line() {
        let server = |release| line_for("linux", release, Package::Server, None);
        assert_eq!(server("ID=debian\n"), "apt-get install -y postgresql");
        assert_eq!(
            server("NAME=x\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"),
            "apt-get install -y postgresql"
        );
        assert_eq!(
            server("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"),
            "dnf install -y postgresql-server"
        );
        assert_eq!(server("ID=arch\n"), "pacman -S --noconfirm postgresql");
        assert_eq!(
            line_for("linux", "ID=alpine", Package::Server, Some(17)),
            "apk add postgresql17 postgresql17-contrib"
        );
        assert_eq!(
            line_for("linux", "ID=debian", Package::Server, Some(17)),
            "apt-get install -y postgresql-17"
        );
        assert_eq!(line_for("macos", "", Package::PgBouncer, None), "brew install pgbouncer");
        assert!(server("").contains("package manager"));
    }
}
