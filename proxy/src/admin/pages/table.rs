//! A table of anything: what it says, where its cells lead, what can be done with a row.

/// A table.
#[derive(Default)]
pub(super) struct Table {
    /// For those who do not see it.
    pub(super) caption: &'static str,
    pub(super) heads: Vec<&'static str>,
    pub(super) rows: Vec<Line>,
    /// What stands there when there are no rows.
    pub(super) empty: &'static str,
}

/// One row.
#[derive(Default)]
pub(super) struct Line {
    pub(super) cells: Vec<Cell>,
    /// Shown to those who may change something.
    pub(super) button: Option<Button>,
}

/// One cell.
#[derive(Default)]
pub(super) struct Cell {
    pub(super) text: String,
    /// Empty: it leads nowhere.
    pub(super) link: String,
    /// Of the style sheet.
    pub(super) class: &'static str,
}

/// A form of one button.
pub(super) struct Button {
    pub(super) action: &'static str,
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) label: &'static str,
    /// What it does to what, for those who hear only the button.
    pub(super) meaning: String,
}

impl Table {
    pub(super) fn has_buttons(&self) -> bool {
        self.rows.iter().any(|line| line.button.is_some())
    }
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    pub(super) fn link(text: impl Into<String>, link: impl ToString) -> Self {
        Self { text: text.into(), link: link.to_string(), class: "" }
    }

    pub(super) fn number(text: impl Into<String>) -> Self {
        Self { text: text.into(), link: String::new(), class: "number" }
    }

    pub(super) fn word(text: &str) -> Self {
        Self { text: text.to_owned(), link: String::new(), class: super::columns::tone(text) }
    }
}

impl Line {
    pub(super) fn of(cells: Vec<Cell>) -> Self {
        Self { cells, button: None }
    }
}
