use super::*;

#[test]
fn addresses_of_the_internet_are_public() {
    for address in
        ["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"]
            .into_iter()
            .chain([
                "128.0.0.0",
                "168.63.129.15",
                "172.15.255.255",
                "172.32.0.0",
                "192.167.255.255",
            ])
            .chain(["198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700:4700::1111"])
            .chain(["2001:200::1", "2400:3200::1", "::ffff:1.1.1.1"])
    {
        assert!(is_public(address.parse().unwrap()), "{address}");
    }
}

#[test]
fn addresses_of_this_host_its_networks_and_metadata_are_not() {
    for address in ["0.0.0.0", "0.1.2.3", "10.0.0.0", "10.255.255.255", "100.64.0.0", "127.0.0.1"]
        .into_iter()
        .chain(["100.100.100.200", "100.127.255.255", "127.255.255.255", "168.63.129.16"])
        .chain([
            "169.254.0.0",
            "169.254.169.254",
            "169.254.255.255",
            "172.16.0.0",
            "172.31.255.255",
        ])
        .chain(["192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.0", "192.168.255.255"])
        .chain(["198.18.0.0", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1"])
        .chain(["239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1"])
        .chain(["fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "2002:7f00:1::"])
        .chain(["2001::7f00:1", "3fff::1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "5f00::1"])
        .chain(["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1"])
        .chain(["::ffff:0:127.0.0.1"])
    {
        assert!(!is_public(address.parse().unwrap()), "{address}");
    }
}

#[test]
fn an_address_is_absolute_secure_short_and_without_secrets() {
    for good in [
        "https://example.com",
        "https://example.com:8443/hooks?tenant=a%20b",
        "https://[2606:4700:4700::1111]/",
        "https://1.1.1.1/",
    ] {
        assert!(url(good, false).is_ok(), "{good}");
    }
    let longest = format!("https://example.com/{}", "x".repeat(LONGEST_URL - 20));
    assert!(url(&longest, false).is_ok());
    let longer = format!("{longest}x");
    for bad in [
        "",
        "example.com",
        "/hooks",
        "http://example.com/",
        "HTTP://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://user:secret@example.com/",
        "https://user@example.com/",
        "https://example.com/#here",
        "https://example.com:0/",
        "https://example.com/a b",
        "https://ex ample.com/",
        "https://例子.cn/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        longer.as_str(),
    ] {
        assert!(url(bad, false).is_err(), "{bad}");
    }
    assert!(url("http://127.0.0.1:8080/", true).is_ok());
    assert!(url("ftp://127.0.0.1/", true).is_err());
}

#[test]
fn messages_are_tried_for_three_days_and_ever_more_seldom() {
    let waits: Vec<_> = (1..=9).map(|attempts| backoff(attempts).num_seconds()).collect();
    assert_eq!(waits, [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800]);
    assert_eq!(backoff(0), backoff(1));
    assert_eq!(backoff(i32::MAX), backoff(9));
}

#[test]
fn a_receiver_is_left_alone_once_it_has_failed_five_times() {
    assert_eq!(pause(4), None);
    let waits: Vec<_> =
        [5, 6, 13, 14, 500].map(|failures| pause(failures).unwrap().num_seconds()).into();
    assert_eq!(waits, [5, 10, 1_280, 1_800, 1_800]);
}
