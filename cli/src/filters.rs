//! Which sessions a command is about.

use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tracewal::Time;

use crate::account::Account;

/// How a session stands, as a command is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusArg {
    Running,
    Completed,
    Error,
    Crashed,
}

/// What a session has to be.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which sessions")]
pub(crate) struct Filters {
    /// Only those that stand so.
    #[arg(long)]
    pub(crate) status: Option<StatusArg>,
    /// Only those of this model, or of one whose name begins so.
    #[arg(long)]
    model: Option<String>,
    /// Only those of this agent.
    #[arg(long)]
    agent: Option<String>,
    /// Only those that began then or later: 7d (ago), 2026-03-15, 2026-03-15T10:00:00Z.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Time>,
    /// Only those that began before.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Time>,
}

/// The same, and why it stopped.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FiltersAndCause {
    #[command(flatten)]
    filters: Filters,
    /// Only those that stopped for this cause, or this kind of one.
    #[arg(long, help_heading = "Which sessions")]
    cause: Option<String>,
}

/// What filters ask of a session.
#[derive(Clone, Copy, Default)]
pub(crate) struct Facts<'f> {
    pub(crate) status: &'f str,
    pub(crate) model: Option<&'f str>,
    pub(crate) agent: Option<&'f str>,
    pub(crate) started: Option<Time>,
    pub(crate) cause: Option<&'f str>,
    pub(crate) cause_kind: Option<&'f str>,
}

impl<'f> Facts<'f> {
    pub(crate) fn of(account: &'f Account) -> Self {
        let summary = account.summary();
        let terminal = summary.incidents.terminal.as_ref();
        Facts {
            status: account.status(),
            model: summary.metadata.model.as_deref(),
            agent: summary.metadata.agent.as_deref(),
            started: (!summary.session_id.is_empty()).then_some(summary.started_at),
            cause: terminal.map(|incident| incident.cause.as_str()),
            cause_kind: terminal.and_then(|incident| incident.kind.as_deref()),
        }
    }
}

impl FiltersAndCause {
    pub(crate) fn let_through(&self, of: &Facts<'_>) -> bool {
        let is = |wanted: &String| [of.cause, of.cause_kind].contains(&Some(wanted.as_str()));
        self.filters.let_through(of) && self.cause.as_ref().is_none_or(is)
    }
}

impl Filters {
    pub(crate) fn let_through(&self, of: &Facts<'_>) -> bool {
        let begins = |wanted: &Option<String>| {
            wanted.as_deref().is_none_or(|wanted| of.model.is_some_and(|model| model.starts_with(wanted)))
        };
        self.status.is_none_or(|wanted| wanted.is(of.status))
            && begins(&self.model)
            && self.agent.as_deref().is_none_or(|wanted| of.agent == Some(wanted))
            && self.since.is_none_or(|since| of.started.is_some_and(|started| started >= since))
            && self.until.is_none_or(|until| of.started.is_some_and(|started| started < until))
    }
}

impl StatusArg {
    /// Whether a session that stands so is meant.
    pub(crate) fn is(self, status: &str) -> bool {
        match self {
            StatusArg::Running => status == "running",
            StatusArg::Completed => status == "completed",
            StatusArg::Error => status == "error",
            StatusArg::Crashed => status.starts_with("crashed"),
        }
    }
}

/// A moment: so long ago, a date or a time where the user is, or a time in UTC.
fn moment(text: &str) -> Result<Time, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(before(Timestamp::now(), ago));
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(Time::from_ns(timestamp.as_nanosecond()));
    }
    let local = text.parse::<DateTime>().ok().and_then(|local| local.to_zoned(TimeZone::system()).ok());
    let local =
        local.ok_or("neither an age (7d, 12h) nor a date or time (2026-03-15, 2026-03-15T10:00:00Z)")?;
    Ok(Time::from_ns(local.timestamp().as_nanosecond()))
}

fn before(now: Timestamp, ago: Duration) -> Time {
    let ago = i128::try_from(ago.as_nanos()).unwrap_or(i128::MAX);
    Time::from_ns(now.as_nanosecond().saturating_sub(ago))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_ages_dates_and_times() {
        let at = |text: &str| moment(text).unwrap();
        assert_eq!(at("2026-03-15T10:00:00Z"), Time::from_ns(1_773_568_800_000_000_000));
        assert_eq!(at("2026-03-15T12:00:00+02:00"), at("2026-03-15T10:00:00Z"));
        assert!(at("2026-03-16") > at("2026-03-15") && at("2h") > at("2d"));
        assert!(moment("yesterday").is_err() && moment("").is_err() && moment("2026-13-01").is_err());
        assert!(moment("9999999999999y").is_err() || at("9999999999999y") < at("1d"));
    }

    #[test]
    fn what_is_not_known_of_a_session_is_not_what_is_asked_for() {
        let unknown = Facts { status: "?", ..Facts::default() };
        assert!(Filters::default().let_through(&unknown));
        let model = Filters { model: Some("claude".to_owned()), ..Default::default() };
        assert!(!model.let_through(&unknown));
        assert!(model.let_through(&Facts { model: Some("claude-opus-4-6"), ..unknown }));
        let since = Filters { since: Some(Time::from_ns(5)), ..Default::default() };
        assert!(!since.let_through(&Facts { started: Some(Time::from_ns(4)), ..unknown }));
        assert!(since.let_through(&Facts { started: Some(Time::from_ns(5)), ..unknown }));
    }
}
