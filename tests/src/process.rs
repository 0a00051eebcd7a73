//! Processes of the suite: started, killed, started again.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

/// How long a process may take to say where it listens, or to die.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running service, killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Ends with what the process has to say.
    log: Receiver<u16>,
    /// Where it listens.
    pub port: u16,
}

impl Process {
    /// Starts `perennial serve` with `words` on `port` (0: any), and waits until it listens. Its clock
    /// is the file `clock`; it dies of `fault`, if one is named.
    pub fn start(words: &[String], port: u16, clock: &Path, fault: Option<&str>) -> Self {
        let mut command = Command::new(binary());
        command.arg("serve").args(words).args(["--listen", &format!("127.0.0.1:{port}")]);
        command.env(crate::clock::VARIABLE, clock).env("PERENNIAL_LOG", "info");
        command.args(fault.iter().flat_map(|fault| ["--fault", fault]));
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = child.stderr.take().expect("standard error is piped");
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                if let Some(port) = port_of(&line) {
                    // Nobody waits for a second address.
                    let _ = sender.send(port);
                }
                eprintln!("{line}");
            }
        });
        let port = receiver.recv_timeout(PATIENCE).expect("the process says where it listens");
        Self { child, log: receiver, port }
    }

    /// Waits until the process has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let ended = self.log.recv_timeout(PATIENCE);
        assert_eq!(ended, Err(RecvTimeoutError::Disconnected), "the process does not end");
        self.child.wait().expect("a child of this process")
    }

    /// Tells it to stop, as Kubernetes does, and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("-TERM");
        self.wait()
    }

    /// Stops it in its tracks, as a machine that is asleep; or lets it go on.
    pub fn pause(&self, paused: bool) {
        self.signal(if paused { "-STOP" } else { "-CONT" });
    }

    fn signal(&self, signal: &str) {
        let told = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(told.expect("`kill` runs").success(), "the process runs");
    }

    /// The most memory that it has had so far, in bytes.
    pub fn peak_memory_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kilobytes.expect("Linux tells it").parse::<u64>().expect("a number") * 1024
    }

    /// Kills the process, as `kill -9` does.
    pub fn kill(&mut self) {
        // One that has ended already needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The port that a line of the log says is served, if it says so.
fn port_of(line: &str) -> Option<u16> {
    let log: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = log.get("fields").unwrap_or(&log);
    if fields.get("message")? != "serving" {
        return None;
    }
    Some(fields.get("address")?.as_str()?.parse::<SocketAddr>().ok()?.port())
}

/// The binary under test, which cargo builds beside the test's own.
fn binary() -> std::path::PathBuf {
    let test = std::env::current_exe().expect("a running test");
    let folder = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    folder.join("suite")
}
