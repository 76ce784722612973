//! What is asked, and what it is asked about.

use std::path::{Path, PathBuf};

use serde_json::json;
use uuid::Uuid;
use vestibule_bench::traffic::World;
use vestibule_logstore::Store;

use crate::engine;
use crate::plan::Plan;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Rows of the export, if there are as many.
const EXPORTED: u64 = 1_000_000;

/// A question. Each engine answers it in its own language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    Newest,
    NewestSealed,
    UserWeek,
    Rare,
    TextAbsent,
    TextCommon,
    SortNumber,
    SortText,
    StatusByHour,
    TopUsers,
    TopPaths,
    ById,
    ByRequestId,
    Csv,
}

impl Question {
    /// In the order of the table.
    pub(crate) const ALL: [Self; 14] = [
        Self::Newest,
        Self::NewestSealed,
        Self::UserWeek,
        Self::Rare,
        Self::TextAbsent,
        Self::TextCommon,
        Self::SortNumber,
        Self::SortText,
        Self::StatusByHour,
        Self::TopUsers,
        Self::TopPaths,
        Self::ById,
        Self::ByRequestId,
        Self::Csv,
    ];

    /// As `peers.py` knows it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::NewestSealed => "newest_sealed",
            Self::UserWeek => "user_week",
            Self::Rare => "rare",
            Self::TextAbsent => "text_absent",
            Self::TextCommon => "text_common",
            Self::SortNumber => "sort_number",
            Self::SortText => "sort_text",
            Self::StatusByHour => "status_by_hour",
            Self::TopUsers => "top_users",
            Self::TopPaths => "top_paths",
            Self::ById => "by_id",
            Self::ByRequestId => "by_request_id",
            Self::Csv => "csv",
        }
    }

    /// For people.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Newest => "newest 100",
            Self::NewestSealed => "newest 100 of an earlier day",
            Self::UserWeek => "busy user and 7 days, newest 100",
            Self::Rare => "rare status and circuit, all rows",
            Self::TextAbsent => "free text, no match, whole store",
            Self::TextCommon => "free text, common needle, count, whole store",
            Self::SortNumber => "sort by a number, whole store, top 100",
            Self::SortText => "sort by a text, whole store, top 100",
            Self::StatusByHour => "counts by status and hour, whole store",
            Self::TopUsers => "top 10 users, whole store",
            Self::TopPaths => "top 10 paths, whole store",
            Self::ById => "entry by id",
            Self::ByRequestId => "entry by id of its request",
            Self::Csv => "CSV of 1 M rows",
        }
    }

    /// What is to be reached with ten million entries, in milliseconds.
    pub(crate) const fn reach_ms(self) -> Option<f64> {
        match self {
            Self::Newest => Some(0.04),
            Self::NewestSealed => Some(0.6),
            Self::UserWeek | Self::TextAbsent => Some(1.0),
            Self::Rare | Self::SortNumber | Self::SortText => Some(6.0),
            Self::TextCommon => Some(120.0),
            Self::StatusByHour => Some(3.0),
            Self::TopUsers | Self::TopPaths => Some(12.0),
            Self::ById => Some(0.1),
            Self::ByRequestId => None,
            Self::Csv => Some(500.0),
        }
    }
}

/// What the questions are about, the same for all engines.
#[derive(Debug, Clone)]
pub(crate) struct Subjects {
    pub(crate) user: String,
    /// Microseconds since 1970: the 74th to the 80th day.
    pub(crate) week: [i64; 2],
    pub(crate) circuit: String,
    /// In no entry.
    pub(crate) absent: &'static str,
    pub(crate) needle: &'static str,
    /// The entry in the middle.
    pub(crate) id: Uuid,
    /// Of the same entry.
    pub(crate) request_id: String,
    /// Time of the last exported entry, microseconds since 1970.
    pub(crate) csv_until: i64,
    /// In memory where the system has such a folder.
    csv_folder: PathBuf,
}

impl Subjects {
    pub(crate) fn of(store: &Store, world: &World, plan: &Plan, folder: &Path) -> Self {
        let middle = engine::at(store, plan.entries / 2);
        let last = engine::at(store, EXPORTED.min(plan.entries) - 1);
        let memory = Path::new("/dev/shm");
        Self {
            user: world.heavy_user().to_owned(),
            week: [73, 80].map(|day| plan.span().start + day * DAY),
            circuit: world.circuit().to_owned(),
            absent: "zebra-quokka",
            needle: world.needle(),
            id: middle.id,
            request_id: engine::text(&middle, "request_id"),
            csv_until: engine::time(&last),
            csv_folder: if memory.is_dir() { memory.to_owned() } else { folder.to_owned() },
        }
    }

    /// A file for an engine's export.
    pub(crate) fn csv_file(&self, engine: &str) -> PathBuf {
        self.csv_folder.join(format!("vestibule-store-{}-{engine}.csv", std::process::id()))
    }

    /// As `peers.py` reads them.
    pub(crate) fn json(&self, engine: &str) -> String {
        json!({
            "user": self.user,
            "week_since": self.week[0],
            "week_until": self.week[1],
            "circuit": self.circuit,
            "absent": self.absent,
            "needle": self.needle,
            "request_id": self.request_id,
            "csv_until": self.csv_until,
            "csv_file": self.csv_file(engine),
        })
        .to_string()
    }
}
