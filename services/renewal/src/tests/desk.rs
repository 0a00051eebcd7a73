//! Consoles for tests: they keep what they are told, and can be told to fail.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use proto::provisioner::v1::ApplyEntitlementRequest;
use tonic::{Code, Status};

use crate::app::deliver::Consoles;

/// The consoles at all addresses.
#[derive(Debug, Default)]
pub struct Desk(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    kept: BTreeMap<String, ApplyEntitlementRequest>,
    calls: Vec<(String, i64)>,
    down: BTreeSet<String>,
    troubles: BTreeMap<String, Code>,
    answers_lost: u32,
}

impl Desk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// The console at `address` does not answer from now on.
    pub fn shut(&self, address: &str) {
        self.inner().down.insert(address.to_owned());
    }

    /// The console at `address` answers again.
    pub fn open(&self, address: &str) {
        self.inner().down.remove(address);
    }

    /// Of this instance the consoles answer `code` from now on.
    pub fn trouble(&self, id: &str, code: Code) {
        self.inner().troubles.insert(id.to_owned(), code);
    }

    /// Nothing is wrong with this instance any more.
    pub fn cure(&self, id: &str) {
        self.inner().troubles.remove(id);
    }

    /// So many answers get lost.
    pub fn lose_answers(&self, count: u32) {
        self.inner().answers_lost = count;
    }

    /// What the consoles were told since they were asked last: instances and versions.
    pub fn calls(&self) -> Vec<(String, i64)> {
        std::mem::take(&mut self.inner().calls)
    }

    /// What they keep of an instance.
    pub fn kept(&self, id: &str) -> Option<ApplyEntitlementRequest> {
        self.inner().kept.get(id).cloned()
    }
}

#[async_trait]
impl Consoles for Desk {
    async fn apply(&self, address: &str, request: ApplyEntitlementRequest) -> Result<(), Status> {
        let mut inner = self.inner();
        let (id, version) = (request.instance_id.clone(), request.version);
        inner.calls.push((id.clone(), version));
        if inner.down.contains(address) {
            return Err(Status::new(Code::Unavailable, "nobody is there"));
        }
        if let Some(code) = inner.troubles.get(&id) {
            return Err(Status::new(*code, "it has no room"));
        }
        if inner.kept.get(&id).is_none_or(|kept| kept.version < version) {
            inner.kept.insert(id, request);
        }
        if inner.answers_lost > 0 {
            inner.answers_lost -= 1;
            return Err(Status::new(Code::Cancelled, "the connection broke"));
        }
        Ok(())
    }
}
