use std::net::{IpAddr, Ipv4Addr};

use super::*;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

fn named() -> IdentityArgs {
    let role = ("renewal".to_owned(), "service:renewal".parse().unwrap());
    IdentityArgs { certificate_role: vec![role], ..IdentityArgs::default() }
}

#[tokio::test]
async fn everybody_may_do_everything_only_where_nobody_else_can_reach_it_or_where_it_is_asked_for()
{
    let env = Env::system();
    let nothing = IdentityArgs::default();
    assert!(nothing.identity(HERE, &env).await.unwrap().is_none());
    let error = nothing.identity(OUTSIDE, &env).await.unwrap_err().to_string();
    assert!(error.contains("--oidc-issuer") && error.contains("--insecure"), "{error}");
    let insecure = IdentityArgs { insecure: true, ..IdentityArgs::default() };
    assert!(insecure.identity(OUTSIDE, &env).await.unwrap().is_none());
    assert!(named().identity(OUTSIDE, &env).await.unwrap().is_some());
}

#[tokio::test]
async fn settings_that_contradict_each_other_are_refused() {
    let both = IdentityArgs { insecure: true, ..named() };
    assert!(both.identity(HERE, &Env::system()).await.is_err());
}

#[tokio::test]
async fn a_certificate_proves_the_roles_of_its_names_and_nothing_proves_nothing() {
    let identity = named().identity(HERE, &Env::system()).await.unwrap().unwrap();
    let roles = async |name: &str| {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let caller = identity.caller(None, Some(made.cert.der())).await.unwrap();
        caller.roles().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(roles("renewal").await, ["service:renewal"]);
    assert!(roles("scheduler").await.is_empty());
    assert_eq!(identity.caller(None, None).await.err(), Some(Unproven::Nothing));
    // A token is judged, whatever the certificate says.
    let made = rcgen::generate_simple_self_signed(vec!["renewal".to_owned()]).unwrap();
    let refused = identity.caller(Some("x"), Some(made.cert.der())).await;
    assert_eq!(refused.err(), Some(Unproven::NoTokens));
}

#[test]
fn a_caller_gets_its_share_and_is_told_when_to_come_again() {
    let buckets = Buckets::new(1);
    let [ann, bob] = ["ann", "bob"].map(|name| Caller::new(name, vec![Role::Platform]));
    assert!(buckets.take(&ann).is_ok() && buckets.take(&ann).is_ok());
    let pause = buckets.take(&ann).unwrap_err();
    assert!(pause > std::time::Duration::ZERO && pause <= std::time::Duration::from_secs(1));
    assert!(buckets.take(&bob).is_ok());
    let service = Caller::new("renewal", vec![Role::Service("renewal".to_owned())]);
    assert!((0..10).all(|_| buckets.take(&service).is_ok()));
    assert!((0..10).all(|_| Buckets::new(0).take(&ann).is_ok()));
}
