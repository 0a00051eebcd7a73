//! Several schedulers on one database.

use proto::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use tokio_util::sync::DropGuard;

use super::{Suite, TestClock, start::serve_here};
use crate::{
    clients::{Speaker, channel},
    process::Process,
};

/// One more scheduler, until it is dropped.
#[derive(Debug)]
pub struct Another {
    /// What it serves.
    pub schedules: SchedulerServiceClient<Speaker>,
    _process: Option<Process>,
    _stop: Option<DropGuard>,
}

impl Suite {
    /// One more scheduler on the same database, which runs all schedules at an interval of so many
    /// seconds.
    pub async fn another_scheduler(&self, seconds: u32) -> Another {
        let every = format!("all={seconds}");
        let mut words: Vec<String>;
        if let TestClock::File(clock) = &self.clock {
            let mut processes = self.processes.iter();
            let found = processes.find(|started| started.roles == ["scheduler"]);
            words = found.expect("a scheduler in a process of its own").words.clone();
            words.extend(["--schedule-interval".to_owned(), every]);
            let process = Process::start(&words, 0, clock, None);
            let schedules = SchedulerServiceClient::new(channel(process.port));
            return Another { schedules, _process: Some(process), _stop: None };
        }
        words = ["perennial", "scheduler"].map(str::to_owned).to_vec();
        words.extend(self.databases.iter().cloned());
        for other in ["renewal", "wallet"] {
            let address = format!("http://127.0.0.1:{}", self.clients.wallet_port);
            words.extend([format!("--{other}-address"), address]);
        }
        words.extend(["--schedule-interval".to_owned(), every]);
        let TestClock::Manual(clock) = &self.clock else { unreachable!("a file is dealt with") };
        let (port, stop) = serve_here(words, clock).await;
        let schedules = SchedulerServiceClient::new(channel(port));
        Another { schedules, _process: None, _stop: Some(stop) }
    }
}
