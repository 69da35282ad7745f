use super::*;
use proptest::prelude::*;

fn none() -> Networks {
    Networks::default()
}

fn v6(text: &str) -> IpAddr {
    IpAddr::V6(text.parse().unwrap())
}

/// A block, and an address in it chosen by a number.
fn within(block: &str, number: u128) -> IpAddr {
    match block.parse::<IpNet>().unwrap() {
        IpNet::V4(block) => {
            let host = number as u32 & !u32::from(block.netmask());
            IpAddr::V4((u32::from(block.network()) | host).into())
        }
        IpNet::V6(block) => {
            let host = number & !u128::from(block.netmask());
            IpAddr::V6((u128::from(block.network()) | host).into())
        }
    }
}

/// What must never be reached, block by block, written apart from the rule.
const INSIDE: [&str; 37] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "169.254.169.254/32",
    "100.100.100.200/32",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.0.192/32",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2001:10::/28",
    "2001:20::/28",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// What is public, among it the neighbours of what is not.
const OUTSIDE: [&str; 17] = [
    "1.1.1.0/24",
    "8.8.8.0/24",
    "9.255.255.255/32",
    "11.0.0.0/8",
    "100.63.255.255/32",
    "100.128.0.0/16",
    "126.255.255.255/32",
    "128.0.0.0/16",
    "172.15.255.255/32",
    "172.32.0.0/16",
    "192.167.0.0/16",
    "198.17.0.0/16",
    "223.255.255.255/32",
    "2606:4700::/32",
    "2a00::/16",
    "2001:4860::/32",
    "2003::/16",
];

proptest! {
    #[test]
    fn no_address_inside_is_public_and_each_outside_is(number: u128) {
        for block in INSIDE {
            prop_assert!(!is_public(within(block, number)), "{} of {block}", within(block, number));
        }
        for block in OUTSIDE {
            prop_assert!(is_public(within(block, number)), "{} of {block}", within(block, number));
        }
    }

    /// The standard library knows some of them too.
    #[test]
    fn what_the_standard_library_calls_special_is_not_public(bits: u32) {
        let address = Ipv4Addr::from(bits);
        let is_special = address.is_private() || address.is_loopback() || address.is_link_local()
            || address.is_multicast() || address.is_broadcast() || address.is_documentation() || address.is_unspecified();
        prop_assert!(!(is_special && is_public(address.into())), "{address}");
        // Carried inside an address of IPv6 none is public, whatever it is by itself.
        let [a, b, c, d] = address.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        for carrier in [
            address.to_ipv6_mapped(), address.to_ipv6_compatible(),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low), Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, !high, !low),
        ] {
            prop_assert!(!is_public(carrier.into()), "{carrier}");
        }
    }

    /// However an address is written as the host, it is judged as the address that it means.
    #[test]
    fn a_literal_is_judged_in_every_notation(bits: u32) {
        let address = Ipv4Addr::from(bits);
        let [a, b, c, d] = address.octets();
        let expected = is_public(address.into());
        for host in [
            format!("{address}"), format!("{bits}"), format!("{bits:#x}"), format!("0{bits:o}"), format!("{address}."),
            format!("{a}.{}", bits & 0xff_ffff), format!("{a}.{b}.{}", bits & 0xffff), format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
            format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        ] {
            let read = Target::parse(&format!("https://{host}/"), &none());
            prop_assert_eq!(read.is_ok(), expected, "{}", host);
        }
        for host in [format!("[::ffff:{address}]"), format!("[::{address}]"), format!("[64:ff9b::{address}]")] {
            prop_assert_eq!(Target::parse(&format!("https://{host}/"), &none()), Err(NotTaken::NotPublic), "{}", host);
        }
    }

    /// Whatever is written, it is read or refused; what is read leads to no address inside.
    #[test]
    fn anything_is_read_or_refused(text in "(https?://)?[a-z0-9.:@/\\[\\]%#? -]{0,40}|\\PC{0,40}") {
        if let Ok(target) = Target::parse(&text, &none()) {
            prop_assert!(target.is_encrypted && PORTS.contains(&target.port));
            prop_assert!(target.address().is_none_or(is_public));
        }
    }
}

#[test]
fn only_https_without_names_and_on_its_ports() {
    for (text, why) in [
        ("http://example.com/", NotTaken::Scheme),
        ("ftp://example.com/", NotTaken::Scheme),
        ("file:///etc/passwd", NotTaken::Scheme),
        ("gopher://example.com/", NotTaken::Scheme),
        ("https://user@example.com/", NotTaken::UserInfo),
        ("https://user:password@example.com/", NotTaken::UserInfo),
        ("https://:password@example.com/", NotTaken::UserInfo),
        ("https://example.com:22/", NotTaken::Port),
        ("https://example.com:5432/", NotTaken::Port),
        ("https://1.1.1.1:80/", NotTaken::Port),
        ("https://[fe80::1%25eth0]/", NotTaken::NoUrl),
        ("https://[fe80::1%eth0]/", NotTaken::NoUrl),
        ("https://[fe80::1]/", NotTaken::NotPublic),
        ("https://127.1/", NotTaken::NotPublic),
        ("https://\u{2460}\u{2461}\u{2466}.0.0.1/", NotTaken::NotPublic),
        ("https:///", NotTaken::NoUrl),
        ("", NotTaken::NoUrl),
        ("example.com", NotTaken::NoUrl),
        ("https://exa mple.com/", NotTaken::NoUrl),
        ("https://example.com/\r\nX: y", NotTaken::NoUrl),
    ] {
        let read = Target::parse(text, &none());
        // The characters in circles are 1, 2 and 7 to every browser, and no host to others.
        assert!(read == Err(why) || (text.contains('\u{2460}') && read.is_err()), "{text}: {read:?}");
    }
    let long = format!("https://example.com/{}", "a".repeat(LONGEST));
    assert_eq!(Target::parse(&long, &none()), Err(NotTaken::NoUrl));
    let target = Target::parse("https://Example.com:8443/a?token=secret#part", &none()).unwrap();
    assert_eq!((target.path(), target.authority().as_str()), ("/a?token=secret", "example.com:8443"));
    assert_eq!(
        (target.to_string(), format!("{target:?}")),
        ("https://example.com:8443".into(), "https://example.com:8443".into())
    );
}

#[test]
fn a_named_network_is_let_in_and_no_other() {
    let networks = Networks::parse("127.0.0.0/8, 10.1.2.3,fd00::/8").unwrap();
    for text in
        ["http://127.0.0.1:8000/", "https://10.1.2.3:22/", "http://[fd00::1]/", "http://localhost:8000/"]
    {
        Target::parse(text, &networks).unwrap();
    }
    let refused = |text: &str| Target::parse(text, &networks).unwrap_err();
    assert_eq!(refused("http://10.1.2.4/"), NotTaken::NotPublic);
    assert_eq!(refused("http://[::ffff:127.0.0.1]/"), NotTaken::NotPublic);
    assert_eq!(refused("http://1.1.1.1/"), NotTaken::Scheme, "http is for named networks alone");
    assert_eq!(refused("https://1.1.1.1:22/"), NotTaken::Port);
    // A name may lead anywhere, so it is judged by where it leads.
    let named = Target::parse("http://example.com/", &networks).unwrap();
    assert_eq!(networks.check(&named, "1.1.1.1".parse().unwrap()), Err(NotTaken::Scheme));
    assert_eq!(networks.check(&named, "192.168.0.1".parse().unwrap()), Err(NotTaken::NotPublic));
    assert_eq!(networks.check(&named, "127.0.0.1".parse().unwrap()), Ok(()));
    assert_eq!(none().check(&named, v6("::ffff:1.1.1.1")), Err(NotTaken::NotPublic));
    for bad in ["127.0.0.0/33", "localhost", "10.0.0.0/8;"] {
        assert_eq!(Networks::parse(bad), None, "{bad}");
    }
    assert_eq!(Networks::parse(" "), Some(none()));
}
