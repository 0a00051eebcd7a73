//! A suite in a sandbox: its clock is moved by a call.

use proto::{
    convert::timestamp,
    scheduler::v1::{
        AdvanceClockRequest, AdvanceClockResponse, clock_service_client::ClockServiceClient,
    },
};
use tonic::Status;

use super::{Backend, SERVICES, Suite, settings::settings, start::cluster_of};
use crate::{
    clients::{Clients, Speaker},
    fixture::at,
};

impl Clients {
    /// The clock.
    #[must_use]
    pub fn clock(&self) -> ClockServiceClient<Speaker> {
        ClockServiceClient::new(self.scheduler.clone())
    }
}

impl Suite {
    /// Starts a sandbox, in one process, whose clock stands at 2026-03-01 09:00 in Shanghai.
    pub async fn sandbox(backend: Backend) -> Self {
        let (databases, folder) = settings(&cluster_of(backend), backend).await;
        let clock = ["--sandbox-clock", "2026-03-01T09:00:00+08:00"];
        let more = [&clock[..], &["--event-retention-days", "3650"]].concat();
        Self::in_processes(&[&SERVICES], databases, folder, &more, None)
    }

    /// Moves the clock of the sandbox to the local time `until`: its stops.
    pub async fn play(&self, until: &str) -> Result<Vec<AdvanceClockResponse>, Status> {
        let request = AdvanceClockRequest { until: Some(timestamp(at(until))) };
        let mut told = self.clock().advance_clock(request).await?.into_inner();
        let mut stops = Vec::new();
        while let Some(stop) = told.message().await? {
            stops.push(stop);
        }
        // For the audit, which is another process with a clock of its own.
        self.set_clock(at(until));
        Ok(stops)
    }
}
