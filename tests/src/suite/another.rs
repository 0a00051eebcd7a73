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
    process: Option<Process>,
    _stop: Option<DropGuard>,
}

impl Another {
    /// Stops it in its tracks, or lets it go on. It has a process of its own.
    pub fn pause(&self, paused: bool) {
        self.process.as_ref().expect("a process of its own").pause(paused);
    }
}

impl Suite {
    /// One more scheduler on the same database, which runs schedules at these `intervals`, such as
    /// `all=60`.
    pub async fn another_scheduler(&self, intervals: &str) -> Another {
        let intervals = intervals.to_owned();
        let mut words: Vec<String>;
        if let TestClock::File(clock) = &self.clock {
            let mut processes = self.processes.iter();
            let found = processes.find(|started| started.roles == ["scheduler"]);
            words = found.expect("a scheduler in a process of its own").words.clone();
            words.extend(["--schedule-interval".to_owned(), intervals]);
            let process = Process::start(&words, 0, clock, None);
            let schedules = SchedulerServiceClient::new(self.speaker_at(process.port));
            return Another { schedules, process: Some(process), _stop: None };
        }
        words = ["perennial", "scheduler"].map(str::to_owned).to_vec();
        words.extend(self.databases.iter().cloned());
        for other in ["renewal", "wallet"] {
            let address = format!("http://127.0.0.1:{}", self.clients.wallet_port);
            words.extend([format!("--{other}-address"), address]);
        }
        words.extend(["--schedule-interval".to_owned(), intervals]);
        let TestClock::Manual(clock) = &self.clock else { unreachable!("a file is dealt with") };
        let (port, stop) = serve_here(words, clock).await;
        let schedules = SchedulerServiceClient::new(channel(port));
        Another { schedules, process: None, _stop: Some(stop) }
    }
}
