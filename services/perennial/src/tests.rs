use super::*;

fn read(line: &str) -> Result<Cli, clap::Error> {
    Cli::read(line.split(' '))
}

#[test]
fn flags_of_the_client_stand_before_or_after_its_commands() {
    for line in [
        "perennial --output json accounts get acme",
        "perennial accounts --output json get acme",
        "perennial accounts get acme --output json",
        "perennial -o json --address http://h:1 --zone UTC quote -a acme vm-1 -d 1m",
    ] {
        let cli = read(line).unwrap();
        assert_eq!(cli.client.output, client::Output::Json, "{line}");
    }
    let cli = read("perennial --address http://h:1 quote -a acme vm-1").unwrap();
    assert!(format!("{:?}", cli.client.address).contains("http://h:1"), "{:?}", cli.client.address);
}

#[test]
fn other_commands_neither_take_nor_show_the_flags_of_the_client() {
    for name in NOT_OF_THE_CLIENT {
        // What it needs to be told comes first.
        let words = match name {
            "backup" => "backup --to folder",
            "reconcile" => "reconcile --since 2026-03-01T00:00:00Z",
            name => name,
        };
        let refused = read(&format!("perennial --output json {words}")).unwrap_err();
        let what = format!("--output means nothing to {name}");
        assert!(refused.to_string().contains(&what), "{refused}");
        let help = read(&format!("perennial {name} --help")).unwrap_err().to_string();
        assert!(!help.contains("--output") && !help.contains("--zone"), "{help}");
    }
    let help = read("perennial accounts get --help").unwrap_err().to_string();
    assert!(help.contains("--output"), "{help}");
}

#[test]
fn every_command_can_be_read_without_a_flag_of_the_client() {
    for line in ["perennial serve", "perennial audit wallet", "perennial migrate", "perennial demo"]
    {
        assert!(read(line).is_ok(), "{line}");
    }
}

#[test]
fn roles_are_given_only_to_who_can_prove_that_they_have_them() {
    for flags in [
        "--oidc-subject-role ann=platform",
        "--certificate-role renewal=service:renewal",
        "--certificate-role renewal=service:renewal --tls-cert-file c --tls-key-file k",
        "--certificate-role renewal=service:renewal --tls-ca-file a",
    ] {
        assert!(read(&format!("perennial serve {flags}")).is_err(), "{flags}");
    }
    for flags in [
        "--oidc-subject-role ann=platform --oidc-issuer https://id --oidc-audience perennial",
        "--certificate-role renewal=service:renewal --tls-cert-file c --tls-key-file k --tls-ca-file a",
    ] {
        assert!(read(&format!("perennial serve {flags}")).is_ok(), "{flags}");
    }
}
