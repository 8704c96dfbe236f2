//! What is left of a child.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use tracewal::{Event, Item, Reading, SessionName, Store};

pub(crate) struct Seen {
    pub(crate) case: String,
    pub(crate) status: ExitStatus,
    /// The view of session `s` before anybody opened the store again, and after.
    first_view: String,
    view: String,
    /// The log's events, as lines.
    lines: Vec<String>,
    sessions: usize,
    crashed: usize,
    /// What the views say, by session.
    statuses: Vec<(String, String)>,
}

impl Seen {
    #[track_caller]
    pub(crate) fn killed_by(&self, signal: i32) -> &Self {
        assert_eq!(self.status.signal(), Some(signal), "{}: {}", self.case, self.status);
        self
    }

    #[track_caller]
    pub(crate) fn exited(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "{}: {}", self.case, self.status);
        self
    }

    #[track_caller]
    pub(crate) fn is(&self, status: &str) -> &Self {
        assert!(self.view.contains(&format!("\"status\":\"{status}\"")), "{}: {}", self.case, self.view);
        self
    }

    /// A line of the log says this.
    #[track_caller]
    pub(crate) fn has(&self, text: &str) -> &Self {
        assert!(self.lines.iter().any(|line| line.contains(text)), "{}: {:#?}", self.case, self.lines);
        self
    }

    /// Crashed, for this reason, already in the view that the dying process left.
    #[track_caller]
    pub(crate) fn crashed(&self, reason: &str, found_by: &str) -> &Self {
        let first = format!("\"status\":\"crashed\",\"error\":\"{reason}\"");
        assert!(self.first_view.contains(&first), "{}: {}", self.case, self.first_view);
        self.recovered(reason, found_by)
    }

    /// Crashed, for this reason, as the next process finds.
    #[track_caller]
    pub(crate) fn recovered(&self, reason: &str, found_by: &str) -> &Self {
        let said = format!("\"status\":\"crashed\",\"error\":\"{reason}\"");
        assert!(self.view.contains(&said), "{}: {}", self.case, self.view);
        let record = |line: &&String| line.contains("\"type\":\"crashed\"");
        let first =
            self.lines.iter().find(record).unwrap_or_else(|| panic!("{}: {:#?}", self.case, self.lines));
        assert!(first.contains(&format!("\"reason\":\"{reason}\"")), "{}: {first}", self.case);
        assert!(first.contains(&format!("\"foundBy\":\"{found_by}\"")), "{}: {first}", self.case);
        assert_eq!(self.crashed, self.sessions, "{}: every session has its own record", self.case);
        self
    }

    /// No session is left open: each has an ending, or a crash record.
    #[track_caller]
    pub(crate) fn ended_or_crashed(&self) -> &Self {
        let open: Vec<_> = self.statuses.iter().filter(|(_, status)| status == "running").collect();
        assert!(open.is_empty(), "{}: {open:?}", self.case);
        assert!(self.crashed < self.sessions, "{}: some had ended", self.case);
        self
    }

    /// How many crash records session `s` has.
    #[track_caller]
    pub(crate) fn records(&self, count: usize) -> &Self {
        let found = self.lines.iter().filter(|line| line.contains("\"type\":\"crashed\""));
        assert_eq!(found.count(), count, "{}: {:#?}", self.case, self.lines);
        self
    }
}

/// Looks at the store that a child has left, as the next process does.
pub(crate) fn look(case: &str, status: ExitStatus, folder: &Path) -> Seen {
    let view = folder.join("traces/s.json");
    let first_view = std::fs::read_to_string(&view).unwrap_or_default();
    let store = tracewal::open(folder).unwrap();
    assert_eq!(store.health().failed_recoveries, vec![], "{case}");
    let lines = lines(case, &store);
    let sessions = store.sessions().unwrap();
    Seen {
        case: case.to_owned(),
        status,
        first_view,
        view: std::fs::read_to_string(&view).unwrap(),
        lines,
        sessions: sessions.len(),
        crashed: sessions.iter().filter(|name| is_crashed(&store, name)).count(),
        statuses: sessions.iter().map(|name| (name.id().to_owned(), status_of(&store, name))).collect(),
    }
}

fn status_of(store: &Store, session: &SessionName) -> String {
    let view = std::fs::read(store.view(session)).unwrap();
    let view: serde_json::Value = serde_json::from_slice(&view).unwrap();
    view["summary"]["status"].as_str().unwrap().to_owned()
}

fn lines(case: &str, store: &Store) -> Vec<String> {
    let mut log = store.read(&store.find("s").unwrap(), Reading::Whole).unwrap();
    let mut lines = Vec::new();
    while let Some(item) = log.next().unwrap() {
        match item {
            Item::Event(entry) => {
                let mut line = Vec::new();
                tracewal::write_event(&entry, &mut line);
                lines.push(String::from_utf8(line).unwrap());
            }
            Item::Loss(loss) => panic!("{case}: {loss:?}"),
            _ => {}
        }
    }
    lines
}

fn is_crashed(store: &Store, name: &SessionName) -> bool {
    let mut log = store.read(name, Reading::Whole).unwrap();
    while let Some(item) = log.next().unwrap() {
        if let Item::Event(entry) = item
            && let Some(Ok(Event::Crashed(_))) = entry.event()
        {
            return true;
        }
    }
    false
}
